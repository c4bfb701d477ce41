// SPDX-License-Identifier: MIT
//
// Unix-domain sockets: between processes of one machine, by a path or an abstract name, see
// rouse_addr_unix().
//
// A Unix stream is a connection, and is served by the same object and calls as TCP's: accept, read,
// write, shut down and close it with tcp.h, so that a handler written for one serves the other.
// What is TCP's alone (nodelay, keepalive) fails with -EOPNOTSUPP. In the same way a Unix datagram
// socket is one of udp.h. Here is what only Unix sockets have: where they are, who is at the other
// end, and descriptors that travel with the bytes.

#ifndef ROUSE_UNIX_H
#define ROUSE_UNIX_H

#include <rouse/addr.h>
#include <rouse/backoff.h>
#include <rouse/future.h>
#include <rouse/io_wait.h>
#include <rouse/tcp.h>
#include <rouse/udp.h>
#include <sys/types.h>

ROUSE_EXTERN_C_BEGIN

// ---- Streams ----

struct rouse_unix_listen_options {
    size_t size;        // sizeof(struct rouse_unix_listen_options), or 0
    int backlog;        // 0: 1024
    bool remove_stale;  // a socket file at the path that nobody is bound to is removed first
};

/// Listens at `address`. The file that bind makes stays when the listener is closed: unlink it, or
/// let the next start do so with `remove_stale`. That option does not lock: of two programs that
/// start at once, one may remove the file of the other. `options` may be NULL.
///
/// Errors:  -EADDRINUSE when the path or name is taken, -EAFNOSUPPORT when it is no Unix address,
///          -EACCES, -ENOENT, -EMFILE, -ENOMEM, and what socket, bind and listen give.
/// Owns:    `*out` is one share.
/// Threads: any. Does not wait, but for the file system.
ROUSE_API ROUSE_NODISCARD int rouse_unix_listen(struct rouse_tcp_listener **out,
                                                const struct rouse_addr *address,
                                                const struct rouse_unix_listen_options *options);

// Ends with a connection.
struct rouse_unix_connect {
    struct rouse_future base;
    struct rouse_addr address;
    struct rouse_backoff backoff;  // private: the pause before a full backlog
    struct rouse_tcp *conn;        // private while connecting; on success, until taken
    int output;                    // 0, or a negative errno
};

/// Connects to the listener at `address`, which is copied. While its backlog is full, tries again
/// after pauses of up to 100 ms: no event tells when there is room.
///
/// Errors:  -ECONNREFUSED when nobody listens there, -ENOENT when there is no such path, -EACCES,
///          -EPROTOTYPE when it is no stream, -EAFNOSUPPORT, -EMFILE, -ENOMEM, ...
/// Owns:    the connection is the future's until rouse_unix_connect_take().
/// Threads: any, one at a time.
/// Cancel:  total: a connection being made is closed.
ROUSE_API void rouse_unix_connect_init(struct rouse_unix_connect *connect,
                                       const struct rouse_addr *address);
/// Moves the connection out of an ended connect; NULL if there is none.
///
/// Owns:    the caller has one share.
/// Threads: whoever holds the future.
ROUSE_API struct rouse_tcp *rouse_unix_connect_take(struct rouse_unix_connect *connect);
/// Connects to an address.
///
/// Errors:  0, -ECANCELED, or as rouse_unix_connect_init().
/// Owns:    on success `*out` is one share.
/// Threads: a fiber or a plain thread.
/// Cancel:  total.
ROUSE_API ROUSE_NODISCARD int rouse_unix_connect(struct rouse_tcp **out,
                                                 const struct rouse_addr *address);

/// Two ends of a new stream.
///
/// Errors:  -EMFILE, -ENFILE, -ENOMEM.
/// Owns:    each end is one share.
/// Threads: any. Does not wait.
ROUSE_API ROUSE_NODISCARD int rouse_unix_pair(struct rouse_tcp *out[2]);

// ---- Datagrams ----

struct rouse_unix_bind_options {
    size_t size;        // sizeof(struct rouse_unix_bind_options), or 0
    bool remove_stale;  // a socket file at the path that nobody is bound to is removed first
};

