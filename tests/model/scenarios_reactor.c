// SPDX-License-Identifier: MIT
//
// The back end over io_uring, and what takes its place when a sandbox refuses it, at any moment:
// sources, notifies, and pollers. The queue has two places.

#include <errno.h>
#include <rouse/clock.h>
#include <rouse/poller.h>

#include "base/sys.h"
#include "io/source.h"
#include "wait.h"

enum { CAPACITY = 4 };

// A read of up to two bytes.
struct reader {
    struct rouse_future base;
    struct rouse_io_wait wait;
    struct rs_source source;
    struct model_waker waker;
    ssize_t output;
};

static struct rouse_driver *driver;
static struct reader readers[2];
static int ends[2][2];  // a source has the first
static struct turner turner;
static _Atomic uint32_t work;
static int plain;

static void refuse(void)
{
    model_ring_refuse(-EPERM);
}

// ---- Sources ----

static ssize_t read_two(int fd, void *arg)
{
    char buf[2];

    (void)arg;
    return rs_sys.read(fd, buf, sizeof buf);
}

static rouse_poll reader_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct reader *r = ROUSE_CONTAINER_OF(self, struct reader, base);

    return rs_source_poll(&r->source, RS_READ, &r->wait, cx, read_two, NULL, 2, &r->output);
}

static void reader_drop(struct rouse_future *self)
{
    rs_source_unwait(&ROUSE_CONTAINER_OF(self, struct reader, base)->wait);
}

static const struct rouse_future_vtable reader_vtable = {
    .poll = reader_poll, .drop = reader_drop, .name = "reader"};

static void reader_init(unsigned index)
{
    struct reader *r = &readers[index];

    r->base.vtable = &reader_vtable;
    r->wait = (struct rouse_io_wait){0};
}

static void make(void)
{
    driver = driver_make("io_uring");
    turner = (struct turner){.driver = driver};
    plain = 0;
    // Relaxed: the threads are not there yet.
    atomic_store_explicit(&work, 0, memory_order_relaxed);
    for (unsigned i = 0; i < 2; i++) {
        model_stream(ends[i], CAPACITY);
        readers[i] = (struct reader){.waker.thread = 2};
        reader_init(i);
        rs_source_init(&readers[i].source, ends[i][0]);
    }
    model_name(&driver->lock, sizeof driver->lock, "driver->lock");
    model_name(&driver->state, sizeof driver->state, "driver->state");
    model_name(&driver->reactor.place, sizeof driver->reactor.place, "driver->reactor");
}

static void unmake(void)
{
    for (int i = 0; i < 2; i++) {
        rs_source_close(&readers[i].source);
        claim_dropped(&readers[i].waker);
    }
    rouse_driver_free(driver);
}

static void put(int index)
{
    model_claim(rs_sys.write(ends[index][1], "w", 1) == 1, "there is room");
}

static void turn(void)
{
    turn_until_done(&turner);
}

static void read_byte(int index)
{
    wait_for(&readers[index].base, &readers[index].waker, driver);
    model_claim(readers[index].output == 1, "what was written is read");
}

static void read_and_end(void)
{
    read_byte(0);
    turner_end(&turner);
}

static void put_first(void)
{
    put(0);
}

// One that is watched before, the other perhaps when the ring has gone.
static void read_two_and_end(void)
{
    read_byte(0);
    read_byte(1);
    turner_end(&turner);
}

static void put_both(void)
{
    put(0);
    put(1);
}

// ---- More than the queue of completions has room for ----

static void make_armed(void)
{
    make();
    for (int i = 0; i < 2; i++) (void)poll_with(&readers[i].base, &readers[i].waker, driver);
    (void)rs_driver_poll(driver);
}

// The first stream's edges fill it. So the kernel ends the poll of the second, and keeps its event.
static void make_overflown(void)
{
    make_armed();
    for (int i = 0; i < CAPACITY; i++) put(0);
    put(1);
}

// A worker that is busy never sleeps.
static void look_and_read(void)
{
    for (int i = 0; i < 4; i++) (void)rs_driver_poll(driver);
    for (int i = 0; i < 2; i++) {
        rouse_poll polled = poll_with(&readers[i].base, &readers[i].waker, driver);

        model_claim(polled == ROUSE_READY, "a look finds what the kernel has kept");
    }
}

static void read_again_and_end(void)
{
    read_byte(1);
    reader_init(1);
    // Release, with the acquire in put_second_again().
    atomic_store_explicit(&work, 1, memory_order_release);
    read_byte(1);
    turner_end(&turner);
}

static void put_second_again(void)
{
    // Acquire, with the release in read_again_and_end().
    while (atomic_load_explicit(&work, memory_order_acquire) == 0) model_relax();
    put(1);
}

static void unmake_overflown(void)
{
    for (int i = 0; i < 2; i++) rouse_future_drop(&readers[i].base);
    unmake();
}

// The kernel writes where the events before were read, with no call in between.
static void look_six_times(void)
{
    for (int i = 0; i < 6; i++) (void)rs_driver_poll(driver);
}

static void put_six(void)
{
    for (int i = 0; i < 6; i++) put(i % 2);
}

// The notifier's poll ends likewise.
static void make_notifier_overflown(void)
{
    make();
    (void)poll_with(&readers[0].base, &readers[0].waker, driver);
    (void)rs_driver_poll(driver);
    for (int i = 0; i < CAPACITY; i++) put(0);
    rs_driver_prepare_sleep(driver);
    rouse_driver_notify(driver);
    rs_driver_cancel_sleep(driver);
}

// A source that is closed at any moment of the change.
static void read_until_closed(void)
{
    wait_for(&readers[0].base, &readers[0].waker, driver);
    model_claim(readers[0].output == -EBADF, "the reader hears of the close");
    turner_end(&turner);
}

