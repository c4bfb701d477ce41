// SPDX-License-Identifier: MIT
//
// The mutex. A word that says whether it is locked, and a queue of those who wait; the first one
// stays in the queue until it has locked the mutex itself.
//
//     0 --lock--> LOCKED --a waiter--> LOCKED|WAITED --unlock--> WAITED|WOKEN: free, and the
//                   ^                     ^       |                 |     ^    first is woken
//                   |                     |       |            lock |     | unlock
//                   +-- the last one      |       |                 v     |
//                       locks it          +-------|--first looks-- LOCKED|WAITED|WOKEN
//                                                 |                    somebody barged in
//                                                 | unlock, when the first is due
//                                                 v
//                                         WAITED|WOKEN|KEPT: free for the first only
//
// 1. WAITED is set if and only if the queue is not empty, and WOKEN if and only if its first one
//    has been woken and has not looked since: it has no waker. KEPT is set only with both. They
//    change under the queue's lock only, and the former two hold but for its critical sections.
// 2. LOCKED is set by anyone where KEPT is not, and cleared by who holds the mutex: without the
//    queue's lock only where nobody waits, or who waits has been woken. So an unlock that wakes is
//    done with the mutex before anybody who waited can have it, and free it; any other unlock is
//    done with it at once. Where it is locked and waited for, and nobody has been woken, the word
//    changes under that lock only.
// 3. A free mutex with waiters has one that was woken; and if that one is not polled, the patrol of
//    those behind it looks after them.

#include "sync/mutex.h"

#include <errno.h>
#include <rouse/assert.h>
#include <rouse/await.h>
#include <rouse/clock.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/rmw.h"
#include "fiber/direct.h"
#include "sync/holder.h"
#include "sync/wait_queue.h"

enum { LOCKED = 1 << 0, WAITED = 1 << 1, WOKEN = 1 << 2, KEPT = 1 << 3 };

// When the first one has waited for that long, which his patrol says, he comes too late but once.
#define BARGE_NS ROUSE_NS_PER_MS
// For how long it is kept, from the moment on that somebody else looks.
#define KEEP_NS ROUSE_NS_PER_MS
// How long nobody may look after those in front, at most.
#define PATROL_MAX_NS (100 * ROUSE_NS_PER_MS)

static _Atomic uint32_t *word_of(const struct rouse_mutex *mutex)
{
    return (_Atomic uint32_t *)(uintptr_t)&mutex->word;
}

void rouse_mutex_init(struct rouse_mutex *mutex)
{
    *mutex = (struct rouse_mutex)ROUSE_MUTEX_INIT;
}

bool rouse_mutex_is_locked(const struct rouse_mutex *mutex)
{
    // Relaxed: out of date at once.
    return (atomic_load_explicit(word_of(mutex), memory_order_relaxed) & LOCKED) != 0;
}

// ---- Under the queue's lock ----

// The first one has been told. `waker` gets its own; the caller sees to WOKEN.
static void take_waker(struct rouse_mutex *mutex, struct rouse_waker *waker)
{
    struct rouse_waiter *first = mutex->waiters.first;

    *waker = first->waker;
    first->waker = (struct rouse_waker){0};
}

// The first one does not come: the mutex is for all again, and first for whoever looks right now.
static void pass_over(struct rouse_mutex *mutex, uint64_t now_ns)
{
    // Relaxed: the bit changes under our lock.
    if ((atomic_load_explicit(word_of(mutex), memory_order_relaxed) & KEPT) == 0) return;
    if (mutex->kept_until_ns == 0) mutex->kept_until_ns = now_ns + KEEP_NS;
    if (now_ns < mutex->kept_until_ns) return;
    // Relaxed: it goes on the release of the last holder's unlock.
    rs_fetch_and_32(word_of(mutex), ~(uint32_t)KEPT, memory_order_relaxed);
}

// Locks the mutex for `self`, if it may have it. If not, and it may wait, says that it does.
static bool lock_or_wait(struct rouse_mutex *mutex, const struct rouse_waiter *self, bool may_wait)
{
    bool first = mutex->waiters.first == self;
    // Relaxed, and on failure: only a guess for the exchange.
    uint32_t word = atomic_load_explicit(word_of(mutex), memory_order_relaxed);

    for (;;) {
        bool free = (word & LOCKED) == 0 && (first || (word & KEPT) == 0);
        uint32_t next = (word | (free ? LOCKED : WAITED)) & ~(uint32_t)(first ? WOKEN | KEPT : 0);

        // What says already that it is locked, or kept, and waited for, may stay as it is.
        if (!free && (!may_wait || next == word)) return false;
        // Acquire, as in try_lock().
        if (rs_compare_exchange_weak_32(word_of(mutex), &word, next, memory_order_acquire,
                                        memory_order_relaxed)) {
            if (first && !free) mutex->vain++;
            return free;
        }
    }
}

