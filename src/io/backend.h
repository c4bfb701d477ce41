// SPDX-License-Identifier: MIT
//
// The table behind which each way to ask the kernel stands: epoll, poll(2), and later io_uring. A
// back end is one file. It reports two kinds of events: a watched descriptor is ready, or a
// submitted operation has completed.

#ifndef RS_IO_BACKEND_H
#define RS_IO_BACKEND_H

#include <rouse/allocator.h>
#include <rouse/poller.h>
#include <stdbool.h>

struct rs_op;

enum {
    // Report each edge once instead of for as long as the descriptor is ready. A back end that
    // cannot (`edge` is false) reports a direction once and then forgets it: watch it again.
    RS_WATCH_EDGE = 1 << 8,
    // `before` of a descriptor that is not watched yet; `interest` of one no longer to be watched.
    RS_WATCH_NONE = 1 << 9,
};

struct rs_event {
    uint64_t key;      // of the watch; 0 for a completion
    uint32_t ready;    // ROUSE_READABLE, ROUSE_WRITABLE, ROUSE_HANGUP, ROUSE_ERROR
    int32_t result;    // of the operation
    struct rs_op *op;  // the operation that completed; NULL for readiness
};

// The head of every back end's own struct.
struct rs_backend {
    const struct rs_backend_ops *ops;
};

struct rs_backend_ops {
    const char *name;
    bool edge;  // RS_WATCH_EDGE really reports edges

    // Probes by doing: a kernel without it gives -ENOSYS or -EPERM, and the next one is tried.
    int (*open)(struct rs_backend **out, const struct rouse_allocator *allocator);
    void (*close)(struct rs_backend *backend);

    // Changes what a descriptor is watched for, from `before` to `interest`. Any thread, also while
    // another one waits; the wait in progress then sees the change.
    int (*watch)(struct rs_backend *backend, int fd, uint64_t key, uint32_t before,
                 uint32_t interest);

    // Fills up to `max` events; sleeps up to `timeout_ns` (0: not at all; ROUSE_NEVER: no limit) if
    // there are none. 0 when time ran out, a signal came, or it was notified. One thread sleeps at
    // a time; others may call with timeout 0 meanwhile, each event goes to one of them.
    int (*wait)(struct rs_backend *backend, struct rs_event *events, int max, uint64_t timeout_ns);

    // Makes the wait in progress, or else the next one, return at once. Any thread.
    void (*notify)(struct rs_backend *backend);

    // A descriptor that is readable while a wait would not sleep, for a foreign loop; -ENOTSUP.
    int (*fd)(struct rs_backend *backend);

    // Makes that descriptor readable at `deadline_ns` too (ROUSE_NEVER: never).
    int (*set_alarm)(struct rs_backend *backend, uint64_t deadline_ns);

    // Completions; NULL in back ends for readiness only. Submitting takes the operation's record
    // until its completion is reported; a cancel makes that come sooner.
    int (*submit)(struct rs_backend *backend, struct rs_op *op);
    int (*cancel)(struct rs_backend *backend, struct rs_op *op);
};

extern const struct rs_backend_ops rs_backend_epoll;
extern const struct rs_backend_ops rs_backend_poll;

// Opens the back end called `name`; NULL takes ROUSE_REACTOR from the environment, or else the
// first that works, and says in the log which one and why.
//
// Errors: -EINVAL for an unknown name; what opening gave.
int rs_backend_open(struct rs_backend **out, const char *name,
                    const struct rouse_allocator *allocator);

#endif
