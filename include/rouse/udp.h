// SPDX-License-Identifier: MIT
//
// UDP: sockets that send and receive datagrams, one at a time or many in one system call. Counted
// objects; every waiting call has a future form and a direct form. One task may receive while
// another sends; further ones queue in order. Unix datagram sockets are the same objects, made by
// unix.h.
//
// Results: a count, which is 0 for an empty datagram, or a negative errno. -EBADF: closed by us,
// before or while waiting. Other errors tell of one datagram, often of one sent earlier
// (-ECONNREFUSED: nobody had the port), and the socket goes on.

#ifndef ROUSE_UDP_H
#define ROUSE_UDP_H

#include <rouse/addr.h>
#include <rouse/backoff.h>
#include <rouse/future.h>
#include <rouse/io_wait.h>
#include <sys/types.h>

ROUSE_EXTERN_C_BEGIN

struct rouse_udp;

// ---- Sockets ----

struct rouse_udp_options {
    size_t size;         // sizeof(struct rouse_udp_options), or 0
    bool reuse_addr;     // several sockets may share the address, for instance of a multicast group
    bool reuse_port;     // several sockets share the port, and datagrams are spread over them
    bool ipv6_only;      // an IPv6 socket takes no IPv4 datagrams
    bool broadcast;      // may send to broadcast addresses
    int receive_buffer;  // bytes; 0: the system's default. The system may give less, or more
    int send_buffer;     // the same
};

/// A socket at `address`; port 0 picks a free one, see rouse_udp_local_address(). `options` may be
/// NULL.
///
/// Errors:  -EADDRINUSE, -EACCES, -EAFNOSUPPORT, -EMFILE, -ENOMEM, and what socket, setsockopt and
///          bind give.
/// Owns:    `*out` is one share.
/// Threads: any. Does not wait.
ROUSE_API ROUSE_NODISCARD int rouse_udp_bind(struct rouse_udp **out,
                                             const struct rouse_addr *address,
                                             const struct rouse_udp_options *options);
/// Makes `peer` the one to send to where no address is given, and the only one to receive from.
/// What has arrived before is still there. No address (`length` is 0) undoes it; with that Linux
/// also gives up a port that it picked itself.
///
/// Errors:  -EBADF, -ENETUNREACH, -EAFNOSUPPORT; of Unix sockets -ECONNREFUSED, -ENOENT, ...
/// Threads: any. Does not wait.
ROUSE_API ROUSE_NODISCARD int rouse_udp_connect(struct rouse_udp *udp,
                                                const struct rouse_addr *peer);
/// Closes: waiting calls end with -EBADF; datagrams that nobody received are thrown away. The
/// object stays until its last share is given up.
///
/// Threads: any.
ROUSE_API void rouse_udp_close(struct rouse_udp *udp);
/// Another share; returns its argument.
///
/// Threads: any.
ROUSE_API struct rouse_udp *rouse_udp_ref(struct rouse_udp *udp);
/// Gives up a share; the last one closes. NULL is allowed.
///
/// Threads: any.
ROUSE_API void rouse_udp_unref(struct rouse_udp *udp);
/// Our address, with the port that was picked.
///
/// Errors:  -EBADF.
/// Threads: any.
ROUSE_API ROUSE_NODISCARD int rouse_udp_local_address(const struct rouse_udp *udp,
                                                      struct rouse_addr *out);
/// The address of the connected peer.
///
/// Errors:  -EBADF, -ENOTCONN.
/// Threads: any.
ROUSE_API ROUSE_NODISCARD int rouse_udp_peer_address(const struct rouse_udp *udp,
                                                     struct rouse_addr *out);

// ---- Receiving ----

// Ends with a datagram.
struct rouse_udp_recv {
    struct rouse_future base;
    struct rouse_io_wait wait;
    struct rouse_udp *udp;  // borrowed
    void *buf;              // borrowed
    size_t size;
    struct rouse_addr from;  // who sent it; no address: a Unix socket without a name
    size_t length;           // its whole length
    bool truncated;          // it was longer than `size`; the rest of it is lost
    ssize_t output;          // its bytes in `buf`, or a negative errno
};

/// Receives a datagram.
///
/// Units:   bytes; `size` may be 0.
/// Errors:  -ECONNREFUSED and the like, of a datagram sent to the connected peer; -EBADF, ...
/// Owns:    `udp` and `buf` are borrowed until the future ends.
/// Threads: any, one at a time.
/// Cancel:  total: a dropped one has taken no datagram.
ROUSE_API void rouse_udp_recv_init(struct rouse_udp_recv *recv, struct rouse_udp *udp, void *buf,
                                   size_t size);
