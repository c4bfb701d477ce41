// SPDX-License-Identifier: MIT
//
// A oneshot carries one value from one sender to one receiver: the answer to a request, say. Its
// two ends are made together, in one allocation, and freed each by whoever has it, in any order.
//
// The value is copied, by the size that the pair was made with. Wrap the calls for a type of your
// own where there are many:
//
//     static int answer_send(struct rouse_oneshot_sender *tx, struct answer answer)
//     {
//         return rouse_oneshot_send(tx, &answer);
//     }

#ifndef ROUSE_ONESHOT_H
#define ROUSE_ONESHOT_H

#include <rouse/future.h>

ROUSE_EXTERN_C_BEGIN

struct rouse_oneshot_sender;
struct rouse_oneshot_receiver;

/// Makes a pair. `drop` may be NULL; it releases what a value owns that was sent and that nobody
/// has taken when both ends are gone, on the thread of the end that goes last.
///
/// Units:   `element_size` in bytes, 0 for a mere signal. Values are aligned as malloc() aligns.
/// Errors:  -ENOMEM.
/// Owns:    the caller owes the sender a send or a free, and the receiver a free.
/// Threads: any.
ROUSE_API ROUSE_NODISCARD int rouse_oneshot_new(struct rouse_oneshot_sender **tx,
                                                struct rouse_oneshot_receiver **rx,
                                                size_t element_size, void (*drop)(void *element));

// ---- The sender ----

/// Sends a copy of `value`. The sender is gone afterwards, in any case.
///
/// Errors:  -EPIPE: the receiver has gone. It may also go with the value untaken.
/// Owns:    takes `tx`, and what the value owns unless it fails.
/// Threads: any. Never blocks.
ROUSE_API int rouse_oneshot_send(struct rouse_oneshot_sender *tx, const void *value);

/// Frees a sender that has nothing to send: the receiver gets -EPIPE.
///
/// Threads: any. Never blocks.
ROUSE_API void rouse_oneshot_sender_free(struct rouse_oneshot_sender *tx);

/// True if the receiver has gone, so that nobody wants the value any more.
///
/// Threads: any.
ROUSE_API bool rouse_oneshot_sender_is_closed(const struct rouse_oneshot_sender *tx);

// Ends when the receiver goes.
struct rouse_oneshot_closed {
    struct rouse_future base;
    struct rouse_oneshot_sender *tx;
    bool began;
    bool registered;
};

/// Ends when the receiver goes. To be ended before `tx` is used up; one at a time.
///
/// Errors:  none.
/// Owns:    `tx` is borrowed.
/// Threads: any, one at a time.
/// Cancel:  total.
ROUSE_API void rouse_oneshot_closed_init(struct rouse_oneshot_closed *closed,
                                         struct rouse_oneshot_sender *tx);

/// Waits until the receiver goes.
///
/// Errors:  -ECANCELED; on a plain thread also -ENOMEM.
/// Threads: a fiber or a plain thread.
/// Cancel:  total.
ROUSE_API ROUSE_NODISCARD int rouse_oneshot_closed(struct rouse_oneshot_sender *tx);

// ---- The receiver ----

/// Takes the value, if it has been sent.
///
/// Errors:  -EAGAIN: not yet; -EPIPE: the sender has gone without, or the value was taken before.
/// Owns:    the caller, what the value in `out` owns.
/// Threads: any, one at a time.
ROUSE_API ROUSE_NODISCARD int rouse_oneshot_try_receive(struct rouse_oneshot_receiver *rx,
                                                        void *out);

// Ends when the value is there, or never will be.
struct rouse_oneshot_receive {
    struct rouse_future base;
    struct rouse_oneshot_receiver *rx;
    bool began;
    bool registered;
    int output;  // 0: the value is there, until taken; -EPIPE
};

/// Ends when the value is there. It stays where it is until rouse_oneshot_receive_take(), so that
/// a receive that is dropped has taken nothing, even if it had ended. One at a time.
///
/// Errors:  -EPIPE: the sender has gone without, or the value was taken before.
/// Owns:    `rx` is borrowed.
/// Threads: any, one at a time.
/// Cancel:  total.
ROUSE_API void rouse_oneshot_receive_init(struct rouse_oneshot_receive *receive,
                                          struct rouse_oneshot_receiver *rx);

/// Copies the value of a receive that has ended well to `out`.
///
/// Owns:    the caller, what the value owns.
/// Threads: whoever may poll it.
ROUSE_API void rouse_oneshot_receive_take(struct rouse_oneshot_receive *receive, void *out);

/// Waits for the value and takes it.
///
/// Errors:  -EPIPE: the sender has gone without, or the value was taken before; -ECANCELED; on a
///          plain thread also -ENOMEM.
/// Owns:    the caller, what the value in `out` owns.
/// Threads: a fiber or a plain thread, one at a time.
/// Cancel:  total.
ROUSE_API ROUSE_NODISCARD int rouse_oneshot_receive(struct rouse_oneshot_receiver *rx, void *out);

/// Frees the receiver; a value that was sent is dropped.
///
/// Threads: any. Never blocks.
ROUSE_API void rouse_oneshot_receiver_free(struct rouse_oneshot_receiver *rx);

ROUSE_EXTERN_C_END

#endif