/// A datagram socket at `address`; NULL: one without a name, which can send, and be answered by a
/// peer that it is connected to only. Datagrams between Unix sockets arrive, whole and in order: a
/// send waits while the receiver is full. About the file: as rouse_unix_listen(). `options` may be
/// NULL.
///
/// Errors:  as rouse_unix_listen().
/// Owns:    `*out` is one share.
/// Threads: any. Does not wait, but for the file system.
ROUSE_API ROUSE_NODISCARD int rouse_unix_bind(struct rouse_udp **out,
                                              const struct rouse_addr *address,
                                              const struct rouse_unix_bind_options *options);
/// Two datagram sockets that are connected to each other.
///
/// Errors:  -EMFILE, -ENFILE, -ENOMEM.
/// Owns:    each is one share.
/// Threads: any. Does not wait.
ROUSE_API ROUSE_NODISCARD int rouse_unix_datagram_pair(struct rouse_udp *out[2]);

// ---- Who is at the other end ----

struct rouse_unix_credentials {
    pid_t pid;
    uid_t uid;
    gid_t gid;
};

/// The process that connected, or that listens, as it was when it did so. The kernel vouches for
/// it; but the process may have ended, and its number may be another's.
///
/// Errors:  -EBADF; -EOPNOTSUPP for a TCP connection.
/// Threads: any.
ROUSE_API ROUSE_NODISCARD int rouse_unix_peer(const struct rouse_tcp *conn,
                                              struct rouse_unix_credentials *out);

// ---- Descriptors that travel with bytes ----

// The most descriptors that one call passes.
#define ROUSE_UNIX_FDS_MAX 253

// Ends when some bytes have been taken, and all of the descriptors.
struct rouse_unix_send_fds {
    struct rouse_future base;
    struct rouse_io_wait wait;
    void *socket;     // borrowed: a connection, or a datagram socket
    const void *buf;  // borrowed
    size_t size;
    const int *fds;  // borrowed
    unsigned count;
    bool is_datagram;  // private
    ssize_t output;    // bytes taken, or a negative errno
};

/// Writes what the socket takes, at least one byte, and with the first byte `count` descriptors:
/// the receiver gets its own for the same open files. The rest of the bytes, if it took fewer, are
/// for rouse_tcp_write_all().
///
/// Units:   bytes, `size` > 0; `count` up to ROUSE_UNIX_FDS_MAX.
/// Errors:  as rouse_tcp_write_init(); -EINVAL for too many descriptors; -EBADF also when one of
///          `fds` is none; -ETOOMANYREFS when too many are under way; -EOPNOTSUPP over TCP.
/// Owns:    `conn`, `buf` and `fds` are borrowed until the future ends; the descriptors stay yours.
/// Threads: any, one at a time.
/// Cancel:  total: a dropped one has sent nothing.
ROUSE_API void rouse_unix_send_fds_init(struct rouse_unix_send_fds *send, struct rouse_tcp *conn,
                                        const void *buf, size_t size, const int *fds,
                                        unsigned count);
/// Writes what the socket takes, and descriptors.
///
/// Errors:  a count of bytes, -ECANCELED, or as rouse_unix_send_fds_init().
/// Threads: a fiber or a plain thread.
/// Cancel:  total.
ROUSE_API ROUSE_NODISCARD ssize_t rouse_unix_send_fds(struct rouse_tcp *conn, const void *buf,
                                                      size_t size, const int *fds, unsigned count);

// Ends with some bytes, and the descriptors that came with them.
struct rouse_unix_recv_fds {
    struct rouse_future base;
    struct rouse_io_wait wait;
    void *socket;  // borrowed: a connection, or a datagram socket
    void *buf;     // borrowed
    size_t size;
    int *fds;           // borrowed until taken, or dropped after its end
    unsigned capacity;  // room in `fds`
    unsigned count;     // descriptors in `fds`; the future's until taken
    bool truncated;     // more came than found room here or in the process; the kernel closed them
    bool is_datagram;   // private
    size_t length;      // of a datagram: its whole length; what is above `size` is lost
    ssize_t output;     // bytes in `buf`; 0: end of the stream; or a negative errno
};

