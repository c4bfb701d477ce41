// SPDX-License-Identifier: MIT
//
// Events that are under way when their source is closed. The kernel reports many descriptors at
// once; while the first of them are handed out, the rest are closed, and their numbers and records
// come back for other pipes. What the kernel said of the former owner must not reach the new one.
// On both back ends.

#include <string.h>

#include "claim.h"
#include "io/backend.h"
#include "source_wait.h"

// More than one hold of the lock hands out, and no more than one wait reports.
enum { PIPES = 100 };
_Static_assert((int)PIPES > (int)RS_BATCH_SIZE && PIPES < 128, "one wait, two batches");

struct end {
    struct rs_source source;
    struct source_wait wait;
    int writer;
    bool reopened;
};

static struct end ends[PIPES];
static struct rouse_driver *driver;
static bool opened_again;

static void wait_begin(struct end *end)
{
    source_need(source_wait_poll(&end->wait, driver) == ROUSE_PENDING,
                "an empty pipe is waited on");
}

static void end_open(struct end *end)
{
    int fds[2];

    source_pipe(fds);
    end->writer = fds[1];
    rs_source_init(&end->source, fds[0]);
    end->wait = (struct source_wait){.source = &end->source};
    wait_begin(end);
}

// Another pipe under the same number, in the same record.
static void end_reopen(struct end *end)
{
    int number = end->source.fd;
    int fds[2];

    rs_source_unwait(&end->wait.wait);
    rs_source_close(&end->source);
    (void)close(end->writer);
    source_pipe(fds);
    if (fds[0] != number) {
        source_need(fds[1] != number || (fds[1] = dup(fds[1])) >= 0, "dup");
        source_need(dup3(fds[0], number, O_CLOEXEC) == number, "the number again");
        (void)close(fds[0]);
    }
    end->writer = fds[1];
    rs_source_init(&end->source, number);
    end->wait = (struct source_wait){.source = &end->source};
    end->reopened = true;
    wait_begin(end);
}

// The waker of the first that is woken: all whose events have not been handed out are replaced.
static void replace_the_rest(void *data)
{
    (void)data;
    if (opened_again) return;
    opened_again = true;
    for (int i = 0; i < PIPES; i++) {
        if (rs_source_tick(&ends[i].source, RS_READ) == 0) end_reopen(&ends[i]);
    }
}

static struct rouse_waker replacer_clone(void *data);

static void replacer_drop(void *data)
{
    (void)data;
}

static const struct rouse_waker_vtable replacer_vtable = {
    .clone = replacer_clone,
    .wake = replace_the_rest,
    .wake_by_ref = replace_the_rest,
    .drop = replacer_drop};

static struct rouse_waker replacer_clone(void *data)
{
    return (struct rouse_waker){.vtable = &replacer_vtable, .data = data};
}

// Polls each wait once more, with the replacing waker.
static void give_wakers(void)
{
    struct rouse_waker waker = {.vtable = &replacer_vtable};
    struct rouse_context cx;

    rouse_context_init(&cx, &waker, driver);
    for (int i = 0; i < PIPES; i++) {
        struct source_wait *w = &ends[i].wait;

        source_need(rs_source_poll(w->source, RS_READ, &w->wait, &cx, source_wait_try, w, 0,
                                   &w->result) == ROUSE_PENDING,
                    "it waits on");
    }
}

static int count_reopened(void)
{
    int count = 0;

    for (int i = 0; i < PIPES; i++) count += ends[i].reopened;
    return count;
}

// Whether none of the reopened has been told anything.
static bool reopened_are_untouched(void)
{
    for (int i = 0; i < PIPES; i++) {
        if (!ends[i].reopened) continue;
        if (rs_source_tick(&ends[i].source, RS_READ) != 0) return false;
        if (hand_waker_wakes(&ends[i].wait.hand) != 0) return false;
    }
    return true;
}

// Their own events, however, find each of them.
static bool reopened_are_woken(void)
{
    int left = count_reopened();

    for (int i = 0; i < PIPES; i++) {
        if (ends[i].reopened) source_write(ends[i].writer);
    }
    while (left > 0) {
        int woken = source_turn(driver);

        if (woken <= 0) return false;
        left -= woken;
    }
    for (int i = 0; i < PIPES; i++) {
        if (!ends[i].reopened) continue;
        if (hand_waker_wakes(&ends[i].wait.hand) != 1) return false;
        if (source_wait_poll(&ends[i].wait, driver) != ROUSE_READY) return false;
    }
    return left == 0;
}

static void events_of_former_owners(void)
{
    char text[96];

    opened_again = false;
    for (int i = 0; i < PIPES; i++) {
        ends[i] = (struct end){0};
        end_open(&ends[i]);
    }
    give_wakers();
    for (int i = 0; i < PIPES; i++) source_write(ends[i].writer);
    (void)source_turn(driver);
    int reopened = count_reopened();

    (void)snprintf(text, sizeof text, "%d of %d are replaced while events are handed out", reopened,
                   PIPES);
    claim(opened_again && reopened > 0 && reopened < PIPES, text);
    claim(reopened_are_untouched(), "no event of a former owner reaches the new one");
    claim(reopened_are_woken(), "its own events do");
    for (int i = 0; i < PIPES; i++) {
        rs_source_unwait(&ends[i].wait.wait);
        rs_source_close(&ends[i].source);
        (void)close(ends[i].writer);
    }
}

// A copy of the descriptor keeps the former pipe open behind our back: epoll would go on reporting
// it under the key that it was given.
static void a_copy_of_the_former_descriptor(void)
{
    struct end *end = &ends[0];
    struct rs_event events[4];
    int old_writer;

    *end = (struct end){0};
    end_open(end);
    old_writer = dup(end->writer);
    int copy = dup(end->source.fd);

    source_need(old_writer >= 0 && copy >= 0, "dup");
    end_reopen(end);
    source_write(old_writer);
    struct rs_backend *backend = rs_reactor_get(&driver->reactor);

    claim(backend->ops->wait(backend, events, 4, 0) == 0,
          "a copy of a closed descriptor is reported no more");
    (void)rouse_driver_turn(driver, rouse_deadline_after(ROUSE_NS_PER_MS));
    claim(reopened_are_untouched(), "nor does it reach the new owner of the number");
    claim(reopened_are_woken(), "which waits as ever");
    rs_source_close(&end->source);
    (void)close(end->writer);
    (void)close(old_writer);
    (void)close(copy);
}

static void on_back_end(const char *reactor)
{
    printf("# %s\n", reactor);
    driver = source_driver(reactor);
    events_of_former_owners();
    memset(ends, 0, sizeof ends);
    a_copy_of_the_former_descriptor();
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
