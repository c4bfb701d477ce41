// SPDX-License-Identifier: MIT
//
// A broadcast channel: each receiver gets each message that was sent since it subscribed. It keeps
// the last `capacity` messages and never makes a sender wait: a receiver that lags behind by more
// is told how many it has missed, and goes on with the oldest that is left.
//
// Messages are plain data, copied by the size that the channel was made with, to each receiver
// anew: what they point to is nobody's. Let them carry indexes, or pointers to what outlives them.

#ifndef ROUSE_BROADCAST_H
#define ROUSE_BROADCAST_H

#include <rouse/future.h>
#include <rouse/wait_queue.h>

ROUSE_EXTERN_C_BEGIN

struct rouse_broadcast_sender;
struct rouse_broadcast_receiver;

/// Makes a channel, with one sender and no receiver.
///
/// Units:   `capacity` in messages, at least 1, rounded up to a power of two; `element_size` in
///          bytes, 0 for mere signals.
/// Errors:  -ENOMEM; -EINVAL: no capacity.
/// Owns:    the caller owes the sender an unref.
/// Threads: any.
ROUSE_API ROUSE_NODISCARD int rouse_broadcast_new(struct rouse_broadcast_sender **tx,
                                                  size_t capacity, size_t element_size);

// ---- Senders ----

/// Sends a copy of `value` to all receivers there are. Returns how many those are.
///
/// Errors:  -EPIPE: there is no receiver.
/// Threads: any, several at a time; all receivers see the messages in the same order. Never blocks.
ROUSE_API int rouse_broadcast_send(struct rouse_broadcast_sender *tx, const void *value);

/// A receiver of all messages from now on.
///
/// Errors:  -ENOMEM.
/// Owns:    the caller owes the receiver a free. It keeps the channel, not the sender.
/// Threads: any.
ROUSE_API ROUSE_NODISCARD int rouse_broadcast_subscribe(struct rouse_broadcast_sender *tx,
                                                        struct rouse_broadcast_receiver **rx);

/// How many receivers there are now; others may come and go at the same time.
///
/// Threads: any.
ROUSE_API size_t rouse_broadcast_receiver_count(const struct rouse_broadcast_sender *tx);

/// How many messages the channel keeps.
///
/// Threads: any.
ROUSE_API size_t rouse_broadcast_capacity(const struct rouse_broadcast_sender *tx);

/// Another share of the sender, which is the argument.
///
/// Owns:    the caller owes an unref.
/// Threads: any.
ROUSE_API struct rouse_broadcast_sender *rouse_broadcast_sender_ref(
    struct rouse_broadcast_sender *tx);

/// Gives a share of the sender up. With the last one the channel is closed: receivers get what was
/// sent, and then -EPIPE.
///
/// Threads: any. Never blocks.
ROUSE_API void rouse_broadcast_sender_unref(struct rouse_broadcast_sender *tx);

// ---- Receivers ----

/// Takes the next message, if there is one. `missed` may be NULL.
///
/// Errors:  -EAGAIN: not yet; -EOVERFLOW: `missed` messages are gone, the next call goes on with
///          the oldest that is left, and `out` may have been written to; -EPIPE: all senders have
///          gone, and everything has been received.
/// Threads: any, one at a time.
ROUSE_API ROUSE_NODISCARD int rouse_broadcast_try_receive(struct rouse_broadcast_receiver *rx,
                                                          void *out, uint64_t *missed);

// Ends with a message, or when there will be none.
struct rouse_broadcast_receive {
    struct rouse_future base;
    struct rouse_broadcast_receiver *rx;
    void *out;
    struct rouse_waiter waiter;
    uint64_t missed;  // with -EOVERFLOW: how many
    int output;       // 0: `out` has the message; -EOVERFLOW, -EPIPE
};

/// Takes the next message as soon as there is one, to `out`.
///
/// Errors:  -EOVERFLOW, -EPIPE: as rouse_broadcast_try_receive().
/// Owns:    `rx` and `out` are borrowed.
/// Threads: any, one at a time.
/// Cancel:  total: the message is the next receive's.
ROUSE_API void rouse_broadcast_receive_init(struct rouse_broadcast_receive *receive,
                                            struct rouse_broadcast_receiver *rx, void *out);

/// Waits for the next message. `missed` may be NULL.
///
/// Errors:  -EOVERFLOW, -EPIPE: as rouse_broadcast_try_receive(); -ECANCELED; on a plain thread
///          also -ENOMEM.
/// Threads: a fiber or a plain thread, one at a time.
/// Cancel:  total.
ROUSE_API ROUSE_NODISCARD int rouse_broadcast_receive(struct rouse_broadcast_receiver *rx,
                                                      void *out, uint64_t *missed);

/// How many messages this receiver has not received yet, those that it has missed included.
///
/// Threads: whoever may receive.
ROUSE_API uint64_t rouse_broadcast_receiver_len(const struct rouse_broadcast_receiver *rx);

/// True if all senders have gone. There may still be messages.
///
/// Threads: whoever may receive.
ROUSE_API bool rouse_broadcast_receiver_is_closed(const struct rouse_broadcast_receiver *rx);

/// Frees the receiver, at which nobody waits.
///
/// Threads: any. Never blocks.
ROUSE_API void rouse_broadcast_receiver_free(struct rouse_broadcast_receiver *rx);

ROUSE_EXTERN_C_END

#endif
