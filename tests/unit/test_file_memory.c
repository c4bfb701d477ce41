// SPDX-License-Identifier: MIT
//
// Registered memory: its table; the operations that a ring makes of it, on pipes; and a kernel that
// refuses to know it, or knows it no more.

#include "io/file_memory.h"

#include <errno.h>
#include <rouse/log.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/sys.h"
#include "blocking/pool.h"
#include "claim.h"
#include "fs/job.h"
#include "hand_waker.h"
#include "io/driver.h"

enum { PAGE = 4096, PAGES = 32 };

static _Alignas(PAGE) char memory[PAGES * PAGE];
static struct rouse_driver *driver;
static int ends[2];

static char *page(int i)
{
    return memory + i * PAGE;
}

// ---- The table ----

static void table_has_rules(void)
{
    bool full = true;

    claim(rouse_file_memory_register(NULL, PAGE) == -EINVAL &&
              rouse_file_memory_register(page(0), 0) == -EINVAL &&
              rouse_file_memory_register(page(0), (size_t)ROUSE_FILE_MEMORY_MAX + 1) == -EINVAL,
          "no memory, nothing of it, or too much is not registered");
    claim(rouse_file_memory_register(page(2), 2 * PAGE) == 0, "a piece is");
    claim(rouse_file_memory_register(page(1), PAGE + 1) == -EEXIST &&
              rouse_file_memory_register(page(3), PAGE) == -EEXIST &&
              rouse_file_memory_register(page(1), 9 * PAGE) == -EEXIST,
          "no part of it is again");
    claim(rouse_file_memory_register(page(1), PAGE) == 0 &&
              rouse_file_memory_register(page(4), PAGE) == 0,
          "its neighbours are");
    for (int i = 3; i < ROUSE_FILE_MEMORY_COUNT; i++) {
        full = full && rouse_file_memory_register(page(i + 2), PAGE) == 0;
    }
    claim(full && rouse_file_memory_register(page(31), PAGE) == -ENOSPC, "one too many is not");
    claim(rouse_file_memory_unregister(page(3)) == -ENOENT &&
              rouse_file_memory_unregister(page(31)) == -ENOENT,
          "only what was registered is given back");
    claim(rouse_file_memory_unregister(page(2)) == 0 &&
              rouse_file_memory_register(page(31), PAGE) == 0,
          "and makes room");
    for (int i = 1; i < PAGES; i++) (void)rouse_file_memory_unregister(page(i));
}

// ---- Operations ----

struct moving {
    struct rs_op op;
    struct iovec iov[2];
    int32_t result;
    bool has_ended;
};

static void moving_done(struct rs_op *op, int32_t result)
{
    struct moving *m = ROUSE_CONTAINER_OF(op, struct moving, op);

    m->result = result;
    m->has_ended = true;
}

// Reads into `to`, or writes from it; returns the operation that the ring was given.
static uint8_t moves(struct moving *m, uint8_t code, char *to, size_t size)
{
    *m = (struct moving){0};
    m->op = (struct rs_op){.code = code,
                           .fd = ends[code == IORING_OP_READ ? 0 : 1],
                           .offset = (uint64_t)-1,
                           .address = to,
                           .length = (uint32_t)size,
                           .may_fix = true,
                           .done = moving_done};
    if (rs_driver_submit(driver, &m->op) < 0) abort();
    while (!m->has_ended) (void)rouse_driver_turn(driver, ROUSE_NEVER);
    return m->op.code;
}

// Reads "data" into the memory; returns as moves(), or 0 if it was not read.
static uint8_t reads(char *to, size_t size)
{
    struct moving m;

    memset(to, 0, 4);
    if (write(ends[1], "data", 4) != 4) abort();
    uint8_t code = moves(&m, IORING_OP_READ, to, size);

    return m.result == 4 && memcmp(to, "data", 4) == 0 ? code : 0;
}

