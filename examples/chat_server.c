// SPDX-License-Identifier: MIT
//
// A chat: each line that a client sends goes to all others. Try it with `nc 127.0.0.1 7777`.
//
// A client is one fiber, which waits for its socket and for the others at once. What it says goes
// through a channel to the room, which broadcasts it and waits for nobody. So a slow client slows
// down nobody: when it lags by more than the room keeps, it is told how many lines it has missed;
// and when it takes nothing for a while, it is dropped.
//
// At Ctrl-C, or SIGTERM, the channel is closed: the room broadcasts what had been said and ends the
// broadcast, and each client ends when it has heard all.

#include <errno.h>
#include <getopt.h>
#include <rouse.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INPUT_MAX = 480, LINE_SIZE_MAX = INPUT_MAX + 32, LINES_TO_ROOM = 16 };

struct line {
    unsigned from;
    size_t size;
    char text[LINE_SIZE_MAX];
};

struct settings {
    struct rouse_addr address;
    unsigned long keep;
    unsigned long patience_ms;
};

// ---- A client ----

struct client {
    unsigned number;
    uint64_t patience_ns;
    struct rouse_tcp *conn;
    struct rouse_channel_sender *said;
    struct rouse_broadcast_receiver *heard;
    size_t input_size;  // of a line that has not ended
    char input[INPUT_MAX + 1];
};

static void client_free(struct client *client)
{
    rouse_tcp_unref(client->conn);
    rouse_channel_sender_unref(client->said);
    rouse_broadcast_receiver_free(client->heard);
    free(client);
}

static int tell(struct client *client, const char *text, size_t size)
{
    struct rouse_deadline patience;

    rouse_deadline_enter(&patience, rouse_deadline_after(client->patience_ns));
    ssize_t n = rouse_tcp_write_all(client->conn, text, size);

    if (rouse_deadline_leave(&patience) == -ETIMEDOUT) {
        printf("<%u> takes nothing and is dropped\n", client->number);
        fflush(stdout);
    }
    return n < 0 ? (int)n : 0;
}

// What came from the room: a line, how many were missed, or the end.
static int hear(struct client *client, const struct rouse_broadcast_receive *receive)
{
    const struct line *line = receive->out;
    char text[64];
    int size;

    if (receive->output == -EOVERFLOW) {
        size = snprintf(text, sizeof text, "* you have missed %llu lines\n",
                        (unsigned long long)receive->missed);
        return tell(client, text, (size_t)size);
    }
    if (receive->output < 0) {
        size = snprintf(text, sizeof text, "* the chat is over\n");
        (void)tell(client, text, (size_t)size);
        return receive->output;
    }
    return line->from == client->number ? 0 : tell(client, line->text, line->size);
}

static int say(struct client *client, const char *mark, const char *text)
{
    struct line line = {.from = client->number};
    int size = snprintf(line.text, sizeof line.text, "%s<%u> %s\n", mark, client->number, text);

    line.size = (size_t)size;
    int err = rouse_channel_send(client->said, &line);

    return err == -EPIPE ? 0 : err;  // too late: the end is on its way to us
}

// What came from the socket: says each line, and also what is too long for one.
static int talk(struct client *client, ssize_t got)
{
    int err = 0;

    if (got <= 0) return got < 0 ? (int)got : -EPIPE;
    client->input_size += (size_t)got;
    while (client->input_size > 0 && err == 0) {
        char *end = memchr(client->input, '\n', client->input_size);

        if (end == NULL && client->input_size < INPUT_MAX) break;
        if (end == NULL) end = client->input + INPUT_MAX;  // where there is a byte to spare
        *end = '\0';
        err = say(client, "", client->input);
        size_t used = (size_t)(end - client->input) + (end < client->input + INPUT_MAX);

        client->input_size -= used;
        memmove(client->input, client->input + used, client->input_size);
    }
    return err;
}

