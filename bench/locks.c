// SPDX-License-Identifier: MIT
//
// Locks between tasks: the rows that bench/README.md defines.

#include "parts.h"

enum { TASKS = 64, PERMITS = 8, READS_PER_WRITE = 10, LINE = 64 };

// Each begins a line of memory: else it is on one or two, as the linker has it from build to build.
static _Alignas(LINE) struct rouse_mutex mutex;
static _Alignas(LINE) struct rouse_rwlock rwlock;
static _Alignas(LINE) struct rouse_semaphore semaphore;
static _Alignas(LINE) struct rouse_notify notify[2];
static uint64_t counter;

// ---- Locks ----

static int lock_often(void *arg)
{
    struct part *p = arg;

    for (uint64_t i = 0; i < p->count; i++) {
        must(rouse_mutex_lock(&mutex), "lock");
        counter++;
        rouse_mutex_unlock(&mutex);
    }
    return 0;
}

static rouse_poll lock_often_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct frame *f = frame_of(self);

    ROUSE_ASYNC_BEGIN(&f->async, cx);
    for (; f->i < f->part->count; f->i++) {
        rouse_mutex_lock_init(&f->lock, &mutex);
        ROUSE_AWAIT(&f->lock.base);
        counter++;
        rouse_mutex_unlock(&mutex);
    }
    ROUSE_ASYNC_END();
}

static int lock_and_yield(void *arg)
{
    struct part *p = arg;

    for (uint64_t i = 0; i < p->count; i++) {
        must(rouse_mutex_lock(&mutex), "lock");
        must(rouse_yield(), "yield");
        counter++;
        rouse_mutex_unlock(&mutex);
    }
    return 0;
}

static rouse_poll lock_and_yield_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct frame *f = frame_of(self);

    ROUSE_ASYNC_BEGIN(&f->async, cx);
    for (; f->i < f->part->count; f->i++) {
        rouse_mutex_lock_init(&f->lock, &mutex);
        ROUSE_AWAIT(&f->lock.base);
        rouse_yield_init(&f->yield);
        ROUSE_AWAIT(&f->yield.base);
        counter++;
        rouse_mutex_unlock(&mutex);
    }
    ROUSE_ASYNC_END();
}

static bool is_write(const struct part *p, uint64_t i)
{
    return (p->index + i) % READS_PER_WRITE == 0;
}

static int read_mostly(void *arg)
{
    struct part *p = arg;

    for (uint64_t i = 0; i < p->count; i++) {
        if (is_write(p, i)) {
            must(rouse_rwlock_write_lock(&rwlock), "lock");
            counter++;
            rouse_rwlock_write_unlock(&rwlock);
        } else {
            must(rouse_rwlock_read_lock(&rwlock), "lock");
            check(counter >= p->sum);
            p->sum = counter;
            rouse_rwlock_read_unlock(&rwlock);
        }
    }
    return 0;
}

static rouse_poll read_mostly_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct frame *f = frame_of(self);
    struct part *p = f->part;

    ROUSE_ASYNC_BEGIN(&f->async, cx);
    for (; f->i < p->count; f->i++) {
        if (is_write(p, f->i)) {
            rouse_rwlock_write_init(&f->write, &rwlock);
            ROUSE_AWAIT(&f->write.base);
            counter++;
            rouse_rwlock_write_unlock(&rwlock);
        } else {
            rouse_rwlock_read_init(&f->read, &rwlock);
            ROUSE_AWAIT(&f->read.base);
            check(counter >= p->sum);
            p->sum = counter;
            rouse_rwlock_read_unlock(&rwlock);
        }
    }
    ROUSE_ASYNC_END();
}

static int hold_permit(void *arg)
{
    struct part *p = arg;

    for (uint64_t i = 0; i < p->count; i++) {
        must(rouse_semaphore_acquire(&semaphore, 1), "acquire");
        must(rouse_yield(), "yield");
        rouse_semaphore_release(&semaphore, 1);
    }
    return 0;
}

