// SPDX-License-Identifier: MIT
//
// Operations on a driver's ring: their ends against cancels from each side, against somebody who
// polls for the owner, against the end of the driver, and against a sandbox that refuses the ring
// from now on. The queue has two places, so two may be in flight.
//
// The operations are reads of streams, which end when somebody writes.

#include <errno.h>
#include <rouse/compiler.h>

#include "base/sys.h"
#include "blocking/pool.h"
#include "fs/job.h"
#include "io/op.h"
#include "wait.h"

enum { CAPACITY = 4, READINGS = 3 };

// A read of a byte. It is kept by its operation, until that has ended, and by who may cancel it.
struct reading {
    struct rs_op op;
    char byte;
    int32_t result;
    bool ended;  // for the owner of the driver
    _Atomic uint32_t shares;
};

static struct rouse_driver *driver;
static struct reading *readings[READINGS];
static int ends[READINGS][2];
static unsigned ended;  // of the owner
static struct turner turner;
static _Atomic uint32_t is_begun;

static void reading_unref(struct reading *r)
{
    if (r == NULL) return;
    // Acq_rel: the last one frees, after what the others did.
    if (atomic_fetch_sub_explicit(&r->shares, 1, memory_order_acq_rel) == 1) model_free(r);
}

static void reading_done(struct rs_op *op, int32_t result)
{
    struct reading *r = ROUSE_CONTAINER_OF(op, struct reading, op);

    model_claim(!r->ended, "an operation ends once");
    model_claim(result == 1 || result == -ECANCELED, "it is done or cancelled");
    if (result == 1) model_claim(r->byte == 'r', "what was read is there");
    r->ended = true;
    r->result = result;
    ended++;
    reading_unref(r);
}

static void make_on(const char *reactor)
{
    driver = driver_make(reactor);
    turner = (struct turner){.driver = driver};
    ended = 0;
    // Relaxed, here and below: the threads are not there yet.
    atomic_store_explicit(&is_begun, 0, memory_order_relaxed);
    for (int i = 0; i < READINGS; i++) {
        struct reading *r = model_alloc(sizeof *r);

        model_stream(ends[i], CAPACITY);
        *r = (struct reading){0};
        r->op = (struct rs_op){.code = IORING_OP_READ,
                               .fd = ends[i][0],
                               .offset = (uint64_t)-1,
                               .address = &r->byte,
                               .length = 1,
                               .done = reading_done};
        atomic_store_explicit(&r->shares, 2, memory_order_relaxed);
        readings[i] = r;
    }
    model_name(&driver->lock, sizeof driver->lock, "driver->lock");
    model_name(&driver->state, sizeof driver->state, "driver->state");
}

static void make(void)
{
    make_on("auto");
}

static void make_on_ring(void)
{
    make_on("io_uring");
}

static void unmake(void)
{
    for (int i = 0; i < READINGS; i++) reading_unref(readings[i]);
    rouse_driver_free(driver);
}

// True if it is in flight, or was.
static bool begin(int index)
{
    bool begun = rs_driver_submit(driver, &readings[index]->op) == 0;

    // It keeps nothing then.
    if (!begun) reading_unref(readings[index]);
    return begun;
}

static void own_driver(void)
{
    rs_driver_keep(driver);
}

static void turn_until(unsigned count)
{
    while (ended < count) (void)rouse_driver_turn(driver, ROUSE_NEVER);
    model_claim(ended == count, "no more has ended than was begun");
}

static void put(int index)
{
    model_claim(rs_sys.write(ends[index][1], "w", 1) == 1, "there is room");
}

static void put_first(void)
{
    put(0);
}

static void cancel_first(void)
{
    rs_driver_cancel(&readings[0]->op);
}

// ---- One operation ----

static void read_first(void)
{
    own_driver();
    unsigned begun = begin(0);

    turn_until(begun);
    rs_driver_unkeep(driver);
}

// Of those that no thread has begun, nobody else gives up the operation's share.
static void unmake_others(int from)
{
    for (int i = from; i < READINGS; i++) reading_unref(readings[i]);
    unmake();
}

static void unmake_first(void)
{
    unmake_others(1);
}

static void unmake_two(void)
{
    unmake_others(2);
}

static void poll_on_behalf(void)
{
    (void)rs_driver_poll(driver);
}

