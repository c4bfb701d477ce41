// SPDX-License-Identifier: MIT
//
// Two servers on libuv, "echo" and "http": one loop, callbacks, one buffer for all input, and a
// reply that is tried at once and queued only where the socket has no room. HTTP is parsed as in
// the raw servers.

#include <uv.h>

#include "http.h"

struct connection {
    uv_tcp_t tcp;
    char *held;  // input not consumed yet; NULL if none
    size_t held_len;
};

// Output that the socket had no room for.
struct unsent {
    uv_write_t write;
    bool close;
    char data[];
};

static answer_fn *answer;
static char input[INPUT_MAX];

static void on_closed(uv_handle_t *handle)
{
    struct connection *c = handle->data;

    free(c->held);
    free(c);
}

static void connection_close(struct connection *c)
{
    if (!uv_is_closing((uv_handle_t *)&c->tcp)) uv_close((uv_handle_t *)&c->tcp, on_closed);
}

static void on_written(uv_write_t *write, int status)
{
    struct unsent *unsent = write->data;

    if (status < 0 || unsent->close) connection_close(write->handle->data);
    free(unsent);
}

static void connection_queue(struct connection *c, const char *data, size_t len, bool close)
{
    struct unsent *unsent = malloc(sizeof *unsent + len);
    uv_buf_t buf;

    if (unsent == NULL) net_fail("malloc", ENOMEM);
    unsent->close = close;
    unsent->write.data = unsent;
    memcpy(unsent->data, data, len);
    buf = uv_buf_init(unsent->data, (unsigned)len);
    if (uv_write(&unsent->write, (uv_stream_t *)&c->tcp, &buf, 1, on_written) == 0) return;
    free(unsent);
    connection_close(c);
}

static void connection_reply(struct connection *c, struct answer a)
{
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)a.reply, (unsigned)a.reply_len);
    int written = a.reply_len > 0 ? uv_try_write((uv_stream_t *)&c->tcp, &buf, 1) : 0;

    if (written == UV_EAGAIN) written = 0;
    if (written < 0 || (a.close && (size_t)written == a.reply_len)) {
        connection_close(c);
    } else if ((size_t)written < a.reply_len) {
        connection_queue(c, a.reply + written, a.reply_len - (size_t)written, a.close);
    }
}

// Input is put behind what was held of the connection's last.
static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    const struct connection *c = handle->data;

    (void)suggested;
    *buf = uv_buf_init(input + c->held_len, RECV_SIZE);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct connection *c = stream->data;
    struct answer a;
    size_t len;

    (void)buf;
    if (n <= 0) {
        if (n < 0) connection_close(c);
        return;
    }
    if (c->held_len > 0) memcpy(input, c->held, c->held_len);
    len = c->held_len + (size_t)n;
    a = answer(input, len);
    connection_reply(c, a);
    free(c->held);
    c->held = NULL;
    c->held_len = len - a.consumed;
    if (c->held_len > HELD_MAX) {
        c->held_len = 0;
        connection_close(c);
    } else if (c->held_len > 0) {
        c->held = bytes_copy(input + a.consumed, c->held_len);
    }
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct connection *c = calloc(1, sizeof *c);

    if (status < 0 || c == NULL) net_fail("accept", status < 0 ? -status : ENOMEM);
    uv_tcp_init(listener->loop, &c->tcp);
    c->tcp.data = c;
    if (uv_accept(listener, (uv_stream_t *)&c->tcp) < 0) {
        connection_close(c);
        return;
    }
    uv_tcp_nodelay(&c->tcp, 1);
    uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
}

static void on_stop(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    uv_stop(poll->loop);
}

static void serve(const struct server_options *options)
{
    struct sockaddr_in address = options->listen;
    uv_loop_t *loop = uv_default_loop();
    uv_tcp_t listener;
    uv_poll_t stop;
    int err;

    if (options->cpu >= 0) net_pin((unsigned)options->cpu);
    net_raise_open_files(OPEN_FILES_MAX);
    uv_poll_init(loop, &stop, stop_open(options->seconds));
    uv_poll_start(&stop, UV_READABLE, on_stop);
    uv_tcp_init(loop, &listener);
    err = uv_tcp_open(&listener, listener_open(&address));
    if (err == 0) err = uv_listen((uv_stream_t *)&listener, BACKLOG, on_connection);
    if (err < 0) net_fail("listen", -err);
    listener_announce(&address);
    uv_run(loop, UV_RUN_DEFAULT);
}

int main(int argc, char **argv)
{
    bool is_http = argc > 1 && strcmp(argv[1], "http") == 0;
    struct server_options options;

    if (!is_http && (argc < 2 || strcmp(argv[1], "echo") != 0)) {
        fprintf(stderr, "usage: peer_libuv_io echo|http [OPTION...] (see echo --help)\n");
        return EXIT_USAGE;
    }
    options = server_options_parse(argc - 1, argv + 1, "A server on libuv: one loop, callbacks.");
    answer = is_http ? answer_http : answer_echo;
    serve(&options);
    return EXIT_SUCCESS;
}
