// SPDX-License-Identifier: MIT
//
// Moving a stream of bytes from one connection to another, as a proxy does. The kernel moves large
// amounts through a pipe, without copying them into the program (splice); small ones, and all of
// them where the kernel refuses to splice, go through a buffer. Pipe and buffer are there only
// while bytes are on their way: a copy that waits for bytes to come costs its struct, no more.
//
// A copy knows no timeout. To end one that is idle, lend it to a timeout by a rouse_borrow, and
// look whether `done` has moved.

#ifndef ROUSE_TCP_COPY_H
#define ROUSE_TCP_COPY_H

#include <rouse/tcp.h>

ROUSE_EXTERN_C_BEGIN

// Ends with the stream that is copied.
struct rouse_tcp_copy {
    struct rouse_future base;
    struct rouse_io_wait wait;
    struct rouse_tcp *from;    // borrowed
    struct rouse_tcp *to;      // borrowed
    struct rs_conduit *held;   // private: bytes on their way
    uint64_t taken;            // bytes read from `from`; right at any time, also after a drop
    uint64_t done;             // bytes written to `to`; likewise
    bool is_bulk;              // private: much comes at a time
    struct rouse_tcp *failed;  // which of the two failed; NULL: none, or want of memory
    int64_t output;            // `done`, at the end of the stream; or a negative errno
};

/// Copies what comes from `from` to `to`, until the stream ends. It does not pass the end on: `to`
/// stays open. While `to` takes nothing, no more than a pipe or a buffer holds is read, 64 KiB.
///
/// Units:   bytes.
/// Errors:  those of rouse_tcp_read_init() for `from`, and of rouse_tcp_write_init() for `to`:
///          `failed` says which. -ENOMEM. After an error `taken - done` bytes are lost.
/// Owns:    both connections are borrowed until the future ends.
/// Threads: any, one at a time. It is a reader of `from` and a writer of `to`.
/// Cancel:  terminal: `taken - done` bytes, which are in the pipe or buffer, are thrown away; if
///          these are none, nothing is lost, and another copy may go on.
ROUSE_API void rouse_tcp_copy_init(struct rouse_tcp_copy *copy, struct rouse_tcp *from,
                                   struct rouse_tcp *to);
/// Copies a stream to its end. Returns the bytes written.
///
/// Errors:  as rouse_tcp_copy_init(), -ECANCELED.
/// Threads: a fiber or a plain thread.
/// Cancel:  terminal.
ROUSE_API ROUSE_NODISCARD int64_t rouse_tcp_copy(struct rouse_tcp *from, struct rouse_tcp *to);

// Ends when the streams of both directions have ended.
struct rouse_tcp_copy_bidirectional {
    struct rouse_future base;
    struct rouse_tcp_copy forth;  // from `a` to `b`; its counts may be read at any time
    struct rouse_tcp_copy back;   // from `b` to `a`; likewise
    bool back_first;              // private
    int output;                   // 0, or a negative errno
};

/// Copies what comes from `a` to `b` and what comes from `b` to `a`. The end of one stream is
/// passed on by rouse_tcp_shutdown_write(), and the other direction goes on.
///
/// The first error ends both directions, but for one: a peer that has ended its own stream and is
/// gone gets no more, and what it sent before still arrives.
///
/// Errors:  as rouse_tcp_copy_init(); `failed` of the two copies says which connection it was.
///          -EPIPE, -ENOTCONN: all that was sent to one peer has arrived, and the other one was
///          gone before it got all, or the end. With any other error a stream is incomplete:
///          rouse_tcp_reset() tells its receiver.
/// Owns:    both connections are borrowed until the future ends. They stay open.
/// Threads: any, one at a time. It is a reader and a writer of both.
/// Cancel:  terminal, as rouse_tcp_copy_init().
ROUSE_API void rouse_tcp_copy_bidirectional_init(struct rouse_tcp_copy_bidirectional *copy,
                                                 struct rouse_tcp *a, struct rouse_tcp *b);
/// Copies both ways until both streams have ended. `forth` and `back` are set to the bytes written
/// to `b` and to `a`, also after an error; they may be NULL.
///
/// Errors:  0, -ECANCELED, or as rouse_tcp_copy_bidirectional_init().
/// Threads: a fiber or a plain thread.
/// Cancel:  terminal.
ROUSE_API ROUSE_NODISCARD int rouse_tcp_copy_bidirectional(struct rouse_tcp *a, struct rouse_tcp *b,
                                                           uint64_t *forth, uint64_t *back);

ROUSE_EXTERN_C_END

#endif