/// Reads what is there, at least one byte unless the stream has ended, and takes the descriptors
/// that came with it, close-on-exec. A read never goes past the bytes that descriptors came with;
/// they come with the first byte of the call that sent them, or with bytes before it. A plain
/// rouse_tcp_read() closes descriptors that come with its bytes.
///
/// Units:   bytes, `size` > 0; `capacity` up to ROUSE_UNIX_FDS_MAX is of use.
/// Errors:  as rouse_tcp_read_init(). At the limit of descriptors the bytes come, and `truncated`.
/// Owns:    `conn`, `buf` and `fds` are borrowed; the descriptors are the future's until
///          rouse_unix_recv_fds_take(): dropping an ended one closes them.
/// Threads: any, one at a time.
/// Cancel:  total: a dropped one has taken no byte and no descriptor.
ROUSE_API void rouse_unix_recv_fds_init(struct rouse_unix_recv_fds *recv, struct rouse_tcp *conn,
                                        void *buf, size_t size, int *fds, unsigned capacity);
/// Gives the descriptors of an ended receive to the caller: how many of `fds` there are.
///
/// Owns:    the caller closes them.
/// Threads: whoever holds the future.
ROUSE_API ROUSE_NODISCARD unsigned rouse_unix_recv_fds_take(struct rouse_unix_recv_fds *recv);
/// Reads what is there, and takes descriptors: room for `*count` of them, then how many came.
/// `truncated` may be NULL.
///
/// Errors:  a count of bytes, 0 at the end, -ECANCELED, or as rouse_unix_recv_fds_init(); then
///          `*count` is 0.
/// Owns:    the caller closes the descriptors.
/// Threads: a fiber or a plain thread.
/// Cancel:  total.
ROUSE_API ROUSE_NODISCARD ssize_t rouse_unix_recv_fds(
    struct rouse_tcp *conn, void *buf, size_t size, int *fds, unsigned *count, bool *truncated);

/// Sends a datagram, which may be empty, to the connected peer, and with it `count` descriptors.
///
/// Units:   bytes; `count` up to ROUSE_UNIX_FDS_MAX.
/// Errors:  as rouse_udp_send_init() and rouse_unix_send_fds_init(); -ENOTCONN.
/// Owns:    `udp`, `buf` and `fds` are borrowed until the future ends; the descriptors stay yours.
/// Threads: any, one at a time.
/// Cancel:  total: a dropped one has sent nothing.
ROUSE_API void rouse_unix_datagram_send_fds_init(struct rouse_unix_send_fds *send,
                                                 struct rouse_udp *udp, const void *buf,
                                                 size_t size, const int *fds, unsigned count);
/// Sends a datagram and descriptors.
///
/// Errors:  `size`, -ECANCELED, or as rouse_unix_datagram_send_fds_init().
/// Threads: a fiber or a plain thread.
/// Cancel:  total.
ROUSE_API ROUSE_NODISCARD ssize_t rouse_unix_datagram_send_fds(
    struct rouse_udp *udp, const void *buf, size_t size, const int *fds, unsigned count);
/// Receives a datagram, and takes the descriptors that came with it, close-on-exec. A plain
/// rouse_udp_recv() closes them.
///
/// Units:   bytes; `size` may be 0; `capacity` up to ROUSE_UNIX_FDS_MAX is of use.
/// Errors:  as rouse_udp_recv_init(). At the limit of descriptors the datagram comes, and
///          `truncated`.
/// Owns:    as rouse_unix_recv_fds_init().
/// Threads: any, one at a time.
/// Cancel:  total: a dropped one has taken no datagram and no descriptor.
ROUSE_API void rouse_unix_datagram_recv_fds_init(struct rouse_unix_recv_fds *recv,
                                                 struct rouse_udp *udp, void *buf, size_t size,
                                                 int *fds, unsigned capacity);
/// Receives a datagram and descriptors: room for `*count` of them, then how many came. `truncated`
/// may be NULL.
///
/// Errors:  its bytes in `buf`, -ECANCELED, or as rouse_unix_datagram_recv_fds_init(); then
///          `*count` is 0.
/// Owns:    the caller closes the descriptors.
/// Threads: a fiber or a plain thread.
/// Cancel:  total.
ROUSE_API ROUSE_NODISCARD ssize_t rouse_unix_datagram_recv_fds(
    struct rouse_udp *udp, void *buf, size_t size, int *fds, unsigned *count, bool *truncated);

ROUSE_EXTERN_C_END

#endif