/// Receives a datagram; what does not fit is lost without a word: rouse_udp_recv_from() tells.
///
/// Errors:  its bytes in `buf`, -ECANCELED, or as rouse_udp_recv_init().
/// Threads: a fiber or a plain thread.
/// Cancel:  total.
ROUSE_API ROUSE_NODISCARD ssize_t rouse_udp_recv(struct rouse_udp *udp, void *buf, size_t size);
/// Receives a datagram. `*from` is who sent it, and `*length` its whole length: more than what is
/// returned if it did not fit, and then the rest is lost. Both may be NULL.
///
/// Errors:  its bytes in `buf`, -ECANCELED, or as rouse_udp_recv_init().
/// Threads: a fiber or a plain thread.
/// Cancel:  total.
ROUSE_API ROUSE_NODISCARD ssize_t rouse_udp_recv_from(struct rouse_udp *udp, void *buf, size_t size,
                                                      struct rouse_addr *from, size_t *length);
/// The same, but never waits.
///
/// Errors:  its bytes in `buf`, -EAGAIN if none is there, or as rouse_udp_recv_init().
/// Threads: any.
ROUSE_API ROUSE_NODISCARD ssize_t rouse_udp_try_recv_from(
    struct rouse_udp *udp, void *buf, size_t size, struct rouse_addr *from, size_t *length);

// ---- Sending ----

// Ends when a datagram has been taken.
struct rouse_udp_send {
    struct rouse_future base;
    struct rouse_io_wait wait;
    struct rouse_backoff backoff;  // private: the pause before a full Unix socket
    struct rouse_udp *udp;         // borrowed
    const void *buf;               // borrowed
    size_t size;
    struct rouse_addr to;  // no address: the connected peer
    ssize_t output;        // `size`, or a negative errno
};

/// Sends a datagram to `to`, which is copied; NULL: to the connected peer. It is sent whole or not
/// at all, and that it was sent does not mean that it arrives. To a Unix socket that it is not
/// connected to and that is full, tries again after pauses of up to 100 ms, and learns of a close
/// only then: no event tells when there is room.
///
/// Units:   bytes; `size` may be 0.
/// Errors:  -EMSGSIZE when it is too long, -EDESTADDRREQ or -ENOTCONN without an address,
///          -ECONNREFUSED and the like, of an earlier datagram: this one was not sent;
///          -ENETUNREACH, -EPERM, -ENOBUFS, -EBADF, ...
/// Owns:    `udp` and `buf` are borrowed until the future ends.
/// Threads: any, one at a time.
/// Cancel:  total: a dropped one has sent nothing.
ROUSE_API void rouse_udp_send_init(struct rouse_udp_send *send, struct rouse_udp *udp,
                                   const void *buf, size_t size, const struct rouse_addr *to);
/// Sends a datagram to the connected peer.
///
/// Errors:  `size`, -ECANCELED, or as rouse_udp_send_init().
/// Threads: a fiber or a plain thread.
/// Cancel:  total.
ROUSE_API ROUSE_NODISCARD ssize_t rouse_udp_send(struct rouse_udp *udp, const void *buf,
                                                 size_t size);
/// Sends a datagram to `to`.
///
/// Errors:  `size`, -ECANCELED, or as rouse_udp_send_init().
/// Threads: a fiber or a plain thread.
/// Cancel:  total.
ROUSE_API ROUSE_NODISCARD ssize_t rouse_udp_send_to(struct rouse_udp *udp, const void *buf,
                                                    size_t size, const struct rouse_addr *to);
/// The same, but never waits; `to` may be NULL.
///
/// Errors:  `size`, -EAGAIN if it would wait, or as rouse_udp_send_init().
/// Threads: any.
ROUSE_API ROUSE_NODISCARD ssize_t rouse_udp_try_send_to(struct rouse_udp *udp, const void *buf,
                                                        size_t size, const struct rouse_addr *to);

// ---- Many at once ----

// One of several datagrams.
struct rouse_datagram {
    void *buf;               // borrowed
    size_t size;             // room in `buf`; of one to send: its bytes
    struct rouse_addr addr;  // who sent it; whom to send it to, no address: the connected peer
    // Of one to send: the kernel cuts it into datagrams of this size, the last one may be shorter;
    // see rouse_udp_can_segment(). Of a received one: it is several datagrams of this size that
    // came together, see rouse_udp_set_gro(). 0: it is one datagram.
    size_t segment_size;
    size_t received;  // bytes in `buf`
    size_t length;    // its whole length
    bool truncated;   // it was longer than `size`; the rest of it is lost
};

// The most that one call receives or sends. It costs a system call for each so many.
#define ROUSE_UDP_BATCH_MAX 32

// Ends with some datagrams.
struct rouse_udp_recv_many {
    struct rouse_future base;
    struct rouse_io_wait wait;
    struct rouse_udp *udp;            // borrowed
    struct rouse_datagram *messages;  // borrowed
    unsigned count;
    int output;  // how many there are, at least one; or a negative errno
};

/// Receives what is there, at least one datagram and at most `count` or ROUSE_UDP_BATCH_MAX, into
/// the buffers of `messages`. An error behind the first one is told by the next call.
///
/// Units:   datagrams; `count` > 0.
/// Errors:  as rouse_udp_recv_init().
/// Owns:    `udp`, `messages` and their buffers are borrowed until the future ends.
/// Threads: any, one at a time.
/// Cancel:  total: a dropped one has taken no datagram.
ROUSE_API void rouse_udp_recv_many_init(struct rouse_udp_recv_many *recv, struct rouse_udp *udp,
                                        struct rouse_datagram *messages, unsigned count);
