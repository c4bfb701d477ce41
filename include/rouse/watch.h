// SPDX-License-Identifier: MIT
//
// A watch keeps the latest value of something: a configuration, a state, a position. Its receivers
// wait for it to change and read it; values that were replaced before that are not seen.
//
// The value is plain data, copied by the size that the watch was made with, to each reader anew:
// what it points to is nobody's.

#ifndef ROUSE_WATCH_H
#define ROUSE_WATCH_H

#include <rouse/future.h>
#include <rouse/wait_queue.h>

ROUSE_EXTERN_C_BEGIN

struct rouse_watch_sender;
struct rouse_watch_receiver;

/// Makes a watch with a copy of `initial` as its value, one sender and no receiver.
///
/// Units:   `element_size` in bytes.
/// Errors:  -ENOMEM.
/// Owns:    the caller owes the sender an unref.
/// Threads: any.
ROUSE_API ROUSE_NODISCARD int rouse_watch_new(struct rouse_watch_sender **tx, size_t element_size,
                                              const void *initial);

// ---- Senders ----

/// Replaces the value by a copy of `value`, also if there is no receiver. Returns how many there
/// are.
///
/// Errors:  none.
/// Threads: any, several at a time. Never blocks.
ROUSE_API int rouse_watch_send(struct rouse_watch_sender *tx, const void *value);

/// A receiver, for which the value as it is now counts as seen.
///
/// Errors:  -ENOMEM.
/// Owns:    the caller owes the receiver a free. It keeps the watch, not the sender.
/// Threads: any.
ROUSE_API ROUSE_NODISCARD int rouse_watch_subscribe(struct rouse_watch_sender *tx,
                                                    struct rouse_watch_receiver **rx);

/// How many receivers there are now; others may come and go at the same time.
///
/// Threads: any.
ROUSE_API size_t rouse_watch_receiver_count(const struct rouse_watch_sender *tx);

// Ends when there is no receiver.
struct rouse_watch_closed {
    struct rouse_future base;
    struct rouse_watch_sender *tx;
    struct rouse_waiter waiter;
};

/// Ends when there is no receiver. Another one may have come by then. To be ended before the last
/// share of the sender is given up.
///
/// Errors:  none.
/// Owns:    `tx` is borrowed.
/// Threads: any, one at a time.
/// Cancel:  total.
ROUSE_API void rouse_watch_closed_init(struct rouse_watch_closed *closed,
                                       struct rouse_watch_sender *tx);

/// Waits until there is no receiver.
///
/// Errors:  -ECANCELED; on a plain thread also -ENOMEM.
/// Threads: a fiber or a plain thread.
/// Cancel:  total.
ROUSE_API ROUSE_NODISCARD int rouse_watch_closed(struct rouse_watch_sender *tx);

/// Another share of the sender, which is the argument.
///
/// Owns:    the caller owes an unref.
/// Threads: any.
ROUSE_API struct rouse_watch_sender *rouse_watch_sender_ref(struct rouse_watch_sender *tx);

/// Gives a share of the sender up. With the last one the watch is closed: the value stays as it is.
///
/// Threads: any. Never blocks.
ROUSE_API void rouse_watch_sender_unref(struct rouse_watch_sender *tx);

// ---- Receivers ----

/// Copies the value to `out`, and counts it as seen.
///
/// Errors:  none.
/// Threads: any, one at a time. Never blocks.
ROUSE_API void rouse_watch_read(struct rouse_watch_receiver *rx, void *out);

/// Says whether there is a value that has not been seen.
///
/// Errors:  0: there is, read it; -EAGAIN: not yet; -EPIPE: nor will there be, all senders have
///          gone.
/// Threads: any, one at a time.
ROUSE_API ROUSE_NODISCARD int rouse_watch_try_changed(const struct rouse_watch_receiver *rx);

// Ends when there is a value that has not been seen.
struct rouse_watch_changed {
    struct rouse_future base;
    struct rouse_watch_receiver *rx;
    struct rouse_waiter waiter;
    int output;  // 0: there is; -EPIPE
};

/// Ends when there is a value that has not been seen. It is seen when it is read.
///
/// Errors:  -EPIPE: there will not be any, all senders have gone.
/// Owns:    `rx` is borrowed.
/// Threads: any, one at a time.
/// Cancel:  total.
ROUSE_API void rouse_watch_changed_init(struct rouse_watch_changed *changed,
                                        struct rouse_watch_receiver *rx);

/// Waits for a value that has not been seen.
///
/// Errors:  -EPIPE: there will not be any, all senders have gone; -ECANCELED; on a plain thread
///          also -ENOMEM.
/// Threads: a fiber or a plain thread, one at a time.
/// Cancel:  total.
ROUSE_API ROUSE_NODISCARD int rouse_watch_changed(struct rouse_watch_receiver *rx);

/// Another receiver, which has seen what `rx` has.
///
/// Errors:  -ENOMEM.
/// Owns:    the caller owes `clone` a free.
/// Threads: whoever may receive.
ROUSE_API ROUSE_NODISCARD int rouse_watch_receiver_clone(const struct rouse_watch_receiver *rx,
                                                         struct rouse_watch_receiver **clone);

/// Frees the receiver, at which nobody waits.
///
/// Threads: any. Never blocks.
ROUSE_API void rouse_watch_receiver_free(struct rouse_watch_receiver *rx);

ROUSE_EXTERN_C_END

#endif
