// SPDX-License-Identifier: MIT
//
// Locks between tasks on every kind of runtime: exclusion, fairness under saturation, limits, and
// cancel by abort while others wait. By hand they are tested in tests/unit.

#include <rouse/barrier.h>
#include <rouse/condition.h>
#include <rouse/error.h>
#include <rouse/event_count.h>
#include <rouse/mutex.h>
#include <rouse/notify.h>
#include <rouse/once.h>
#include <rouse/rate_limiter.h>
#include <rouse/ready.h>
#include <rouse/rwlock.h>
#include <rouse/task.h>

#include "harness/api.h"

enum { MANY = 64, FEW = 8 };

static struct rouse_mutex mutex;
static int counter;  // plain: under the mutex
static _Atomic int inside;
static _Atomic int passed;

// What roots do: spawn some, and wait for all.
struct crew {
    struct rouse_join_handle handles[MANY];
    int count;
    int next;
};

#define CREW_SPAWN(crew, fn, ...) \
    CHECK_EQ(SPAWN(&(crew)->handles[(crew)->count++], fn, __VA_ARGS__), 0)

// Expands to a loop that awaits each handle; its results must be `wanted`.
#define CREW_JOIN(crew, wanted)                                            \
    for ((crew)->next = 0; (crew)->next < (crew)->count; (crew)->next++) { \
        AWAIT(&(crew)->handles[(crew)->next].base);                        \
        CHECK_EQ(joined(&(crew)->handles[(crew)->next]), (wanted));        \
    }

// ---- Mutex ----

struct adder {
    struct body body;
    int rounds;
    struct rouse_mutex_lock lock;
    struct rouse_yield yield;
};

static rouse_poll adder(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(adder, frame, cx);
    while (f->rounds-- > 0) {
        rouse_mutex_lock_init(&f->lock, &mutex);
        AWAIT(&f->lock.base);
        counter++;
        if (f->rounds % 4 == 0) {
            rouse_yield_init(&f->yield);
            AWAIT(&f->yield.base);
        }
        counter++;
        rouse_mutex_unlock(&mutex);
        if (f->rounds % 3 == 0) {
            rouse_yield_init(&f->yield);
            AWAIT(&f->yield.base);
        }
    }
    BODY_END();
}

struct mutex_excludes_many_tasks {
    struct body body;
    struct crew crew;
};

static rouse_poll mutex_excludes_many_tasks(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(mutex_excludes_many_tasks, frame, cx);
    for (int i = 0; i < MANY; i++) CREW_SPAWN(&f->crew, adder, .rounds = 60);
    CREW_JOIN(&f->crew, 0);
    CHECK_EQ(counter, 2 * 60 * MANY);
    CHECK(!rouse_mutex_is_locked(&mutex));
    BODY_END();
}

// Never pauses between an unlock and the next lock, until all have had their share.
struct greedy {
    struct body body;
    int rounds;
    struct rouse_mutex_lock lock;
    struct rouse_yield yield;
};

static rouse_poll greedy(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(greedy, frame, cx);
    while (count_get(&passed) < FEW) {
        rouse_mutex_lock_init(&f->lock, &mutex);
        AWAIT(&f->lock.base);
        if (++f->rounds == 20) count_add(&passed, 1);
        rouse_yield_init(&f->yield);
        AWAIT(&f->yield.base);
        rouse_mutex_unlock(&mutex);
    }
    BODY_END();
}

struct mutex_lets_each_of_many_greedy_tasks_through {
    struct body body;
    struct crew crew;
};

static rouse_poll mutex_lets_each_of_many_greedy_tasks_through(void *frame,
                                                               struct rouse_context *cx)
{
    BODY_BEGIN(mutex_lets_each_of_many_greedy_tasks_through, frame, cx);
    for (int i = 0; i < FEW; i++) CREW_SPAWN(&f->crew, greedy, .rounds = 0);
    CREW_JOIN(&f->crew, 0);
    BODY_END();
}

