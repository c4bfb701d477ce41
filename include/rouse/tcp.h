// SPDX-License-Identifier: MIT
//
// TCP: connections and listeners. Counted objects; every waiting call has a future form and a
// direct form. One task may read while another writes; further readers or writers queue in order.
// Unix streams are the same objects, made by unix.h; all that is said here holds for them, but for
// what only TCP has.
//
// Results: a count, 0 at the end of the stream, or a negative errno. -EBADF: closed by us, before
// or while waiting. -EPIPE, -ECONNRESET: the peer is gone; SIGPIPE is never raised.

#ifndef ROUSE_TCP_H
#define ROUSE_TCP_H

#include <rouse/addr.h>
#include <rouse/backoff.h>
#include <rouse/buffer.h>
#include <rouse/future.h>
#include <rouse/io_wait.h>
#include <sys/types.h>
#include <sys/uio.h>

ROUSE_EXTERN_C_BEGIN

struct rouse_tcp;
struct rouse_tcp_listener;

// ---- Listening ----

struct rouse_tcp_listen_options {
    size_t size;         // sizeof(struct rouse_tcp_listen_options), or 0
    int backlog;         // 0: 1024
    bool no_reuse_addr;  // SO_REUSEADDR is set unless this is
    bool reuse_port;     // several listeners share the port, for instance one on each worker
    bool ipv6_only;      // an IPv6 listener takes no IPv4 connections
};

/// Listens on `address`; port 0 picks a free one, see rouse_tcp_listener_address(). `options` may
/// be NULL.
///
/// Errors:  -EADDRINUSE, -EACCES, -EMFILE, -ENOMEM, and what socket, bind and listen give.
/// Owns:    `*out` is one share.
/// Threads: any. Does not wait.
ROUSE_API ROUSE_NODISCARD int rouse_tcp_listen(struct rouse_tcp_listener **out,
                                               const struct rouse_addr *address,
                                               const struct rouse_tcp_listen_options *options);

/// The address it listens on, with the port that was picked.
///
/// Errors:  -EBADF after a close.
/// Threads: any.
ROUSE_API ROUSE_NODISCARD int rouse_tcp_listener_address(const struct rouse_tcp_listener *listener,
                                                         struct rouse_addr *out);

/// Closes: waiting accepts end with -EBADF, the port is free. The object stays until its last
/// share is given up.
///
/// Threads: any.
ROUSE_API void rouse_tcp_listener_close(struct rouse_tcp_listener *listener);
/// Another share; returns its argument.
///
/// Threads: any.
ROUSE_API struct rouse_tcp_listener *rouse_tcp_listener_ref(struct rouse_tcp_listener *listener);
/// Gives up a share; the last one closes. NULL is allowed.
///
/// Threads: any.
ROUSE_API void rouse_tcp_listener_unref(struct rouse_tcp_listener *listener);

// Ends with a connection.
struct rouse_tcp_accept {
    struct rouse_future base;
    struct rouse_io_wait wait;
    struct rouse_tcp_listener *listener;  // borrowed
    struct rouse_backoff backoff;         // private: the pause at the limit of descriptors
    struct rouse_tcp *conn;               // private while waiting; on success, until taken
    int output;                           // 0, or a negative errno
};

/// Accepts the next connection. At the limit of descriptors (-EMFILE, -ENFILE, -ENOBUFS, -ENOMEM)
/// it backs off and tries again, and says so in the log once; connections that broke before they
/// were accepted are skipped.
///
/// Errors:  -EBADF when the listener is closed; while it backs off it learns of that up to a second
///          later. -ENOSPC or -EPERM when the kernel refuses to watch the listener.
/// Owns:    the connection is the future's until rouse_tcp_accept_take().
/// Threads: any, one at a time; several tasks may accept, they are served in order.
/// Cancel:  total: no connection is lost; dropping an ended accept closes one that nobody took.
ROUSE_API void rouse_tcp_accept_init(struct rouse_tcp_accept *accept,
                                     struct rouse_tcp_listener *listener);
