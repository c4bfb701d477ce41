// SPDX-License-Identifier: MIT
//
// A lock for many readers or one writer. First come, first served: a writer that waits is not
// overtaken by readers who come later, so neither starves. May be held across waits.
//
// It is a semaphore of which a reader takes one permit, and a writer all of them; and so its
// futures are those of the semaphore.

#ifndef ROUSE_RWLOCK_H
#define ROUSE_RWLOCK_H

#include <rouse/semaphore.h>

ROUSE_EXTERN_C_BEGIN

#define ROUSE_RWLOCK_READERS_MAX (UINT64_C(1) << 30)

// In the caller's storage. The words are private.
struct rouse_rwlock {
    struct rouse_semaphore semaphore;
};

/// An initializer.
#define ROUSE_RWLOCK_INIT                                           \
    {                                                               \
        .semaphore = ROUSE_SEMAPHORE_INIT(ROUSE_RWLOCK_READERS_MAX) \
    }

/// Makes a lock that nobody holds. It owns nothing.
///
/// Threads: any.
ROUSE_API void rouse_rwlock_init(struct rouse_rwlock *lock);

/// Ends when the caller is one of the readers.
///
/// Errors:  none.
/// Owns:    the lock is the future's until rouse_semaphore_acquire_take(); dropped with it, it is
///          unlocked.
/// Threads: any, one at a time.
/// Cancel:  total.
ROUSE_API void rouse_rwlock_read_init(struct rouse_semaphore_acquire *read,
                                      struct rouse_rwlock *lock);

/// Ends when the caller is the writer.
///
/// Errors:  none.
/// Owns:    as rouse_rwlock_read_init().
/// Threads: any, one at a time.
/// Cancel:  total.
ROUSE_API void rouse_rwlock_write_init(struct rouse_semaphore_acquire *write,
                                       struct rouse_rwlock *lock);

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
/// Owns:    the caller owes a rouse_rwlock_write_unlock().
/// Threads: a fiber or a plain thread.
/// Cancel:  total.
ROUSE_API ROUSE_NODISCARD int rouse_rwlock_write_lock(struct rouse_rwlock *lock);

/// Becomes a reader, if there is no writer and nobody waits.
///
/// Errors:  -EAGAIN.
/// Owns:    the caller owes a rouse_rwlock_read_unlock().
/// Threads: any.
ROUSE_API ROUSE_NODISCARD int rouse_rwlock_try_read_lock(struct rouse_rwlock *lock);

/// Becomes the writer, if nobody has the lock.
///
/// Errors:  -EAGAIN.
/// Owns:    the caller owes a rouse_rwlock_write_unlock().
/// Threads: any.
ROUSE_API ROUSE_NODISCARD int rouse_rwlock_try_write_lock(struct rouse_rwlock *lock);

/// Ends the reading.
///
/// Threads: any. Never blocks.
ROUSE_API void rouse_rwlock_read_unlock(struct rouse_rwlock *lock);

/// Ends the writing.
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