struct locker {
    struct body body;
    struct rouse_mutex_lock lock;
};

static rouse_poll locker(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(locker, frame, cx);
    rouse_mutex_lock_init(&f->lock, &mutex);
    AWAIT(&f->lock.base);
    counter++;
    rouse_mutex_unlock(&mutex);
    BODY_RETURN(1);
    BODY_END();
}

// The mutex is held while all others wait for it, and every second one is aborted. A fiber that
// finds it unlocked in spite of that has it.
struct mutex_waiters_that_are_aborted_keep_nobody_out {
    struct body body;
    struct crew crew;
    struct rouse_mutex_lock lock;
    struct rouse_sleep sleep;
    int64_t result;
    int64_t ended_well;
};

static rouse_poll mutex_waiters_that_are_aborted_keep_nobody_out(void *frame,
                                                                 struct rouse_context *cx)
{
    BODY_BEGIN(mutex_waiters_that_are_aborted_keep_nobody_out, frame, cx);
    rouse_mutex_lock_init(&f->lock, &mutex);
    AWAIT(&f->lock.base);
    for (int i = 0; i < FEW; i++) CREW_SPAWN(&f->crew, locker, .body = {.end = NULL});
    rouse_sleep_init(&f->sleep, 3 * MS);
    AWAIT(&f->sleep.base);
    for (int i = 0; i < FEW; i += 2) rouse_abort(&f->crew.handles[i]);
    rouse_mutex_unlock(&mutex);
    for (f->crew.next = 0; f->crew.next < FEW; f->crew.next++) {
        AWAIT(&f->crew.handles[f->crew.next].base);
        f->result = joined(&f->crew.handles[f->crew.next]);
        CHECK(f->result == 1 || (f->result == -ECANCELED && f->crew.next % 2 == 0));
        f->ended_well += f->result == 1;
    }
    CHECK_EQ(counter, f->ended_well);
    CHECK(!rouse_mutex_is_locked(&mutex));
    BODY_END();
}

// ---- Readers and writers ----

static struct rouse_rwlock rwlock = ROUSE_RWLOCK_INIT;
static struct rouse_barrier barrier;

struct reader {
    struct body body;
    struct rouse_rwlock_read read;
    struct rouse_barrier_wait together;
};

static rouse_poll reader(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(reader, frame, cx);
    rouse_rwlock_read_init(&f->read, &rwlock);
    AWAIT(&f->read.base);
    rouse_barrier_wait_init(&f->together, &barrier);
    AWAIT(&f->together.base);
    rouse_rwlock_read_unlock(&rwlock);
    BODY_END();
}

struct readers_read_together {
    struct body body;
    struct crew crew;
};

static rouse_poll readers_read_together(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(readers_read_together, frame, cx);
    rouse_barrier_init(&barrier, FEW);
    for (int i = 0; i < FEW; i++) CREW_SPAWN(&f->crew, reader, .read = {.lock = NULL});
    CREW_JOIN(&f->crew, 0);
    BODY_END();
}

static int twins[2];  // equal, but while somebody writes

struct writer {
    struct body body;
    int rounds;
    struct rouse_rwlock_write write;
    struct rouse_yield yield;
};

static rouse_poll writer(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(writer, frame, cx);
    while (f->rounds-- > 0) {
        rouse_rwlock_write_init(&f->write, &rwlock);
        AWAIT(&f->write.base);
        twins[0]++;
        rouse_yield_init(&f->yield);
        AWAIT(&f->yield.base);
        twins[1]++;
        rouse_rwlock_downgrade(&rwlock);
        CHECK_EQ(twins[0], twins[1]);
        rouse_rwlock_read_unlock(&rwlock);
    }
    count_add(&passed, 1);
    BODY_END();
}

// Reads until the writers have passed; with others, there is always one that reads.
struct eager_reader {
    struct body body;
    int writers;
    struct rouse_rwlock_read read;
    struct rouse_yield yield;
};