/// Moves the connection out of an ended accept; NULL if there is none.
///
/// Owns:    the caller has one share.
/// Threads: whoever holds the future.
ROUSE_API struct rouse_tcp *rouse_tcp_accept_take(struct rouse_tcp_accept *accept);
/// Waits for a connection.
///
/// Errors:  0, -ECANCELED, or as rouse_tcp_accept_init().
/// Owns:    on success `*out` is one share.
/// Threads: a fiber or a plain thread.
/// Cancel:  total.
ROUSE_API ROUSE_NODISCARD int rouse_tcp_accept(struct rouse_tcp_listener *listener,
                                               struct rouse_tcp **out);

// ---- Connecting ----

// Ends with a connection.
struct rouse_tcp_connect {
    struct rouse_future base;
    struct rouse_io_wait wait;
    struct rouse_addr address;
    struct rouse_tcp *conn;  // private while connecting; on success, until taken
    int output;              // 0, or a negative errno
};

/// Connects to `address`, which is copied.
///
/// Errors:  -ECONNREFUSED, -ENETUNREACH, -ETIMEDOUT (the kernel's), -EMFILE, -ENOMEM, ...
/// Owns:    the connection is the future's until rouse_tcp_connect_take().
/// Threads: any, one at a time.
/// Cancel:  total: a connection being made is closed.
ROUSE_API void rouse_tcp_connect_init(struct rouse_tcp_connect *connect,
                                      const struct rouse_addr *address);
/// Moves the connection out of an ended connect; NULL if there is none.
///
/// Owns:    the caller has one share.
/// Threads: whoever holds the future.
ROUSE_API struct rouse_tcp *rouse_tcp_connect_take(struct rouse_tcp_connect *connect);
/// Connects to an address.
///
/// Errors:  0, -ECANCELED, or as rouse_tcp_connect_init().
/// Owns:    on success `*out` is one share.
/// Threads: a fiber or a plain thread.
/// Cancel:  total.
ROUSE_API ROUSE_NODISCARD int rouse_tcp_connect(struct rouse_tcp **out,
                                                const struct rouse_addr *address);
/// Resolves `host` as rouse_resolve(), then tries its addresses one after another, at most 32.
///
/// Errors:  rouse_resolve()'s; else the last address's error; -ECANCELED.
/// Owns:    on success `*out` is one share.
/// Threads: a fiber or a plain thread.
/// Cancel:  total; a look-up under way goes on and its answer is thrown away.
ROUSE_API ROUSE_NODISCARD int rouse_tcp_connect_name(struct rouse_tcp **out, const char *host,
                                                     const char *service);

// ---- Connections ----

/// Closes: waiting calls end with -EBADF; unread data is thrown away; the object stays until its
/// last share is given up.
///
/// Threads: any.
ROUSE_API void rouse_tcp_close(struct rouse_tcp *conn);
/// Closes by a reset: what has not been sent is thrown away, and the peer's calls fail with
/// -ECONNRESET, so it does not take what it has got for all there was. On a connection that is not
/// connected it is a close.
///
/// Threads: any.
ROUSE_API void rouse_tcp_reset(struct rouse_tcp *conn);
/// Another share; returns its argument.
///
/// Threads: any.
ROUSE_API struct rouse_tcp *rouse_tcp_ref(struct rouse_tcp *conn);
/// Gives up a share; the last one closes. NULL is allowed.
///
/// Threads: any.
ROUSE_API void rouse_tcp_unref(struct rouse_tcp *conn);
/// Sends the end of the stream; reading goes on.
///
/// Errors:  -EBADF, -ENOTCONN.
/// Threads: any.
ROUSE_API int rouse_tcp_shutdown_write(struct rouse_tcp *conn);
/// Turns Nagle's delay off or on. It is off (nodelay) from the start.
///
/// Errors:  -EBADF.
/// Threads: any.
ROUSE_API int rouse_tcp_set_nodelay(struct rouse_tcp *conn, bool nodelay);
/// Probes an idle peer after `idle_s` seconds, then every `interval_s`, `count` times; 0 turns it
/// off.
///
/// Errors:  -EBADF, -EINVAL.
/// Threads: any.
ROUSE_API int rouse_tcp_set_keepalive(struct rouse_tcp *conn, unsigned idle_s, unsigned interval_s,
                                      unsigned count);
