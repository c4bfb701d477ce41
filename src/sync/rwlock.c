// SPDX-License-Identifier: MIT
//
// The lock for readers and writers: a word that counts the readers, a semaphore of one permit, the
// turn, between the writers, and a queue of those who wait for the other kind. Writers and readers
// alternate. (Brandenburg and Anderson, "Reader-Writer Synchronization for Shared-Memory
// Multiprocessor Real-Time Systems", call this phase-fair.)
//
//     n readers --a writer has the turn--> n readers, WRITER --they leave--> WRITER: he writes
//         ^                                        |                            ^    |
//         |                               he waits |                            |    |
//         |                                        v                            |    |
//         |                              n readers, WRITER, DRAINS --the last---+    |
//         |                                        |        leaves, and wakes him    |
//         +------- those who wait read ----- he gives up, or unlocks ----------------+
//
// 1. WRITER is set by who has the turn, and cleared by the same, before he gives it to the next.
//    While it is set nobody else begins to read.
// 2. DRAINS is set while that writer is in the queue, in front. Then the last reader to leave takes
//    him out and hands the lock over under the queue's lock, and is done with it before the writer
//    has it, and frees it.
// 3. QUEUED is set if readers are in the queue, and only while WRITER is, or while he who was the
//    writer lets them in. It changes under the queue's lock.
// 4. A reader who is taken out of the queue is counted within the same critical section.

#include <errno.h>
#include <rouse/assert.h>
#include <rouse/await.h>
#include <rouse/rwlock.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/cpu.h"
#include "base/rmw.h"
#include "fiber/direct.h"
#include "sync/holder.h"
#include "sync/rwlock.h"
#include "sync/wait_queue.h"

enum { WRITER = 1 << 0, DRAINS = 1 << 1, QUEUED = 1 << 2, READER = 1 << 3 };

static _Atomic uint32_t *word_of(const struct rouse_rwlock *lock)
{
    return (_Atomic uint32_t *)(uintptr_t)&lock->word;
}

void rouse_rwlock_init(struct rouse_rwlock *lock)
{
    *lock = (struct rouse_rwlock)ROUSE_RWLOCK_INIT;
}

// ---- Readers ----

static inline int try_read(struct rouse_rwlock *lock)
{
    // Relaxed: only a guess for the exchange.
    uint32_t word = atomic_load_explicit(word_of(lock), memory_order_relaxed);

    do {
        if ((word & WRITER) != 0) return -EAGAIN;
        rouse_assert(word / READER < ROUSE_RWLOCK_READERS_MAX, "fewer than 2^28 read at once");
        // Acquire, with the release in let_in(): what was written is seen. Relaxed on failure:
        // nothing was learnt but the word.
    } while (!rs_compare_exchange_weak_32(word_of(lock), &word, word + READER, memory_order_acquire,
                                          memory_order_relaxed));
    return 0;
}

// A writer on another processor has finished, as a rule, before one could queue up behind him.
static inline int try_read_for_long(struct rouse_rwlock *lock)
{
    int err = try_read(lock);

    for (int i = 0; err < 0 && i < RS_RWLOCK_LOOKS; i++) {
        rs_cpu_relax();
        err = try_read(lock);
    }
    return err;
}

int rouse_rwlock_try_read_lock(struct rouse_rwlock *lock)
{
    return try_read(lock);
}

static inline bool is_last_before_writer(uint32_t word)
{
    return (word & DRAINS) != 0 && word < 2 * READER;
}

// The only reader leaves, and a writer waits for that. False if that is so no longer: he may have
// given up, others have begun to read, and the next writer waits for us all.
static bool hand_over(struct rouse_rwlock *lock)
{
    struct rouse_wait_queue *q = &lock->waiters;
    struct rouse_waker waker;

    rs_waitq_lock(q);
    // Acquire, with the release of those who left before us: the writer sees what they have read as
    // read, by way of his waiter's state.
    uint32_t word = atomic_load_explicit(word_of(lock), memory_order_acquire);

    if (!is_last_before_writer(word)) {
        rs_waitq_unlock(q);
        return false;
    }
    // Relaxed: he learns of it from his waiter's state. A store: we are the only reader, there will
    // be no other, and all else is done under the queue's lock.
    atomic_store_explicit(word_of(lock), WRITER | (word & QUEUED), memory_order_relaxed);
    rs_waitq_grant(q, q->first, &waker);
    rs_waitq_unlock(q);
    rouse_waker_wake(&waker);
    return true;
}

