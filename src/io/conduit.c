// SPDX-License-Identifier: MIT
//
// Conduits. Whoever has one uses it from one thread at a time; pools are under their driver's lock.
//
// Where splice(2) is refused (a sandbox, a kernel without it), buffers are used from then on in the
// whole process, and one line in the log says so. At the limit of descriptors a buffer is used that
// once: the next conduit may be a pipe again.

#include "io/conduit.h"

#include <errno.h>
#include <fcntl.h>
#include <rouse/error.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/alloc.h"
#include "base/counters.h"
#include "base/log.h"
#include "base/sigpipe.h"
#include "base/sys.h"
#include "io/driver.h"

struct rs_conduit {
    struct rs_conduit *next;  // in a pool
    const struct rouse_allocator *allocator;
    enum rs_conduit_kind kind;
    int ends[2];      // of the pipe: out of it, into it
    size_t held;      // bytes in it
    size_t at;        // where they begin in the buffer
    size_t capacity;  // of the buffer
    char buffer[];
};

static _Atomic uint32_t splice_is_refused;

// ---- Made and unmade ----

static struct rs_conduit *conduit_new(const struct rouse_allocator *allocator,
                                      enum rs_conduit_kind kind, size_t capacity)
{
    struct rs_conduit *conduit = rs_alloc(allocator, sizeof *conduit + capacity);

    if (conduit == NULL) return NULL;
    conduit->next = NULL;
    conduit->allocator = allocator;
    conduit->kind = kind;
    conduit->held = 0;
    conduit->at = 0;
    conduit->capacity = capacity;
    return conduit;
}

static struct rs_conduit *pipe_new(const struct rouse_allocator *allocator)
{
    struct rs_conduit *conduit = conduit_new(allocator, RS_CONDUIT_PIPE, 0);

    if (conduit == NULL) return NULL;
    if (rs_sys.pipe2(conduit->ends, O_CLOEXEC | O_NONBLOCK) < 0) {
        rs_free(allocator, conduit, sizeof *conduit);
        return NULL;
    }
    rs_counter_add(RS_COUNTER_FDS, 2);
    return conduit;
}

void rs_conduit_free(struct rs_conduit *conduit)
{
    if (conduit == NULL) return;
    if (conduit->kind == RS_CONDUIT_PIPE) {
        (void)rs_sys.close(conduit->ends[0]);
        (void)rs_sys.close(conduit->ends[1]);
        rs_counter_add(RS_COUNTER_FDS, -2);
    }
    rs_free(conduit->allocator, conduit, sizeof *conduit + conduit->capacity);
}

// ---- Pools ----

static struct rs_conduit *pool_take(struct rouse_driver *driver, enum rs_conduit_kind kind)
{
    if (driver == NULL) return NULL;
    rs_driver_lock(driver);
    struct rs_conduit_pool *pool = &driver->conduits;
    struct rs_conduit *conduit = pool->free[kind];

    if (conduit != NULL) {
        pool->free[kind] = conduit->next;
        pool->count[kind]--;
    }
    rs_driver_unlock(driver);
    return conduit;
}

// A buffer of another size has been made for once, and what another allocator made is not to
// outlive that one.
static bool is_for_pool(const struct rs_conduit *conduit, const struct rouse_driver *driver)
{
    bool is_usual = conduit->kind == RS_CONDUIT_PIPE || conduit->capacity == RS_CONDUIT_BUFFER_SIZE;

    return is_usual && conduit->allocator == driver->allocator;
}

// The conduit is empty.
static void give_back(struct rs_conduit *conduit, struct rouse_driver *driver)
{
    bool is_kept = false;

    if (driver != NULL) {
        rs_driver_lock(driver);
        struct rs_conduit_pool *pool = &driver->conduits;
        enum rs_conduit_kind kind = conduit->kind;

        is_kept = driver->live && is_for_pool(conduit, driver) &&
                  pool->count[kind] < RS_CONDUITS_KEPT;
        if (is_kept) {
            conduit->next = pool->free[kind];
            pool->free[kind] = conduit;
            pool->count[kind]++;
        }
        rs_driver_unlock(driver);
    }
    if (!is_kept) rs_conduit_free(conduit);
}

void rs_conduit_pool_deinit(struct rs_conduit_pool *pool)
{
    for (int kind = 0; kind < 2; kind++) {
        while (pool->free[kind] != NULL) {
            struct rs_conduit *conduit = pool->free[kind];

            pool->free[kind] = conduit->next;
            rs_conduit_free(conduit);
        }
        pool->count[kind] = 0;
    }
}

static bool may_splice(void)
{
    // Relaxed: who sees it late is refused once more.
    return atomic_load_explicit(&splice_is_refused, memory_order_relaxed) == 0;
}

// An empty conduit, a buffer if there is no pipe; NULL if there is no memory.
static struct rs_conduit *take(struct rouse_driver *driver, enum rs_conduit_kind kind)
{
    const struct rouse_allocator *allocator = rs_allocator_current();
    struct rs_conduit *conduit = NULL;

