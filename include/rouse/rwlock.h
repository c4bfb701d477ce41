// SPDX-License-Identifier: MIT
//
// A lock for many readers or one writer. May be held across waits.
//
// Readers and writers take turns. From the moment on that a writer is next, readers who come later
// wait for him; when he has finished, all who wait by then read before the next writer writes. So a
// reader waits for one writer at most. Writers are served in order, and wait for the writers before
// them, and once for readers with each: neither kind starves.

#ifndef ROUSE_RWLOCK_H
#define ROUSE_RWLOCK_H

#include <rouse/semaphore.h>

ROUSE_EXTERN_C_BEGIN

#define ROUSE_RWLOCK_READERS_MAX (UINT32_C(1) << 28)

// In the caller's storage. The words are private.
struct rouse_rwlock {
    uint32_t word;
    struct rouse_wait_queue waiters;  // readers, and before them the writer whose turn it is
    struct rouse_semaphore writers;   // of one permit: the turn of that writer, or of who writes
    const void *writer;               // the task that has had that turn last; for dumps
};

/// An initializer.
#define ROUSE_RWLOCK_INIT                  \
    {                                      \
        .writers = ROUSE_SEMAPHORE_INIT(1) \
    }

/// Makes a lock that nobody holds. It owns nothing: its storage may go once the last one to hold
/// it, who held it as the writer, has begun to unlock it and nobody waits; and otherwise when no
/// call is in progress.
///
/// Threads: any.
ROUSE_API void rouse_rwlock_init(struct rouse_rwlock *lock);

// Ends when its task is one of the readers.
struct rouse_rwlock_read {
    struct rouse_future base;
    struct rouse_rwlock *lock;  // NULL: taken over by the caller
    struct rouse_waiter waiter;
};

/// Ends when the caller is one of the readers.
///
/// Errors:  none.
/// Owns:    the lock is the future's until rouse_rwlock_read_take(); dropped with it, it is
///          unlocked.
/// Threads: any, one at a time.
/// Cancel:  total.
ROUSE_API void rouse_rwlock_read_init(struct rouse_rwlock_read *read, struct rouse_rwlock *lock);

/// Makes the lock of an ended future the caller's, who owes a rouse_rwlock_read_unlock().
///
/// Threads: whoever may poll it.
ROUSE_API void rouse_rwlock_read_take(struct rouse_rwlock_read *read);

// Ends when its task is the writer.
struct rouse_rwlock_write {
    struct rouse_future base;
    struct rouse_rwlock *lock;            // NULL: taken over by the caller
    struct rouse_semaphore_acquire turn;  // among the writers
    struct rouse_waiter waiter;           // for the readers to leave
    bool has_turn;
};

/// Ends when the caller is the writer.
///
/// Errors:  none.
/// Owns:    the lock is the future's until rouse_rwlock_write_take(); dropped with it, it is
///          unlocked.
/// Threads: any, one at a time.
/// Cancel:  total: readers who wait for this writer are let in.
ROUSE_API void rouse_rwlock_write_init(struct rouse_rwlock_write *write, struct rouse_rwlock *lock);

/// Makes the lock of an ended future the caller's, who owes a rouse_rwlock_write_unlock() or a
/// rouse_rwlock_downgrade().
///
/// Threads: whoever may poll it.
ROUSE_API void rouse_rwlock_write_take(struct rouse_rwlock_write *write);

/// Waits to be one of the readers. A task that reads already and locks again may wait for ever,
/// behind a writer that waits for it.
///
/// Errors:  -ECANCELED; on a plain thread also -ENOMEM.
/// Owns:    the caller owes a rouse_rwlock_read_unlock().
/// Threads: a fiber or a plain thread.
/// Cancel:  total.
ROUSE_API ROUSE_NODISCARD int rouse_rwlock_read_lock(struct rouse_rwlock *lock);

/// Waits to be the writer.
///
/// Errors:  -ECANCELED; on a plain thread also -ENOMEM.
/// Owns:    the caller owes a rouse_rwlock_write_unlock() or a rouse_rwlock_downgrade().
/// Threads: a fiber or a plain thread.
/// Cancel:  total.
ROUSE_API ROUSE_NODISCARD int rouse_rwlock_write_lock(struct rouse_rwlock *lock);

/// Becomes a reader, if there is no writer and none is next.
///
/// Errors:  -EAGAIN.
/// Owns:    the caller owes a rouse_rwlock_read_unlock().
/// Threads: any.
ROUSE_API ROUSE_NODISCARD int rouse_rwlock_try_read_lock(struct rouse_rwlock *lock);

/// Becomes the writer, if nobody has the lock or is next.
///
/// Errors:  -EAGAIN.
/// Owns:    the caller owes a rouse_rwlock_write_unlock() or a rouse_rwlock_downgrade().
/// Threads: any.
ROUSE_API ROUSE_NODISCARD int rouse_rwlock_try_write_lock(struct rouse_rwlock *lock);

/// Ends the reading. Never a checkpoint.
///
/// Threads: any. Never blocks.
ROUSE_API void rouse_rwlock_read_unlock(struct rouse_rwlock *lock);

/// Ends the writing. Never a checkpoint.
///
/// Threads: any. Never blocks.
ROUSE_API void rouse_rwlock_write_unlock(struct rouse_rwlock *lock);

/// Turns the writer into a reader, with no other writer in between.
///
/// Owns:    the caller owes a rouse_rwlock_read_unlock() from here on.
/// Threads: any. Never blocks.
ROUSE_API void rouse_rwlock_downgrade(struct rouse_rwlock *lock);

ROUSE_EXTERN_C_END

#endif
