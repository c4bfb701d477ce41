// SPDX-License-Identifier: MIT
//
// The loop of a connection: read, answer every request that is there, send the answers together,
// wait for more. Runs as a fiber pinned to the worker that accepted the connection; its state lies
// on its stack, of which an idle connection uses less than a page.
#include "connection.h"

#include <errno.h>
#include <rouse/blocking.h>
#include <rouse/scope.h>
#include <stdio.h>
#include <stdlib.h>

#include "chunked.h"
#include "server.h"
#include "stream.h"

// More than so many at a time are closed without a word.
enum { REFUSALS_MAX = 64 };

struct connection {
    struct httpd_stream stream;
    struct httpd_worker *worker;
    bool must_linger;                // the peer may still be sending
    char peer[ROUSE_ADDR_TEXT_MAX];  // its address without the port; only with an access log
};

// ---- Answers ----

// The size of the body, which for the page of an error stands behind its head.
static uint64_t body_size(const struct httpd_reply *reply)
{
    struct http_slice text = reply->text;
    const char *head_end = memmem(text.data, text.size, "\r\n\r\n", 4);

    if (reply->size > 0 || head_end == NULL) return reply->size;
    return text.size - (size_t)(head_end + 4 - text.data);
}

static bool is_logged(const struct connection *c)
{
    return c->worker->log.lines.fd >= 0;
}

static void log_answer(struct connection *c, const struct http_request *request,
                       const struct httpd_reply *reply)
{
    struct httpd_worker *worker = c->worker;

    httpd_access_log_add(&worker->log, &(struct httpd_access){.peer = c->peer,
                                                              .request = request,
                                                              .now_s = worker->clock.now_s,
                                                              .status = reply->status,
                                                              .size = body_size(reply)});
}

// Answers what could not be read as a request, and ends the connection.
static bool refuse(struct connection *c, int status)
{
    struct httpd_reply reply;
    char *out = httpd_stream_room(&c->stream);

    if (out == NULL) return false;
    httpd_reply_error(&reply, NULL, status, &c->worker->clock, out);
    if (is_logged(c)) log_answer(c, NULL, &reply);
    (void)httpd_stream_append(&c->stream, &reply);
    c->must_linger = true;
    return false;
}

// For load balancers and the like: that the server serves.
static void health_reply(struct httpd_reply *reply, const struct http_request *request,
                         const struct http_clock *clock, char *out)
{
    const struct http_response response = {
        .status = 200,
        .has_content = true,
        .connection = request->connection,
        .content_size = 3,
        .type = {"text/plain; charset=utf-8", 25},
        .extra = {"Cache-Control: no-store\r\n", 25},
    };
    int size = http_response_write(out, HTTPD_REPLY_SIZE_MAX, &response, clock);

    *reply = (struct httpd_reply){
        .status = 200,
        .is_last = request->connection == HTTP_CONNECTION_CLOSE,
        .text = {out, (size_t)size},
        .fd = -1,
    };
    if (request->method == HTTP_HEAD) return;
    reply->content = (struct http_slice){"ok\n", 3};
    reply->size = 3;
}

static void console_reply(const struct connection *c, struct httpd_reply *reply, char *out)
{
    char text[HTTPD_CONSOLE_LOCATION_SIZE];
    size_t size = httpd_console_location(&c->worker->server->console, c->stream.tcp, text);

    httpd_reply_redirect(reply, &c->stream.request, (struct http_slice){text, size},
                         &c->worker->clock, out);
}

// ---- Files that are not in the cache ----

struct load {
    const struct httpd_server *server;
    int64_t now_s;
    struct httpd_entry *entry;
    size_t path_size;
    char path[];
};

// On a thread that may block.
static int64_t load_run(void *arg)
{
    struct load *load = arg;
    const struct httpd_server *server = load->server;

    return httpd_entry_load(&load->entry, &server->root,
                            (struct http_slice){load->path, load->path_size},
                            &server->cache_options, load->now_s);
}

// Waits for the file, and answers with it. Returns 0 or a negative errno: no answer can be given.
static int load_and_reply(struct connection *c, struct httpd_reply *reply, struct load *load)
{
    struct httpd_worker *worker = c->worker;
    struct httpd_stream *stream = &c->stream;
    struct http_slice path = {load->path, load->path_size};
    int64_t err;
    int failed = httpd_stream_flush(stream);

    if (failed == 0) failed = httpd_stream_put_aside(stream);
    if (failed < 0) return failed;
    failed = rouse_blocking(load_run, load, &err);
    httpd_stream_take_back(stream);
    if (failed == -ECANCELED) return failed;
    if (failed < 0) {
        httpd_reply_error(reply, &stream->request, 503, &worker->clock, worker->output);
    } else if (err < 0) {
        httpd_reply_failure(reply, &stream->request, path, (int)err, &worker->clock,
                            worker->output);
    } else {
        httpd_cache_insert(worker->site.cache, load->entry);
        httpd_reply_file(reply, &stream->request, load->entry, &worker->clock, worker->output);
    }
    return 0;
}

