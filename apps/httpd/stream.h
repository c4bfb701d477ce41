// SPDX-License-Identifier: MIT
//
// A connection's bytes, in both directions: between the socket and the buffers of its worker.
//
// Unread input lies in worker->input[at, end). Whenever a call below waits, it moves: `at` is 0
// then, and request.head follows. Answers are appended to worker->output; every call that waits
// sends them first.
#ifndef HTTPD_STREAM_H
#define HTTPD_STREAM_H

#include <errno.h>
#include <string.h>

#include "worker.h"

enum { HTTPD_COPY_SIZE_MAX = 16 << 10 };  // of a body that is copied behind its head

struct httpd_stream {
    struct httpd_worker *worker;
    struct rouse_tcp *tcp;
    struct httpd_idle idle;
    struct http_request request;  // its head begins at `at`
    size_t at;
    size_t end;
    char *held;  // the input put aside while others run, else NULL
    size_t held_size;
    uint64_t deadline_ns;  // for the rest of the request that has begun to arrive; 0: none has
};

// The parts of what follows that are not in its callers' frames: see httpd_stream_fill().
int httpd_stream_send_rest(struct httpd_stream *stream, const char *data, size_t size);
ssize_t httpd_stream_read_more(struct httpd_stream *stream);
int httpd_stream_append_large(struct httpd_stream *stream, const struct httpd_reply *reply);

// As httpd_stream_flush().
static inline int httpd_stream_flush_here(struct httpd_stream *s)
{
    struct httpd_worker *worker = s->worker;
    size_t size = worker->output_used;

    if (size == 0) return 0;
    worker->output_used = 0;
    ssize_t n = rouse_tcp_try_write(s->tcp, worker->output, size);

    if (n == (ssize_t)size) return 0;
    if (n < 0 && n != -EAGAIN) return (int)n;
    if (n < 0) n = 0;
    return httpd_stream_send_rest(s, worker->output + n, size - (size_t)n);
}

// The wait between two requests. The worker may close the connection meanwhile, then the read
// fails.
static inline ssize_t httpd_stream_read_idle(struct httpd_stream *s)
{
    struct httpd_worker *worker = s->worker;

    if (worker->is_closing) return 0;
    // By the clock of the last wait: what was done since then is this connection's own work.
    httpd_idle_begin(worker, &s->idle);
    ssize_t n = rouse_tcp_read(s->tcp, worker->input, worker->input_size);

    httpd_idle_end(&s->idle);
    httpd_worker_tick(worker);
    s->at = 0;
    s->end = n > 0 ? (size_t)n : 0;
    return n;
}

// Waits for more input. Between two requests that may last until the worker closes the connection,
// within one until the request is overdue. Returns how many bytes came, 0 at the end of the stream,
// or a negative errno: -ETIMEDOUT says that a request came too slowly.
//
// Inline, with what it does for most requests: a call that one returns from after a system call, or
// after a fiber's wait, is a return that the processor cannot predict.
static inline ssize_t httpd_stream_fill(struct httpd_stream *s)
{
    int err = httpd_stream_flush_here(s);

    if (err < 0) return err;
    if (s->at == s->end && s->deadline_ns == 0) return httpd_stream_read_idle(s);
    return httpd_stream_read_more(s);
}

// Sends what has been appended. Returns 0 or a negative errno.
int httpd_stream_flush(struct httpd_stream *stream);

// Where the next answer is to be written: HTTPD_REPLY_SIZE_MAX bytes of room. NULL if what is there
// could not be sent.
char *httpd_stream_room(struct httpd_stream *stream);

// Appends an answer, whose text has been written to that room; sends what is large right away.
// Returns 0 or a negative errno.
static inline int httpd_stream_append(struct httpd_stream *s, const struct httpd_reply *reply)
{
    struct httpd_worker *worker = s->worker;

    worker->output_used += reply->text.size;
    if (reply->content.size > HTTPD_COPY_SIZE_MAX || reply->fd >= 0) {
        return httpd_stream_append_large(s, reply);
    }
    if (reply->content.size > 0) {
        memcpy(worker->output + worker->output_used, reply->content.data, reply->content.size);
    }
    worker->output_used += reply->content.size;
    return 0;
}

// Around a wait for something else. The first may fail with -ENOMEM.
int httpd_stream_put_aside(struct httpd_stream *stream);
void httpd_stream_take_back(struct httpd_stream *stream);

// Tells the peer that no more comes, and reads on for a while: a socket that is closed with unread
// input resets the connection, and the last answer might be lost.
void httpd_stream_linger(struct httpd_stream *stream);

#endif
