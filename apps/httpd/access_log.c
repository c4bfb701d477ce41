// SPDX-License-Identifier: MIT
//
// Lines are made by hand rather than by printf: a fiber's stack that printf has been on is four
// times as large for the rest of the connection.
//
// The first line that finds no writer spawns one. The writer lets lines gather, for a moment or
// until they are many, takes them all, writes them on the pool, and goes on until there are none.
#include "access_log.h"

#include <errno.h>
#include <poll.h>
#include <rouse/blocking.h>
#include <rouse/error.h>
#include <rouse/future.h>
#include <rouse/sleep.h>
#include <rouse/task.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define GATHER_NS (200 * ROUSE_NS_PER_MS)

enum {
    TEXT_SIZE_FIRST = 64 << 10,
    TEXT_SIZE_MUCH = 256 << 10,  // is written without waiting for more
    FIELD_SIZE_MAX = 1024,       // of each text from outside; the rest is left out
    LINE_SIZE_MAX = 3 * 4 * FIELD_SIZE_MAX + 256,
};

void httpd_access_log_init(struct httpd_access_log *log, int fd)
{
    *log = (struct httpd_access_log){.fd = fd, .time_s = INT64_MIN};
}

// ---- Writing ----

struct chunk {
    int fd;
    const char *text;
    size_t size;
};

// On a thread that may block. Returns 0 or a negative errno.
static int64_t chunk_write(void *arg)
{
    struct chunk *chunk = arg;

    while (chunk->size > 0) {
        ssize_t n = write(chunk->fd, chunk->text, chunk->size);

        if (n < 0 && errno == EAGAIN) {
            (void)poll(&(struct pollfd){.fd = chunk->fd, .events = POLLOUT}, 1, -1);
        } else if (n < 0 && errno != EINTR) {
            return -errno;
        } else if (n > 0) {
            chunk->text += n;
            chunk->size -= (size_t)n;
        }
    }
    return 0;
}

static void complain(struct httpd_access_log *log, int64_t err)
{
    if (err < 0) {
        (void)fprintf(stderr, "httpd: the access log cannot be written: %s; its lines are lost\n",
                      rouse_strerror((int)err));
    }
    if (log->left_out > 0) {
        (void)fprintf(stderr, "httpd: the access log is too slow; %llu lines are left out\n",
                      (unsigned long long)log->left_out);
        log->left_out = 0;
    }
}

// Writes all there is. The text is ours meanwhile; new lines go to a new one.
static void write_out(struct httpd_access_log *log)
{
    char *text = log->text;
    struct chunk chunk = {.fd = log->fd, .text = text, .size = log->size};
    int64_t err;

    log->text = NULL;
    log->size = log->capacity = 0;
    if (rouse_blocking(chunk_write, &chunk, &err) < 0) {
        err = chunk_write(&chunk);  // the runtime ends, or has no thread to spare
    }
    free(text);
    complain(log, err);
}

// Ends when there is much to write.
struct gather {
    struct rouse_future base;
    struct httpd_access_log *log;
};

static rouse_poll gather_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct httpd_access_log *log = ROUSE_CONTAINER_OF(self, struct gather, base)->log;

    if (log->size >= TEXT_SIZE_MUCH) return ROUSE_READY;
    rouse_waker_slot_register(&log->much, rouse_context_waker(cx));
    return ROUSE_PENDING;
}

static const struct rouse_future_vtable gather_vtable = {.poll = gather_poll,
                                                         .name = "more lines for the access log"};

static int writer(void *arg)
{
    struct httpd_access_log *log = arg;

    while (log->size > 0) {
        struct gather gather = {.base.vtable = &gather_vtable, .log = log};
        int err = rouse_await_until(&gather.base, rouse_deadline_after(GATHER_NS));

        if (err == -ECANCELED) break;  // the runtime ends; deinit writes the rest
        write_out(log);
    }
    rouse_waker_slot_deinit(&log->much);  // it may hold our own waker
    log->is_being_written = false;
    return 0;
}

static void writer_start(struct httpd_access_log *log)
{
    const struct rouse_task_attrs attrs = {
        .size = sizeof attrs, .name = "access log", .pinned = true, .site = ROUSE_SITE};

    log->is_being_written = rouse_spawn_at(NULL, writer, log, &attrs) == 0;
}