void rouse_rwlock_read_unlock(struct rouse_rwlock *lock)
{
    // Relaxed: only a guess for the exchange.
    uint32_t word = atomic_load_explicit(word_of(lock), memory_order_relaxed);

    for (;;) {
        rouse_assert(word >= READER, "who ends the reading reads; lock it first");
        if (is_last_before_writer(word)) {
            if (hand_over(lock)) return;
            // Relaxed: as above.
            word = atomic_load_explicit(word_of(lock), memory_order_relaxed);
            continue;
        }
        // Release, with the acquire in begin_writing(), wait_for_readers() and hand_over(). Relaxed
        // on failure: nothing was learnt but the word.
        if (rs_compare_exchange_weak_32(word_of(lock), &word, word - READER, memory_order_release,
                                        memory_order_relaxed)) {
            return;
        }
    }
}

// Reads, or says that readers wait.
static bool read_or_wait(struct rouse_rwlock *lock)
{
    // Relaxed, and on failure: only a guess for the exchange.
    uint32_t word = atomic_load_explicit(word_of(lock), memory_order_relaxed);

    for (;;) {
        bool reads = (word & WRITER) == 0;
        uint32_t next = reads ? word + READER : word | QUEUED;

        // Acquire, as in try_read().
        if (rs_compare_exchange_weak_32(word_of(lock), &word, next, memory_order_acquire,
                                        memory_order_relaxed)) {
            return reads;
        }
    }
}

// ---- Writers ----

// Whether the writer whose turn it is can write.
static inline bool have_readers_left(struct rouse_rwlock *lock)
{
    // Acquire, with the release in rouse_rwlock_read_unlock(): they have read before we write.
    return atomic_load_explicit(word_of(lock), memory_order_acquire) < READER;
}

// For the one who has the turn: no reader is let in from here on. True if none is left.
static bool begin_writing(struct rouse_rwlock *lock)
{
    // Acquire: as in have_readers_left().
    uint32_t word = rs_fetch_or_32(word_of(lock), WRITER, memory_order_acquire);

    if (word < READER) return true;
    for (int i = 0; i < RS_RWLOCK_LOOKS; i++) {
        rs_cpu_relax();
        if (have_readers_left(lock)) return true;
    }
    return false;
}

// Lets those in who wait to read, and is the writer no longer, but `stays` as a reader (READER or
// 0). With the queue's lock, which it gives up. `leaves` is what the writer had set in the word.
static void let_in_queued(struct rouse_rwlock *lock, uint32_t stays, uint32_t leaves)
{
    struct rouse_wait_queue *q = &lock->waiters;
    struct rs_batch batch;
    struct rouse_waker waker;
    uint32_t change = stays - leaves;
    bool more;

    batch.count = 0;
    do {
        while (!rs_waitq_is_empty(q) && !rs_batch_is_full(&batch)) {
            rs_waitq_grant(q, q->first, &waker);
            rs_batch_take(&batch, &waker);
            change += READER;
        }
        more = !rs_waitq_is_empty(q);
        // Relaxed: the bit changes under our lock.
        if (!more && (atomic_load_explicit(word_of(lock), memory_order_relaxed) & QUEUED) != 0) {
            change -= QUEUED;
        }
        // Release, with the acquire of whoever locks it next.
        rs_fetch_add_32(word_of(lock), change, memory_order_release);
        if (more) rs_waitq_wake_between(q, &batch);
        change = 0;
    } while (more);
    rs_waitq_unlock_and_wake(q, &batch);
}

static inline void let_in(struct rouse_rwlock *lock, uint32_t stays)
{
    uint32_t word = WRITER;

    // Release, with the acquire of whoever locks it next. Relaxed on failure: readers wait.
    if (ROUSE_LIKELY(rs_compare_exchange_strong_32(word_of(lock), &word, stays,
                                                   memory_order_release, memory_order_relaxed))) {
        return;
    }
    rouse_assert((word & (WRITER | DRAINS)) == WRITER && word < READER,
                 "who ends the writing writes; lock it first");
    rs_waitq_lock(&lock->waiters);
    let_in_queued(lock, stays, WRITER);
}

void rouse_rwlock_write_unlock(struct rouse_rwlock *lock)
{
    let_in(lock, 0);
    rouse_semaphore_release(&lock->writers, 1);
}

void rouse_rwlock_downgrade(struct rouse_rwlock *lock)
{
    let_in(lock, READER);
    rouse_semaphore_release(&lock->writers, 1);
}