/// Our end's address.
///
/// Errors:  -EBADF.
/// Threads: any.
ROUSE_API ROUSE_NODISCARD int rouse_tcp_local_address(const struct rouse_tcp *conn,
                                                      struct rouse_addr *out);
/// The peer's address.
///
/// Errors:  -EBADF, -ENOTCONN.
/// Threads: any.
ROUSE_API ROUSE_NODISCARD int rouse_tcp_peer_address(const struct rouse_tcp *conn,
                                                     struct rouse_addr *out);

// Ends with some bytes.
struct rouse_tcp_read {
    struct rouse_future base;
    struct rouse_io_wait wait;
    struct rouse_tcp *conn;  // borrowed
    void *buf;               // borrowed
    size_t size;
    ssize_t output;  // bytes read; 0: end of the stream; or a negative errno
};

/// Reads what is there, at least one byte unless the stream has ended.
///
/// Units:   bytes; `size` > 0.
/// Errors:  -ECONNRESET, -EBADF, ...
/// Owns:    `conn` and `buf` are borrowed until the future ends.
/// Threads: any, one at a time.
/// Cancel:  total: a dropped read has taken no byte.
ROUSE_API void rouse_tcp_read_init(struct rouse_tcp_read *read, struct rouse_tcp *conn, void *buf,
                                   size_t size);
/// Reads what is there.
///
/// Errors:  a count, 0 at the end, -ECANCELED, or as rouse_tcp_read_init().
/// Threads: a fiber or a plain thread.
/// Cancel:  total.
ROUSE_API ROUSE_NODISCARD ssize_t rouse_tcp_read(struct rouse_tcp *conn, void *buf, size_t size);
/// Reads what is there now; never waits.
///
/// Errors:  a count, 0 at the end, -EAGAIN if nothing is there, or as rouse_tcp_read_init().
/// Threads: any.
ROUSE_API ROUSE_NODISCARD ssize_t rouse_tcp_try_read(struct rouse_tcp *conn, void *buf,
                                                     size_t size);
/// Reads into several buffers; at most 1024.
///
/// Errors:  as rouse_tcp_read(); -EINVAL.
/// Threads: a fiber or a plain thread.
/// Cancel:  total.
ROUSE_API ROUSE_NODISCARD ssize_t rouse_tcp_readv(struct rouse_tcp *conn, const struct iovec *iov,
                                                  int count);

// Ends when a read would not wait.
struct rouse_tcp_readable {
    struct rouse_future base;
    struct rouse_io_wait wait;
    struct rouse_tcp *conn;  // borrowed
    int output;              // 0, or a negative errno
};

/// Completes when there is something to read: data, the end of the stream, or an error, which
/// rouse_tcp_try_read() then gives. It takes nothing: so another reader may be faster, and who then
/// gets -EAGAIN waits again.
///
/// Errors:  -EBADF, and -ENOSPC or -EPERM when the kernel refuses to watch the connection.
/// Owns:    `conn` is borrowed until the future ends.
/// Threads: any, one at a time.
/// Cancel:  total.
ROUSE_API void rouse_tcp_readable_init(struct rouse_tcp_readable *readable, struct rouse_tcp *conn);
/// Waits until there is something to read.
///
/// Errors:  0, -ECANCELED, or as rouse_tcp_readable_init().
/// Threads: a fiber or a plain thread.
/// Cancel:  total.
ROUSE_API ROUSE_NODISCARD int rouse_tcp_readable(struct rouse_tcp *conn);

// Ends with some bytes in a buffer that rouse lends.
struct rouse_tcp_read_pooled {
    struct rouse_future base;
    struct rouse_io_wait wait;
    struct rouse_tcp *conn;  // borrowed
    void *data;              // the lent buffer, until taken; NULL unless `output` > 0
    ssize_t output;          // bytes read; 0: end of the stream; or a negative errno
};