    if (kind == RS_CONDUIT_PIPE && may_splice()) {
        conduit = pool_take(driver, RS_CONDUIT_PIPE);
        if (conduit == NULL) conduit = pipe_new(allocator);
    }
    if (conduit == NULL) conduit = pool_take(driver, RS_CONDUIT_BUFFER);
    if (conduit == NULL) {
        conduit = conduit_new(allocator, RS_CONDUIT_BUFFER, RS_CONDUIT_BUFFER_SIZE);
    }
    return conduit;
}

// ---- Moving bytes ----

// True if the error is the call's own and not that of a connection. From now on nobody makes it.
static bool is_refusal(const struct rs_conduit *conduit, ssize_t result)
{
    if (conduit->kind != RS_CONDUIT_PIPE) return false;
    if (result != -EINVAL && result != -ENOSYS && result != -EPERM) return false;
    // Relaxed: it decides who writes the line and orders nothing.
    if (atomic_exchange_explicit(&splice_is_refused, 1, memory_order_relaxed) == 0) {
        rs_log(ROUSE_LOG_WARN, "splice is refused (%s): bytes between sockets are copied",
               rouse_strerror((int)result));
    }
    return true;
}

static ssize_t bytes_in(struct rs_conduit *conduit, int fd, struct rs_source *source)
{
    ssize_t result;

    if (conduit->kind == RS_CONDUIT_PIPE) {
        result = rs_sys.splice(fd, conduit->ends[1], RS_CONDUIT_PIPE_SIZE,
                               SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    } else if (source != NULL) {
        result = rs_source_recv(source, conduit->buffer, conduit->capacity);
    } else {
        result = rs_sys.recv(fd, conduit->buffer, conduit->capacity, 0);
    }
    if (result > 0) {
        conduit->held = (size_t)result;
        conduit->at = 0;
    }
    return result;
}

ssize_t rs_conduit_receive(struct rs_conduit **out, struct rouse_driver *driver,
                           enum rs_conduit_kind kind, int fd, struct rs_source *source)
{
    for (;;) {
        struct rs_conduit *conduit = take(driver, kind);

        if (conduit == NULL) return -ENOMEM;
        ssize_t result = bytes_in(conduit, fd, source);

        if (result > 0) {
            *out = conduit;
            return result;
        }
        bool again = is_refusal(conduit, result);

        give_back(conduit, driver);
        if (!again) return result;
        kind = RS_CONDUIT_BUFFER;
    }
}

static ssize_t pipe_out(struct rs_conduit *conduit, int fd)
{
    struct rs_sigpipe_guard guard;

    rs_sigpipe_hold(&guard);
    ssize_t result =
        rs_sys.splice(conduit->ends[0], fd, conduit->held, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

    rs_sigpipe_release(&guard, result == -EPIPE);
    return result;
}

static ssize_t bytes_out(struct rs_conduit *conduit, int fd)
{
    if (conduit->kind == RS_CONDUIT_PIPE) return pipe_out(conduit, fd);
    return rs_sys.send(fd, conduit->buffer + conduit->at, conduit->held, MSG_NOSIGNAL);
}

// Reads all that the pipe holds; so the read does not wait. 0, or a negative errno.
static int pipe_read(const struct rs_conduit *pipe, struct rs_conduit *buffer)
{
    while (buffer->held < pipe->held) {
        ssize_t result =
            rs_sys.read(pipe->ends[0], buffer->buffer + buffer->held, pipe->held - buffer->held);

        if (result == -EINTR) continue;
        if (result <= 0) return result < 0 ? (int)result : -EIO;
        buffer->held += (size_t)result;
    }
    return 0;
}

// What was let in by splice(2) and is not let out goes on in a buffer. 0, or a negative errno:
// nothing has changed, but for what was read before a read failed, which is lost.
static int pipe_to_buffer(struct rs_conduit **conduit)
{
    struct rs_conduit *pipe = *conduit;
    struct rs_conduit *buffer = conduit_new(pipe->allocator, RS_CONDUIT_BUFFER, pipe->held);

    if (buffer == NULL) return -ENOMEM;
    int err = pipe_read(pipe, buffer);

    if (err < 0) {
        rs_conduit_free(buffer);
        return err;
    }
    rs_conduit_free(pipe);
    *conduit = buffer;
    return 0;
}

ssize_t rs_conduit_send(struct rs_conduit **conduit, struct rouse_driver *driver, int fd)
{
    struct rs_conduit *c = *conduit;
    ssize_t result = bytes_out(c, fd);

    if (is_refusal(c, result)) {
        int err = pipe_to_buffer(conduit);

        if (err < 0) return err;
        c = *conduit;
        result = bytes_out(c, fd);
    }
    // Neither call takes nothing of something and says so.
    if (result == 0) return -EIO;
    if (result < 0) return result;
    c->held -= (size_t)result;
    c->at += (size_t)result;
    if (c->held == 0) {
        *conduit = NULL;
        give_back(c, driver);
    }
    return result;
}

size_t rs_conduit_full(const struct rs_conduit *conduit)
{
    return conduit->kind == RS_CONDUIT_BUFFER ? conduit->held : 0;
}
