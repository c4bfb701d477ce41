// SPDX-License-Identifier: MIT
//
// Sources: an event against a failed read, waiters that hand on, the end of a source under those
// who wait, the move of a direction to another driver, and events that come too late.

#include "io/source_poll.h"

#include <errno.h>
#include <rouse/fd.h>
#include <rouse/poller.h>

#include "base/sys.h"
#include "base/tls.h"
#include "wait.h"

enum { CAPACITY = 4, READERS = 2 };

// A read of up to two bytes.
struct reader {
    struct rouse_future base;
    struct rouse_io_wait wait;
    struct rs_source *source;
    struct model_waker waker;
    ssize_t output;
};

static struct rouse_driver *drivers[2];
static struct rs_source *source;
static struct rs_source *second;
static int ends[2];  // the source has the first
static struct reader readers[READERS];
static struct turner turner;

static ssize_t read_two(int fd, void *arg)
{
    char buf[2];

    (void)arg;
    return rs_sys.read(fd, buf, sizeof buf);
}

static rouse_poll reader_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct reader *r = ROUSE_CONTAINER_OF(self, struct reader, base);

    return rs_source_poll(r->source, RS_READ, &r->wait, cx, read_two, NULL, 2, &r->output);
}

static void reader_drop(struct rouse_future *self)
{
    rs_source_unwait(&ROUSE_CONTAINER_OF(self, struct reader, base)->wait);
}

static const struct rouse_future_vtable reader_vtable = {
    .poll = reader_poll, .drop = reader_drop, .name = "reader"};

static void reader_init(struct reader *r, struct rs_source *from, unsigned thread)
{
    *r = (struct reader){.base.vtable = &reader_vtable, .source = from, .waker.thread = thread};
}

static rouse_poll reader_look(struct reader *r, struct rouse_driver *driver)
{
    return poll_with(&r->base, &r->waker, driver);
}

static void make_on(const char *reactor)
{
    for (int i = 0; i < 2; i++) {
        uint32_t index;

        drivers[i] = driver_make(reactor);
        // The table has grown already: that is large, and of no interest here.
        (void)rs_watch_take(&drivers[i]->table, drivers[i]->allocator, &index);
        rs_watch_give_back(&drivers[i]->table, index);
    }
    model_stream(ends, CAPACITY);
    source = model_alloc(sizeof *source);
    rs_source_init(source, ends[0]);
    turner = (struct turner){.driver = drivers[0]};
    // The thread that turns or writes comes first.
    for (unsigned i = 0; i < READERS; i++) reader_init(&readers[i], source, i + 2);
    model_name(&drivers[0]->lock, sizeof drivers[0]->lock, "driver[0]->lock");
    model_name(&drivers[1]->lock, sizeof drivers[1]->lock, "driver[1]->lock");
    model_name(&source->use, sizeof source->use, "source->use");
    model_name(&source->directions[RS_READ], sizeof source->directions[RS_READ], "source->read");
    model_name(&source->directions[RS_WRITE], sizeof source->directions[RS_WRITE], "source->write");
}

static void make(void)
{
    make_on("epoll");
}

static void make_on_poll(void)
{
    make_on("poll");
}

static void put(unsigned count)
{
    char bytes[CAPACITY] = {0};

    model_claim(rs_sys.write(ends[1], bytes, count) == (ssize_t)count, "there is room");
}

static void unmake_drivers(void)
{
    for (int i = 0; i < 2; i++) rouse_driver_free(drivers[i]);
    for (int i = 0; i < READERS; i++) claim_dropped(&readers[i].waker);
}

static void unmake(void)
{
    rs_source_close(source);
    model_free(source);
    unmake_drivers();
}

// ---- An event against a failed read ----

static void put_and_turn(void)
{
    put(1);
    turn_until_done(&turner);
}

static void read_one(struct reader *r, struct rouse_driver *driver)
{
    wait_for(&r->base, &r->waker, driver);
    model_claim(r->output == 1, "what was written is read");
}

static void read_and_end(void)
{
    read_one(&readers[0], drivers[0]);
    turner_end(&turner);
}

static void put_and_poll(void)
{
    put(1);
    (void)rs_driver_poll(drivers[0]);
}

// Each byte is an event of its own, taken on behalf of the loop that reads.
static void put_and_poll_twice(void)
{
    put_and_poll();
    put_and_poll();
}