/// Reads what is there, at least one byte unless the stream has ended, into a buffer that is taken
/// from a pool only then: a connection that waits costs no buffer.
///
/// Units:   bytes; at most ROUSE_BUFFER_SIZE.
/// Errors:  as rouse_tcp_read_init(); -ENOMEM: there was no buffer, and nothing has been read.
/// Owns:    `conn` is borrowed until the future ends. The buffer is the future's until
///          rouse_tcp_read_pooled_take(); dropping the ended future gives it back.
/// Threads: any, one at a time.
/// Cancel:  total: a dropped read has taken no byte.
ROUSE_API void rouse_tcp_read_pooled_init(struct rouse_tcp_read_pooled *read,
                                          struct rouse_tcp *conn);
/// Moves the buffer out of an ended read; NULL if there is none.
///
/// Owns:    the caller gives it back by rouse_buffer_free().
/// Threads: whoever holds the future.
ROUSE_API void *rouse_tcp_read_pooled_take(struct rouse_tcp_read_pooled *read);
/// Reads what is there into a buffer from the pool.
///
/// Errors:  a count, 0 at the end, -ECANCELED, or as rouse_tcp_read_pooled_init().
/// Owns:    after a count, `*data` is lent until rouse_buffer_free(); else it is NULL.
/// Threads: a fiber or a plain thread.
/// Cancel:  total.
ROUSE_API ROUSE_NODISCARD ssize_t rouse_tcp_read_pooled(struct rouse_tcp *conn, void **data);

// Ends when a buffer is full.
struct rouse_tcp_read_exact {
    struct rouse_future base;
    struct rouse_io_wait wait;
    struct rouse_tcp *conn;  // borrowed
    void *buf;               // borrowed
    size_t size;
    size_t done;     // bytes read so far; right at any time, also after a drop
    ssize_t output;  // `size`; fewer if the stream ended before; or a negative errno
};

/// Reads exactly `size` bytes, fewer only at the end of the stream.
///
/// Units:   bytes.
/// Errors:  as rouse_tcp_read_init(); `done` says how much arrived before.
/// Owns:    as rouse_tcp_read_init().
/// Threads: any, one at a time.
/// Cancel:  partial: `done` bytes have been read.
ROUSE_API void rouse_tcp_read_exact_init(struct rouse_tcp_read_exact *read, struct rouse_tcp *conn,
                                         void *buf, size_t size);
/// Reads exactly `size` bytes, fewer only at the end of the stream; `done` may be NULL.
///
/// Errors:  as rouse_tcp_read(); `*done` bytes were read in any case.
/// Threads: a fiber or a plain thread.
/// Cancel:  partial: `*done` bytes have been read.
ROUSE_API ROUSE_NODISCARD ssize_t rouse_tcp_read_exact(struct rouse_tcp *conn, void *buf,
                                                       size_t size, size_t *done);

// Ends when some bytes have been taken.
struct rouse_tcp_write {
    struct rouse_future base;
    struct rouse_io_wait wait;
    struct rouse_tcp *conn;  // borrowed
    const void *buf;         // borrowed
    size_t size;
    ssize_t output;  // bytes taken, or a negative errno
};

/// Writes what the socket takes, at least one byte.
///
/// Units:   bytes.
/// Errors:  -EPIPE, -ECONNRESET, -EBADF, ...
/// Owns:    `conn` and `buf` are borrowed until the future ends.
/// Threads: any, one at a time.
/// Cancel:  total: a dropped write has sent nothing.
ROUSE_API void rouse_tcp_write_init(struct rouse_tcp_write *write, struct rouse_tcp *conn,
                                    const void *buf, size_t size);
/// Writes what the socket takes.
///
/// Errors:  a count, -ECANCELED, or as rouse_tcp_write_init().
/// Threads: a fiber or a plain thread.
/// Cancel:  total.
ROUSE_API ROUSE_NODISCARD ssize_t rouse_tcp_write(struct rouse_tcp *conn, const void *buf,
                                                  size_t size);
