// SPDX-License-Identifier: MIT
//
// Writing the trace. One thread at a time, under RS_GLOBAL_TRACE, which no task needs: the
// ticker's, or one that makes or frees a runtime.
//
// The file is ended after each write, and the next one begins where its end was.

#include "insight/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/global_lock.h"
#include "base/sys.h"
#include "insight/trace_events.h"
#include "sched/observe.h"
#include "sched/sched.h"

enum {
    BUFFER_SIZE = 64 << 10,
    ROUNDS_MAX = 64,  // at the rings, before the file is ended for once
    RECORDS_PER_ROUND = 1024,
};

// Under RS_GLOBAL_TRACE.
static struct {
    struct rs_sched *scheds;
    int fd;   // -1: closed
    int err;  // why nothing is written any more
    bool begun;
    bool inherited;  // the file is that of the process that we are a fork of
    long pid;
    int64_t offset;                 // where the next event goes
    uint64_t dropped;               // of schedulers that have gone
    struct rs_trace_events events;  // not written yet
    char buffer[BUFFER_SIZE];
} trace = {.fd = -1, .events = {.buffer = trace.buffer, .size = BUFFER_SIZE}};

// ---- The file ----

static void write_at(const char *text, size_t size, int64_t offset)
{
    while (size > 0 && trace.err == 0) {
        struct iovec iov = {.iov_base = (void *)(uintptr_t)text, .iov_len = size};
        ssize_t n = rs_sys.pwritev(trace.fd, &iov, 1, offset);

        if (n == -EINTR) continue;
        if (n <= 0) {
            trace.err = n < 0 ? (int)n : -EIO;
            return;
        }
        text += n;
        size -= (size_t)n;
        offset += n;
    }
}

static void flush(void)
{
    write_at(trace.buffer, trace.events.used, trace.offset);
    trace.offset += (int64_t)trace.events.used;
    trace.events.used = 0;
}

static uint64_t dropped_in_all(void)
{
    uint64_t sum = trace.dropped;

    for (const struct rs_sched *s = trace.scheds; s != NULL; s = s->next_traced) {
        for (unsigned i = 0; i < s->worker_count; i++) {
            sum += rs_trace_ring_dropped(&s->workers[i].observations->ring);
        }
    }
    return sum;
}

// The end of the file, until there is more.
static void write_end(void)
{
    char end[RS_TRACE_END_MAX];
    size_t length = rs_trace_events_end(end, sizeof end, dropped_in_all());

    flush();
    write_at(end, length, trace.offset);
}

static void print_record(const struct rs_trace_record *r, void *arg)
{
    if (trace.events.size - trace.events.used < RS_TRACE_EVENTS_MAX) flush();
    rs_trace_events_record(&trace.events, arg, r);
}

// True if there may be more.
static bool drain(const struct rs_sched *sched)
{
    bool more = false;

    for (unsigned i = 0; i < sched->worker_count; i++) {
        struct rs_worker *worker = &sched->workers[i];

        more |= rs_trace_ring_read(&worker->observations->ring, RECORDS_PER_ROUND, print_record,
                                   worker) == RECORDS_PER_ROUND;
    }
    return more;
}

// ---- Begin and end ----

// The path, with the process's id in place of each %p. False if it is too long.
static bool expand(char *to, size_t size, const char *path, bool *has_pid)
{
    size_t used = 0;

    for (*has_pid = false; *path != '\0' && used < size; path++) {
        int length = 1;

        if (path[0] == '%' && path[1] == 'p') {
            length = snprintf(to + used, size - used, "%ld", (long)getpid());
            *has_pid = true;
            path++;
        } else {
            to[used] = *path;
        }
        used += (size_t)length;
    }
    if (used >= size) return false;
    to[used] = '\0';
    return true;
}

// The file, created, or again as we have left it.
static int open_file(const char *path)
{
    char name[1024];  // this may be on the stack of a fiber
    bool has_pid;

    if (trace.fd >= 0) return 0;
    if (!expand(name, sizeof name, path, &has_pid)) return -ENAMETOOLONG;
    if (trace.inherited && !has_pid) return -EBUSY;
    int flags = O_WRONLY | O_CLOEXEC | O_CREAT | (trace.begun ? 0 : O_TRUNC);
    int fd = rs_sys.openat(AT_FDCWD, name, flags, 0644);

    if (fd < 0) return fd;
    trace.fd = fd;
    return 0;
}

static void begin(void)
{
    // A program may end without freeing its runtime. If this fails the file only ends earlier.
    if (!trace.inherited) (void)atexit(rs_trace_write);
    trace.begun = true;
    trace.pid = getpid();
    rs_trace_events_begin(&trace.events);
}

int rs_trace_attach(struct rs_sched *sched, const char *path)
{
    rs_lock(rs_global_lock(RS_GLOBAL_TRACE));
    int err = open_file(path);

    if (err == 0) {
        if (!trace.begun) begin();
        rs_trace_events_tracks(&trace.events, sched);
        write_end();
        err = trace.err;
    }
    if (err == 0) {
        sched->next_traced = trace.scheds;
        trace.scheds = sched;
    }
    rs_unlock(rs_global_lock(RS_GLOBAL_TRACE));
    return err;
}

void rs_trace_write(void)
{
    rs_lock(rs_global_lock(RS_GLOBAL_TRACE));
    // At the end of a child of a fork it is the parent's.
    bool more = trace.fd >= 0 && trace.pid == getpid();
    bool ours = more;

    for (int round = 0; more && round < ROUNDS_MAX; round++) {
        more = false;
        for (const struct rs_sched *s = trace.scheds; s != NULL; s = s->next_traced) {
            more |= drain(s);
        }
    }
    if (ours) write_end();
    rs_unlock(rs_global_lock(RS_GLOBAL_TRACE));
}

static void list_remove(const struct rs_sched *sched)
{
    for (struct rs_sched **link = &trace.scheds; *link != NULL; link = &(*link)->next_traced) {
        if (*link != sched) continue;
        *link = sched->next_traced;
        break;
    }
}

int rs_trace_detach(struct rs_sched *sched, bool last)
{
    rs_lock(rs_global_lock(RS_GLOBAL_TRACE));
    while (drain(sched)) {
    }
    list_remove(sched);
    for (unsigned i = 0; i < sched->worker_count; i++) {
        trace.dropped += rs_trace_ring_dropped(&sched->workers[i].observations->ring);
    }
    write_end();
    if (last) (void)rs_sys.close(trace.fd);
    if (last) trace.fd = -1;
    int err = trace.err;
    rs_unlock(rs_global_lock(RS_GLOBAL_TRACE));
    return err;
}

void rs_trace_forget(void)
{
    rs_lock(rs_global_lock(RS_GLOBAL_TRACE));
    if (trace.fd >= 0) (void)rs_sys.close(trace.fd);
    trace.fd = -1;
    trace.scheds = NULL;
    trace.err = 0;
    trace.begun = false;
    trace.inherited = true;
    trace.offset = 0;
    trace.dropped = 0;
    trace.events.used = 0;
    rs_unlock(rs_global_lock(RS_GLOBAL_TRACE));
}