static int slow_reply(struct connection *c, struct httpd_reply *reply, struct http_slice path)
{
    struct load *load = malloc(sizeof *load + path.size + 1);

    if (load == NULL) return -ENOMEM;
    *load = (struct load){.server = c->worker->server,
                          .now_s = c->worker->clock.now_s,
                          .path_size = path.size};
    memcpy(load->path, path.data, path.size);
    load->path[path.size] = '\0';
    int err = load_and_reply(c, reply, load);

    free(load);
    return err;
}

// The answer to a request whose path is not among those just asked for.
static int file_reply(struct connection *c, struct httpd_reply *reply, char *out)
{
    struct httpd_worker *worker = c->worker;
    const struct http_request *request = &c->stream.request;
    int size = httpd_reply_path(worker->path, HTTP_PATH_SIZE, &worker->site, request);

    if (size < 0) {
        httpd_reply_error(reply, request, -size, &worker->clock, out);
        return 0;
    }
    struct http_slice path = {worker->path, (size_t)size};
    struct httpd_entry *entry = httpd_cache_find(worker->site.cache, path, worker->clock.now_s);

    if (entry == NULL) return slow_reply(c, reply, path);
    httpd_targets_remember(&worker->targets, http_request_path(request), entry,
                           worker->clock.now_s);
    httpd_reply_file(reply, request, entry, &worker->clock, out);
    return 0;
}

// Writes the answer to the request. Returns 0, or a negative errno: none can be given.
static int make_reply(struct connection *c, struct httpd_reply *reply)
{
    struct httpd_worker *worker = c->worker;
    const struct http_request *request = &c->stream.request;
    char *out = httpd_stream_room(&c->stream);
    struct httpd_entry *entry;

    if (out == NULL) return -EPIPE;
    if (request->method != HTTP_GET && request->method != HTTP_HEAD) {
        return file_reply(c, reply, out);
    }
    struct http_slice path = http_request_path(request);

    entry = httpd_targets_find(&worker->targets, path, worker->clock.now_s);
    if (entry != NULL) {
        httpd_reply_file(reply, request, entry, &worker->clock, out);
    } else if (http_slice_is(path, "/healthz")) {
        health_reply(reply, request, &worker->clock, out);
    } else if (worker->server->console.is_on && http_slice_is(path, "/console")) {
        console_reply(c, reply, out);
    } else {
        return file_reply(c, reply, out);
    }
    return 0;
}

// ---- Requests ----

// Removes `size` bytes of input from `at` on.
static void input_remove(struct httpd_stream *s, size_t at, size_t size)
{
    char *input = s->worker->input;

    memmove(input + at, input + at + size, s->end - at - size);
    s->end -= size;
}

// Says that the body may come, if the client waits to hear it.
static bool expectation_meet(struct connection *c, size_t head_size)
{
    static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct httpd_stream *s = &c->stream;

    if (!s->request.has_expect_continue || s->end > s->at + head_size) return true;
    char *out = httpd_stream_room(s);

    if (out == NULL) return false;
    memcpy(out, interim, sizeof interim - 1);
    c->worker->output_used += sizeof interim - 1;
    return true;
}

// Reads the body and throws it away, so that only the head is left before the next request. Returns
// 1; or 0 or a negative errno as httpd_stream_fill(); `*status` is what to answer if that is not 0.
static ssize_t body_skip(struct connection *c, size_t head_size, int *status)
{
    struct httpd_stream *s = &c->stream;
    struct http_body body;

    http_body_init(&body, &s->request, &c->worker->server->options->limits);
    for (;;) {
        size_t at = s->at + head_size;
        size_t used;
        int result = http_body_skip(&body, c->worker->input + at, s->end - at, &used);

        input_remove(s, at, used);
        *status = result < 0 ? -result : 0;
        if (result != 0) return result;
        ssize_t n = httpd_stream_fill(s);

        if (n == -ETIMEDOUT) *status = 408;
        if (n <= 0) return n;
    }
}

// Returns true if the request can be answered now.
static bool body_take(struct connection *c, size_t head_size)
{
    struct http_request *request = &c->stream.request;
    int status;

    // Refused in any case, so the body need not come; whether it does, we cannot know.
    if (request->has_expect_continue && request->method != HTTP_GET &&
        request->method != HTTP_HEAD && request->method != HTTP_OPTIONS) {
        request->connection = HTTP_CONNECTION_CLOSE;
        c->must_linger = true;
        return true;
    }
    if (!expectation_meet(c, head_size)) return false;
    if (body_skip(c, head_size, &status) > 0) return true;
    if (status != 0) (void)refuse(c, status);
    return false;
}