static inline int try_write(struct rouse_rwlock *lock)
{
    uint32_t word = 0;

    if (rouse_semaphore_try_acquire(&lock->writers, 1) != 0) return -EAGAIN;
    // Acquire, with the release of those who had the lock before. Relaxed on failure: we leave.
    if (ROUSE_LIKELY(rs_compare_exchange_strong_32(word_of(lock), &word, WRITER,
                                                   memory_order_acquire, memory_order_relaxed))) {
        rs_holder_set_to_current(&lock->writer);
        return 0;
    }
    rouse_semaphore_release(&lock->writers, 1);
    return -EAGAIN;
}

int rouse_rwlock_try_write_lock(struct rouse_rwlock *lock)
{
    return try_write(lock);
}

// ---- The future of a reader ----

static struct rouse_rwlock_read *read_of(struct rouse_future *self)
{
    return ROUSE_CONTAINER_OF(self, struct rouse_rwlock_read, base);
}

static bool read_or_queue(struct rouse_rwlock_read *r, struct rouse_context *cx)
{
    struct rouse_waker waker = rouse_waker_clone(rouse_context_waker(cx));

    rs_waitq_lock(&r->lock->waiters);
    bool reads = read_or_wait(r->lock);

    if (!reads) rs_waitq_push(&r->lock->waiters, &r->waiter, &waker);
    rs_waitq_unlock(&r->lock->waiters);
    rouse_waker_drop(&waker);
    return reads;
}

static rouse_poll read_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_rwlock_read *r = read_of(self);

    if (!r->waiter.pushed) {
        if (!rouse_context_spend(cx)) return ROUSE_PENDING;
        return try_read_for_long(r->lock) == 0 || read_or_queue(r, cx)
                   ? ROUSE_READY
                   : ROUSE_PENDING;
    }
    return rs_waitq_look(&r->lock->waiters, &r->waiter, cx) == RS_WAITER_QUEUED
               ? ROUSE_PENDING
               : ROUSE_READY;
}

static void read_drop(struct rouse_future *self)
{
    struct rouse_rwlock_read *r = read_of(self);

    // QUEUED may stay, which costs the writer a look.
    if (r->waiter.pushed && rs_waitq_leave(&r->lock->waiters, &r->waiter) == RS_WAITER_GRANTED) {
        rouse_rwlock_read_unlock(r->lock);
    }
}

static void read_untaken(struct rouse_future *self)
{
    struct rouse_rwlock_read *r = read_of(self);

    if (r->lock != NULL) rouse_rwlock_read_unlock(r->lock);
}

static int read_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rouse_rwlock_read *r = (const struct rouse_rwlock_read *)self;

    return snprintf(buf, size, "rwlock %p, to read", (void *)r->lock);
}

// The writer whose turn it is, and whether it was handed the lock and does not come for it.
static void writer_inspect(const struct rouse_rwlock *lock, struct rouse_inspector *inspector)
{
    // Relaxed: as the word of who that is.
    if ((atomic_load_explicit(word_of(lock), memory_order_relaxed) & WRITER) == 0) return;
    inspector->needs(inspector, rs_holder_get(&lock->writer), ROUSE_NEED_RELEASE);
    inspector->needs(inspector, rs_holder_get(&lock->waiters.granted), ROUSE_NEED_TURN);
}

static void read_inspect(const struct rouse_future *self, struct rouse_inspector *inspector)
{
    writer_inspect(((const struct rouse_rwlock_read *)self)->lock, inspector);
}

static const struct rouse_future_vtable read_ended = {.drop = read_untaken, .name = "rwlock read"};
static const struct rouse_future_vtable read_vtable = {
    .poll = read_poll,
    .drop = read_drop,
    .name = "rwlock read",
    .describe = read_describe,
    .cancel_kind = rouse_cancel_kind_total,
    .ended = &read_ended,
    .inspect = read_inspect};

void rouse_rwlock_read_init(struct rouse_rwlock_read *read, struct rouse_rwlock *lock)
{
    read->base.vtable = &read_vtable;
    read->lock = lock;
    rs_waiter_init(&read->waiter, 0);
}

void rouse_rwlock_read_take(struct rouse_rwlock_read *read)
{
    rouse_assert(rouse_future_is_ended(&read->base) && read->lock != NULL,
                 "only a lock that has ended can be taken over, once; await it first");
    read->lock = NULL;
}

int rouse_rwlock_read_lock(struct rouse_rwlock *lock)
{
    struct rouse_rwlock_read read;

    if (rs_direct_may_try() && try_read_for_long(lock) == 0) {
        rs_direct_tried();
        return 0;
    }
    rouse_rwlock_read_init(&read, lock);
    return rouse_await(&read.base);
}

// ---- The future of a writer ----

static struct rouse_rwlock_write *write_of(struct rouse_future *self)
{
    return ROUSE_CONTAINER_OF(self, struct rouse_rwlock_write, base);
}