// The owner's own cancel, and one more when it has ended, perhaps.
static void read_and_cancel_first(void)
{
    own_driver();
    unsigned begun = begin(0);

    rs_driver_cancel(&readings[0]->op);
    turn_until(begun);
    rs_driver_cancel(&readings[0]->op);
    model_claim(rouse_driver_turn(driver, 0) == 0, "a cancel that comes too late does nothing");
    rs_driver_unkeep(driver);
}

// Each of two threads cancels while the other one's is handed over, or turned down.
static void read_cancel_and_put(void)
{
    own_driver();
    unsigned begun = begin(0);

    rs_driver_cancel(&readings[0]->op);
    for (int i = 0; i < 2; i++) (void)rs_ops_reap(driver);
    put(0);
    turn_until(begun);
    rs_driver_unkeep(driver);
}

// Nothing else would end it.
static void read_in_vain(void)
{
    own_driver();
    unsigned begun = begin(0);

    // Release, with the acquire in cancel_what_is_begun().
    atomic_store_explicit(&is_begun, 1, memory_order_release);
    turn_until(begun);
    rs_driver_unkeep(driver);
}

static void cancel_what_is_begun(void)
{
    // Acquire, with the release in read_in_vain().
    while (atomic_load_explicit(&is_begun, memory_order_acquire) == 0) model_relax();
    cancel_first();
}

// A record that is gone is not among those to be cancelled.
static void read_first_and_second(void)
{
    own_driver();
    unsigned begun = begin(0);

    put(0);
    (void)rs_ops_reap(driver);
    begun += begin(1);
    rs_driver_cancel(&readings[1]->op);
    (void)rs_ops_reap(driver);
    turn_until(begun);
    rs_driver_unkeep(driver);
}

// Whoever cancels keeps the record just for that.
static void cancel_and_let_go(void)
{
    cancel_first();
    reading_unref(readings[0]);
}

static void unmake_let_go(void)
{
    readings[0] = NULL;
    unmake_first();
}

static void unmake_two_let_go(void)
{
    readings[0] = NULL;
    unmake_two();
}

// ---- More than fit ----

static void read_three(void)
{
    own_driver();
    unsigned begun = 0;

    for (int i = 0; i < READINGS; i++) begun += begin(i);
    for (int i = 0; i < READINGS; i++) rs_driver_cancel(&readings[i]->op);
    turn_until(begun);
    rs_driver_unkeep(driver);
}

// The ring is used again, and comes round.
static void read_in_turn(void)
{
    own_driver();
    unsigned begun = 0;

    for (int i = 0; i < READINGS; i++) {
        begun += begin(i);
        turn_until(begun);
    }
    rs_driver_unkeep(driver);
}

static void put_all(void)
{
    for (int i = 0; i < READINGS; i++) put(i);
}

// Without a call that would say that there is something.
static void read_two_and_look(void)
{
    own_driver();
    unsigned begun = begin(0);

    begun += begin(1);
    for (int i = 0; i < 2; i++) (void)rs_ops_reap(driver);
    turn_until(begun);
    rs_driver_unkeep(driver);
}

static void put_two(void)
{
    put(0);
    put(1);
}

// ---- The end of the driver ----

static void free_driver(void)
{
    rs_driver_unkeep(driver);
    rouse_driver_free(driver);
    driver = NULL;
}

static void read_and_free(void)
{
    own_driver();
    unsigned begun = begin(0);

    begun += begin(1);
    free_driver();
    model_claim(ended == begun, "the end of the driver ends them");
}

static void put_second(void)
{
    put(1);
}

// ---- A ring that is refused ----

static void refuse(void)
{
    model_ring_refuse(-EPERM);
}

static void read_two(void)
{
    own_driver();
    unsigned begun = begin(0);

    begun += begin(1);
    turn_until(begun);
    rs_driver_unkeep(driver);
}

// The driver sleeps on after the last operation.
static void read_and_turn_on(void)
{
    own_driver();
    unsigned begun = begin(0);

    turn_until(begun);
    turn_until_done(&turner);
    rs_driver_unkeep(driver);
}

static void cancel_and_end(void)
{
    cancel_first();
    put(0);
    turner_end(&turner);
}

// ---- The work of a file ----

