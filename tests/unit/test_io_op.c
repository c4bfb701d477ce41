// SPDX-License-Identifier: MIT
//
// Operations on a driver's ring: reads of pipes, which stay in flight for as long as the test
// wants. They end by data, by a cancel from each thread, and with the driver; and a ring that is
// refused, at the start or half-way, leaves nothing undone.

#include "io/op.h"

#include <errno.h>
#include <pthread.h>
#include <rouse/log.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/counters.h"
#include "base/sys.h"
#include "claim.h"
#include "io/driver.h"

static struct rouse_driver *driver;
static int ends[2];

struct reading {
    struct rs_op op;
    struct iovec iov;
    char buf[8];
    int32_t result;
    int ended;
};

static void reading_done(struct rs_op *op, int32_t result)
{
    struct reading *r = ROUSE_CONTAINER_OF(op, struct reading, op);

    r->result = result;
    r->ended++;
}

static int read_begin(struct reading *r)
{
    *r = (struct reading){.iov = {r->buf, sizeof r->buf}};
    r->op = (struct rs_op){.code = IORING_OP_READV,
                           .fd = ends[0],
                           .offset = (uint64_t)-1,
                           .address = &r->iov,
                           .length = 1,
                           .done = reading_done};
    return rs_driver_submit(driver, &r->op);
}

static void open_all(const char *reactor)
{
    const struct rouse_driver_options options = {.size = sizeof options, .reactor = reactor};

    if (rouse_driver_new(&driver, &options) < 0 || pipe(ends) < 0) abort();
    rs_driver_keep(driver);
}

static void close_all(void)
{
    if (rs_tls.driver == driver) rs_driver_unkeep(driver);
    rouse_driver_free(driver);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

// Turns the driver until the reading has ended.
static bool ends_with(struct reading *r, int32_t result)
{
    while (r->ended == 0) (void)rouse_driver_turn(driver, ROUSE_NEVER);
    return r->ended == 1 && r->result == result;
}

static void *write_soon(void *arg)
{
    (void)arg;
    (void)usleep(3000);
    if (write(ends[1], "data", 4) != 4) abort();
    return NULL;
}

static void *cancel_soon(void *arg)
{
    (void)usleep(3000);
    rs_driver_cancel(&((struct reading *)arg)->op);
    return NULL;
}

static void in_thread(void *(*fn)(void *), void *arg, struct reading *r, int32_t result,
                      const char *what)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, fn, arg) != 0) abort();
    claim(ends_with(r, result), what);
    (void)pthread_join(thread, NULL);
}

static void operations_end(void)
{
    struct reading a;
    struct reading b;

    open_all("auto");
    if (write(ends[1], "here", 4) != 4) abort();
    claim(read_begin(&a) == 0 && a.ended == 1 && a.result == 4 && memcmp(a.buf, "here", 4) == 0,
          "what is there is had at the submit");
    claim(read_begin(&a) == 0 && a.ended == 0, "what is not is in flight");
    in_thread(write_soon, NULL, &a, 4, "its end wakes a driver that sleeps");

    claim(read_begin(&a) == 0 && read_begin(&b) == 0 && b.ended == 0, "two are in flight");
    rs_driver_cancel(&a.op);
    rs_driver_cancel(&a.op);
    claim(ends_with(&a, -ECANCELED) && b.ended == 0, "a cancel ends the one it is for");
    in_thread(cancel_soon, &b, &b, -ECANCELED, "and another thread's wakes the driver");
    rs_driver_cancel(&b.op);
    claim(b.ended == 1, "one that comes too late does nothing");
    close_all();
}

static void the_queue_is_bounded(void)
{
    enum { MANY = 1000 };
    struct reading *many = calloc(MANY, sizeof *many);
    int begun = 0;

    open_all("auto");
    while (begun < MANY && read_begin(&many[begun]) == 0) begun++;
    claim(begun > 1 && begun < MANY && many[begun].ended == 0, "one too many is turned down");
    rs_driver_cancel(&many[1].op);
    claim(ends_with(&many[1], -ECANCELED), "a full ring still cancels");
    claim(read_begin(&many[begun]) == 0, "and has room again");
    rs_driver_unkeep(driver);
    close_all();
    int ended = 0;

    for (int i = 0; i <= begun; i++) ended += many[i].ended == 1 && many[i].result == -ECANCELED;
    claim(ended == begun + 1, "the end of the driver ends them all, each once");
    free(many);
}

static void *submit_elsewhere(void *arg)
{
    return read_begin(arg) == -EAGAIN ? arg : NULL;
}

static int setups;
static int setup_answer;

