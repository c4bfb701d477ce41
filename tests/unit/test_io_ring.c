// SPDX-License-Identifier: MIT
//
// The raw queues: entries that do nothing go in and come out. What the kernel refuses is played by
// the table of system calls, and what is left behind is counted: descriptors, and mappings by the
// calls that make and take them.

#include "io/ring.h"

#include <errno.h>
#include <rouse/clock.h>
#include <unistd.h>

#include "base/counters.h"
#include "base/sys.h"
#include "claim.h"

#define LONG_NS (20 * ROUSE_NS_PER_S)

static int refusal;        // of the next setup
static unsigned mmap_bad;  // which mapping is refused, from 1; 0: none
static unsigned mmap_count;
static int mapped;  // mappings that are there
static uint32_t features_hidden;

static int count_mmap_file(void **out, size_t size, int protection, int flags, int fd, off_t offset)
{
    if (++mmap_count == mmap_bad) return -ENOMEM;
    int err = rs_sys_real.mmap_file(out, size, protection, flags, fd, offset);

    if (err == 0) mapped++;
    return err;
}

static int count_munmap(void *memory, size_t size)
{
    mapped--;
    return rs_sys_real.munmap(memory, size);
}

static int play_setup(unsigned entries, struct io_uring_params *params)
{
    if (refusal < 0) return refusal;
    int fd = rs_sys_real.io_uring_setup(entries, params);

    params->features &= ~features_hidden;
    return fd;
}

// The number that the next descriptor gets: the same as before if none was left open.
static int next_number(void)
{
    int fd = dup(STDOUT_FILENO);

    (void)close(fd);
    return fd;
}

static bool leaves_nothing(int number, int64_t fds)
{
    return mapped == 0 && next_number() == number && rs_counter_sum(RS_COUNTER_FDS) == fds;
}

static void refusals_leave_nothing(void)
{
    static const int errors[] = {-ENOSYS, -EPERM,  -EACCES, -ENOMEM,
                                 -EMFILE, -ENFILE, -EINVAL, -EFAULT};
    int number = next_number();
    int64_t fds = rs_counter_sum(RS_COUNTER_FDS);
    struct rs_io_ring ring;
    bool passed_on = true;

    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        refusal = errors[i];
        passed_on = passed_on && rs_io_ring_open(&ring, 8, 0) == refusal;
    }
    refusal = 0;
    claim(passed_on && leaves_nothing(number, fds), "what setting up gave is passed on");

    for (mmap_bad = 1; mmap_bad <= 2; mmap_bad++) {
        mmap_count = 0;
        claim(rs_io_ring_open(&ring, 8, 0) == -ENOMEM && mmap_count == mmap_bad &&
                  leaves_nothing(number, fds),
              "a mapping that is refused undoes the steps before it");
    }
    mmap_bad = 0;

    features_hidden = IORING_FEAT_EXT_ARG;
    claim(rs_io_ring_open(&ring, 8, 0) == -ENOSYS && leaves_nothing(number, fds),
          "a kernel whose waits have no limit is none of ours");
    features_hidden = 0;
    claim(rs_io_ring_open(&ring, 8, UINT32_C(1) << 31) == -EINVAL && leaves_nothing(number, fds),
          "a flag that the kernel does not know is refused");

    claim(rs_io_ring_open(&ring, 8, 0) == 0 && mapped == 2 &&
              rs_counter_sum(RS_COUNTER_FDS) == fds + 1,
          "after all that it opens");
    rs_io_ring_close(&ring);
    claim(leaves_nothing(number, fds), "closing gives everything back");
}

static bool prepare(struct rs_io_ring *ring, uint64_t user_data)
{
    struct io_uring_sqe *sqe = rs_io_ring_sqe(ring);

    if (sqe == NULL) return false;
    sqe->opcode = IORING_OP_NOP;
    sqe->user_data = user_data;
    return true;
}

// True if the next completion is that of `user_data`.
static bool completes(struct rs_io_ring *ring, uint64_t user_data)
{
    struct io_uring_cqe cqe;

    return rs_io_ring_next(ring, &cqe) && cqe.user_data == user_data && cqe.res == 0;
}

static void entries_go_round(void)
{
    struct io_uring_cqe cqe;
    struct rs_io_ring ring;
    bool in_order = true;
    uint64_t next = 0;

    (void)rs_io_ring_open(&ring, 4, 0);
    claim(!rs_io_ring_has_next(&ring) && !rs_io_ring_next(&ring, &cqe),
          "a new ring has completed none");
    claim(prepare(&ring, 1) && !rs_io_ring_has_next(&ring),
          "what is prepared is not handed over yet");
    claim(rs_io_ring_enter(&ring, 1, LONG_NS) == 1 && completes(&ring, 1),
          "an entry is taken and completes");

    for (int round = 0; round < 50; round++) {
        uint64_t first = next;

        while (prepare(&ring, next)) next++;
        in_order = in_order && next == first + 4 && rs_io_ring_enter(&ring, 4, LONG_NS) == 4;
        for (; first < next; first++) in_order = in_order && completes(&ring, first);
    }
    claim(in_order, "a full queue takes no more, and is empty again once handed over");
    claim(!rs_io_ring_next(&ring, &cqe), "each entry completes once");

    struct io_uring_sqe *sqe = rs_io_ring_sqe(&ring);
    bool zeroed = sqe->opcode == 0 && sqe->user_data == 0 && sqe->len == 0;

    sqe->user_data = 77;
    sqe->len = 7;
    (void)rs_io_ring_enter(&ring, 1, LONG_NS);
    claim(zeroed && completes(&ring, 77), "an entry is handed out zeroed, used before or not");
    rs_io_ring_close(&ring);
}

