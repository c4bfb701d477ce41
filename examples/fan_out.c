// SPDX-License-Identifier: MIT
//
// A hundred fetches at once, in a scope with a deadline. The first that fails cancels the others,
// and when the scope has been left every one of them has ended.
//
// The server is in the same program: it answers fetch N after N times the pace, and hangs up on
// the one that is to fail.

#include <errno.h>
#include <getopt.h>
#include <rouse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FETCHES = 100 };

struct settings {
    unsigned long fails;  // this fetch; 0: none
    unsigned long deadline_ms;
    unsigned long pace_ms;
};

// ---- Fetching ----

struct fetch {
    char name[16];
    unsigned number;
    const struct rouse_addr *server;
    int result;
};

static int ask(const struct fetch *fetch, struct rouse_tcp *conn)
{
    char text[32];
    int length = snprintf(text, sizeof text, "%u\n", fetch->number);
    ssize_t n = rouse_tcp_write_all(conn, text, (size_t)length);

    if (n >= 0) n = rouse_tcp_read_exact(conn, text, (size_t)length, NULL);
    if (n < 0) return (int)n;
    return n == length ? 0 : -EPROTO;  // the answer is the number; it ended before
}

static int fetch_run(void *arg)
{
    struct fetch *fetch = arg;
    struct rouse_tcp *conn;

    fetch->result = rouse_tcp_connect(&conn, fetch->server);
    if (fetch->result < 0) return fetch->result;
    fetch->result = ask(fetch, conn);
    rouse_tcp_unref(conn);
    return fetch->result;
}

static int fetch_all(struct fetch *fetches, const struct rouse_addr *server, uint64_t deadline_ns,
                     struct rouse_scope_result *result)
{
    struct rouse_scope scope;
    int err = 0;

    rouse_scope_open(&scope, deadline_ns);
    for (unsigned i = 0; i < FETCHES; i++) {
        struct fetch *fetch = &fetches[i];
        const struct rouse_task_attrs attrs = {
            .size = sizeof attrs, .name = fetch->name, .site = ROUSE_SITE};

        *fetch = (struct fetch){.number = i + 1, .server = server, .result = -ECANCELED};
        (void)snprintf(fetch->name, sizeof fetch->name, "fetch %u", fetch->number);
        if (err == 0) err = rouse_scope_spawn_at(&scope, NULL, fetch_run, fetch, &attrs);
    }
    if (err < 0) rouse_scope_cancel(&scope, "not all could be spawned");
    int ended = rouse_scope_wait(&scope, result);

    return err < 0 && err != -ECANCELED ? err : ended;
}

static int print(const struct fetch *fetches, int err, const struct rouse_scope_result *result)
{
    unsigned came = 0;
    unsigned cancelled = 0;

    for (unsigned i = 0; i < FETCHES; i++) {
        came += fetches[i].result == 0;
        cancelled += fetches[i].result == -ECANCELED;
    }
    printf("%u came, %u cancelled, %u failed\n", came, cancelled, FETCHES - came - cancelled);
    if (result->why.reason == ROUSE_CANCEL_SIBLING) {
        printf("the first to fail was %s: %s\n", result->why.origin, rouse_strerror(err));
    } else if (err < 0) {
        printf("%s\n", rouse_strerror(err));
    }
    return err;
}

// ---- Being fetched from ----

struct server {
    struct rouse_tcp_listener *listener;
    const struct settings *settings;
};

struct visit {
    struct rouse_tcp *conn;
    const struct settings *settings;
};

static int serve(void *arg)
{
    const struct visit *visit = arg;  // taken
    char line[32] = "";
    ssize_t n = rouse_tcp_read(visit->conn, line, sizeof line - 1);
    unsigned long number = strtoul(line, NULL, 10);
    uint64_t pause_ns = number * visit->settings->pace_ms * ROUSE_NS_PER_MS;

    if (n > 0 && rouse_sleep(pause_ns) == 0 && number != visit->settings->fails) {
        n = rouse_tcp_write_all(visit->conn, line, (size_t)n);
    }
    rouse_tcp_unref(visit->conn);
    free(arg);
    return n < 0 ? (int)n : 0;
}

static int serve_all(void *arg)
{
    struct server *server = arg;
    struct rouse_tcp *conn;

    while (rouse_tcp_accept(server->listener, &conn) == 0) {
        struct visit *visit = malloc(sizeof *visit);

        if (visit != NULL) *visit = (struct visit){conn, server->settings};
        if (visit != NULL && rouse_spawn(NULL, serve, visit) == 0) continue;
        rouse_tcp_unref(conn);
        free(visit);
    }
    return 0;
}

// ---- The program ----

static int fan_out(void *arg)
{
    static struct fetch fetches[FETCHES];
    const struct settings *settings = arg;
    struct server server = {.settings = settings};
    struct rouse_addr address = rouse_addr_loopback(0);
    struct rouse_join_handle server_task;
    struct rouse_scope_result result;
    int err = rouse_tcp_listen(&server.listener, &address, NULL);

    if (err < 0) return err;
    err = rouse_tcp_listener_address(server.listener, &address);
    if (err == 0) err = rouse_spawn(&server_task, serve_all, &server);
    if (err == 0) {
        err = fetch_all(fetches, &address,
                        rouse_deadline_after(settings->deadline_ms * ROUSE_NS_PER_MS), &result);
        err = print(fetches, err, &result);
        (void)rouse_abort_and_wait(&server_task);
    }
    rouse_tcp_listener_unref(server.listener);
    return err;
}

static void usage(FILE *to)
{
    fputs("Usage: fan_out [--fail N] [--deadline MS] [--pace MS]\n"
          "Fetches a hundred numbers at once; number N comes after N times the pace.\n"
          "\n"
          "  --fail N        fetch N fails; default none\n"
          "  --deadline MS   for all of them; default 5000\n"
          "  --pace MS       default 1\n"
          "  --help          this text\n",
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
    static const struct option options[] = {{"fail", required_argument, NULL, 'f'},
                                            {"deadline", required_argument, NULL, 'd'},
                                            {"pace", required_argument, NULL, 'p'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    struct settings settings = {.deadline_ms = 5000, .pace_ms = 1};
    bool bad = false;

    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 'h') return usage(stdout), 0;
        if (option == 'f') bad |= !parse(&settings.fails, optarg);
        if (option == 'd') bad |= !parse(&settings.deadline_ms, optarg);
        if (option == 'p') bad |= !parse(&settings.pace_ms, optarg);
        bad |= option == '?';
    }
    if (bad || optind != argc) return usage(stderr), 2;
    return rouse_run(fan_out, &settings) < 0;
}