void httpd_access_log_deinit(struct httpd_access_log *log)
{
    struct chunk chunk = {.fd = log->fd, .text = log->text, .size = log->size};

    if (log->size > 0 || log->left_out > 0) complain(log, chunk_write(&chunk));
    free(log->text);
    rouse_waker_slot_deinit(&log->much);
    *log = (struct httpd_access_log){.fd = -1};
}

// ---- A line ----

static char *room_for_line(struct httpd_access_log *log)
{
    size_t capacity = log->capacity > 0 ? log->capacity * 2 : TEXT_SIZE_FIRST;

    if (log->capacity - log->size >= LINE_SIZE_MAX) return log->text + log->size;
    char *text = capacity <= HTTPD_LOG_SIZE_MAX ? realloc(log->text, capacity) : NULL;

    if (text == NULL) return NULL;
    log->text = text;
    log->capacity = capacity;
    return text + log->size;
}

static char *put(char *at, const char *text)
{
    size_t size = strlen(text);

    memcpy(at, text, size);
    return at + size;
}

static char *put_number(char *at, uint64_t number)
{
    char digits[20];
    size_t count = 0;

    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    while (count > 0) {
        *at++ = digits[--count];
    }
    return at;
}

// A text from outside: what could end its field, its line, or confuse a terminal is escaped.
static char *put_foreign(char *at, struct http_slice text)
{
    static const char hex[] = "0123456789abcdef";
    size_t size = text.size < FIELD_SIZE_MAX ? text.size : FIELD_SIZE_MAX;

    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)text.data[i];

        if (byte >= ' ' && byte < 127 && byte != '"' && byte != '\\') {
            *at++ = (char)byte;
            continue;
        }
        *at++ = '\\';
        *at++ = 'x';
        *at++ = hex[byte >> 4];
        *at++ = hex[byte & 15];
    }
    return at;
}

static char *put_quoted(char *at, struct http_slice text)
{
    *at++ = '"';
    at = text.size > 0 ? put_foreign(at, text) : put(at, "-");
    *at++ = '"';
    return at;
}

// The request line as it came, which begins the head and ends where the fields begin.
static struct http_slice request_line(const struct http_request *request)
{
    struct http_slice line = {NULL, 0};

    if (request == NULL) return line;
    line = (struct http_slice){request->head, request->headers_at - 2};
    while (line.size > 0 && (line.data[0] == '\r' || line.data[0] == '\n')) {
        line.data++;
        line.size--;
    }
    return line;
}

static struct http_slice field_find(const struct http_request *request, const char *name)
{
    struct http_header header;
    size_t cursor = 0;

    while (request != NULL && http_request_next_header(request, &cursor, &header)) {
        if (http_slice_is_nocase(header.name, name)) return header.value;
    }
    return (struct http_slice){NULL, 0};
}

static const char *time_text(struct httpd_access_log *log, int64_t now_s)
{
    time_t seconds = (time_t)now_s;
    struct tm utc;

    if (log->time_s == now_s) return log->time;
    log->time_s = now_s;
    if (gmtime_r(&seconds, &utc) == NULL ||
        strftime(log->time, sizeof log->time, "%d/%b/%Y:%H:%M:%S +0000", &utc) == 0) {
        log->time[0] = '\0';
    }
    return log->time;
}

void httpd_access_log_add(struct httpd_access_log *log, const struct httpd_access *access)
{
    char *start = room_for_line(log);
    char *at = start;

    if (start == NULL) {
        log->left_out++;
        return;
    }
    at = put(at, access->peer);
    at = put(at, " - - [");
    at = put(at, time_text(log, access->now_s));
    at = put(at, "] ");
    at = put_quoted(at, request_line(access->request));
    *at++ = ' ';
    at = put_number(at, (uint64_t)access->status);
    *at++ = ' ';
    at = put_number(at, access->size);
    *at++ = ' ';
    at = put_quoted(at, field_find(access->request, "referer"));
    *at++ = ' ';
    at = put_quoted(at, field_find(access->request, "user-agent"));
    *at++ = '\n';
    size_t before = log->size;

    log->size += (size_t)(at - start);
    if (!log->is_being_written) {
        writer_start(log);
    } else if (before < TEXT_SIZE_MUCH && log->size >= TEXT_SIZE_MUCH) {
        rouse_waker_slot_wake(&log->much);
    }
}