static void pieces_are_used(void)
{
    struct moving m;
    char text[4];

    claim(reads(page(2), PAGE) == IORING_OP_READ, "memory is read into as any other");
    claim(rouse_file_memory_register(page(2), 2 * PAGE) == 0 &&
              reads(page(2), 2 * PAGE) == IORING_OP_READ_FIXED,
          "and, once it is registered, as such");
    claim(reads(page(4) - 4, 4) == IORING_OP_READ_FIXED, "each part of it is");
    claim(reads(page(4) - 4, 5) == IORING_OP_READ && reads(page(2) - 1, 5) == IORING_OP_READ,
          "not one that goes beyond");
    memcpy(page(3), "back", 4);
    claim(moves(&m, IORING_OP_WRITE, page(3), 4) == IORING_OP_WRITE_FIXED && m.result == 4 &&
              read(ends[0], text, 4) == 4 && memcmp(text, "back", 4) == 0,
          "it is written from as well");
    claim(rouse_file_memory_register(page(8), PAGE) == 0 &&
              reads(page(8), 4) == IORING_OP_READ_FIXED &&
              reads(page(2), 4) == IORING_OP_READ_FIXED,
          "so is a second piece, beside the first");
    claim(rouse_file_memory_unregister(page(2)) == 0 &&
              rouse_file_memory_register(page(16), PAGE) == 0 &&
              reads(page(2), 4) == IORING_OP_READ && reads(page(16), 4) == IORING_OP_READ_FIXED,
          "one that was given back is not, the next one in its place is");
    (void)rouse_file_memory_unregister(page(8));
    (void)rouse_file_memory_unregister(page(16));
    claim(reads(page(8), 4) == IORING_OP_READ && reads(page(16), 4) == IORING_OP_READ,
          "nor the others, in the end");
}

static void vectors_are_not(void)
{
    struct moving m = {.iov = {{page(2), 2}, {page(2) + 2, 2}}};

    if (rouse_file_memory_register(page(2), PAGE) < 0 || write(ends[1], "data", 4) != 4) abort();
    m.op = (struct rs_op){.code = IORING_OP_READV,
                          .fd = ends[0],
                          .offset = (uint64_t)-1,
                          .address = m.iov,
                          .length = 2,
                          .may_fix = true,
                          .done = moving_done};
    claim(rs_driver_submit(driver, &m.op) == 0, "two parts are given to the ring");
    while (!m.has_ended) (void)rouse_driver_turn(driver, ROUSE_NEVER);
    claim(m.op.code == IORING_OP_READV && m.result == 4, "which reads into them as ever");
    (void)rouse_file_memory_unregister(page(2));
}

// ---- Refusals ----

static int lines;

static void count_lines(void *data, const struct rouse_log_record *record)
{
    (void)data;
    lines += strstr(record->message, "registered memory") != NULL;
}

static unsigned refused_request;  // IORING_REGISTER_*
static int refusals_left;
static int requests;
static bool pretends;

static int play_register(int fd, unsigned request, void *argument, unsigned count)
{
    requests++;
    if (pretends) return 0;
    if (request == refused_request && refusals_left > 0) {
        refusals_left--;
        return -ENOMEM;
    }
    return rs_sys_real.io_uring_register(fd, request, argument, count);
}

static void driver_open(void)
{
    const struct rouse_driver_options options = {.size = sizeof options, .reactor = "auto"};

    if (rouse_driver_new(&driver, &options) < 0) abort();
    rs_driver_keep(driver);
}

static void driver_close(void)
{
    rs_driver_unkeep(driver);
    rouse_driver_free(driver);
}

static void one_piece_is_refused(void)
{
    refused_request = IORING_REGISTER_BUFFERS_UPDATE;
    refusals_left = 1;
    if (rouse_file_memory_register(page(2), PAGE) < 0) abort();
    if (rouse_file_memory_register(page(8), PAGE) < 0) abort();
    claim(reads(page(2), 4) == IORING_OP_READ && lines == 1,
          "a piece that is refused is as any other memory, and one line says so");
    claim(reads(page(8), 4) == IORING_OP_READ_FIXED, "the next one is used");
    requests = 0;
    claim(reads(page(2), 4) == IORING_OP_READ && requests == 0, "the first is not tried again");
    (void)rouse_file_memory_unregister(page(2));
    if (rouse_file_memory_register(page(2), PAGE) < 0) abort();
    claim(reads(page(2), 4) == IORING_OP_READ_FIXED, "unless it is registered anew");
    (void)rouse_file_memory_unregister(page(2));
    (void)rouse_file_memory_unregister(page(8));
}