static rouse_poll eager_reader(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(eager_reader, frame, cx);
    while (count_get(&passed) < f->writers) {
        rouse_rwlock_read_init(&f->read, &rwlock);
        AWAIT(&f->read.base);
        CHECK_EQ(twins[0], twins[1]);
        rouse_yield_init(&f->yield);
        AWAIT(&f->yield.base);
        CHECK_EQ(twins[0], twins[1]);
        rouse_rwlock_read_unlock(&rwlock);
    }
    BODY_END();
}

struct writers_write_alone_and_do_not_starve {
    struct body body;
    struct crew crew;
};

static rouse_poll writers_write_alone_and_do_not_starve(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(writers_write_alone_and_do_not_starve, frame, cx);
    for (int i = 0; i < FEW; i++) CREW_SPAWN(&f->crew, eager_reader, .writers = 2);
    for (int i = 0; i < 2; i++) CREW_SPAWN(&f->crew, writer, .rounds = 30);
    CREW_JOIN(&f->crew, 0);
    CHECK_EQ(twins[0], 60);
    BODY_END();
}

// ---- Semaphore ----

static struct rouse_semaphore semaphore;

struct visitor {
    struct body body;
    int rounds;
    struct rouse_semaphore_acquire acquire;
    struct rouse_yield yield;
};

static rouse_poll visitor(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(visitor, frame, cx);
    while (f->rounds-- > 0) {
        rouse_semaphore_acquire_init(&f->acquire, &semaphore, 2);
        AWAIT(&f->acquire.base);
        if (f->acquire.output < 0) BODY_RETURN(f->acquire.output);
        CHECK_WITHIN(count_add(&inside, 1), 1, 3);
        rouse_yield_init(&f->yield);
        AWAIT(&f->yield.base);
        count_add(&inside, -1);
        rouse_semaphore_release(&semaphore, 2);
    }
    BODY_END();
}

struct semaphore_limits_how_many_are_in {
    struct body body;
    struct crew crew;
};

static rouse_poll semaphore_limits_how_many_are_in(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(semaphore_limits_how_many_are_in, frame, cx);
    rouse_semaphore_init(&semaphore, 7);
    for (int i = 0; i < 32; i++) CREW_SPAWN(&f->crew, visitor, .rounds = 20);
    CREW_JOIN(&f->crew, 0);
    CHECK_EQ(rouse_semaphore_available(&semaphore), 7);
    BODY_END();
}

struct semaphore_waits_end_by_abort_or_close {
    struct body body;
    struct crew crew;
    struct rouse_sleep sleep;
};

static rouse_poll semaphore_waits_end_by_abort_or_close(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(semaphore_waits_end_by_abort_or_close, frame, cx);
    rouse_semaphore_init(&semaphore, 1);
    for (int i = 0; i < FEW; i++) CREW_SPAWN(&f->crew, visitor, .rounds = 1);
    rouse_sleep_init(&f->sleep, 3 * MS);
    AWAIT(&f->sleep.base);
    for (int i = 0; i < FEW; i += 2) rouse_abort(&f->crew.handles[i]);
    for (f->crew.next = 0; f->crew.next < FEW; f->crew.next += 2) {
        AWAIT(&f->crew.handles[f->crew.next].base);
        CHECK_EQ(joined(&f->crew.handles[f->crew.next]), -ECANCELED);
    }
    rouse_semaphore_close(&semaphore);
    for (f->crew.next = 1; f->crew.next < FEW; f->crew.next += 2) {
        AWAIT(&f->crew.handles[f->crew.next].base);
        CHECK_EQ(joined(&f->crew.handles[f->crew.next]), -EBADF);
    }
    CHECK_EQ(rouse_semaphore_available(&semaphore), 1);
    BODY_END();
}

// ---- Condition ----

enum { QUEUE_MAX = 4, ITEMS = 100 };

static struct rouse_condition not_empty;
static struct rouse_condition not_full;
static int queued;  // these under the mutex
static int taken;