// By the loop that turns the driver, which favours it: what a read has shown, it says under its own
// lock.
static void read_both_at_home(void)
{
    struct reader *r = &readers[0];
    ssize_t total = 0;

    rs_driver_keep(drivers[0]);
    for (;;) {
        wait_for(&r->base, &r->waker, drivers[0]);
        model_claim(r->output > 0, "there is more to read");
        total += r->output;
        if (total == 2) break;
        r->base.vtable = &reader_vtable;
    }
    rs_driver_unkeep(drivers[0]);
}

// The end of the stream is there to be read after a short read, which does not show it.
static void put_and_close(void)
{
    put(1);
    (void)rs_sys.close(ends[1]);
    (void)rs_driver_poll(drivers[0]);
}

static void read_to_the_end(void)
{
    struct reader *r = &readers[0];

    for (;;) {
        wait_for(&r->base, &r->waker, drivers[0]);
        if (r->output == 0) break;
        r->base.vtable = &reader_vtable;
    }
    turner_end(&turner);
}

static void close_and_turn(void)
{
    put_and_close();
    turn_until_done(&turner);
}

// ---- Two waiters ----

static void make_two_waiting(void)
{
    make();
    for (int i = 0; i < READERS; i++) (void)reader_look(&readers[i], drivers[0]);
    put(4);
}

static void make_one_waiting_of_two(void)
{
    make();
    (void)reader_look(&readers[0], drivers[0]);
    put(4);
}

static void poll_driver(void)
{
    (void)rs_driver_poll(drivers[0]);
}

static void drop_first(void)
{
    rouse_future_drop(&readers[0].base);
}

static void read_second(void)
{
    wait_for(&readers[1].base, &readers[1].waker, drivers[0]);
    model_claim(readers[1].output == 2, "the one that is left reads");
}

static void read_first(void)
{
    wait_for(&readers[0].base, &readers[0].waker, drivers[0]);
    model_claim(readers[0].output == 2, "the first one reads");
}

// The last waker wins.
static struct model_waker spare;

static void make_one_waiting(void)
{
    make();
    (void)reader_look(&readers[0], drivers[0]);
    put(2);
    spare = (struct model_waker){.thread = 2};
}

static void read_with_spare(void)
{
    while (poll_with(&readers[0].base, &spare, drivers[0]) == ROUSE_PENDING) {
        while (!model_waker_take(&spare)) model_park();
    }
    model_claim(readers[0].output == 2, "it reads");
}

static void drop_and_overwrite(void)
{
    rouse_future_drop(&readers[0].base);
    readers[0].wait = (struct rouse_io_wait){.place = 0xdead};
}

static void unmake_with_spare(void)
{
    claim_dropped(&spare);
    unmake();
}

// ---- The end of a source ----

static void close_source(void)
{
    rs_source_close(source);
}

static void read_until_closed(void)
{
    wait_for(&readers[0].base, &readers[0].waker, drivers[0]);
    model_claim(readers[0].output == -EBADF, "a wait ends when its source is closed");
}

static void make_waiting(void)
{
    make();
    (void)reader_look(&readers[0], drivers[0]);
}

// Closed once: the kernel of the model would complain.
static void unmake_closed(void)
{
    struct stat status;

    model_claim(rs_sys.fstat(ends[0], &status) == -EBADF, "a closed source has no descriptor");
    model_free(source);
    unmake_drivers();
}

static int plain;  // stands for what the kernel keeps for the descriptor
static int (*close_really)(int fd);

static int close_and_write(int fd)
{
    model_claim(plain == 0, "what is closed is not closed again");
    plain = 1;
    return close_really(fd);
}

static void make_used(void)
{
    make();
    plain = 0;
    close_really = rs_sys.close;
    rs_sys.close = close_and_write;
}

static void unmake_used(void)
{
    rs_sys.close = close_really;
    unmake_closed();
}

static void use_and_leave(void)
{
    int entered = rs_source_enter(source, RS_READ);

    if (entered < 0) return;
    model_claim(plain == 0, "nothing is used after its close");
    rs_source_leave(source, RS_READ, entered);
}

// As the worker whose number that is.
static void use_as(uint8_t number, int times)
{
    rs_tls.number = number;
    for (int i = 0; i < times; i++) use_and_leave();
}

