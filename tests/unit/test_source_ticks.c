// SPDX-License-Identifier: MIT
//
// The ticks of a source: an event that comes while an operation fails is not forgotten with it,
// ticks are compared at their full width, and each direction has its own. Events come where the
// test wants them: from within the operation. On both back ends.

#include <sys/socket.h>

#include "claim.h"
#include "source_wait.h"

static struct rouse_driver *driver;

// A source on a pipe that is watched, empty, and known to be.
static struct rs_source source;
static int writer;

static void source_open(void)
{
    struct source_wait first = {.source = &source};
    int fds[2];

    source_pipe(fds);
    writer = fds[1];
    rs_source_init(&source, fds[0]);
    source_need(source_wait_poll(&first, driver) == ROUSE_PENDING, "an empty pipe");
    rs_source_unwait(&first.wait);
}

static void source_close(void)
{
    rs_source_close(&source);
    (void)close(writer);
}

static uint64_t read_tick(void)
{
    return rs_source_tick(&source, RS_READ);
}

static void set_read_tick(uint64_t tick)
{
    // Relaxed: one thread.
    atomic_store_explicit(&source.directions[RS_READ].ticks, tick * RS_TICK_ONE,
                          memory_order_relaxed);
}

// ---- An edge during the try ----

static void edge_comes(struct source_wait *self)
{
    if (self->tries > 1) return;
    source_write(writer);
    source_event(&source, driver, ROUSE_READABLE);
}

static void an_edge_during_a_failing_try_is_kept(void)
{
    struct source_wait wait = {.source = &source, .during = edge_comes};

    source_open();
    source_event(&source, driver, ROUSE_READABLE);  // for nothing: the try will fail
    claim(source_wait_poll(&wait, driver) == ROUSE_READY && wait.result == 1 && wait.tries == 2,
          "an edge that comes between a try and its -EAGAIN makes it try again");
    source_close();
}

// The same by way of the public functions.
static void an_edge_before_a_clear_is_kept(void)
{
    struct hand_waker hand = {0};
    struct rouse_waker waker = {.vtable = &hand_waker_vtable, .data = &hand};
    struct rouse_fd_ready ready;
    struct rouse_context cx;
    struct rouse_fd *in;
    int fds[2];

    source_pipe(fds);
    source_need(rouse_fd_adopt(&in, fds[0]) == 0, "adopt");
    rouse_context_init(&cx, &waker, driver);
    rouse_fd_ready_init(&ready, in, ROUSE_READABLE);
    claim(rouse_future_poll(&ready.base, &cx) == ROUSE_PENDING, "a pipe is waited on");
    // Before the event the operation begins, and finds nothing.
    uint64_t tick = rouse_fd_tick(in, ROUSE_READABLE);

    source_write(fds[1]);
    claim(source_turn(driver) == 1, "its event comes");
    rouse_fd_clear(in, ROUSE_READABLE, tick);
    claim(rouse_future_poll(&ready.base, &cx) == ROUSE_READY,
          "a clear with an older tick does not take it back");
    rouse_fd_free(in);
    (void)close(fds[1]);
}

// ---- Full width ----

static void many_edges_come(struct source_wait *self)
{
    if (self->tries > 1) return;
    source_write(writer);
    set_read_tick(read_tick() + (UINT64_C(1) << 32));
}

static void ticks_are_64_bits_wide(void)
{
    struct source_wait wait = {.source = &source, .during = many_edges_come};

    source_open();
    rs_source_drained(&source, RS_READ, read_tick());
    claim(!rs_source_may_be_ready(&source, RS_READ), "drained at this tick: not ready");
    set_read_tick(read_tick() + (UINT64_C(1) << 32));
    claim(rs_source_may_be_ready(&source, RS_READ), "2^32 events later it may be ready");
    claim(source_wait_poll(&wait, driver) == ROUSE_READY && wait.tries == 2,
          "2^32 events during a failing try make it try again");
    source_close();
}

static void the_32nd_bit_is_crossed(void)
{
    struct source_wait wait = {.source = &source};
    bool held = true;

    source_open();
    for (uint64_t tick = UINT32_MAX - 1; tick <= (uint64_t)UINT32_MAX + 1; tick++) {
        set_read_tick(tick);
        held = held && source_wait_poll(&wait, driver) == ROUSE_PENDING;
        int wakes = hand_waker_wakes(&wait.hand);

        source_write(writer);
        held = held && source_turn(driver) == 1 && hand_waker_wakes(&wait.hand) == wakes + 1;
        held = held && read_tick() == tick + 1;
        held = held && source_wait_poll(&wait, driver) == ROUSE_READY && wait.result == 1;
    }
    claim(held, "around 2^32 events each wait is woken by the next");
    source_close();
}

// ---- Per direction ----

static void directions_have_ticks_of_their_own(void)
{
    struct source_wait read = {.source = &source};
    int fds[2];

    source_need(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0,
                "socketpair");
    writer = fds[1];
    rs_source_init(&source, fds[0]);
    source_need(source_wait_poll(&read, driver) == ROUSE_PENDING, "an empty socket");
    // The other direction has the same home, as if somebody wrote.
    atomic_store_explicit(&source.directions[RS_WRITE].home, driver, memory_order_relaxed);
    source.directions[RS_WRITE].index = source.directions[RS_READ].index;

    uint64_t tick = read_tick();

    source_event(&source, driver, ROUSE_WRITABLE);
    claim(rs_source_tick(&source, RS_WRITE) == 1 && read_tick() == tick,
          "an event counts in its direction only");
    claim(hand_waker_wakes(&read.hand) == 0 && !rs_source_may_be_ready(&source, RS_READ),
          "it wakes nobody in the other, which stays drained");
    rs_source_drained(&source, RS_WRITE, 1);
    source_event(&source, driver, ROUSE_READABLE);
    claim(!rs_source_may_be_ready(&source, RS_WRITE) && rs_source_may_be_ready(&source, RS_READ) &&
              hand_waker_wakes(&read.hand) == 1,
          "and the other way round");
    rs_source_unwait(&read.wait);
    source_close();
}

static void on_back_end(const char *reactor)
{
    printf("# %s\n", reactor);
    driver = source_driver(reactor);
    an_edge_during_a_failing_try_is_kept();
    an_edge_before_a_clear_is_kept();
    ticks_are_64_bits_wide();
    the_32nd_bit_is_crossed();
    directions_have_ticks_of_their_own();
    rouse_driver_free(driver);
}

int main(void)
{
    (void)alarm(50);
    on_back_end("epoll");
    on_back_end("poll");
    on_back_end("io_uring");
    return claims_end();
}