struct producer {
    struct body body;
    int items;
    struct rouse_mutex_lock lock;
    struct rouse_condition_wait wait;
};

static rouse_poll producer(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(producer, frame, cx);
    for (; f->items > 0; f->items--) {
        rouse_mutex_lock_init(&f->lock, &mutex);
        AWAIT(&f->lock.base);
        while (queued == QUEUE_MAX) {
            rouse_condition_wait_init(&f->wait, &not_full, &mutex);
            AWAIT(&f->wait.base);
        }
        queued++;
        rouse_mutex_unlock(&mutex);
        rouse_condition_signal(&not_empty);
    }
    BODY_END();
}

struct consumer {
    struct body body;
    int items;
    struct rouse_mutex_lock lock;
    struct rouse_condition_wait wait;
};

static rouse_poll consumer(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(consumer, frame, cx);
    for (; f->items > 0; f->items--) {
        rouse_mutex_lock_init(&f->lock, &mutex);
        AWAIT(&f->lock.base);
        while (queued == 0) {
            rouse_condition_wait_init(&f->wait, &not_empty, &mutex);
            AWAIT(&f->wait.base);
        }
        CHECK_WITHIN(queued, 1, QUEUE_MAX);
        queued--;
        taken++;
        rouse_mutex_unlock(&mutex);
        rouse_condition_signal(&not_full);
    }
    BODY_END();
}

struct conditions_make_a_bounded_queue {
    struct body body;
    struct crew crew;
};

static rouse_poll conditions_make_a_bounded_queue(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(conditions_make_a_bounded_queue, frame, cx);
    for (int i = 0; i < FEW; i++) {
        CREW_SPAWN(&f->crew, producer, .items = ITEMS);
        CREW_SPAWN(&f->crew, consumer, .items = ITEMS);
    }
    CREW_JOIN(&f->crew, 0);
    CHECK_EQ(taken, FEW * ITEMS);
    CHECK_EQ(queued, 0);
    BODY_END();
}

// Aborted, they leave the mutex to the others, and signals too.
struct condition_waits_that_are_aborted_lose_nothing {
    struct body body;
    struct crew crew;
    struct rouse_sleep sleep;
    struct rouse_join_handle producer;
};

static rouse_poll condition_waits_that_are_aborted_lose_nothing(void *frame,
                                                                struct rouse_context *cx)
{
    BODY_BEGIN(condition_waits_that_are_aborted_lose_nothing, frame, cx);
    for (int i = 0; i < FEW; i++) CREW_SPAWN(&f->crew, consumer, .items = 1);
    rouse_sleep_init(&f->sleep, 3 * MS);
    AWAIT(&f->sleep.base);
    CHECK_EQ(SPAWN(&f->producer, producer, .items = FEW), 0);
    for (int i = 0; i < FEW; i += 2) rouse_abort(&f->crew.handles[i]);
    f->crew.count = 0;
    for (; f->crew.count < FEW; f->crew.count++) {
        AWAIT(&f->crew.handles[f->crew.count].base);
        (void)joined(&f->crew.handles[f->crew.count]);
    }
    // The aborted ones may have taken theirs before; the producer is done only when there is room.
    rouse_abort(&f->producer);
    AWAIT(&f->producer.base);
    (void)joined(&f->producer);
    CHECK_WITHIN(taken, FEW / 2, FEW);
    CHECK_WITHIN(taken + queued, taken, FEW);
    CHECK(!rouse_mutex_is_locked(&mutex));
    BODY_END();
}

// ---- The others ----

static struct rouse_once once;
static int made;  // plain: by who has the turn

struct maker {
    struct body body;
    struct rouse_once_enter enter;
    struct rouse_yield yield;
};

static rouse_poll maker(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(maker, frame, cx);
    rouse_once_enter_init(&f->enter, &once);
    AWAIT(&f->enter.base);
    if (f->enter.output == 1) {
        rouse_once_enter_take(&f->enter);
        rouse_yield_init(&f->yield);
        AWAIT(&f->yield.base);
        made++;
        rouse_once_leave(&once, made == 3);
    } else {
        CHECK_EQ(made, 3);
    }
    BODY_END();
}