static void first_uses(void)
{
    use_as(1, 1);
}

static void first_uses_twice(void)
{
    use_as(1, 2);
}

static void second_uses(void)
{
    use_as(2, 1);
}

static void first_uses_and_closes(void)
{
    use_as(1, 1);
    rs_source_close(source);
}

// The first worker has used it before.
static void make_owned(void)
{
    make_used();
    use_as(1, 1);
    rs_tls.number = 0;
}

static void close_and_reuse(void)
{
    rs_source_close(source);
}

static void release_source(void)
{
    int fd = rs_source_release(source);

    if (fd < 0) {
        model_claim(fd == -EBUSY, "a source in use is not released");
        rs_source_close(source);
        return;
    }
    model_claim(fd == ends[0], "the descriptor is handed back");
    (void)rs_sys.close(fd);  // nobody uses it any more
}

static void free_driver(void)
{
    rouse_driver_free(drivers[0]);
}

static void read_until_cancelled(void)
{
    wait_for(&readers[0].base, &readers[0].waker, drivers[0]);
    model_claim(readers[0].output == -ECANCELED, "a wait ends when its driver goes");
    rs_driver_unhold(drivers[0]);
}

static void make_waiting_held(void)
{
    make_waiting();
    rs_driver_hold(drivers[0]);
}

// Nobody waits at the driver that goes: the other one settles where it polls.
static void make_watched_once(void)
{
    make();
    (void)reader_look(&readers[0], drivers[0]);
    rouse_future_drop(&readers[0].base);
    reader_init(&readers[0], source, 2);
}

static void look_elsewhere(void)
{
    (void)reader_look(&readers[0], drivers[1]);
}

static void unmake_second(void)
{
    rs_source_close(source);
    model_free(source);
    rouse_driver_free(drivers[1]);
    for (int i = 0; i < READERS; i++) claim_dropped(&readers[i].waker);
}

static void drop_and_unmake_second(void)
{
    rouse_future_drop(&readers[0].base);
    unmake_second();
}

// One waits at the driver that goes, and another comes to wait elsewhere.
static void make_waiting_and_waited_for(void)
{
    make();
    (void)reader_look(&readers[0], drivers[0]);
    reader_init(&readers[1], source, 2);
}

static void look_second_elsewhere(void)
{
    (void)reader_look(&readers[1], drivers[1]);
}

// Whoever still waits is in the queue: the close finds it there.
static void close_finds_all(void)
{
    rs_source_close(source);
    for (int i = 0; i < 2; i++) {
        model_claim(rouse_future_is_ended(&readers[i].base) ||
                        (readers[i].wait.place & RS_WAIT_STATE) != RS_WAIT_QUEUED,
                    "who waits when the source is closed is told");
        rouse_future_drop(&readers[i].base);
    }
    model_free(source);
    rouse_driver_free(drivers[1]);
    for (int i = 0; i < READERS; i++) claim_dropped(&readers[i].waker);
}

// ---- Another home ----

// Watched by the first driver, which nobody promises to turn; an event is under way there.
static void make_watched(void)
{
    make();
    (void)reader_look(&readers[0], drivers[0]);
    rouse_future_drop(&readers[0].base);
    reader_init(&readers[0], source, 2);
    put(1);
}

static void read_elsewhere(void)
{
    struct reader *r = &readers[0];

    while (reader_look(r, drivers[1]) == ROUSE_PENDING) {
        if (model_waker_take(&r->waker)) continue;
        (void)rouse_driver_turn(drivers[1], ROUSE_NEVER);
    }
    model_claim(r->output == 1, "what was written is read");
}

static void look_first(void)
{
    (void)reader_look(&readers[0], drivers[1]);
}

static void look_second(void)
{
    (void)reader_look(&readers[1], drivers[1]);
}

// Watched by the first driver, with nobody waiting: two waits elsewhere both want it to move.
static void make_watched_idle(void)
{
    make();
    (void)reader_look(&readers[0], drivers[0]);
    rouse_future_drop(&readers[0].base);
    reader_init(&readers[0], source, 1);
    reader_init(&readers[1], source, 2);
}

static void settle_first(void)
{
    (void)reader_look(&readers[0], drivers[0]);
}

