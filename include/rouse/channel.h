// SPDX-License-Identifier: MIT
//
// A channel between tasks: any number of senders, any number of receivers, each element to one of
// them, in order. Bounded, so that senders wait for a slow receiver; or unbounded, perhaps with a
// limit at which a send fails.
//
// Elements are copied by their size. A program that wants types writes a wrapper of three lines:
//
//     static int jobs_send(struct rouse_channel_sender *tx, const struct job *job)
//     {
//         return rouse_channel_send(tx, job);
//     }
//
// Its two ends are counted. When the last sender has gone, or a receiver has closed it, receivers
// get what is left and then -EPIPE; when it is closed, or the last receiver has gone, senders get
// -EPIPE.

#ifndef ROUSE_CHANNEL_H
#define ROUSE_CHANNEL_H

#include <rouse/future.h>
#include <rouse/wait_queue.h>
#include <sys/types.h>

ROUSE_EXTERN_C_BEGIN

struct rouse_channel_sender;    // opaque, counted
struct rouse_channel_receiver;  // opaque, counted

#define ROUSE_CHANNEL_UNBOUNDED SIZE_MAX
#define ROUSE_CHANNEL_CAPACITY_MAX ((size_t)(1 << 28) - 1)

struct rouse_channel_options {
    size_t size;          // of this struct
    size_t element_size;  // bytes
    size_t capacity;      // elements; ROUSE_CHANNEL_UNBOUNDED: no bound
    // Of an unbounded channel: how many elements there may be before a send fails with -EAGAIN; 0:
    // as memory has room for.
    size_t element_limit;
    // Called for each element that was sent and that nobody received; NULL: they own nothing.
    void (*element_drop)(void *element);
};

/// Makes a channel.
///
/// Units:   `element_size` in bytes, may be 0; `capacity` in elements, 1 to
///          ROUSE_CHANNEL_CAPACITY_MAX, or ROUSE_CHANNEL_UNBOUNDED.
/// Errors:  -EINVAL: no such capacity; -ENOMEM.
/// Owns:    the caller owes both ends an unref. The memory is that of the current runtime.
/// Threads: any.
ROUSE_API ROUSE_NODISCARD int rouse_channel_new(struct rouse_channel_sender **sender,
                                                struct rouse_channel_receiver **receiver,
                                                size_t element_size, size_t capacity);

/// As rouse_channel_new(), with options.
///
/// Errors:  as rouse_channel_new().
/// Owns:    as rouse_channel_new().
/// Threads: any.
ROUSE_API ROUSE_NODISCARD int rouse_channel_new_with(struct rouse_channel_sender **sender,
                                                     struct rouse_channel_receiver **receiver,
                                                     const struct rouse_channel_options *options);

/// Another share of the sending end. Returns `sender`.
///
/// Threads: any.
ROUSE_API struct rouse_channel_sender *rouse_channel_sender_ref(
    struct rouse_channel_sender *sender);

/// Gives up a share; the last one closes the channel. NULL is allowed.
///
/// Threads: any. Never blocks.
ROUSE_API void rouse_channel_sender_unref(struct rouse_channel_sender *sender);

/// Another share of the receiving end, for another task: each share is used by one task at a time.
/// Returns `receiver`.
///
/// Threads: who uses `receiver`.
ROUSE_API struct rouse_channel_receiver *rouse_channel_receiver_ref(
    struct rouse_channel_receiver *receiver);

/// Gives up a share; the last one closes the channel and drops what was not received. NULL is
/// allowed.
///
/// Threads: any. Never blocks.
ROUSE_API void rouse_channel_receiver_unref(struct rouse_channel_receiver *receiver);

/// Closes the channel: senders fail from here on, receivers get what is left. Places that were
/// reserved before may still be used.
///
/// Threads: any. Never blocks.
ROUSE_API void rouse_channel_receiver_close(struct rouse_channel_receiver *receiver);

// ---- Sending ----

// Ends when the element has been sent.
struct rouse_channel_send {
    struct rouse_future base;
    struct rouse_channel_sender *sender;
    const void *element;  // borrowed
    struct rouse_waiter waiter;
    int output;  // 0, or a negative errno
};

/// Sends a copy of `*element`, as soon as there is a place for it. Senders that wait are served in
/// the order in which they came.
///
/// Errors:  -EPIPE: closed; of an unbounded channel -EAGAIN: the limit, and -ENOMEM.
/// Owns:    `sender` and `element` are borrowed until it ends.
/// Threads: any, one at a time.
/// Cancel:  total: the element was not sent.
ROUSE_API void rouse_channel_send_init(struct rouse_channel_send *send,
                                       struct rouse_channel_sender *sender, const void *element);

/// Sends a copy of `*element`, and waits for a place.
///
/// Errors:  as rouse_channel_send_init(); -ECANCELED; on a plain thread also -ENOMEM.
/// Threads: a fiber or a plain thread.
/// Cancel:  total.
ROUSE_API ROUSE_NODISCARD int rouse_channel_send(struct rouse_channel_sender *sender,
                                                 const void *element);

/// Sends a copy of `*element` if there is a place, and nobody waits for it.
///
/// Errors:  -EAGAIN; -EPIPE: closed; of an unbounded channel also -ENOMEM.
/// Threads: any.
ROUSE_API ROUSE_NODISCARD int rouse_channel_try_send(struct rouse_channel_sender *sender,
                                                     const void *element);

// A place that was reserved: a send that cannot fail. The words are private.
struct rouse_channel_permit {
    struct rouse_channel_sender *sender;  // borrowed; NULL: used
};