static rouse_poll hold_permit_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct frame *f = frame_of(self);

    ROUSE_ASYNC_BEGIN(&f->async, cx);
    for (; f->i < f->part->count; f->i++) {
        rouse_semaphore_acquire_init(&f->acquire, &semaphore, 1);
        ROUSE_AWAIT(&f->acquire.base);
        rouse_yield_init(&f->yield);
        ROUSE_AWAIT(&f->yield.base);
        rouse_semaphore_release(&semaphore, 1);
    }
    ROUSE_ASYNC_END();
}

static const struct rouse_future_vtable lock_often_vtable = {.poll = lock_often_poll,
                                                             .name = "locker"};
static const struct rouse_future_vtable lock_and_yield_vtable = {.poll = lock_and_yield_poll,
                                                                 .name = "holder"};
static const struct rouse_future_vtable read_mostly_vtable = {.poll = read_mostly_poll,
                                                              .name = "reader"};
static const struct rouse_future_vtable hold_permit_vtable = {.poll = hold_permit_poll,
                                                              .name = "permit holder"};

static int in_tasks(struct bench *bench, rouse_fiber_function fiber,
                    const struct rouse_future_vtable *frame)
{
    uint64_t count = bench->n / TASKS;

    bench->n = count * TASKS;
    counter = 0;
    run_parts(bench,
              parts_new(TASKS, &(struct part){.fiber = fiber, .frame = frame, .count = count}),
              TASKS);
    return 0;
}

static int mutex_free(struct bench *bench)
{
    rouse_mutex_init(&mutex);
    int err = in_tasks(bench, lock_often, &lock_often_vtable);

    check(counter == bench->n);
    return err;
}

static int mutex_held(struct bench *bench)
{
    rouse_mutex_init(&mutex);
    int err = in_tasks(bench, lock_and_yield, &lock_and_yield_vtable);

    check(counter == bench->n);
    return err;
}

static int rwlock_mixed(struct bench *bench)
{
    rouse_rwlock_init(&rwlock);
    return in_tasks(bench, read_mostly, &read_mostly_vtable);
}

static int semaphore_held(struct bench *bench)
{
    rouse_semaphore_init(&semaphore, PERMITS);
    return in_tasks(bench, hold_permit, &hold_permit_vtable);
}

// ---- Notify ----

static int toss(void *arg)
{
    struct part *p = arg;

    for (uint64_t i = 0; i < p->count; i++) {
        must(rouse_notify_wait(&notify[p->index]), "wait");
        rouse_notify_one(&notify[1 - p->index]);
    }
    return 0;
}

static rouse_poll toss_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct frame *f = frame_of(self);
    struct part *p = f->part;

    ROUSE_ASYNC_BEGIN(&f->async, cx);
    for (; f->i < p->count; f->i++) {
        rouse_notify_wait_init(&f->notified, &notify[p->index]);
        ROUSE_AWAIT(&f->notified.base);
        rouse_notify_one(&notify[1 - p->index]);
    }
    ROUSE_ASYNC_END();
}

static const struct rouse_future_vtable toss_vtable = {.poll = toss_poll, .name = "tosser"};

static int notify_tossed(struct bench *bench)
{
    for (int i = 0; i < 2; i++) rouse_notify_init(&notify[i]);
    rouse_notify_one(&notify[0]);
    run_parts(bench,
              parts_new(2, &(struct part){.fiber = toss, .frame = &toss_vtable, .count = bench->n}),
              2);
    return 0;
}

// ---- The program ----

static const struct row rows[] = {
    {"mutex", mutex_free},         {"mutex_held", mutex_held}, {"rwlock", rwlock_mixed},
    {"semaphore", semaphore_held}, {"notify", notify_tossed},  {NULL, NULL},
};

static int run(struct bench *bench)
{
    return run_row(bench, rows);
}

static const struct bench_case cases[] = {
    {"mutex", 640000, run},     {"mutex_held", 640000, run}, {"rwlock", 640000, run},
    {"semaphore", 640000, run}, {"notify", 1000000, run},
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv,
                      &(struct bench_program){.impl = "rouse",
                                              .about = "Locks between tasks.",
                                              .default_style = BENCH_FIBER,
                                              .cases = cases,
                                              .case_count = sizeof cases / sizeof cases[0]});
}