static void settle_second(void)
{
    (void)reader_look(&readers[1], drivers[1]);
}

static void drop_both(void)
{
    for (int i = 0; i < READERS; i++) rouse_future_drop(&readers[i].base);
    unmake();
}

static void poll_both(void)
{
    put(4);
    for (int i = 0; i < 2; i++) (void)rs_driver_poll(drivers[i]);
    for (int i = 0; i < READERS; i++) {
        if (!rouse_future_is_ended(&readers[i].base)) {
            (void)reader_look(&readers[i], drivers[i]);
            rouse_future_drop(&readers[i].base);
        }
    }
    unmake();
}

// ---- Late events ----

static void make_second(void)
{
    make_waiting();
    put(1);
    second = NULL;
}

static void close_and_open_another(void)
{
    int fds[2];

    rouse_future_drop(&readers[0].base);
    rs_source_close(source);
    model_stream(fds, CAPACITY);
    second = model_alloc(sizeof *second);
    rs_source_init(second, fds[0]);
    reader_init(&readers[1], second, 2);
    (void)reader_look(&readers[1], drivers[0]);
}

static void unmake_both(void)
{
    model_claim(rs_source_tick(second, RS_READ) == 0,
                "an event for an earlier owner of a watch is not taken for the new one's");
    rouse_future_drop(&readers[1].base);
    rs_source_close(second);
    model_free(second);
    model_free(source);
    unmake_drivers();
}

// ---- Descriptors of others ----

static struct rouse_fd *adopted;
static struct rouse_fd_ready ready;
static struct model_waker ready_waker;

static void make_adopted(void)
{
    drivers[0] = driver_make("epoll");
    model_stream(ends, CAPACITY);
    model_claim(rouse_fd_adopt(&adopted, ends[0]) == 0, "it can be adopted");
    rouse_fd_ready_init(&ready, adopted, ROUSE_READABLE);
    ready_waker = (struct model_waker){.thread = 2};
}

static void free_adopted(void)
{
    rouse_fd_free(adopted);
}

static void wait_adopted(void)
{
    wait_for(&ready.base, &ready_waker, drivers[0]);
    model_claim(ready.output == -EBADF, "the wait ends with the descriptor");
}

static void drop_adopted(void)
{
    (void)poll_with(&ready.base, &ready_waker, drivers[0]);
    rouse_future_drop(&ready.base);
}

static void unmake_adopted(void)
{
    rouse_driver_free(drivers[0]);
    claim_dropped(&ready_waker);
}