// Waits for either side, until one of them has ended. Both waits are total: the one that loses has
// taken nothing, and begins anew.
static int converse(struct client *client)
{
    for (;;) {
        struct rouse_tcp_read read;
        struct rouse_broadcast_receive receive;
        struct rouse_select first;
        struct line line;

        rouse_tcp_read_init(&read, client->conn, client->input + client->input_size,
                            INPUT_MAX - client->input_size);
        rouse_broadcast_receive_init(&receive, client->heard, &line);
        rouse_select_init(&first, &read.base, &receive.base, ROUSE_SELECT_FAIR);
        int err = rouse_await(&first.base);

        if (err == 0) err = first.output == 0 ? talk(client, read.output) : hear(client, &receive);
        if (err < 0) return err;
    }
}

// Returns 0 in any case: what ends one client is nothing to the others.
static int client_run(void *arg)
{
    struct client *client = arg;  // taken
    char text[32];
    int size = snprintf(text, sizeof text, "* you are <%u>\n", client->number);

    if (tell(client, text, (size_t)size) == 0 && say(client, "* ", "came") == 0) {
        (void)converse(client);
        (void)say(client, "* ", "left");
    }
    client_free(client);
    return 0;
}

// ---- The room ----

struct chat {
    const struct settings *settings;
    struct rouse_channel_sender *say;
    struct rouse_channel_receiver *said;
    struct rouse_broadcast_sender *everybody;
    struct rouse_scope tasks;
    unsigned clients;
};

// Until the channel is closed, and nothing is left in it.
static int room_run(void *arg)
{
    struct chat *chat = arg;
    struct line line;
    int err;

    while ((err = rouse_channel_receive(chat->said, &line)) == 0) {
        (void)rouse_broadcast_send(chat->everybody, &line);  // does not wait
    }
    rouse_broadcast_sender_unref(chat->everybody);
    return err == -EPIPE ? 0 : err;
}

// Takes `conn`.
static void client_start(struct chat *chat, struct rouse_tcp *conn)
{
    struct client *client = calloc(1, sizeof *client);
    int err = -ENOMEM;

    if (client == NULL) {
        rouse_tcp_unref(conn);
    } else {
        client->number = ++chat->clients;
        client->patience_ns = chat->settings->patience_ms * ROUSE_NS_PER_MS;
        client->conn = conn;
        client->said = rouse_channel_sender_ref(chat->say);
        err = rouse_broadcast_subscribe(chat->everybody, &client->heard);
        if (err == 0) err = rouse_scope_spawn(&chat->tasks, NULL, client_run, client);
        if (err < 0) client_free(client);
    }
    if (err < 0) fprintf(stderr, "chat_server: a client refused: %s\n", rouse_strerror(err));
}

// The signals are lent to each select, so that one that came is not thrown away.
static int accept_until_signal(struct chat *chat, struct rouse_tcp_listener *listener)
{
    struct rouse_signal signals[2];
    size_t winner = 0;
    int err = 0;

    rouse_signal_init(&signals[0], SIGINT);
    rouse_signal_init(&signals[1], SIGTERM);
    do {
        struct rouse_borrow lent[2];
        struct rouse_tcp_accept accept;
        struct rouse_future *arms[] = {&lent[0].base, &lent[1].base, &accept.base};
        struct rouse_select_all first;

        rouse_borrow_init(&lent[0], &signals[0].base);
        rouse_borrow_init(&lent[1], &signals[1].base);
        rouse_tcp_accept_init(&accept, listener);
        rouse_select_all_init(&first, arms, 3, ROUSE_SELECT_BIASED);
        err = rouse_await(&first.base);
        winner = first.output;
        if (err == 0 && winner == 2) {
            err = accept.output;
            if (err == 0) client_start(chat, rouse_tcp_accept_take(&accept));
        }
    } while (err == 0 && winner == 2);
    rouse_future_drop(&signals[0].base);
    rouse_future_drop(&signals[1].base);
    return err;
}

// ---- The program ----

