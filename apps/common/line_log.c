// SPDX-License-Identifier: MIT
//
// See line_log.h. Lines are put together by hand rather than by printf: a fiber's stack that printf
// has been on is four times as large for the rest of its life.
//
// The first line that finds no writer spawns one. The writer lets lines gather, for a moment or
// until they are many, takes them all, writes them on the pool, and goes on until there are none.
#include "common/line_log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <rouse/blocking.h>
#include <rouse/error.h>
#include <rouse/future.h>
#include <rouse/sleep.h>
#include <rouse/task.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/complain.h"

#define GATHER_NS (200 * ROUSE_NS_PER_MS)

enum {
    TEXT_SIZE_FIRST = 64 << 10,
    TEXT_SIZE_MUCH = 256 << 10,  // is written without waiting for more
};

int app_line_log_open(int *out_fd, const char *path)
{
    *out_fd = -1;
    if (path == NULL) return 0;
    *out_fd = strcmp(path, "-") == 0 ? dup(STDOUT_FILENO)
                                     : open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    return *out_fd < 0 ? -errno : 0;
}

void app_line_log_init(struct app_line_log *log, const char *name, int fd)
{
    *log = (struct app_line_log){.name = name, .fd = fd};
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

static void complain(struct app_line_log *log, int64_t err)
{
    if (err < 0) {
        (void)fprintf(stderr, "%s: the %s cannot be written: %s; its lines are lost\n", app_name,
                      log->name, rouse_strerror((int)err));
    }
    if (log->left_out > 0) {
        (void)fprintf(stderr, "%s: the %s is too slow; %llu lines are left out\n", app_name,
                      log->name, (unsigned long long)log->left_out);
        log->left_out = 0;
    }
}

// Writes all there is. The text is ours meanwhile; new lines go to a new one.
static void write_out(struct app_line_log *log)
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
    struct app_line_log *log;
};

static rouse_poll gather_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct app_line_log *log = ROUSE_CONTAINER_OF(self, struct gather, base)->log;

    if (log->size >= TEXT_SIZE_MUCH) return ROUSE_READY;
    rouse_waker_slot_register(&log->much, rouse_context_waker(cx));
    return ROUSE_PENDING;
}

static const struct rouse_future_vtable gather_vtable = {.poll = gather_poll,
                                                         .name = "more lines for the log"};

static int writer(void *arg)
{
    struct app_line_log *log = arg;

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

static void writer_start(struct app_line_log *log)
{
    const struct rouse_task_attrs attrs = {
        .size = sizeof attrs, .name = log->name, .pinned = true, .site = ROUSE_SITE};

    log->is_being_written = rouse_spawn_at(NULL, writer, log, &attrs) == 0;
}

void app_line_log_deinit(struct app_line_log *log)
{
    struct chunk chunk = {.fd = log->fd, .text = log->text, .size = log->size};

    if (log->size > 0 || log->left_out > 0) complain(log, chunk_write(&chunk));
    free(log->text);
    rouse_waker_slot_deinit(&log->much);
    *log = (struct app_line_log){.name = log->name, .fd = -1};
}

// ---- Lines ----

char *app_line_log_room(struct app_line_log *log, size_t size)
{
    size_t capacity = log->capacity > 0 ? log->capacity * 2 : TEXT_SIZE_FIRST;

    if (log->capacity - log->size >= size) return log->text + log->size;
    char *text = capacity <= APP_LINE_LOG_SIZE_MAX ? realloc(log->text, capacity) : NULL;

    if (text == NULL) {
        log->left_out++;
        return NULL;
    }
    log->text = text;
    log->capacity = capacity;
    return text + log->size;
}

void app_line_log_add(struct app_line_log *log, size_t size)
{
    size_t before = log->size;

    log->size += size;
    if (!log->is_being_written) {
        writer_start(log);
    } else if (before < TEXT_SIZE_MUCH && log->size >= TEXT_SIZE_MUCH) {
        rouse_waker_slot_wake(&log->much);
    }
}

char *app_put(char *at, const char *text)
{
    size_t size = strlen(text);

    memcpy(at, text, size);
    return at + size;
}

char *app_put_number(char *at, uint64_t number)
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