// A waiter leaves the queue, with its mark if it was the first one.
static void leave_queue(struct rouse_mutex *mutex, struct rouse_waiter *waiter,
                        struct rouse_waker *waker)
{
    if (mutex->waiters.first == waiter) mutex->vain = 0;
    rs_waitq_settle(&mutex->waiters, waiter, RS_WAITER_IDLE, waker);
    if (!rs_waitq_is_empty(&mutex->waiters)) return;
    // Relaxed: the lock orders those who have to do with the bits.
    rs_fetch_and_32(word_of(mutex), LOCKED, memory_order_relaxed);
}

// The first one had been woken, and is gone. If the mutex is free, or even kept, that goes for the
// next one; else the unlock will see to it.
static void wake_next(struct rouse_mutex *mutex, struct rouse_waker *waker)
{
    // Relaxed, and on failure: only a guess for the exchange.
    uint32_t word = atomic_load_explicit(word_of(mutex), memory_order_relaxed);

    do {
        if ((word & LOCKED) == 0) {
            mutex->kept_until_ns = 0;
            take_waker(mutex, waker);
            return;
        }
        // Relaxed: as in leave_queue().
    } while (!rs_compare_exchange_weak_32(word_of(mutex), &word, word & ~(uint32_t)WOKEN,
                                          memory_order_relaxed, memory_order_relaxed));
}

// ---- Tried ----

// True if it is kept for nobody by now.
static bool end_keeping(struct rouse_mutex *mutex)
{
    rs_waitq_lock(&mutex->waiters);
    pass_over(mutex, rouse_now_ns());
    // Relaxed: the bit changes under our lock.
    bool kept = (atomic_load_explicit(word_of(mutex), memory_order_relaxed) & KEPT) != 0;

    rs_waitq_unlock(&mutex->waiters);
    return !kept;
}

// `word` is what the mutex was seen to be.
static int try_lock_from(struct rouse_mutex *mutex, uint32_t word)
{
    do {
        if ((word & LOCKED) != 0) return -EAGAIN;
        if ((word & KEPT) != 0) {
            if (!end_keeping(mutex)) return -EAGAIN;
            word &= ~(uint32_t)KEPT;
        }
        // Acquire, with the release in rouse_mutex_unlock() and unlock_and_wake(). Relaxed on
        // failure: nothing was learnt but the word.
    } while (!rs_compare_exchange_weak_32(word_of(mutex), &word, word | LOCKED,
                                          memory_order_acquire, memory_order_relaxed));
    return 0;
}

static inline int try_lock(struct rouse_mutex *mutex)
{
    uint32_t word = 0;

    // Orders: as in try_lock_from().
    if (ROUSE_LIKELY(rs_compare_exchange_strong_32(word_of(mutex), &word, LOCKED,
                                                   memory_order_acquire, memory_order_relaxed))) {
        return 0;
    }
    return try_lock_from(mutex, word);
}

// The same for the running task, or a thread of the program's.
static inline int try_lock_here(struct rouse_mutex *mutex)
{
    int err = try_lock(mutex);

    if (err == 0) rs_holder_set_to_current(&mutex->holder);
    return err;
}

int rouse_mutex_try_lock(struct rouse_mutex *mutex)
{
    return try_lock_here(mutex);
}

// ---- Unlocked ----

// Also one who has waited for long has to come too late, if but once. Where it takes a sleeping
// worker to hand the mutex over, a queue of some twenty makes all of them wait for long; and if
// each unlock then handed it over, it would stay like that.
static bool is_due(const struct rouse_mutex *mutex)
{
    const struct rouse_waiter *first = mutex->waiters.first;
    bool old = ROUSE_CONTAINER_OF(first, const struct rouse_mutex_lock, waiter)->old;

    return mutex->vain >= (old ? 1u : (unsigned)RS_MUTEX_VAIN_MAX);
}

// False if nobody waits by now.
static bool unlock_and_wake(struct rouse_mutex *mutex)
{
    struct rouse_wait_queue *q = &mutex->waiters;
    struct rouse_waker waker = {0};

    rs_waitq_lock(q);
    if (rs_waitq_is_empty(q)) {
        rs_waitq_unlock(q);
        return false;
    }
    bool keep = is_due(mutex);

    mutex->kept_until_ns = 0;
    take_waker(mutex, &waker);
    // Release, with the acquire of whoever locks it next. A store: while it is locked and nobody
    // has been woken, the word changes under our lock only.
    atomic_store_explicit(word_of(mutex), WAITED | WOKEN | (keep ? KEPT : 0), memory_order_release);
    rs_waitq_unlock(q);
    rouse_waker_wake(&waker);
    return true;
}

