// SPDX-License-Identifier: MIT
//
// The work behind files, polled by hand: a job ends by the pool or by a ring, is dropped while it
// is queued, while it runs and when it has ended, and is released once each time. And what a ring
// will not do, the pool does.

#include "fs/job.h"

#include <errno.h>
#include <rouse/log.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "blocking/pool.h"
#include "claim.h"
#include "hand_waker.h"
#include "io/driver.h"

static struct rs_blocking_pool pool;
static struct rouse_driver *driver;
static atomic_bool gate;  // while it is closed no job ends
static _Atomic int running;
static _Atomic int runs;
static _Atomic int releases;
static int ends[2];

// Orders: release by who counts, acquire by who looks.
static int look(const _Atomic int *count)
{
    return atomic_load_explicit(count, memory_order_acquire);
}

struct job {
    struct rs_fs_job job;
    uint8_t code;  // for the ring; 0: the pool only
    int64_t result;
    struct iovec iov;
    char buf[4];
};

static int64_t job_run(struct rs_fs_job *base)
{
    atomic_fetch_add_explicit(&running, 1, memory_order_release);
    while (!atomic_load_explicit(&gate, memory_order_acquire)) (void)sched_yield();
    atomic_fetch_sub_explicit(&running, 1, memory_order_release);
    atomic_fetch_add_explicit(&runs, 1, memory_order_release);
    return ROUSE_CONTAINER_OF(base, struct job, job)->result;
}

static void job_release(struct rs_fs_job *base)
{
    (void)base;
    atomic_fetch_add_explicit(&releases, 1, memory_order_release);
}

static bool job_describe(struct rs_fs_job *base)
{
    struct job *job = ROUSE_CONTAINER_OF(base, struct job, job);

    job->iov = (struct iovec){job->buf, sizeof job->buf};
    base->op = (struct rs_op){.code = job->code,
                              .fd = ends[0],
                              .offset = (uint64_t)-1,
                              .address = &job->iov,
                              .length = 1};
    return job->code != 0;
}

static const struct rs_fs_job_ops ops = {
    .run = job_run, .release = job_release, .describe = job_describe};

static void begin(struct rouse_file_work *work, uint8_t code, int64_t result)
{
    struct job *job = rs_fs_job_new(&ops, sizeof *job, 0);

    if (job == NULL) abort();
    job->code = code;
    job->result = result;
    *work = (struct rouse_file_work){0};
    rs_fs_work_begin(work, &job->job);
}

static struct hand_waker hand;

static rouse_poll poll_work(struct rouse_file_work *work)
{
    struct rouse_waker waker = {.vtable = &hand_waker_vtable, .data = &hand};
    struct rouse_context cx;

    rouse_context_init(&cx, &waker, driver);
    return rs_fs_work_poll(work, &cx);
}

// Polls until it has ended, turning the driver meanwhile.
static int64_t end_of(struct rouse_file_work *work)
{
    while (poll_work(work) == ROUSE_PENDING) {
        (void)rouse_driver_turn(driver, rouse_now_ns() + ROUSE_NS_PER_MS);
    }
    return work->result;
}

static void gate_set(bool open)
{
    atomic_store_explicit(&gate, open, memory_order_release);
}

static void until(const _Atomic int *count, int value)
{
    while (look(count) != value) (void)sched_yield();
}

static void by_the_pool(void)
{
    struct rouse_file_work work;
    struct rouse_file_work queued;

    gate_set(true);
    begin(&work, 0, 42);
    claim(end_of(&work) == 42 && look(&releases) == 0, "the pool runs it");
    rs_fs_work_end(&work);
    rs_fs_work_end(&work);
    until(&releases, 1);
    claim(look(&runs) == 1, "and it is released when its result has been taken");

    begin(&work, 0, 0);
    rs_fs_work_end(&work);
    claim(look(&releases) == 2 && look(&runs) == 1, "one that is never polled is released");

    gate_set(false);
    begin(&work, 0, 0);
    begin(&queued, 0, 0);
    claim(poll_work(&work) == ROUSE_PENDING, "one waits for the gate");
    until(&running, 1);
    claim(poll_work(&queued) == ROUSE_PENDING, "another is queued behind it");
    rs_fs_work_end(&queued);
    claim(look(&releases) == 3, "dropped, the queued one is released at once");
    rs_fs_work_end(&work);
    claim(look(&releases) == 3, "the running one keeps what it has");
    gate_set(true);
    until(&releases, 4);
    claim(look(&runs) == 2, "until it has ended by itself");
}