struct work_job {
    struct rs_fs_job job;
    char byte;
};

static struct rouse_file_work work;
static struct rs_blocking_pool *pool;
static struct model_waker wakers[2];
static int released;  // by the last who had the record

static int64_t job_run(struct rs_fs_job *job)
{
    (void)job;
    return 1;
}

static void job_release(struct rs_fs_job *job)
{
    (void)job;
    released++;
}

static bool job_describe(struct rs_fs_job *base)
{
    struct work_job *job = ROUSE_CONTAINER_OF(base, struct work_job, job);

    base->op = (struct rs_op){.code = IORING_OP_READ,
                              .fd = ends[0][0],
                              .offset = (uint64_t)-1,
                              .address = &job->byte,
                              .length = 1};
    return true;
}

static const struct rs_fs_job_ops job_ops = {
    .run = job_run, .release = job_release, .describe = job_describe};

static void make_work(void)
{
    make();
    // For what the ring turns down.
    pool = model_alloc(sizeof *pool);
    rs_blocking_pool_init(pool, &model_allocator, 1, 8);
    released = 0;
    for (unsigned i = 0; i < 2; i++) wakers[i] = (struct model_waker){.thread = 1};
    work = (struct rouse_file_work){0};
    rs_fs_work_begin(&work, rs_fs_job_new(&job_ops, sizeof(struct work_job), 0));
}

static rouse_poll work_poll(int waker)
{
    struct rouse_waker shared = model_waker_of(&wakers[waker]);
    struct rouse_context cx;

    rs_tls.pool = pool;
    rouse_context_init(&cx, &shared, driver);
    return rs_fs_work_poll(&work, &cx);
}

// The end comes by a turn of the driver, or from a thread of the pool.
static void work_wait(void)
{
    const struct rs_fs_job *job = work.job;

    // Relaxed: only this thread sets and clears it.
    if (atomic_load_explicit(&job->op.home, memory_order_relaxed) != NULL) {
        (void)rouse_driver_turn(driver, ROUSE_NEVER);
    } else {
        model_park();
    }
}

static void unmake_work(void)
{
    rs_blocking_pool_close(pool);
    model_claim(rs_blocking_pool_wait(pool, ROUSE_NEVER), "a wait without a deadline succeeds");
    rs_blocking_pool_deinit(pool);
    model_free(pool);
    // A ring keeps the record until the end.
    unmake_others(0);
    model_claim(released == 1, "what the record owns is released once");
    for (int i = 0; i < 2; i++) claim_dropped(&wakers[i]);
}

static void work_with_two_wakers(void)
{
    own_driver();
    rouse_poll polled = work_poll(0);

    while (polled == ROUSE_PENDING) {
        polled = work_poll(1);
        if (polled == ROUSE_PENDING) work_wait();
    }
    model_claim(work.result == 1, "the work was done, by the ring or by the pool");
    rs_fs_work_end(&work);
    rs_driver_unkeep(driver);
}

enum { BEGUN = 1, ENDED = 2 };

static void begin_and_turn(void)
{
    own_driver();
    uint32_t how = work_poll(0) == ROUSE_READY ? ENDED : BEGUN;

    // Release, with the acquire in has_begun().
    atomic_store_explicit(&is_begun, how, memory_order_release);
    turn_until_done(&turner);
    rs_driver_unkeep(driver);
}

static uint32_t has_begun(void)
{
    uint32_t how;

    // Acquire, with the release in begin_and_turn().
    while ((how = atomic_load_explicit(&is_begun, memory_order_acquire)) == 0) model_relax();
    return how;
}

static void end_elsewhere(void)
{
    (void)has_begun();
    rs_fs_work_end(&work);
    turner_end(&turner);
}

// What its thread has begun another one waits for: a task that has moved.
static void make_moved(void)
{
    make_work();
    wakers[1].thread = 2;
}

static void wait_elsewhere(void)
{
    bool waits = has_begun() == BEGUN;

    while (waits && work_poll(1) == ROUSE_PENDING) model_park();
    model_claim(work.result == 1, "the work was done, by the ring or by the pool");
    rs_fs_work_end(&work);
    turner_end(&turner);
}