// Answers the request whose head is complete. False if the connection is over.
static bool answer(struct connection *c, size_t head_size)
{
    struct httpd_stream *s = &c->stream;
    struct httpd_reply reply;

    if (http_request_has_body(&s->request) && !body_take(c, head_size)) return false;
    if (c->worker->is_closing) s->request.connection = HTTP_CONNECTION_CLOSE;
    if (make_reply(c, &reply) < 0) return false;
    if (is_logged(c)) log_answer(c, &s->request, &reply);
    s->at += head_size;
    s->deadline_ns = 0;
    int err = httpd_stream_append(s, &reply);

    httpd_reply_deinit(&reply);
    if (reply.is_last && s->at < s->end) c->must_linger = true;
    return err == 0 && !reply.is_last;
}

// Reads the next head, as http_request_parse(): from the worker's memo if it is there.
static int head_take(struct connection *c)
{
    struct httpd_stream *s = &c->stream;
    struct httpd_memo *memo = &c->worker->memo;
    const char *input = c->worker->input + s->at;
    size_t size = s->end - s->at;

    // Not if a part of it has been read already.
    if (s->request.scanned == 0) {
        uint32_t known = httpd_memo_find(memo, &s->request, input, size);

        if (known > 0) return (int)known;
    }
    int result = http_request_parse(&s->request, input, size, &c->worker->server->options->limits);

    if (result > 0) httpd_memo_keep(memo, &s->request, (size_t)result);
    return result;
}

// Answers all requests that have arrived. False if the connection is over.
static bool answer_all(struct connection *c)
{
    struct httpd_stream *s = &c->stream;

    while (s->at < s->end) {
        int result = head_take(c);

        if (result == 0) return true;
        if (result < 0) return refuse(c, -result);
        if (!answer(c, (size_t)result)) return false;
    }
    return true;
}

// ---- Connections ----

static void peer_name(struct connection *c)
{
    struct rouse_addr address;
    char *colon;

    if (!is_logged(c)) return;
    if (rouse_tcp_peer_address(c->stream.tcp, &address) == 0) {
        (void)rouse_addr_format(&address, c->peer, sizeof c->peer);
    }
    colon = strrchr(c->peer, ':');
    if (colon != NULL) *colon = '\0';
    if (c->peer[0] == '\0') strcpy(c->peer, "-");
}

static void serve(struct connection *c)
{
    ssize_t n;

    httpd_worker_tick(c->worker);
    httpd_idle_enter(c->worker, &c->stream.idle);
    do {
        n = httpd_stream_fill(&c->stream);
        if (n == -ETIMEDOUT && c->stream.end > c->stream.at) (void)refuse(c, 408);
    } while (n > 0 && answer_all(c));
    httpd_idle_leave(&c->stream.idle);
}

static void refuse_service(struct connection *c)
{
    c->worker->refusals++;
    httpd_worker_tick(c->worker);
    (void)refuse(c, 503);
}

// What a new fiber is given; it frees it.
struct start {
    struct httpd_worker *worker;
    struct rouse_tcp *tcp;
    bool is_admitted;
};

static int connection_run(void *arg)
{
    struct start start = *(struct start *)arg;
    struct httpd_server *server = start.worker->server;
    struct connection c = {
        .stream = {.worker = start.worker, .tcp = start.tcp, .idle = {.tcp = start.tcp}},
        .worker = start.worker,
    };

    free(arg);
    peer_name(&c);
    if (start.is_admitted) {
        serve(&c);
    } else {
        refuse_service(&c);
    }
    if (httpd_stream_flush(&c.stream) == 0 && c.must_linger) httpd_stream_linger(&c.stream);
    rouse_tcp_unref(start.tcp);
    if (start.is_admitted) {
        httpd_server_dismiss(server);
    } else {
        start.worker->refusals--;
    }
    if (rouse_is_cancelled()) httpd_server_cut_off(server);
    return 0;
}

static int connection_spawn(struct httpd_worker *worker, struct rouse_tcp *tcp, bool is_admitted)
{
    const struct rouse_task_attrs attrs = {
        .size = sizeof attrs, .name = "connection", .pinned = true, .site = ROUSE_SITE};
    struct start *start = malloc(sizeof *start);
    int err = -ENOMEM;

    if (start == NULL) return err;
    *start = (struct start){.worker = worker, .tcp = tcp, .is_admitted = is_admitted};
    err = rouse_scope_spawn_at(&worker->server->connections, NULL, connection_run, start, &attrs);
    if (err == 0) return 0;
    free(start);
    return err;
}

void httpd_connection_start(struct httpd_worker *worker, struct rouse_tcp *tcp)
{
    bool is_admitted = httpd_server_admit(worker->server);
    int err = -EAGAIN;

    if (is_admitted || worker->refusals < REFUSALS_MAX) {
        err = connection_spawn(worker, tcp, is_admitted);
    }
    if (err == 0) return;
    if (is_admitted) httpd_server_dismiss(worker->server);
    rouse_tcp_unref(tcp);
}