struct once_is_tried_until_it_is_done {
    struct body body;
    struct crew crew;
};

static rouse_poll once_is_tried_until_it_is_done(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(once_is_tried_until_it_is_done, frame, cx);
    for (int i = 0; i < 16; i++) CREW_SPAWN(&f->crew, maker, .enter = {.output = 0});
    CREW_JOIN(&f->crew, 0);
    CHECK_EQ(made, 3);
    CHECK(rouse_once_is_done(&once));
    BODY_END();
}

static struct rouse_event_count event_count;
static struct rouse_notify notify;
static _Atomic int level;

struct climber {
    struct body body;
    int next;
    struct rouse_event_count_wait wait;
};

static rouse_poll climber(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(climber, frame, cx);
    while (f->next <= 50) {
        uint64_t key = rouse_event_count_key(&event_count);

        if (count_get(&level) >= f->next) {
            if (count_add(&passed, 1) % FEW == 0) rouse_notify_one(&notify);
            f->next++;
            continue;
        }
        rouse_event_count_wait_init(&f->wait, &event_count, key);
        AWAIT(&f->wait.base);
    }
    BODY_END();
}

struct event_count_and_notify_lose_no_wake {
    struct body body;
    struct crew crew;
    struct rouse_notify_wait wait;
    int i;
};

static rouse_poll event_count_and_notify_lose_no_wake(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(event_count_and_notify_lose_no_wake, frame, cx);
    for (int i = 0; i < FEW; i++) CREW_SPAWN(&f->crew, climber, .next = 1);
    for (f->i = 0; f->i < 50; f->i++) {
        count_add(&level, 1);
        rouse_event_count_notify(&event_count);
        rouse_notify_wait_init(&f->wait, &notify);
        AWAIT(&f->wait.base);
        CHECK_EQ(count_get(&passed), FEW * (f->i + 1));
    }
    CREW_JOIN(&f->crew, 0);
    BODY_END();
}

static struct rouse_rate_limiter limiter;

struct customer {
    struct body body;
    struct rouse_rate_limiter_acquire acquire;
};

static rouse_poll customer(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(customer, frame, cx);
    rouse_rate_limiter_acquire_init(&f->acquire, &limiter, 1);
    AWAIT(&f->acquire.base);
    BODY_RETURN(f->acquire.output);
    BODY_END();
}

struct rate_limiter_spreads_tasks_over_time {
    struct body body;
    uint64_t start_ns;
    struct crew crew;
};

static rouse_poll rate_limiter_spreads_tasks_over_time(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(rate_limiter_spreads_tasks_over_time, frame, cx);
    rouse_rate_limiter_init(&limiter, MS, 4);
    f->start_ns = rouse_now_ns();
    for (int i = 0; i < 24; i++) CREW_SPAWN(&f->crew, customer, .acquire = {.output = 0});
    CREW_JOIN(&f->crew, 0);
    CHECK_EQ((rouse_now_ns() - f->start_ns) / MS, 20);
    BODY_END();
}

const struct api_test API_TESTS[] = {
    {TEST(mutex_excludes_many_tasks)},
    {TEST(mutex_lets_each_of_many_greedy_tasks_through)},
    {TEST(mutex_waiters_that_are_aborted_keep_nobody_out)},
    {TEST(readers_read_together)},
    {TEST(writers_write_alone_and_do_not_starve)},
    {TEST(semaphore_limits_how_many_are_in)},
    {TEST(semaphore_waits_end_by_abort_or_close)},
    {TEST(conditions_make_a_bounded_queue)},
    {TEST(condition_waits_that_are_aborted_lose_nothing)},
    {TEST(once_is_tried_until_it_is_done)},
    {TEST(event_count_and_notify_lose_no_wake)},
    {TEST(rate_limiter_spreads_tasks_over_time), .virtual_clock = true},
    {0}};