/// Writes what the socket takes now; never waits.
///
/// Errors:  a count, -EAGAIN if it takes nothing now, or as rouse_tcp_write_init().
/// Threads: any.
ROUSE_API ROUSE_NODISCARD ssize_t rouse_tcp_try_write(struct rouse_tcp *conn, const void *buf,
                                                      size_t size);
/// Writes from several buffers, what the socket takes; at most 1024.
///
/// Errors:  as rouse_tcp_write(); -EINVAL.
/// Threads: a fiber or a plain thread.
/// Cancel:  total.
ROUSE_API ROUSE_NODISCARD ssize_t rouse_tcp_writev(struct rouse_tcp *conn, const struct iovec *iov,
                                                   int count);

// Ends when a whole buffer has been taken.
struct rouse_tcp_write_all {
    struct rouse_future base;
    struct rouse_io_wait wait;
    struct rouse_tcp *conn;  // borrowed
    const void *buf;         // borrowed
    size_t size;
    size_t done;     // bytes taken so far; right at any time, also after a drop
    ssize_t output;  // `size`, or a negative errno
};

/// Writes the whole buffer.
///
/// Units:   bytes.
/// Errors:  as rouse_tcp_write_init(); `done` says how much was taken before.
/// Owns:    as rouse_tcp_write_init().
/// Threads: any, one at a time.
/// Cancel:  partial: `done` bytes have been sent.
ROUSE_API void rouse_tcp_write_all_init(struct rouse_tcp_write_all *write, struct rouse_tcp *conn,
                                        const void *buf, size_t size);
/// Writes the whole buffer. Returns `size`.
///
/// Errors:  as rouse_tcp_write().
/// Threads: a fiber or a plain thread.
/// Cancel:  partial; how much was sent is told by the future form only.
ROUSE_API ROUSE_NODISCARD ssize_t rouse_tcp_write_all(struct rouse_tcp *conn, const void *buf,
                                                      size_t size);
/// Writes all of several buffers; at most 1024. Returns their total size. `iov` is not changed.
///
/// Errors:  as rouse_tcp_write(); -EINVAL.
/// Threads: a fiber or a plain thread.
/// Cancel:  terminal: some may have been sent, and how much is not told; what is left to do is to
///          close.
ROUSE_API ROUSE_NODISCARD ssize_t rouse_tcp_writev_all(struct rouse_tcp *conn,
                                                       const struct iovec *iov, int count);

// Ends when a stretch of a file has been sent.
struct rouse_tcp_sendfile {
    struct rouse_future base;
    struct rouse_io_wait wait;
    struct rouse_tcp *conn;  // borrowed
    int fd;                  // borrowed
    off_t offset;            // of the next byte
    size_t size;
    size_t done;     // bytes sent so far; right at any time, also after a drop
    ssize_t output;  // bytes sent: `size`, or fewer if the file ended; or a negative errno
};

/// Sends `size` bytes of the file `fd` from `offset`, without copying them through the program.
/// The file's offset does not move. A file that is not in the page cache makes the thread wait for
/// the disk.
///
/// Units:   bytes.
/// Errors:  as rouse_tcp_write_init(), and sendfile's for `fd`.
/// Owns:    `conn` and `fd` are borrowed until the future ends.
/// Threads: any, one at a time.
/// Cancel:  partial: `done` bytes have been sent.
ROUSE_API void rouse_tcp_sendfile_init(struct rouse_tcp_sendfile *send, struct rouse_tcp *conn,
                                       int fd, off_t offset, size_t size);
/// Sends a stretch of a file. Returns the bytes sent: fewer than `size` if the file ended.
///
/// Errors:  as rouse_tcp_sendfile_init(), -ECANCELED.
/// Threads: a fiber or a plain thread.
/// Cancel:  partial; how much was sent is told by the future form only.
ROUSE_API ROUSE_NODISCARD ssize_t rouse_tcp_sendfile(struct rouse_tcp *conn, int fd, off_t offset,
                                                     size_t size);

ROUSE_EXTERN_C_END

#endif