static int play_setup(unsigned entries, struct io_uring_params *params)
{
    setups++;
    return setup_answer < 0 ? setup_answer : rs_sys_real.io_uring_setup(entries, params);
}

static int lines;

static void count_lines(void *data, const struct rouse_log_record *record)
{
    (void)data;
    lines += strstr(record->message, "io_uring") != NULL;
}

static void who_has_no_ring_is_told(void)
{
    struct reading r;
    pthread_t thread;
    void *answer;

    rs_sys.io_uring_setup = play_setup;
    setup_answer = 0;
    open_all("auto");
    if (pthread_create(&thread, NULL, submit_elsewhere, &r) != 0) abort();
    (void)pthread_join(thread, &answer);
    claim(answer != NULL && setups == 0, "another thread has none");
    close_all();
    open_all("epoll");
    claim(read_begin(&r) == -EAGAIN && setups == 0, "nor has who asked for epoll");
    close_all();
    open_all("poll");
    claim(read_begin(&r) == -EAGAIN && setups == 0, "nor for poll");
    close_all();
    rs_sys.io_uring_setup = rs_sys_real.io_uring_setup;
}

static void refused_at_the_start(void)
{
    static const int errors[] = {-ENOSYS, -EPERM, -EACCES, -ENOMEM, -EMFILE};
    int64_t fds = rs_counter_sum(RS_COUNTER_FDS);
    struct reading r;
    bool refused = true;

    rs_sys.io_uring_setup = play_setup;
    rouse_log_set_hook(count_lines, NULL, ROUSE_LOG_INFO);
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        setup_answer = errors[i];
        setups = 0;
        open_all("auto");
        refused = refused && read_begin(&r) == -EAGAIN && read_begin(&r) == -EAGAIN && setups == 1;
        close_all();
    }
    claim(refused, "a ring that is refused is not asked for again");
    claim(lines == 1, "one line says so");
    claim(rs_counter_sum(RS_COUNTER_FDS) == fds, "and nothing is left");
    setup_answer = 0;
    rs_sys.io_uring_setup = rs_sys_real.io_uring_setup;
}

static int enter_answer;
static int enters_refused;

static int play_enter(int fd, unsigned submit, unsigned wait_for, unsigned flags,
                      const struct timespec *timeout)
{
    if (enters_refused > 0) {
        enters_refused--;
        return enter_answer;
    }
    return rs_sys_real.io_uring_enter(fd, submit, wait_for, flags, timeout);
}

static void refused_half_way(void)
{
    struct reading a;
    struct reading b;

    rs_sys.io_uring_enter = play_enter;
    open_all("auto");
    claim(read_begin(&a) == 0, "one is in flight");
    for (int i = 0; i < 3; i++) {
        enter_answer = (int[]){-EAGAIN, -EBUSY, 0}[i];
        enters_refused = 1;
        claim(read_begin(&b) == -EAGAIN && b.ended == 0, "want of memory turns one down");
        claim(read_begin(&b) == 0, "and not the next");
        rs_driver_cancel(&b.op);
        enters_refused = 5;
        claim(ends_with(&b, -ECANCELED), "a cancel that was turned down is made later");
    }
    enter_answer = -EPERM;
    enters_refused = 1;
    claim(read_begin(&b) == -EAGAIN && b.ended == 0, "a filter turns one down");
    claim(read_begin(&b) == -EAGAIN && enters_refused == 0, "from then on it is not asked");
    in_thread(write_soon, NULL, &a, 4, "what is in flight ends as ever");
    close_all();

    open_all("auto");
    claim(read_begin(&a) == 0, "another is in flight");
    enters_refused = 1;
    (void)read_begin(&b);
    if (write(ends[1], "data", 4) != 4) abort();
    close_all();
    claim(a.ended == 1 && a.result == 4, "the end of the driver waits for it");

    open_all("auto");
    claim(read_begin(&a) == 0, "another is in flight");
    enter_answer = -EAGAIN;
    enters_refused = 2;
    close_all();
    claim(a.ended == 1 && a.result == -ECANCELED && enters_refused == 0,
          "the end of the driver asks until it is heard");
    rs_sys.io_uring_enter = rs_sys_real.io_uring_enter;
}

int main(void)
{
    struct rs_io_ring ring;

    if (rs_io_ring_open(&ring, 1, 0) < 0) {
        printf("1..0 # SKIP no io_uring here\n");
        return 77;
    }
    rs_io_ring_close(&ring);
    operations_end();
    the_queue_is_bounded();
    who_has_no_ring_is_told();
    refused_at_the_start();
    refused_half_way();
    return claims_end();
}