static void by_a_ring(void)
{
    struct rouse_file_work work;
    int before = look(&releases);

    begin(&work, IORING_OP_READV, -EIO);
    claim(poll_work(&work) == ROUSE_PENDING, "a ring has it");
    if (write(ends[1], "data", 4) != 4) abort();
    claim(end_of(&work) == 4 && memcmp(((struct job *)work.job)->buf, "data", 4) == 0,
          "and ends it");
    rs_fs_work_end(&work);
    claim(look(&releases) == before + 1 && look(&runs) == 2, "without the pool");

    begin(&work, IORING_OP_READV, 0);
    claim(poll_work(&work) == ROUSE_PENDING, "a ring has another");
    rs_fs_work_end(&work);
    claim(look(&releases) == before + 1, "dropped, it is the ring's still");
    while (look(&releases) == before + 1) (void)rouse_driver_turn(driver, ROUSE_NEVER);
    claim(look(&releases) == before + 2, "until it has been cancelled");

    begin(&work, IORING_OP_READV, 5);
    claim(poll_work(&work) == ROUSE_PENDING, "a ring has a third");
    rs_driver_cancel(&((struct job *)work.job)->job.op);
    claim(end_of(&work) == 5 && look(&runs) == 3, "cancelled by nobody's wish, the pool does it");
    rs_fs_work_end(&work);
    until(&releases, before + 3);
    claim(look(&hand.shares) == 0, "no waker is left behind");
}

static int lines;

static void count_lines(void *data, const struct rouse_log_record *record)
{
    (void)data;
    lines += strstr(record->message, "io_uring refused it") != NULL;
}

static void refused_by_a_ring(void)
{
    enum { NOT_KNOWN = 63 };
    struct rouse_file_work work;
    int before = look(&releases);

    rouse_log_set_hook(count_lines, NULL, ROUSE_LOG_INFO);
    begin(&work, NOT_KNOWN, -EACCES);
    claim(end_of(&work) == -EACCES && lines == 0, "what both refuse is the file's answer");
    rs_fs_work_end(&work);
    begin(&work, NOT_KNOWN, 7);
    claim(end_of(&work) == 7 && lines == 1, "what the pool can do, it does");
    rs_fs_work_end(&work);
    begin(&work, NOT_KNOWN, 8);
    claim(end_of(&work) == 8 && lines == 1, "and from then on always");
    claim(((struct job *)work.job)->job.ring_result == 0, "without the ring");
    rs_fs_work_end(&work);
    until(&releases, before + 3);
}

int main(void)
{
    const struct rouse_driver_options options = {.size = sizeof options, .reactor = "auto"};
    struct rs_io_ring ring;

    if (rouse_driver_new(&driver, &options) < 0 || pipe(ends) < 0) abort();
    rs_driver_keep(driver);
    rs_blocking_pool_init(&pool, rouse_allocator_default(), 1, 16);
    rs_tls.pool = &pool;
    by_the_pool();
    if (rs_io_ring_open(&ring, 1, 0) == 0) {
        rs_io_ring_close(&ring);
        by_a_ring();
        refused_by_a_ring();
    }
    rs_blocking_pool_close(&pool);
    claim(rs_blocking_pool_wait(&pool, ROUSE_NEVER), "the pool ends");
    rs_blocking_pool_deinit(&pool);
    rs_driver_unkeep(driver);
    rouse_driver_free(driver);
    return claims_end();
}