// The word was found to be `word`. Apart, so that the usual way needs no frame.
__attribute__((noinline)) static void unlock_from(struct rouse_mutex *mutex, uint32_t word)
{
    do {
        rouse_assert((word & LOCKED) != 0, "a mutex is unlocked by who holds it; lock it first");
        if ((word & (WAITED | WOKEN)) == WAITED) {
            if (unlock_and_wake(mutex)) return;
            word = LOCKED;
        }
        // Orders: as in rouse_mutex_unlock().
    } while (!rs_compare_exchange_weak_32(word_of(mutex), &word, word & ~(uint32_t)LOCKED,
                                          memory_order_release, memory_order_relaxed));
}

void rouse_mutex_unlock(struct rouse_mutex *mutex)
{
    uint32_t word = LOCKED;

    // Release, with the acquire of whoever locks it next. Relaxed on failure: only we unlock it.
    if (ROUSE_UNLIKELY(!rs_compare_exchange_strong_32(
            word_of(mutex), &word, 0, memory_order_release, memory_order_relaxed))) {
        unlock_from(mutex, word);
    }
}

// ---- Lock ----

static struct rouse_mutex_lock *lock_of(struct rouse_future *self)
{
    return ROUSE_CONTAINER_OF(self, struct rouse_mutex_lock, base);
}

// Shares to be dropped once the queue's lock has been given up.
struct wakers {
    struct rouse_waker mine;  // of this poll, unless it was stored
    struct rouse_waker old;   // of the last poll
};

// Locks the mutex, or waits in the queue if it may.
static bool lock_or_queue(struct rouse_mutex_lock *l, bool may_wait, struct wakers *wakers)
{
    struct rouse_mutex *mutex = l->mutex;
    struct rouse_waiter *waiter = &l->waiter;

    rs_waitq_lock(&mutex->waiters);
    if (mutex->waiters.first != waiter) {
        pass_over(mutex, waiter->pushed ? rouse_now_ns() : waiter->want);
    }
    bool locked = lock_or_wait(mutex, waiter, may_wait);

    if (!waiter->pushed) {
        if (!locked) rs_waitq_push(&mutex->waiters, waiter, &wakers->mine);
    } else if (locked) {
        leave_queue(mutex, waiter, &wakers->old);
    } else if (may_wait) {
        wakers->old = waiter->waker;
        waiter->waker = wakers->mine;
        wakers->mine = (struct rouse_waker){0};
    }
    rs_waitq_unlock(&mutex->waiters);
    return locked;
}

// One that was woken finds the mutex free, as a rule, and needs no waker then.
static bool lock_queued(struct rouse_mutex_lock *l)
{
    struct wakers wakers = {0};

    if (rouse_mutex_is_locked(l->mutex) || !lock_or_queue(l, false, &wakers)) return false;
    rouse_waker_drop(&wakers.old);
    return true;
}

// As long as it has waited so far, so ever more seldom: thousands who look all the time would keep
// the processors from the one whose turn it is.
static uint64_t patrol_length(const struct rouse_mutex_lock *l)
{
    uint64_t waited_ns = rouse_now_ns() - l->waiter.want;

    if (waited_ns < BARGE_NS) return BARGE_NS;
    return waited_ns < PATROL_MAX_NS ? waited_ns : PATROL_MAX_NS;
}

// It has waited for long enough.
static void grow_old(struct rouse_mutex_lock *l)
{
    if (l->old) return;
    rs_waitq_lock(&l->mutex->waiters);
    l->old = true;
    rs_waitq_unlock(&l->mutex->waiters);
}

// Comes back to see whether the mutex lies free, kept for somebody who is not polled. Where there
// is no driver it cannot; the next poll may have one.
static void patrol(struct rouse_mutex_lock *l, struct rouse_context *cx)
{
    bool has_driver = true;

    while (has_driver && rouse_future_poll(&l->patrol.base, cx) == ROUSE_READY) {
        has_driver = l->patrol.output == 0;
        if (has_driver) grow_old(l);
        rouse_sleep_init(&l->patrol, patrol_length(l));
    }
}

// In the queue, or on the way there. Out of line, so that a mutex that is free costs no more than
// that.
__attribute__((noinline)) static rouse_poll lock_with_others(struct rouse_mutex_lock *l,
                                                             struct rouse_context *cx)
{
    struct wakers wakers = {0};
    bool locked = l->waiter.pushed && lock_queued(l);

