// SPDX-License-Identifier: MIT
//
// An event count lets tasks wait for any condition that they can look at, a lock-free queue that is
// not empty, say, without a lock around it. Take a key, look, and if the condition is false, wait
// with the key: the wait ends at once if there was a notification since the key was taken.
//
//     for (;;) {
//         uint64_t key = rouse_event_count_key(&count);
//         if (is_there(&queue)) break;
//         err = rouse_event_count_wait(&count, key);
//         if (err < 0) return err;
//     }

#ifndef ROUSE_EVENT_COUNT_H
#define ROUSE_EVENT_COUNT_H

#include <rouse/future.h>
#include <rouse/wait_queue.h>

ROUSE_EXTERN_C_BEGIN

// In the caller's storage; all zero is one for which nobody waits. The words are private.
struct rouse_event_count {
    uint64_t word;
    struct rouse_wait_queue waiters;
};

/// An initializer.
#define ROUSE_EVENT_COUNT_INIT \
    {                          \
        .word = 0              \
    }

/// The key for a wait, to be taken before the condition is looked at.
///
/// Threads: any.
ROUSE_API uint64_t rouse_event_count_key(const struct rouse_event_count *count);

// Ends when there was a notification.
struct rouse_event_count_wait {
    struct rouse_future base;
    struct rouse_event_count *count;
    uint64_t key;
    struct rouse_waiter waiter;
};

/// Ends when there was a notification after `key` was taken.
///
/// Errors:  none.
/// Owns:    `count` is borrowed.
/// Threads: any, one at a time.
/// Cancel:  total.
ROUSE_API void rouse_event_count_wait_init(struct rouse_event_count_wait *wait,
                                           struct rouse_event_count *count, uint64_t key);

/// Waits for a notification after `key` was taken.
///
/// Errors:  -ECANCELED; on a plain thread also -ENOMEM.
/// Threads: a fiber or a plain thread.
/// Cancel:  total.
ROUSE_API ROUSE_NODISCARD int rouse_event_count_wait(struct rouse_event_count *count, uint64_t key);

/// Ends the waits of all. To be called after the condition was made true. Costs one atomic
/// operation while nobody waits.
///
/// Threads: any. Never blocks.
ROUSE_API void rouse_event_count_notify(struct rouse_event_count *count);

ROUSE_EXTERN_C_END

#endif
