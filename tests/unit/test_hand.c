// SPDX-License-Identifier: MIT
//
// Tasks that a worker has taken in hand, and one of which it does not come back from: another
// worker runs the others. The long poll ends when it sees that they have ended, or gives up.

#include <rouse.h>
#include <stdatomic.h>
#include <unistd.h>

#include "claim.h"

enum { TASKS = 64, ROUNDS = 20, YIELDS = 300, PATIENCE_MS = 20000 };

// Relaxed, all: counts and a flag; the test waits for the tasks by joining them.
static _Atomic int ended;
static atomic_bool is_blocking;
static bool all_ended;  // of this round; by the task that blocks, which is joined

struct yielder {
    struct rouse_future base;
    bool is_long;
    int polls;
};

static void block(void)
{
    atomic_store_explicit(&is_blocking, true, memory_order_relaxed);
    for (int ms = 0; ms < PATIENCE_MS; ms++) {
        all_ended = atomic_load_explicit(&ended, memory_order_relaxed) == TASKS;
        if (all_ended) return;
        (void)usleep(1000);
    }
}

// Polls so short that a worker takes several tasks at a time, but for one.
static rouse_poll yielder_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct yielder *y = ROUSE_CONTAINER_OF(self, struct yielder, base);

    y->polls++;
    if (y->is_long ? y->polls < YIELDS
                   : !atomic_load_explicit(&is_blocking, memory_order_relaxed)) {
        rouse_waker_wake_by_ref(&cx->waker);
        return ROUSE_PENDING;
    }
    if (y->is_long) {
        block();
    } else {
        atomic_fetch_add_explicit(&ended, 1, memory_order_relaxed);
    }
    return ROUSE_READY;
}

static const struct rouse_future_vtable yielder_vtable = {.poll = yielder_poll, .name = "yielder"};

static void yielder_init(struct rouse_future *storage, void *arg)
{
    struct yielder *y = ROUSE_CONTAINER_OF(storage, struct yielder, base);

    *y = (struct yielder){.base = {&yielder_vtable}, .is_long = *(int *)arg == TASKS / 2};
}

static bool round_ends(void)
{
    struct rouse_join_handle handles[TASKS + 1];

    atomic_store_explicit(&ended, 0, memory_order_relaxed);
    atomic_store_explicit(&is_blocking, false, memory_order_relaxed);
    for (int i = 0; i <= TASKS; i++) {
        struct rouse_future_spec spec = {
            .size = sizeof(struct yielder), .init = yielder_init, .arg = &i};

        if (rouse_spawn_future(&handles[i], &spec) < 0) return false;
    }
    for (int i = 0; i <= TASKS; i++) (void)rouse_join(&handles[i]);
    return all_ended;
}

static int root(void *arg)
{
    int rounds = 0;

    (void)arg;
    while (rounds < ROUNDS && round_ends()) rounds++;
    claim(rounds == ROUNDS, "while a worker is in a long poll, the tasks it has in hand are run");
    return 0;
}

int main(void)
{
    struct rouse_runtime_options options = {.size = sizeof options, .workers = 2};

    (void)alarm(120);
    claim(rouse_run_with(root, NULL, &options) == 0, "the program ends");
    return claims_end();
}
