// SPDX-License-Identifier: MIT
//
// Writing to a connection from the caller's memory itself: the kernel sends from it, instead of
// copying it first, and says later when it is done with it (MSG_ZEROCOPY). Until then the memory
// must stay as it is, also after a cancel; so it is handed over, and given back by a call.
//
// It pays for large buffers, tens of KiB at least, on a network card: to say when memory may be
// used again costs more than to copy a little. Over loopback, or to a card that cannot gather, the
// kernel copies all the same, and `copied` says so.

#ifndef ROUSE_TCP_ZEROCOPY_H
#define ROUSE_TCP_ZEROCOPY_H

#include <rouse/tcp.h>

ROUSE_EXTERN_C_BEGIN

// Ends when a whole buffer has been taken, and given back.
struct rouse_tcp_write_zerocopy {
    struct rouse_future base;
    struct rouse_io_wait wait;
    struct rouse_tcp *conn;  // borrowed
    const void *buf;
    size_t size;
    size_t done;  // bytes taken so far; right at any time, also after a drop
    void (*release)(void *arg);
    void *release_arg;
    struct rs_lent *lent;  // private: what the kernel holds
    uint32_t step;         // private
    bool copied;           // some of it was copied after all
    ssize_t output;        // `size`, or a negative errno
};

/// Writes the whole buffer without copying it, where the kernel can. `release(arg)` is called once,
/// when the memory may be used again, however the write ends: before the future does, or some time
/// after a drop, which is when the peer has all that was taken, or the connection has broken.
///
/// Where the kernel refuses, on a Unix socket for instance, and while the memory of another such
/// write to the connection is not yet given back, the bytes are copied.
///
/// Units:   bytes.
/// Errors:  as rouse_tcp_write_init(); `done` says how much was taken before. If the kernel does
///          not say any more what it is done with, the error of asking: the connection has been
///          reset.
/// Owns:    `conn` is borrowed until the future ends. The memory is the operation's until
///          `release`.
/// Threads: any, one at a time. `release` is called by any thread, under no lock, and must not
///          wait.
/// Cancel:  partial: `done` bytes have been taken, and will be sent. If memory is out at that time,
///          a thread waits for it, and keeps a share of the connection.
ROUSE_API void rouse_tcp_write_zerocopy_init(struct rouse_tcp_write_zerocopy *write,
                                             struct rouse_tcp *conn, const void *buf, size_t size,
                                             void (*release)(void *arg), void *arg);
/// Writes the whole buffer without copying it, where the kernel can. Returns `size`.
///
/// Errors:  as rouse_tcp_write_zerocopy_init(), -ECANCELED.
/// Owns:    as rouse_tcp_write_zerocopy_init().
/// Threads: a fiber or a plain thread.
/// Cancel:  partial; how much was taken is told by the future form only.
ROUSE_API ROUSE_NODISCARD ssize_t rouse_tcp_write_zerocopy(
    struct rouse_tcp *conn, const void *buf, size_t size, void (*release)(void *arg), void *arg);

ROUSE_EXTERN_C_END

#endif