// Ends when there is a place.
struct rouse_channel_reserve {
    struct rouse_future base;
    struct rouse_channel_sender *sender;
    struct rouse_waiter waiter;
    int output;  // 0: the place is the future's, until taken; or a negative errno
};

/// Reserves a place, so that what is to be sent need not exist before it can be.
///
/// Errors:  -EPIPE: closed; -EINVAL: the channel is unbounded.
/// Owns:    `sender` is borrowed. The place is the future's until rouse_channel_reserve_take();
///          dropped with it, it is given back.
/// Threads: any, one at a time.
/// Cancel:  total.
ROUSE_API void rouse_channel_reserve_init(struct rouse_channel_reserve *reserve,
                                          struct rouse_channel_sender *sender);

/// Moves the place out of a future that ended well.
///
/// Owns:    the caller owes it a rouse_channel_permit_send() or _drop(), before the sender goes.
/// Threads: whoever may poll it.
ROUSE_API struct rouse_channel_permit rouse_channel_reserve_take(
    struct rouse_channel_reserve *reserve);

/// Waits for a place and reserves it.
///
/// Errors:  as rouse_channel_reserve_init(); -ECANCELED; on a plain thread also -ENOMEM.
/// Owns:    as rouse_channel_reserve_take().
/// Threads: a fiber or a plain thread.
/// Cancel:  total.
ROUSE_API ROUSE_NODISCARD int rouse_channel_reserve(struct rouse_channel_sender *sender,
                                                    struct rouse_channel_permit *permit);

/// Reserves a place if there is one, and nobody waits for it.
///
/// Errors:  -EAGAIN; -EPIPE: closed; -EINVAL: the channel is unbounded.
/// Owns:    as rouse_channel_reserve_take().
/// Threads: any.
ROUSE_API ROUSE_NODISCARD int rouse_channel_try_reserve(struct rouse_channel_sender *sender,
                                                        struct rouse_channel_permit *permit);

/// Sends a copy of `*element` in a reserved place.
///
/// Threads: any. Never blocks.
ROUSE_API void rouse_channel_permit_send(struct rouse_channel_permit *permit, const void *element);

/// Gives a reserved place back; does nothing if it was used.
///
/// Threads: any. Never blocks.
ROUSE_API void rouse_channel_permit_drop(struct rouse_channel_permit *permit);

// ---- Receiving ----

// Ends when elements have been received.
struct rouse_channel_receive {
    struct rouse_future base;
    struct rouse_channel_receiver *receiver;
    char *elements;  // the caller's
    size_t count_max;
    struct rouse_waiter waiter;
    ssize_t output;  // how many, at least 1, or a negative errno
    bool listens;    // rather than waits in the queue
};

/// Receives the next element into `*element`.
///
/// Errors:  -EPIPE: closed, and nothing is left.
/// Owns:    `receiver` and `element` are borrowed until it ends. Once it has ended the element is
///          the caller's.
/// Threads: any, one at a time.
/// Cancel:  total: no element was taken.
ROUSE_API void rouse_channel_receive_init(struct rouse_channel_receive *receive,
                                          struct rouse_channel_receiver *receiver, void *element);

/// Receives as many as there are, 1 to `count_max`, into the array `elements`.
///
/// Errors:  as rouse_channel_receive_init().
/// Owns:    as rouse_channel_receive_init().
/// Threads: any, one at a time.
/// Cancel:  total: no element was taken.
ROUSE_API void rouse_channel_receive_many_init(struct rouse_channel_receive *receive,
                                               struct rouse_channel_receiver *receiver,
                                               void *elements, size_t count_max);

/// Waits for the next element.
///
/// Errors:  0; -EPIPE: closed, and nothing is left; -ECANCELED; on a plain thread also -ENOMEM.
/// Threads: a fiber or a plain thread.
/// Cancel:  total.
ROUSE_API ROUSE_NODISCARD int rouse_channel_receive(struct rouse_channel_receiver *receiver,
                                                    void *element);

/// Waits for an element, and takes what else is there, up to `count_max` in all.
///
/// Errors:  how many; else as rouse_channel_receive().
/// Threads: a fiber or a plain thread.
/// Cancel:  total.
ROUSE_API ROUSE_NODISCARD ssize_t rouse_channel_receive_many(
    struct rouse_channel_receiver *receiver, void *elements, size_t count_max);

/// Takes the next element if there is one.
///
/// Errors:  -EAGAIN; -EPIPE: closed, and nothing is left.
/// Threads: any.
ROUSE_API ROUSE_NODISCARD int rouse_channel_try_receive(struct rouse_channel_receiver *receiver,
                                                        void *element);

// ---- Looked at ----

/// How many elements there are; others may change that at the same time.
///
/// Threads: any.
ROUSE_API size_t rouse_channel_receiver_length(const struct rouse_channel_receiver *receiver);

/// As rouse_channel_receiver_length().
///
/// Threads: any.
ROUSE_API size_t rouse_channel_sender_length(const struct rouse_channel_sender *sender);

/// For how many elements it has places in all; ROUSE_CHANNEL_UNBOUNDED.
///
/// Threads: any.
ROUSE_API size_t rouse_channel_sender_capacity(const struct rouse_channel_sender *sender);

/// True if a send would fail with -EPIPE.
///
/// Threads: any.
ROUSE_API bool rouse_channel_sender_is_closed(const struct rouse_channel_sender *sender);

/// True if nothing more can be sent; there may be something left to receive.
///
/// Threads: any.
ROUSE_API bool rouse_channel_receiver_is_closed(const struct rouse_channel_receiver *receiver);

ROUSE_EXTERN_C_END

#endif