const struct model_scenario model_source_scenarios[] = {
    {.name = "source_event_against_read",
     .about = "an event that comes while a read fails is not lost",
     .setup = make,
     .threads = {put_and_turn, read_and_end},
     .check = unmake},
    {.name = "source_event_against_read_on_poll",
     .about = "the same without epoll, whose sleep must learn of a new watch",
     .setup = make_on_poll,
     .threads = {put_and_turn, read_and_end},
     .check = unmake},
    {.name = "source_event_taken_on_behalf",
     .about = "an event that another thread takes reaches the reader",
     .setup = make_waiting,
     .threads = {put_and_poll, read_and_end},
     .check = unmake},
    {.name = "source_event_against_read_at_home",
     .about = "an event that is taken on behalf of a loop while it reads is not lost",
     .setup = make_waiting,
     .threads = {put_and_poll_twice, read_both_at_home},
     .check = unmake},
    {.name = "source_end_of_stream",
     .about = "the end of a stream that comes after its last bytes is read",
     .setup = make_waiting,
     .threads = {close_and_turn, read_to_the_end},
     .check = unmake},
    {.name = "source_granted_drops",
     .about = "a waiter that is granted an event and dropped hands it on",
     .setup = make_two_waiting,
     .threads = {poll_driver, drop_first, read_second},
     .check = unmake},
    {.name = "source_granted_reads",
     .about = "a waiter that is granted an event and reads leaves the rest to the next",
     .setup = make_two_waiting,
     .threads = {poll_driver, read_first, read_second},
     .check = unmake},
    {.name = "source_granted_against_first_wait",
     .about = "who stands back for a queue tries when that is gone",
     .setup = make_one_waiting_of_two,
     .threads = {poll_driver, read_first, read_second},
     .check = unmake},
    {.name = "source_event_against_waker",
     .about = "of two wakers of a wait the last one is woken",
     .setup = make_one_waiting,
     .threads = {poll_driver, read_with_spare},
     .check = unmake_with_spare},
    {.name = "source_event_against_drop",
     .about = "a wait that has left the queue is not touched again",
     .setup = make_one_waiting,
     .threads = {poll_driver, drop_and_overwrite},
     .check = unmake_with_spare},
    {.name = "source_close_against_first_wait",
     .about = "a close and a wait that settles its home do not miss each other",
     .setup = make,
     .threads = {close_source, read_until_closed},
     .check = unmake_closed},
    {.name = "source_close_against_wait",
     .about = "a close ends a wait that is queued",
     .setup = make_waiting,
     .threads = {close_source, read_until_closed},
     .check = unmake_closed},
    {.name = "source_close_against_use",
     .about = "the last user closes, once, and after all the others",
     .setup = make_used,
     .threads = {close_source, use_and_leave},
     .check = unmake_used},
    {.name = "source_close_twice",
     .about = "two closes close once",
     .setup = make_used,
     .threads = {close_source, close_and_reuse, use_and_leave},
     .check = unmake_used},
    {.name = "source_release_against_use",
     .about = "a source is released unless it is used",
     .setup = make_used,
     .threads = {release_source, use_and_leave},
     .check = unmake_used},
    {.name = "source_owner_against_close",
     .about = "a close waits for the worker that owns the use, or is seen by it",
     .setup = make_owned,
     .threads = {close_source, first_uses_twice},
     .check = unmake_used},
    {.name = "source_owner_comes",
     .about = "so it is with a worker that comes to own it",
     .setup = make_used,
     .threads = {close_source, first_uses},
     .check = unmake_used},
    {.name = "source_owner_and_other",
     .about = "one of two workers owns the use, and the other is counted",
     .setup = make_used,
     .threads = {first_uses_and_closes, second_uses},
     .check = unmake_used},
    {.name = "source_owner_and_crowd",
     .about = "whoever is the last of those who are counted waits for the owner",
     .setup = make_owned,
     .threads = {first_uses, second_uses, close_source},
     .check = unmake_used},
    {.name = "source_owner_against_release",
     .about = "a release waits for the owner",
     .setup = make_owned,
     .threads = {release_source, first_uses_twice},
     .check = unmake_used},
    {.name = "source_driver_freed",
     .about = "a driver that goes away cancels the waits in it",
     .setup = make_waiting_held,
     .threads = {free_driver, read_until_cancelled},
     .check = unmake_second},
    {.name = "source_driver_freed_against_wait_elsewhere",
     .about = "a direction whose driver goes away is settled as that has left it",
     .setup = make_watched_once,
     .threads = {free_driver, look_elsewhere},
     .check = drop_and_unmake_second},
    {.name = "source_driver_freed_against_second_wait",
     .about = "a wait that settles where a freed driver has left finds its queue empty",
     .setup = make_waiting_and_waited_for,
     .threads = {free_driver, look_second_elsewhere},
     .check = close_finds_all},
    {.name = "source_home_moves",
     .about = "a direction moves to another driver while its event is handed out",
     .setup = make_watched,
     .threads = {poll_driver, read_elsewhere},
     .check = unmake},
    {.name = "source_home_moves_for_two",
     .about = "two waits that move a direction leave one home",
     .setup = make_watched_idle,
     .threads = {look_first, look_second},
     .check = drop_both},
    {.name = "source_home_from_two",
     .about = "two waits under two drivers settle one home",
     .setup = make,
     .threads = {settle_first, settle_second},
     .check = poll_both},
    {.name = "source_late_event",
     .about = "an event under way for a closed source does not reach the next one",
     .setup = make_second,
     .threads = {poll_driver, close_and_open_another},
     .check = unmake_both},
    {.name = "source_fd_free_against_wait",
     .about = "a descriptor's object stays until its waits have ended",
     .setup = make_adopted,
     .threads = {free_adopted, wait_adopted},
     .check = unmake_adopted},
    {.name = "source_fd_free_against_drop",
     .about = "the same for a wait that is dropped",
     .setup = make_adopted,
     .threads = {free_adopted, drop_adopted},
     .check = unmake_adopted},
    {.name = NULL},
};