static void close_first(void)
{
    rs_source_close(&readers[0].source);
}

static void unmake_second(void)
{
    rs_source_close(&readers[1].source);
    for (int i = 0; i < 2; i++) claim_dropped(&readers[i].waker);
    rouse_driver_free(driver);
}

// ---- Notifies ----

static bool sees_work(void)
{
    // Acquire, with the release in give_work().
    return atomic_load_explicit(&work, memory_order_acquire) != 0;
}

static void sleep_until_work(void)
{
    for (;;) {
        rs_driver_prepare_sleep(driver);
        if (sees_work()) break;
        (void)rs_driver_sleep(driver, ROUSE_NEVER, NULL, NULL);
    }
    rs_driver_cancel_sleep(driver);
}

static void give_work(void)
{
    // Release, with the acquire in sees_work().
    atomic_store_explicit(&work, 1, memory_order_release);
    rouse_driver_notify(driver);
}

static void poll_on_behalf(void)
{
    (void)rs_driver_poll(driver);
}

// It may find out itself that the ring is refused, and replace it.
static void refuse_and_poll(void)
{
    refuse();
    (void)rs_driver_poll(driver);
}

// ---- Pollers ----

static struct rouse_poller *poller;

static void make_poller(void)
{
    model_claim(rouse_poller_new(&poller, "io_uring") == 0, "a poller can be made");
    plain = 0;
    model_stream(ends[0], CAPACITY);
    model_claim(rouse_poller_add(poller, ends[0][0], 7, ROUSE_READABLE) == 0, "it can watch");
}

static void unmake_poller(void)
{
    rouse_poller_free(poller);
}

static void wait_for_notify(void)
{
    struct rouse_poller_event events[2];
    int count = rouse_poller_wait(poller, events, 2, ROUSE_NEVER);

    model_claim(count == 0, "only a notify ends the wait");
    model_claim(plain == 1, "what came before the notify is seen after the wait");
}

static void write_and_notify(void)
{
    plain = 1;
    rouse_poller_notify(poller);
}

static void wait_for_event(void)
{
    struct rouse_poller_event events[2];
    int count = rouse_poller_wait(poller, events, 2, ROUSE_NEVER);

    model_claim(count == 1 && events[0].key == 7, "what was written is reported");
}

const struct model_scenario model_reactor_scenarios[] = {
    {.name = "reactor_event",
     .about = "an event of a ring wakes who reads",
     .setup = make,
     .threads = {turn, read_and_end, put_first},
     .check = unmake},
    {.name = "reactor_event_against_poll",
     .about = "what somebody who polls hands over in vain is not lost on who sleeps",
     .setup = make,
     .threads = {turn, read_and_end, poll_on_behalf, put_first},
     .check = unmake},
    {.name = "reactor_events",
     .about = "more events than the queue of a ring has room for",
     .setup = make,
     .threads = {turn, read_two_and_end, put_both},
     .check = unmake},
    {.name = "reactor_overflow_look",
     .about = "who does not sleep finds what the kernel has kept for want of room",
     .setup = make_overflown,
     .threads = {look_and_read},
     .check = unmake},
    {.name = "reactor_queue_comes_round",
     .about = "an event is read before the kernel writes another in its place",
     .setup = make_armed,
     .threads = {look_six_times, put_six},
     .check = unmake_overflown},
    {.name = "reactor_overflow_poll",
     .about = "a poll that the kernel has ended for want of room is armed again",
     .setup = make_overflown,
     .threads = {turn, read_again_and_end, put_second_again},
     .check = unmake_overflown},
    {.name = "reactor_overflow_notifier",
     .about = "and so is the notifier's",
     .setup = make_notifier_overflown,
     .threads = {sleep_until_work, give_work},
     .check = unmake_overflown},
    {.name = "reactor_close",
     .about = "a close under who reads, on a ring",
     .setup = make,
     .threads = {turn, read_until_closed, close_first},
     .check = unmake_second},
    {.name = "reactor_notify",
     .about = "a notify before, during or after the sleep on a ring",
     .setup = make,
     .threads = {sleep_until_work, give_work, poll_on_behalf},
     .check = unmake},
    {.name = "reactor_refused_event",
     .about = "an event is not lost while another back end takes the ring's place",
     .setup = make,
     .threads = {turn, read_and_end, put_first, refuse},
     .check = unmake},
    {.name = "reactor_refused_events",
     .about = "nor are two, one of which comes later",
     .setup = make,
     .threads = {turn, read_two_and_end, put_both, refuse},
     .check = unmake},
    {.name = "reactor_refused_close",
     .about = "a close under who reads, while another back end takes the ring's place",
     .setup = make,
     .threads = {turn, read_until_closed, close_first, refuse},
     .check = unmake_second},
    {.name = "reactor_refused_notify",
     .about = "a notify is not lost while another back end takes the ring's place",
     .setup = make,
     .threads = {sleep_until_work, give_work, refuse},
     .check = unmake},
    {.name = "reactor_refused_by_poll",
     .about = "nor where it is somebody else who finds out",
     .setup = make,
     .threads = {sleep_until_work, give_work, refuse_and_poll},
     .check = unmake},
    {.name = "reactor_poller_refused_notify",
     .about = "a notify ends the wait of a poller whose ring is refused",
     .setup = make_poller,
     .threads = {wait_for_notify, write_and_notify, refuse},
     .check = unmake_poller},
    {.name = "reactor_poller_refused_event",
     .about = "an event ends it too",
     .setup = make_poller,
     .threads = {wait_for_event, put_first, refuse},
     .check = unmake_poller},
    {.name = NULL},
};
