// SPDX-License-Identifier: MIT
//
// The mutex. A word that says whether it is locked, and a queue of those who wait; the first one
// stays in the queue until it has locked the mutex itself.
//
//     0 --lock--> LOCKED --a waiter--> LOCKED|WAITED --unlock--> WAITED (free, the first is woken)
//                                            |                      |
//                                            |     whoever is there locks it, or who waits
//                                            |
//              the first has waited for long +--unlock--> WAITED|KEPT: free for the heir only
//
// 1. WAITED is set if and only if the queue is not empty, KEPT if and only if there is an heir,
//    but for critical sections of the queue's lock. Both change under that lock only.
// 2. LOCKED is set by anyone where KEPT is not, and cleared by who holds the mutex: without the
//    queue's lock only where nobody waits. So an unlock that wakes is done with the mutex before
//    anybody who waited can have it, and free it.
// 3. A queued waiter without a waker has been woken since its last poll.
// 4. A free mutex with waiters has one that was woken, or an heir; and if that one is not polled,
//    the patrol of those behind it looks after them.

#include <errno.h>
#include <rouse/assert.h>
#include <rouse/await.h>
#include <rouse/clock.h>
#include <rouse/mutex.h>
#include <stdatomic.h>
#include <stdio.h>

#include "sync/direct.h"
#include "sync/wait_queue.h"

enum { LOCKED = 1 << 0, WAITED = 1 << 1, KEPT = 1 << 2 };

// For how long others may lock the mutex before the one who has waited longest; and for how long
// it is kept for him then.
#define BARGE_NS ROUSE_NS_PER_MS
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

// Keeps a free mutex for `heir`; for nobody, if that is NULL. `waker` gets the heir's.
static void keep_for(struct rouse_mutex *mutex, struct rouse_waiter *heir, uint64_t now_ns,
                     struct rouse_waker *waker)
{
    mutex->heir = heir;
    if (heir == NULL) {
        // Relaxed: it goes on the release of the last holder's unlock.
        atomic_fetch_and_explicit(word_of(mutex), ~(uint32_t)KEPT, memory_order_relaxed);
        return;
    }
    mutex->kept_until_ns = now_ns + KEEP_NS;
    *waker = heir->waker;
    heir->waker = (struct rouse_waker){0};
}

// The heir does not come: the mutex is for all again, and first for whoever looks right now.
static void pass_over(struct rouse_mutex *mutex)
{
    if (mutex->heir == NULL || rouse_now_ns() < mutex->kept_until_ns) return;
    keep_for(mutex, NULL, 0, NULL);
}

// Locks the mutex for `self`, if it may have it. If not, says that somebody waits.
static bool lock_or_wait(struct rouse_mutex *mutex, const struct rouse_waiter *self)
{
    bool kept = mutex->heir != NULL && mutex->heir != self;
    // Relaxed, and on failure: only a guess for the exchange.
    uint32_t word = atomic_load_explicit(word_of(mutex), memory_order_relaxed);

    for (;;) {
        bool free = !kept && (word & LOCKED) == 0;
        uint32_t next = free ? (word | LOCKED) & ~(uint32_t)KEPT : word | WAITED;

        // Acquire, as in rouse_mutex_try_lock().
        if (atomic_compare_exchange_weak_explicit(word_of(mutex), &word, next, memory_order_acquire,
                                                  memory_order_relaxed)) {
            if (free) mutex->heir = NULL;
            return free;
        }
    }
}

// A waiter leaves the queue.
static void leave_queue(struct rouse_mutex *mutex, struct rouse_waiter *waiter,
                        struct rouse_waker *waker)
{
    rs_waitq_settle(&mutex->waiters, waiter, RS_WAITER_IDLE, waker);
    if (!rs_waitq_is_empty(&mutex->waiters)) return;
    // Relaxed: the lock orders those who have to do with the bit.
    atomic_fetch_and_explicit(word_of(mutex), ~(uint32_t)WAITED, memory_order_relaxed);
}

// Wakes the first one, if the mutex is free and nobody has been woken for it.
static void wake_first(struct rouse_mutex *mutex, struct rouse_waker *waker)
{
    struct rouse_waiter *first = mutex->waiters.first;

    if (first == NULL) return;
    *waker = first->waker;
    first->waker = (struct rouse_waker){0};
}

// ---- Tried ----

// True if it was kept for somebody who does not come, and is so no longer.
static bool end_keeping(struct rouse_mutex *mutex)
{
    rs_waitq_lock(&mutex->waiters);
    bool kept = mutex->heir != NULL;

    pass_over(mutex);
    bool free = kept && mutex->heir == NULL;

    rs_waitq_unlock(&mutex->waiters);
    return free;
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
    } while (!atomic_compare_exchange_weak_explicit(word_of(mutex), &word, word | LOCKED,
                                                    memory_order_acquire, memory_order_relaxed));
    return 0;
}

static inline int try_lock(struct rouse_mutex *mutex)
{
    uint32_t word = 0;

    // Orders: as in try_lock_from().
    if (ROUSE_LIKELY(atomic_compare_exchange_strong_explicit(
            word_of(mutex), &word, LOCKED, memory_order_acquire, memory_order_relaxed))) {
        return 0;
    }
    return try_lock_from(mutex, word);
}

