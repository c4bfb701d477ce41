// SPDX-License-Identifier: MIT
//
// Reading, writing and the waits in between. Called by the connection's fiber only.
//
// 1. worker->output is empty while no fiber of the worker runs.
// 2. While the fiber waits, its unread input is in `held`, and nowhere else.
// 3. A read may be given worker->input although others use it meanwhile: a fiber's read touches its
//    buffer only in a poll, the poll in which it does is its last, and the fiber goes on from there
//    before any other runs.
#include "stream.h"

#include <errno.h>
#include <rouse/await.h>
#include <rouse/clock.h>
#include <stdlib.h>

#include "server.h"

#define LINGER_NS (2 * ROUSE_NS_PER_S)

enum {
    LINGER_SIZE_MAX = 16 << 20,  // of input that is thrown away
    ANSWER_SIZE_MAX = HTTPD_REPLY_SIZE_MAX + HTTPD_COPY_SIZE_MAX,
};

static const struct httpd_options *options_of(const struct httpd_stream *s)
{
    return s->worker->server->options;
}

static uint64_t idle_deadline(const struct httpd_stream *s)
{
    return rouse_deadline_after(options_of(s)->idle_ns);
}

// ---- Waiting ----

int httpd_stream_put_aside(struct httpd_stream *s)
{
    size_t size = s->end - s->at;

    if (size == 0) return 0;
    s->held = malloc(size);
    if (s->held == NULL) return -ENOMEM;
    memcpy(s->held, s->worker->input + s->at, size);
    s->held_size = size;
    return 0;
}

void httpd_stream_take_back(struct httpd_stream *s)
{
    if (s->held != NULL) memcpy(s->worker->input, s->held, s->held_size);
    free(s->held);
    s->at = 0;
    s->end = s->held_size;
    s->held = NULL;
    s->held_size = 0;
    s->request.head = s->worker->input;
    httpd_worker_tick(s->worker);
}

// ---- Output ----

// Sends `size` bytes that stay in place, however long the peer takes as long as it takes some.
static int write_all(struct httpd_stream *s, const char *data, size_t size)
{
    while (size > 0) {
        struct rouse_tcp_write write;

        rouse_tcp_write_init(&write, s->tcp, data, size);
        int err = rouse_await_until(&write.base, idle_deadline(s));

        if (err < 0) return err;
        if (write.output < 0) return (int)write.output;
        data += write.output;
        size -= (size_t)write.output;
    }
    return 0;
}

int httpd_stream_send_rest(struct httpd_stream *s, const char *data, size_t size)
{
    char *copy = malloc(size);
    int err = copy != NULL ? httpd_stream_put_aside(s) : -ENOMEM;

    if (err == 0) {
        memcpy(copy, data, size);
        err = write_all(s, copy, size);
        httpd_stream_take_back(s);
    }
    free(copy);
    return err;
}

int httpd_stream_flush(struct httpd_stream *s)
{
    return httpd_stream_flush_here(s);
}

char *httpd_stream_room(struct httpd_stream *s)
{
    struct httpd_worker *worker = s->worker;

    if (HTTPD_OUTPUT_SIZE - worker->output_used < ANSWER_SIZE_MAX && httpd_stream_flush(s) < 0) {
        return NULL;
    }
    return worker->output + worker->output_used;
}

static int send_content(struct httpd_stream *s, struct http_slice content)
{
    int err = httpd_stream_put_aside(s);

    if (err < 0) return err;
    err = write_all(s, content.data, content.size);
    httpd_stream_take_back(s);
    return err;
}

// A file that ends before its size leaves the answer incomplete: only a close can say so.
static int send_file(struct httpd_stream *s, int fd, uint64_t offset, uint64_t size)
{
    int err = httpd_stream_put_aside(s);

    if (err < 0) return err;
    while (err == 0 && size > 0) {
        struct rouse_tcp_sendfile send;

        rouse_tcp_sendfile_init(&send, s->tcp, fd, (off_t)offset, (size_t)size);
        err = rouse_await_until(&send.base, idle_deadline(s));
        if (err == 0 && send.output < 0) err = (int)send.output;
        if (err == 0 && (uint64_t)send.output < size) err = -EIO;
        // A deadline that passes while some bytes still go out is no reason to give up.
        if (err == -ETIMEDOUT && send.done > 0) err = 0;
        offset += send.done;
        size -= send.done;
    }
    httpd_stream_take_back(s);
    return err;
}

int httpd_stream_append_large(struct httpd_stream *s, const struct httpd_reply *reply)
{
    int err = httpd_stream_flush(s);

    if (err < 0) return err;
    if (reply->fd < 0) return send_content(s, reply->content);
    return send_file(s, reply->fd, reply->offset, reply->size);
}

// ---- Input ----

ssize_t httpd_stream_read_more(struct httpd_stream *s)
{
    struct httpd_worker *worker = s->worker;
    uint64_t deadline_ns = idle_deadline(s);
    struct rouse_tcp_read read;
    int err = httpd_stream_put_aside(s);

    if (s->deadline_ns == 0) s->deadline_ns = rouse_deadline_after(options_of(s)->request_ns);
    if (err < 0) return err;
    if (s->deadline_ns < deadline_ns) deadline_ns = s->deadline_ns;
    rouse_tcp_read_init(&read, s->tcp, worker->input + s->held_size,
                        worker->input_size - s->held_size);
    err = rouse_await_until(&read.base, deadline_ns);
    httpd_stream_take_back(s);
    if (err < 0) return err;
    if (read.output > 0) s->end += (size_t)read.output;
    return read.output;
}

void httpd_stream_linger(struct httpd_stream *s)
{
    uint64_t deadline_ns = rouse_deadline_after(LINGER_NS);
    size_t total = 0;

    if (rouse_tcp_shutdown_write(s->tcp) < 0) return;
    while (total < LINGER_SIZE_MAX) {
        struct rouse_tcp_read read;

        rouse_tcp_read_init(&read, s->tcp, s->worker->input, s->worker->input_size);
        if (rouse_await_until(&read.base, deadline_ns) < 0 || read.output <= 0) return;
        total += (size_t)read.output;
    }
}
