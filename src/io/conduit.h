// SPDX-License-Identifier: MIT
//
// A conduit holds bytes on their way from one socket to another: in a kernel pipe, where they are
// never copied into the program, or in a buffer. The pipe is better for much at a time, the buffer
// for a few bytes, and wherever a pipe cannot be had or splice(2) is refused.
//
// 1. A conduit belongs to one operation, from the receive that brought bytes to the send that took
//    the last of them. So a connection on which nothing moves has none.
// 2. Bytes enter only while it is empty: an -EAGAIN on their way in is the socket's, and never
//    means that a pipe is full.
// 3. Empty ones lie in the pool of a driver, a bounded number, under the driver's lock.

#ifndef RS_IO_CONDUIT_H
#define RS_IO_CONDUIT_H

#include <rouse/allocator.h>
#include <rouse/driver.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    // Of a buffer. A receive that fills it shows that more comes than is good for a buffer.
    RS_CONDUIT_BUFFER_SIZE = 16 << 10,
    // What one call moves through a pipe at most: what a pipe holds by default. It would take more,
    // its places are for pieces and not for pages, but that saves no time.
    RS_CONDUIT_PIPE_SIZE = 64 << 10,
    // That a driver keeps of each kind.
    RS_CONDUITS_KEPT = 16,
};

struct rs_source;

enum rs_conduit_kind { RS_CONDUIT_BUFFER = 0, RS_CONDUIT_PIPE = 1 };

struct rs_conduit;

// All zero is empty.
struct rs_conduit_pool {
    struct rs_conduit *free[2];  // by kind
    uint32_t count[2];
};

// Receives what the socket `fd` has into a new conduit, `*out`, of the kind that is asked for if
// that can be had. Returns a count; or 0, at the end of the stream, or a negative errno: then there
// is no conduit. `driver` may be NULL: no pool. `source` is that of `fd` where a ring receives
// ahead: the kind is a buffer then; else NULL.
ssize_t rs_conduit_receive(struct rs_conduit **out, struct rouse_driver *driver,
                           enum rs_conduit_kind kind, int fd, struct rs_source *source);

// Sends what the conduit holds to the socket `fd`. Returns a count, or a negative errno. When the
// last byte has gone so has the conduit, and `*conduit` is NULL. Raises no SIGPIPE.
ssize_t rs_conduit_send(struct rs_conduit **conduit, struct rouse_driver *driver, int fd);

// How many bytes a send has to take at least so as not to have filled the socket; 0: the count
// tells nothing.
size_t rs_conduit_full(const struct rs_conduit *conduit);

// Throws it away with what it holds. NULL is allowed.
void rs_conduit_free(struct rs_conduit *conduit);

// Frees what the pool has. Nobody else uses it.
void rs_conduit_pool_deinit(struct rs_conduit_pool *pool);

#endif
