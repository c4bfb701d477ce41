// SPDX-License-Identifier: MIT
//
// The lock for readers and writers, as a semaphore.

#include <rouse/rwlock.h>

#include "sync/semaphore.h"

#define ALL ROUSE_RWLOCK_READERS_MAX

void rouse_rwlock_init(struct rouse_rwlock *lock)
{
    rouse_semaphore_init(&lock->semaphore, ALL);
}

void rouse_rwlock_read_init(struct rouse_semaphore_acquire *read, struct rouse_rwlock *lock)
{
    rouse_semaphore_acquire_init(read, &lock->semaphore, 1);
}

void rouse_rwlock_write_init(struct rouse_semaphore_acquire *write, struct rouse_rwlock *lock)
{
    rouse_semaphore_acquire_init(write, &lock->semaphore, ALL);
}

int rouse_rwlock_read_lock(struct rouse_rwlock *lock)
{
    return rouse_semaphore_acquire(&lock->semaphore, 1);
}

int rouse_rwlock_write_lock(struct rouse_rwlock *lock)
{
    return rouse_semaphore_acquire(&lock->semaphore, ALL);
}

int rouse_rwlock_try_read_lock(struct rouse_rwlock *lock)
{
    return rouse_semaphore_try_acquire(&lock->semaphore, 1);
}

int rouse_rwlock_try_write_lock(struct rouse_rwlock *lock)
{
    return rouse_semaphore_try_acquire(&lock->semaphore, ALL);
}

static void give_back(struct rouse_rwlock *lock, uint64_t permits)
{
    rs_semaphore_release(&lock->semaphore, permits, ALL);
}

void rouse_rwlock_read_unlock(struct rouse_rwlock *lock)
{
    give_back(lock, 1);
}

void rouse_rwlock_write_unlock(struct rouse_rwlock *lock)
{
    give_back(lock, ALL);
}

void rouse_rwlock_downgrade(struct rouse_rwlock *lock)
{
    give_back(lock, ALL - 1);
}