// True if they have left by now.
static bool wait_for_readers(struct rouse_rwlock_write *w, struct rouse_context *cx)
{
    struct rouse_rwlock *lock = w->lock;
    struct rouse_waker waker = rouse_waker_clone(rouse_context_waker(cx));

    rs_waitq_lock(&lock->waiters);
    // Acquire, each: as in have_readers_left().
    uint32_t word = atomic_load_explicit(word_of(lock), memory_order_acquire);

    while (word >= READER &&
           !rs_compare_exchange_weak_32(word_of(lock), &word, word | DRAINS, memory_order_acquire,
                                        memory_order_acquire)) {
    }
    if (word >= READER) rs_waitq_push_front(&lock->waiters, &w->waiter, &waker);
    rs_waitq_unlock(&lock->waiters);
    rouse_waker_drop(&waker);
    return word < READER;
}

static rouse_poll write_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_rwlock_write *w = write_of(self);

    if (!w->has_turn) {
        if (rouse_future_poll(&w->turn.base, cx) == ROUSE_PENDING) return ROUSE_PENDING;
        rouse_semaphore_acquire_take(&w->turn);
        w->has_turn = true;
        rs_holder_set(&w->lock->writer, cx->task);
        return begin_writing(w->lock) || wait_for_readers(w, cx) ? ROUSE_READY : ROUSE_PENDING;
    }
    return rs_waitq_look(&w->lock->waiters, &w->waiter, cx) == RS_WAITER_QUEUED
               ? ROUSE_PENDING
               : ROUSE_READY;
}

static void write_drop(struct rouse_future *self)
{
    struct rouse_rwlock_write *w = write_of(self);
    struct rouse_wait_queue *q = &w->lock->waiters;
    struct rouse_waker waker = {0};

    if (!w->has_turn) {
        rouse_future_drop(&w->turn.base);
        return;
    }
    rs_waitq_lock(q);
    if (w->waiter.state != RS_WAITER_QUEUED) {
        rs_waitq_unlock(q);
        rouse_rwlock_write_unlock(w->lock);
        return;
    }
    rs_waitq_settle(q, &w->waiter, RS_WAITER_IDLE, &waker);
    let_in_queued(w->lock, 0, WRITER | DRAINS);
    rouse_semaphore_release(&w->lock->writers, 1);
    rouse_waker_drop(&waker);
}

static void write_untaken(struct rouse_future *self)
{
    struct rouse_rwlock_write *w = write_of(self);

    if (w->lock != NULL) rouse_rwlock_write_unlock(w->lock);
}

static int write_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rouse_rwlock_write *w = (const struct rouse_rwlock_write *)self;

    return snprintf(buf, size, "rwlock %p, to write%s", (void *)w->lock,
                    w->has_turn ? ", when its readers have left" : "");
}

// With the turn it waits for readers, of whom there is only a count.
static void write_inspect(const struct rouse_future *self, struct rouse_inspector *inspector)
{
    const struct rouse_rwlock_write *w = (const struct rouse_rwlock_write *)self;

    if (w->has_turn) return;
    inspector->part(inspector, &w->turn.base, 0, false);
    writer_inspect(w->lock, inspector);
}

static const struct rouse_future_vtable write_ended = {.drop = write_untaken,
                                                       .name = "rwlock write"};
static const struct rouse_future_vtable write_vtable = {
    .poll = write_poll,
    .drop = write_drop,
    .name = "rwlock write",
    .describe = write_describe,
    .cancel_kind = rouse_cancel_kind_total,
    .ended = &write_ended,
    .inspect = write_inspect};

void rouse_rwlock_write_init(struct rouse_rwlock_write *write, struct rouse_rwlock *lock)
{
    write->base.vtable = &write_vtable;
    write->lock = lock;
    write->has_turn = false;
    rouse_semaphore_acquire_init(&write->turn, &lock->writers, 1);
    rs_waiter_init(&write->waiter, 0);
}

void rouse_rwlock_write_take(struct rouse_rwlock_write *write)
{
    rouse_assert(rouse_future_is_ended(&write->base) && write->lock != NULL,
                 "only a lock that has ended can be taken over, once; await it first");
    write->lock = NULL;
}

int rouse_rwlock_write_lock(struct rouse_rwlock *lock)
{
    struct rouse_rwlock_write write;

    if (rs_direct_may_try() && try_write(lock) == 0) {
        rs_direct_tried();
        return 0;
    }
    rouse_rwlock_write_init(&write, lock);
    return rouse_await(&write.base);
}