static void the_table_is_refused(void)
{
    driver_close();
    driver_open();
    refused_request = IORING_REGISTER_BUFFERS2;
    refusals_left = 1;
    if (rouse_file_memory_register(page(2), PAGE) < 0) abort();
    requests = 0;
    claim(reads(page(2), 4) == IORING_OP_READ && requests == 1 && refusals_left == 0,
          "a kernel that knows of no such thing");
    claim(reads(page(2), 4) == IORING_OP_READ && requests == 1, "is not asked again");
    driver_close();
    driver_open();
    claim(reads(page(2), 4) == IORING_OP_READ_FIXED && lines == 1, "but for another ring");
    (void)rouse_file_memory_unregister(page(2));
}

// ---- A ring that has it no more ----

static struct hand_waker hand;

struct job {
    struct rs_fs_job job;
    struct iovec iov;
};

static int64_t job_run(struct rs_fs_job *base)
{
    return read(ends[0], ROUSE_CONTAINER_OF(base, struct job, job)->iov.iov_base, 4);
}

static bool job_describe(struct rs_fs_job *base)
{
    struct job *job = ROUSE_CONTAINER_OF(base, struct job, job);

    base->op = (struct rs_op){.code = IORING_OP_READ,
                              .fd = ends[0],
                              .offset = (uint64_t)-1,
                              .address = job->iov.iov_base,
                              .length = (uint32_t)job->iov.iov_len,
                              .may_fix = true};
    return true;
}

static const struct rs_fs_job_ops ops = {.run = job_run, .describe = job_describe};

// Works on the memory; returns the operation that the ring was given, or 0 if it was not read.
static uint8_t works(char *to)
{
    struct rouse_waker waker = {.vtable = &hand_waker_vtable, .data = &hand};
    struct rouse_file_work work = {0};
    struct rouse_context cx;
    struct job *job = rs_fs_job_new(&ops, sizeof *job, 0);

    if (job == NULL || write(ends[1], "data", 4) != 4) abort();
    memset(to, 0, 4);
    job->iov = (struct iovec){to, 4};
    rs_fs_work_begin(&work, &job->job);
    rouse_context_init(&cx, &waker, driver);
    while (rs_fs_work_poll(&work, &cx) == ROUSE_PENDING) {
        (void)rouse_driver_turn(driver, rouse_now_ns() + ROUSE_NS_PER_MS);
    }
    uint8_t code = work.result == 4 && memcmp(to, "data", 4) == 0 ? job->job.op.code : 0;

    rs_fs_work_end(&work);
    return code;
}

static void the_pool_helps_out(void)
{
    struct rs_blocking_pool pool;

    rs_blocking_pool_init(&pool, rouse_allocator_default(), 1, 16);
    rs_tls.pool = &pool;
    driver_close();
    driver_open();
    if (rouse_file_memory_register(page(2), PAGE) < 0) abort();
    pretends = true;
    claim(works(page(2)) == IORING_OP_READ_FIXED,
          "where the ring has not the memory that it said it had, the pool reads");
    claim(works(page(2)) == IORING_OP_READ, "and then the ring, as it reads into any other");
    pretends = false;
    (void)rouse_file_memory_unregister(page(2));
    rs_blocking_pool_close(&pool);
    (void)rs_blocking_pool_wait(&pool, ROUSE_NEVER);
    rs_blocking_pool_deinit(&pool);
    rs_tls.pool = NULL;
}

int main(void)
{
    struct rs_io_ring ring;

    table_has_rules();
    if (rs_io_ring_open(&ring, 1, 0) < 0) return claims_end();
    rs_io_ring_close(&ring);
    if (pipe(ends) < 0) abort();
    rouse_log_set_hook(count_lines, NULL, ROUSE_LOG_INFO);
    rs_sys.io_uring_register = play_register;
    driver_open();
    pieces_are_used();
    vectors_are_not();
    one_piece_is_refused();
    the_table_is_refused();
    the_pool_helps_out();
    driver_close();
    return claims_end();
}
