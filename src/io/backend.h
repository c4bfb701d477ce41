// SPDX-License-Identifier: MIT
//
// The table behind which each way to ask the kernel stands: epoll, io_uring and poll(2). A back end
// is one file. It reports two kinds of events: a watched descriptor is ready, or a
// submitted operation has completed.

#ifndef RS_IO_BACKEND_H
#define RS_IO_BACKEND_H

#include <rouse/allocator.h>
#include <rouse/poller.h>
#include <stdbool.h>
#include <sys/types.h>

struct rs_op;

enum {
    // Report each edge once instead of for as long as the descriptor is ready. A back end that
    // cannot (`edge` is false) reports a direction once and then forgets it: watch it again.
    RS_WATCH_EDGE = 1 << 8,
    // `before` of a descriptor that is not watched yet; `interest` of one no longer to be watched.
    RS_WATCH_NONE = 1 << 9,
    // With `interest` in reading a stream socket: the back end may receive from it, instead of
    // reporting that it is readable. A watch returns 1 if it does, once what was received has been
    // asked for by rs_receive_ops.
    RS_WATCH_RECEIVE = 1 << 10,
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

struct rs_inflow;
struct rs_inflow_read;

// Of a back end that receives ahead of who reads. Nobody else receives from a descriptor of which
// read() has not given -ENODATA, or bytes would overtake each other. All of it goes on when another
// back end has taken the place. Any thread.
struct rs_receive_ops {
    // Takes what has come: > 0; an error, once; -EAGAIN: nothing yet, an event will tell; -ENODATA:
    // nothing more will, ask the kernel. Without `read`: 1 instead of taking anything.
    ssize_t (*read)(struct rs_backend *backend, int fd, struct rs_inflow_read *read);

    // Asks for the end of receiving, of which an event tells.
    void (*end)(struct rs_backend *backend, int fd);

    // Ends it now, and moves what has come to `*out`. Returns the error that follows; 0: none.
    int (*leave)(struct rs_backend *backend, int fd, struct rs_inflow *out);

    // Ends all, and waits for it. There is no event of it: look at each descriptor.
    void (*halt)(struct rs_backend *backend);

    // A retired one: readable while wait() has more to tell; -1 when no receive is left. It stays
    // open until the close.
    int (*fd)(struct rs_backend *backend);
};

struct rs_backend_ops {
    const char *name;
    bool edge;                             // RS_WATCH_EDGE really reports edges
    const struct rs_receive_ops *receive;  // NULL: it never receives

    // Probes by doing: a kernel without it gives -ENOSYS or -EPERM, and the next one is tried.
    int (*open)(struct rs_backend **out, const struct rouse_allocator *allocator);
    void (*close)(struct rs_backend *backend);

    // In the child of a fork: closes and frees, and leaves alone what the parent goes on using.
    // NULL: close does.
    void (*discard)(struct rs_backend *backend);

    // NULL where the kernel may not refuse later what it once allowed. Else any other call may fail
    // for good: wait() then returns why, again and again, until another back end has taken the
    // place. This tells the old one, which gives up all that it watches. Whoever calls it still, or
    // sleeps in it, finds nothing more: a wait returns at once, a watch does nothing; the
    // descriptor that fd() gave goes on to do what it promised, for the successor. What it cannot
    // stop receiving it goes on to report. Closed later.
    void (*retire)(struct rs_backend *backend, struct rs_backend *successor);

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

    // A descriptor that is readable while a wait would not sleep, for a foreign loop; -ENOTSUP. Now
    // and then it is so for no reason, until the next wait.
    int (*fd)(struct rs_backend *backend);

    // Makes that descriptor readable at `deadline_ns` too (ROUSE_NEVER: never).
    int (*set_alarm)(struct rs_backend *backend, uint64_t deadline_ns);

    // Completions; NULL in back ends for readiness only. Submitting takes the operation's record
    // until its completion is reported; a cancel makes that come sooner.
    int (*submit)(struct rs_backend *backend, struct rs_op *op);
    int (*cancel)(struct rs_backend *backend, struct rs_op *op);
};

extern const struct rs_backend_ops rs_backend_epoll;
extern const struct rs_backend_ops rs_backend_io_uring;
extern const struct rs_backend_ops rs_backend_poll;

// Opens the back end called `name`; NULL takes ROUSE_REACTOR from the environment. "auto" or
// nothing is the first that works. Says in the log which one and why. One that is refused is
// replaced by the best that is not.
//
// Errors: -EINVAL for an unknown name; what opening gave.
int rs_backend_open(struct rs_backend **out, const char *name,
                    const struct rouse_allocator *allocator);

// Opens the best other one in place of `failed`, which the kernel has refused with `err` after it
// had been in use, and says so in the log.
int rs_backend_open_instead(struct rs_backend **out, const struct rs_backend_ops *failed, int err,
                            const struct rouse_allocator *allocator);

// True if that leaves the choice to us, or asks for io_uring, so that a ring may stand beside the
// back end.
bool rs_backend_may_pair(const char *name);

#endif