// Takes `listener` and the share in `everybody`. The deadline is moved from never to the end of the
// patience, as in draining_server.c.
static int chat_run(struct chat *chat, struct rouse_tcp_listener *listener)
{
    struct rouse_deadline grace;

    rouse_deadline_enter(&grace, ROUSE_NEVER);
    rouse_scope_open(&chat->tasks, ROUSE_NEVER);
    (void)rouse_broadcast_sender_ref(chat->everybody);  // the room's
    int err = rouse_scope_spawn(&chat->tasks, NULL, room_run, chat);

    if (err < 0) rouse_broadcast_sender_unref(chat->everybody);
    if (err == 0) err = accept_until_signal(chat, listener);
    rouse_tcp_listener_unref(listener);
    rouse_broadcast_sender_unref(chat->everybody);  // the receives end with the room's share
    puts("draining");
    fflush(stdout);
    rouse_channel_receiver_close(chat->said);
    rouse_deadline_move(&grace,
                        rouse_deadline_after(chat->settings->patience_ms * ROUSE_NS_PER_MS));
    (void)rouse_scope_wait(&chat->tasks, NULL);
    bool cut_off = rouse_deadline_leave(&grace) == -ETIMEDOUT;

    puts(cut_off ? "some took nothing and were cut off" : "all have gone");
    return err;
}

static int chat_open(const struct settings *settings, struct rouse_tcp_listener *listener)
{
    struct chat chat = {.settings = settings};
    int err = rouse_channel_new(&chat.say, &chat.said, sizeof(struct line), LINES_TO_ROOM);

    if (err == 0) err = rouse_broadcast_new(&chat.everybody, settings->keep, sizeof(struct line));
    if (err == 0) {
        err = chat_run(&chat, listener);
    } else {
        rouse_tcp_listener_unref(listener);
    }
    rouse_channel_sender_unref(chat.say);
    rouse_channel_receiver_unref(chat.said);
    return err;
}

static int run(void *arg)
{
    struct settings *settings = arg;
    struct rouse_tcp_listener *listener;
    char text[ROUSE_ADDR_TEXT_MAX];
    int err = rouse_tcp_listen(&listener, &settings->address, NULL);

    if (err < 0) return err;
    err = rouse_tcp_listener_address(listener, &settings->address);
    if (err < 0) {
        rouse_tcp_listener_unref(listener);
        return err;
    }
    (void)rouse_addr_format(&settings->address, text, sizeof text);
    printf("listening on %s\n", text);
    fflush(stdout);
    return chat_open(settings, listener);
}

static void usage(FILE *to)
{
    fputs("Usage: chat_server [--listen ADDRESS:PORT] [--keep LINES] [--patience MS]\n"
          "Sends each line that a client says to all others, until SIGINT or SIGTERM.\n"
          "\n"
          "  --listen ADDRESS:PORT   default 127.0.0.1:7777; port 0 takes a free one\n"
          "  --keep LINES            for clients that lag; default 64\n"
          "  --patience MS           with a client that takes nothing; default 5000\n"
          "  --help                  this text\n",
          to);
}

static bool parse(unsigned long *out, const char *text)
{
    char *end;

    *out = strtoul(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0';
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"listen", required_argument, NULL, 'l'},
                                            {"keep", required_argument, NULL, 'k'},
                                            {"patience", required_argument, NULL, 'p'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    struct settings settings = {.address = rouse_addr_loopback(7777),
                                .keep = 64,
                                .patience_ms = 5000};
    bool bad = false;

    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 'h') return usage(stdout), 0;
        if (option == 'l') bad |= rouse_addr_parse(&settings.address, optarg) < 0;
        if (option == 'k') bad |= !parse(&settings.keep, optarg);
        if (option == 'p') bad |= !parse(&settings.patience_ms, optarg);
        bad |= option == '?';
    }
    if (bad || optind != argc) return usage(stderr), 2;
    int err = rouse_run(run, &settings);

    if (err < 0) fprintf(stderr, "chat_server: %s\n", rouse_strerror(err));
    return err < 0;
}