static void handed_over_by_another_call(void)
{
    struct rs_io_ring ring;

    (void)rs_io_ring_open(&ring, 4, 0);
    (void)prepare(&ring, 1);
    (void)prepare(&ring, 2);
    claim(rs_io_ring_publish(&ring) == 2 && rs_io_ring_submit(&ring, 1, 0, 0) == 1 &&
              completes(&ring, 1) && !rs_io_ring_has_next(&ring),
          "fewer may be handed over than are published");
    claim(rs_io_ring_publish(&ring) == 1 && rs_io_ring_enter(&ring, 1, LONG_NS) == 1 &&
              completes(&ring, 2),
          "the rest stays published");
    rs_io_ring_close(&ring);
}

static void waits_end_in_time(void)
{
    struct rs_io_ring ring;
    bool early = false;
    bool said = true;

    (void)rs_io_ring_open(&ring, 4, 0);
    for (uint64_t ns = 1; ns < 5 * ROUSE_NS_PER_MS; ns = ns * 3 + 1) {
        uint64_t start = rouse_now_ns();

        said = rs_io_ring_enter(&ring, 1, ns) == -ETIME && said;
        early = early || rouse_now_ns() - start < ns;
    }
    claim(said && !early, "a wait for nothing ends with ETIME, and not before its time");
    (void)prepare(&ring, 3);
    claim(rs_io_ring_enter(&ring, 1, ROUSE_NEVER) == 1 && completes(&ring, 3),
          "a wait without limit ends with a completion");
    rs_io_ring_close(&ring);
}

// Twice as many completions fit as submissions; the kernel keeps what is above that.
static void completions_that_do_not_fit(void)
{
    enum { COUNT = 100 };
    struct rs_io_ring ring;
    uint64_t seen = 0;

    (void)rs_io_ring_open(&ring, 1, 0);
    for (uint64_t i = 0; i < COUNT; i++) {
        (void)prepare(&ring, i);
        (void)rs_io_ring_enter(&ring, 0, 0);
    }
    claim(rs_io_ring_has_next(&ring), "a ring that has overflown has something");
    while (completes(&ring, seen)) seen++;
    claim(seen == COUNT && !rs_io_ring_has_next(&ring),
          "no completion is lost or overtaken when there are more than fit");
    rs_io_ring_close(&ring);
}

static void deferred_work(void)
{
    struct rs_io_ring ring;
    int err = rs_io_ring_open(&ring, 4, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);

    if (err < 0) return;  // before 6.1
    (void)prepare(&ring, 5);
    claim(rs_io_ring_enter(&ring, 0, 0) == 1 && completes(&ring, 5),
          "with deferred work entering without a wait brings what is done");
    rs_io_ring_close(&ring);
}

static int enter_refused(int fd, unsigned to_submit, unsigned wait_for, unsigned flags,
                         const struct timespec *timeout)
{
    (void)fd;
    (void)to_submit;
    (void)wait_for;
    (void)flags;
    (void)timeout;
    return -EPERM;
}

static void a_refused_call_keeps_the_entries(void)
{
    struct rs_io_ring ring;

    (void)rs_io_ring_open(&ring, 4, 0);
    (void)prepare(&ring, 8);
    rs_sys.io_uring_enter = enter_refused;
    claim(rs_io_ring_enter(&ring, 1, ROUSE_NEVER) == -EPERM && !rs_io_ring_has_next(&ring),
          "what entering gave is passed on");
    rs_sys.io_uring_enter = rs_sys_real.io_uring_enter;
    claim(rs_io_ring_enter(&ring, 1, LONG_NS) == 1 && completes(&ring, 8),
          "what was not taken is taken by the next call");
    rs_io_ring_close(&ring);
}

int main(void)
{
    struct rs_io_ring ring;
    int err = rs_io_ring_open(&ring, 1, 0);

    if (err < 0) {
        printf("1..0 # SKIP no io_uring here\n");
        return 77;
    }
    rs_io_ring_close(&ring);
    rs_sys.io_uring_setup = play_setup;
    rs_sys.mmap_file = count_mmap_file;
    rs_sys.munmap = count_munmap;
    refusals_leave_nothing();
    entries_go_round();
    handed_over_by_another_call();
    waits_end_in_time();
    completions_that_do_not_fit();
    deferred_work();
    a_refused_call_keeps_the_entries();
    return claims_end();
}