/// Receives what is there.
///
/// Errors:  how many, -ECANCELED, or as rouse_udp_recv_many_init().
/// Threads: a fiber or a plain thread.
/// Cancel:  total.
ROUSE_API ROUSE_NODISCARD int rouse_udp_recv_many(struct rouse_udp *udp,
                                                  struct rouse_datagram *messages, unsigned count);
/// Receives what is there now; never waits.
///
/// Errors:  how many, -EAGAIN if none is there, or as rouse_udp_recv_many_init().
/// Threads: any.
ROUSE_API ROUSE_NODISCARD int rouse_udp_try_recv_many(
    struct rouse_udp *udp, struct rouse_datagram *messages, unsigned count);

// Ends when some datagrams have been taken.
struct rouse_udp_send_many {
    struct rouse_future base;
    struct rouse_io_wait wait;
    struct rouse_backoff backoff;           // private: the pause before a full Unix socket
    struct rouse_udp *udp;                  // borrowed
    const struct rouse_datagram *messages;  // borrowed
    unsigned count;
    int output;  // how many were sent, at least one; or a negative errno
};

/// Sends the first of `messages`, at least one and at most `count` or ROUSE_UDP_BATCH_MAX: as many
/// as the socket takes. Fewer were sent when the next one would have to wait, or fails: go on with
/// it, and the next call waits or tells.
///
/// Units:   datagrams; `count` > 0.
/// Errors:  as rouse_udp_send_init(), of the first one; -EINVAL and -EIO when it cannot be cut into
///          segments, -EOPNOTSUPP on Unix sockets.
/// Owns:    `udp`, `messages` and their buffers are borrowed until the future ends.
/// Threads: any, one at a time.
/// Cancel:  total: a dropped one has sent nothing.
ROUSE_API void rouse_udp_send_many_init(struct rouse_udp_send_many *send, struct rouse_udp *udp,
                                        const struct rouse_datagram *messages, unsigned count);
/// Sends the first of several datagrams.
///
/// Errors:  how many, -ECANCELED, or as rouse_udp_send_many_init().
/// Threads: a fiber or a plain thread.
/// Cancel:  total.
ROUSE_API ROUSE_NODISCARD int rouse_udp_send_many(
    struct rouse_udp *udp, const struct rouse_datagram *messages, unsigned count);
/// Sends what the socket takes now; never waits.
///
/// Errors:  how many, -EAGAIN if the first would wait, or as rouse_udp_send_many_init().
/// Threads: any.
ROUSE_API ROUSE_NODISCARD int rouse_udp_try_send_many(
    struct rouse_udp *udp, const struct rouse_datagram *messages, unsigned count);

/// True if the kernel cuts a datagram to send into segments (UDP_SEGMENT, Linux 4.18). One that
/// does not know it would send it as one.
///
/// Threads: any.
ROUSE_API bool rouse_udp_can_segment(const struct rouse_udp *udp);
/// Lets the kernel hand over datagrams of one sender and one size together (UDP_GRO, Linux 5.0). To
/// be told of their size, receive with rouse_udp_recv_many(), and give it room: 64 KiB a message.
///
/// Errors:  -EBADF; -ENOPROTOOPT when the kernel has none, -EOPNOTSUPP for a Unix socket.
/// Threads: any.
ROUSE_API ROUSE_NODISCARD int rouse_udp_set_gro(struct rouse_udp *udp, bool gro);

// ---- Multicast ----

/// Receives what is sent to the multicast address `group`, from the interface with this number; 0
/// lets the system choose.
///
/// Errors:  -EADDRINUSE when it has joined, -ENODEV when there is no such interface, -EINVAL when
///          it is no such address, -EBADF.
/// Threads: any.
ROUSE_API ROUSE_NODISCARD int rouse_udp_join(struct rouse_udp *udp, const struct rouse_addr *group,
                                             unsigned interface_index);
/// Undoes rouse_udp_join().
///
/// Errors:  -EADDRNOTAVAIL when it has not joined, -EINVAL, -EBADF.
/// Threads: any.
ROUSE_API int rouse_udp_leave(struct rouse_udp *udp, const struct rouse_addr *group,
                              unsigned interface_index);
/// Through how many routers what is sent to a group may go; 1 from the start: it stays on the link.
///
/// Errors:  -EINVAL above 255, -EBADF.
/// Threads: any.
ROUSE_API ROUSE_NODISCARD int rouse_udp_set_multicast_ttl(struct rouse_udp *udp, unsigned ttl);
/// The interface by which it is sent; 0 lets the system choose.
///
/// Errors:  -ENODEV or -EADDRNOTAVAIL when there is no such interface, -EBADF.
/// Threads: any.
ROUSE_API ROUSE_NODISCARD int rouse_udp_set_multicast_interface(struct rouse_udp *udp,
                                                                unsigned interface_index);

ROUSE_EXTERN_C_END

#endif