const struct model_scenario model_op_scenarios[] = {
    {.name = "op_end",
     .about = "the end of an operation wakes the driver that sleeps, whenever it comes",
     .setup = make,
     .threads = {read_first, put_first},
     .check = unmake_first},
    {.name = "op_end_against_poll",
     .about = "who polls for the owner does not swallow the end of an operation",
     .setup = make,
     .threads = {read_first, put_first, poll_on_behalf},
     .check = unmake_first},
    {.name = "op_cancel_against_end",
     .about = "a cancel from elsewhere and the data: one of them ends it",
     .setup = make,
     .threads = {read_first, put_first, cancel_first},
     .check = unmake_first},
    {.name = "op_cancel_twice",
     .about = "two cancels from elsewhere, before, during and after each other",
     .setup = make,
     .threads = {read_first, cancel_first, cancel_first, put_first},
     .check = unmake_first},
    {.name = "op_cancel_from_two_sides",
     .about = "a cancel against the owner's own, which may be turned down",
     .setup = make,
     .threads = {read_cancel_and_put, cancel_first},
     .check = unmake_first},
    {.name = "op_cancel_of_sleeper",
     .about = "a cancel wakes the owner",
     .setup = make,
     .threads = {read_in_vain, cancel_what_is_begun},
     .check = unmake_first},
    {.name = "op_cancel_too_late",
     .about = "what has ended is not kept among those to be cancelled",
     .setup = make,
     .threads = {read_first_and_second, cancel_and_let_go},
     .check = unmake_two_let_go},
    {.name = "op_cancel_by_owner",
     .about = "the owner cancels, in time and too late",
     .setup = make,
     .threads = {read_and_cancel_first, put_first},
     .check = unmake_first},
    {.name = "op_cancel_and_let_go",
     .about = "who cancels may be the last to have the record",
     .setup = make,
     .threads = {read_first, cancel_and_let_go, put_first},
     .check = unmake_let_go},
    {.name = "op_more_than_fit",
     .about = "what does not fit is turned down, and all that does can be cancelled",
     .setup = make,
     .threads = {read_three, put_first},
     .check = unmake},
    {.name = "op_in_turn",
     .about = "the queues come round",
     .setup = make,
     .threads = {read_in_turn, put_all},
     .check = unmake},
    {.name = "op_look",
     .about = "what has ended is found without a call",
     .setup = make,
     .threads = {read_two_and_look, put_two},
     .check = unmake_two},
    {.name = "op_free",
     .about = "the end of the driver ends all, and waits for what the kernel has",
     .setup = make,
     .threads = {read_and_free, cancel_first, put_second},
     .check = unmake_two},
    {.name = "op_refused",
     .about = "a ring that is refused half-way ends what it has",
     .setup = make,
     .threads = {read_two, put_two, refuse},
     .check = unmake_two},
    {.name = "op_refused_against_cancel",
     .about = "a cancel that is refused changes nothing",
     .setup = make,
     .threads = {read_cancel_and_put, refuse},
     .check = unmake_first},
    {.name = "op_refused_on_ring",
     .about = "the driver's own ring is refused too: what takes its place hears of the end",
     .setup = make_on_ring,
     .threads = {read_first, put_first, refuse},
     .check = unmake_first},
    {.name = "op_free_refused",
     .about = "the end of the driver waits for what it may not cancel",
     .setup = make,
     .threads = {read_and_free, put_two, refuse},
     .check = unmake_two},
    {.name = "op_sleep_after_cancel",
     .about = "a driver sleeps after a cancel, and is woken",
     .setup = make,
     .threads = {read_and_turn_on, cancel_and_end},
     .check = unmake_first},
    {.name = "op_work_two_wakers",
     .about = "the last waker is woken at the end of a file's work",
     .setup = make_work,
     .threads = {work_with_two_wakers, put_first},
     .check = unmake_work},
    {.name = "op_work_moved",
     .about = "the end of a file's work wakes who waits for it, on whatever thread",
     .setup = make_moved,
     .threads = {begin_and_turn, wait_elsewhere, put_first},
     .check = unmake_work},
    {.name = "op_work_ended_elsewhere",
     .about = "another thread gives up a file's work, before its end or after",
     .setup = make_work,
     .threads = {begin_and_turn, end_elsewhere, put_first},
     .check = unmake_work},
    {.name = NULL},
};