int rouse_mutex_try_lock(struct rouse_mutex *mutex)
{
    return try_lock(mutex);
}

// ---- Unlocked ----

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
    uint64_t now_ns = rouse_now_ns();
    bool keep = now_ns - q->first->want >= BARGE_NS;

    if (keep) {
        keep_for(mutex, q->first, now_ns, &waker);
    } else {
        wake_first(mutex, &waker);
    }
    // Release, with the acquire of whoever locks it next. A store: while it is locked, the word
    // changes under our lock only.
    atomic_store_explicit(word_of(mutex), keep ? WAITED | KEPT : WAITED, memory_order_release);
    rs_waitq_unlock(q);
    rouse_waker_wake(&waker);
    return true;
}

void rouse_mutex_unlock(struct rouse_mutex *mutex)
{
    uint32_t word = LOCKED;

    // Release, with the acquire of whoever locks it next. Relaxed on failure: only we unlock it.
    while (!atomic_compare_exchange_weak_explicit(word_of(mutex), &word, 0, memory_order_release,
                                                  memory_order_relaxed)) {
        rouse_assert((word & LOCKED) != 0, "a mutex is unlocked by who holds it; lock it first");
        if ((word & WAITED) != 0 && unlock_and_wake(mutex)) return;
        word = LOCKED;
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

// Locks the mutex, or waits in the queue.
static bool lock_or_queue(struct rouse_mutex_lock *l, struct wakers *wakers)
{
    struct rouse_mutex *mutex = l->mutex;
    struct rouse_waiter *waiter = &l->waiter;

    rs_waitq_lock(&mutex->waiters);
    if (mutex->heir != waiter) pass_over(mutex);
    bool locked = lock_or_wait(mutex, waiter);

    if (!waiter->pushed) {
        if (!locked) rs_waitq_push(&mutex->waiters, waiter, &wakers->mine);
    } else if (locked) {
        leave_queue(mutex, waiter, &wakers->old);
    } else {
        wakers->old = waiter->waker;
        waiter->waker = wakers->mine;
        wakers->mine = (struct rouse_waker){0};
    }
    rs_waitq_unlock(&mutex->waiters);
    return locked;
}

// As long as it has waited so far, so ever more seldom: thousands who look all the time would keep
// the processors from the one whose turn it is.
static uint64_t patrol_length(const struct rouse_mutex_lock *l)
{
    uint64_t waited_ns = rouse_now_ns() - l->waiter.want;

    if (waited_ns < KEEP_NS) return KEEP_NS;
    return waited_ns < PATROL_MAX_NS ? waited_ns : PATROL_MAX_NS;
}

// Comes back to see whether the mutex lies free, kept for somebody who is not polled. Where there
// is no driver it cannot; the next poll may have one.
static void patrol(struct rouse_mutex_lock *l, struct rouse_context *cx)
{
    bool has_driver = true;

    while (has_driver && rouse_future_poll(&l->patrol.base, cx) == ROUSE_READY) {
        has_driver = l->patrol.output == 0;
        rouse_sleep_init(&l->patrol, patrol_length(l));
    }
}

static rouse_poll mutex_lock_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_mutex_lock *l = lock_of(self);
    struct wakers wakers = {0};

    if (!l->waiter.pushed) {
        if (!rouse_context_spend(cx)) return ROUSE_PENDING;
        if (try_lock(l->mutex) == 0) return ROUSE_READY;
        l->waiter.want = rouse_now_ns();
        rouse_sleep_until_init(&l->patrol, l->waiter.want + KEEP_NS);
    }
    wakers.mine = rouse_waker_clone(rouse_context_waker(cx));
    bool locked = lock_or_queue(l, &wakers);

    rouse_waker_drop(&wakers.mine);
    rouse_waker_drop(&wakers.old);
    if (!locked) {
        patrol(l, cx);
        return ROUSE_PENDING;
    }
    if (l->waiter.pushed) rouse_future_drop(&l->patrol.base);
    return ROUSE_READY;
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
    bool woken = l->waiter.waker.vtable == NULL;

    if (mutex->heir == &l->waiter) {
        keep_for(mutex, l->waiter.next, rouse_now_ns(), &other);
        woken = mutex->heir == NULL;
    }
    leave_queue(mutex, &l->waiter, &waker);
    if (woken && mutex->heir == NULL && !rouse_mutex_is_locked(mutex)) wake_first(mutex, &other);
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

    return snprintf(buf, size, "mutex %p", (void *)l->mutex);
}

static const struct rouse_future_vtable lock_ended = {.drop = unlock_untaken, .name = "mutex lock"};
static const struct rouse_future_vtable lock_vtable = {
    .poll = mutex_lock_poll,
    .drop = mutex_lock_drop,
    .name = "mutex lock",
    .describe = mutex_lock_describe,
    .cancel_kind = rouse_cancel_kind_total,
    .ended = &lock_ended};

void rouse_mutex_lock_init(struct rouse_mutex_lock *lock, struct rouse_mutex *mutex)
{
    lock->base.vtable = &lock_vtable;
    lock->mutex = mutex;
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

    if (rs_direct_may_take() && try_lock(mutex) == 0) {
        rs_direct_taken();
        return 0;
    }
    rouse_mutex_lock_init(&lock, mutex);
    return rouse_await(&lock.base);
}