    if (!locked) {
        wakers.mine = rouse_waker_clone(rouse_context_waker(cx));
        locked = lock_or_queue(l, true, &wakers);
        rouse_waker_drop(&wakers.mine);
        rouse_waker_drop(&wakers.old);
    }
    if (!locked) {
        patrol(l, cx);
        return ROUSE_PENDING;
    }
    rs_holder_set(&l->mutex->holder, cx->task);
    if (l->waiter.pushed) rouse_future_drop(&l->patrol.base);
    return ROUSE_READY;
}

static rouse_poll mutex_lock_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_mutex_lock *l = lock_of(self);

    if (!l->waiter.pushed) {
        if (!rouse_context_spend(cx)) return ROUSE_PENDING;
        if (try_lock(l->mutex) == 0) {
            rs_holder_set(&l->mutex->holder, cx->task);
            return ROUSE_READY;
        }
        l->waiter.want = rouse_now_ns();
        rouse_sleep_until_init(&l->patrol, l->waiter.want + BARGE_NS);
    }
    return lock_with_others(l, cx);
}

// If this one was woken for a free mutex, the next has to be.
static void mutex_lock_drop(struct rouse_future *self)
{
    struct rouse_mutex_lock *l = lock_of(self);
    struct rouse_mutex *mutex = l->mutex;
    struct rouse_waker waker = {0};
    struct rouse_waker other = {0};

    if (!l->waiter.pushed) return;
    rouse_future_drop(&l->patrol.base);
    rs_waitq_lock(&mutex->waiters);
    // Relaxed: the bit changes under our lock.
    bool woken = mutex->waiters.first == &l->waiter &&
                 (atomic_load_explicit(word_of(mutex), memory_order_relaxed) & WOKEN) != 0;

    leave_queue(mutex, &l->waiter, &waker);
    if (woken && !rs_waitq_is_empty(&mutex->waiters)) wake_next(mutex, &other);
    rs_waitq_unlock(&mutex->waiters);
    rouse_waker_drop(&waker);
    rouse_waker_wake(&other);
}

static void unlock_untaken(struct rouse_future *self)
{
    struct rouse_mutex_lock *l = lock_of(self);

    if (l->mutex != NULL) rouse_mutex_unlock(l->mutex);
}

static int mutex_lock_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rouse_mutex_lock *l = (const struct rouse_mutex_lock *)self;

    if (!l->waiter.pushed) return snprintf(buf, size, "mutex %p", (void *)l->mutex);
    // It is polled now and then, so the time of the last poll says little.
    return snprintf(buf, size, "mutex %p, for %.3f s so far", (void *)l->mutex,
                    (double)(rouse_now_ns() - l->waiter.want) / 1e9);
}

// Whoever comes too late for its turn does not keep the others out for long, so only the holder
// counts. Between its exchange and its store the word names the one before: it runs then.
static void mutex_lock_inspect(const struct rouse_future *self, struct rouse_inspector *inspector)
{
    const struct rouse_mutex *mutex = ((const struct rouse_mutex_lock *)self)->mutex;

    if (!rouse_mutex_is_locked(mutex)) return;
    inspector->needs(inspector, rs_holder_get(&mutex->holder), ROUSE_NEED_RELEASE);
}

static const struct rouse_future_vtable lock_ended = {.drop = unlock_untaken, .name = "mutex lock"};
static const struct rouse_future_vtable lock_vtable = {
    .poll = mutex_lock_poll,
    .drop = mutex_lock_drop,
    .name = "mutex lock",
    .describe = mutex_lock_describe,
    .cancel_kind = rouse_cancel_kind_total,
    .ended = &lock_ended,
    .inspect = mutex_lock_inspect};

void rouse_mutex_lock_init(struct rouse_mutex_lock *lock, struct rouse_mutex *mutex)
{
    lock->base.vtable = &lock_vtable;
    lock->mutex = mutex;
    lock->old = false;
    rs_waiter_init(&lock->waiter, 0);
}

void rouse_mutex_lock_take(struct rouse_mutex_lock *lock)
{
    rouse_assert(rouse_future_is_ended(&lock->base) && lock->mutex != NULL,
                 "only a lock that has ended can be taken over, once; await it first");
    lock->mutex = NULL;
}

int rouse_mutex_lock(struct rouse_mutex *mutex)
{
    struct rouse_mutex_lock lock;

    if (rs_direct_may_try() && try_lock_here(mutex) == 0) {
        rs_direct_tried();
        return 0;
    }
    rouse_mutex_lock_init(&lock, mutex);
    return rouse_await(&lock.base);
}
