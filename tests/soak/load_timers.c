// SPDX-License-Identifier: MIT
//
// Timers: sleeps that end, sleeps that are dropped before or after their first poll, timeouts that
// come and timeouts that do not, and intervals with each rule about missed ticks. None may be
// early.

#include <errno.h>

#include "soak.h"

enum { TICKS_MAX = 5, SPAN_NS = 8000000 };

struct timers {
    struct body body;
    struct soak_actor *actor;
    struct rouse_sleep sleep;
    struct rouse_sleep longer;
    struct rouse_yield yield;
    struct rouse_pending never;
    struct rouse_timeout timeout;
    struct rouse_select select;
    struct rouse_interval interval;
    struct rouse_interval_tick tick;
    uint64_t due_ns;
    uint64_t kind;
    int ticks;
};

static void check_late(uint64_t due_ns, const char *what)
{
    uint64_t now = rouse_now_ns();

    if (now < due_ns) soak_wrong(what, (int64_t)(due_ns - now));
}

static void interval_begin(struct timers *f)
{
    static const rouse_missed_ticks rules[] = {ROUSE_MISSED_BURST, ROUSE_MISSED_DELAY,
                                               ROUSE_MISSED_SKIP};

    f->ticks = 1 + (int)soak_below(f->actor, TICKS_MAX);
    rouse_interval_init(&f->interval, rouse_now_ns(), 1 + soak_below(f->actor, SPAN_NS / 4),
                        rules[soak_below(f->actor, 3)]);
}

// A sleep is dropped while it is filed: the yield wins against it.
static void drop_begin(struct timers *f)
{
    rouse_sleep_init(&f->sleep, ROUSE_NS_PER_S + soak_below(f->actor, 100 * ROUSE_NS_PER_S));
    rouse_yield_init(&f->yield);
    rouse_select_init(&f->select, &f->sleep.base, &f->yield.base, ROUSE_SELECT_BIASED);
    // And one that nobody ever polled.
    rouse_sleep_init(&f->longer, ROUSE_NS_PER_S);
    rouse_future_drop(&f->longer.base);
}

static void race_begin(struct timers *f)
{
    rouse_sleep_init(&f->sleep, soak_below(f->actor, SPAN_NS));
    rouse_sleep_init(&f->longer, soak_below(f->actor, 2 * SPAN_NS));
    rouse_select_init(&f->select, &f->sleep.base, &f->longer.base, ROUSE_SELECT_FAIR);
    f->due_ns =
        f->sleep.deadline_ns < f->longer.deadline_ns ? f->sleep.deadline_ns : f->longer.deadline_ns;
}

static rouse_poll timers(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(timers, frame, cx);
    while (!soak_is_over()) {
        f->kind = soak_below(f->actor, 6);
        soak_operation_begin(f->actor);
        if (f->kind == 0) {
            rouse_sleep_init(&f->sleep, soak_below(f->actor, SPAN_NS));
            AWAIT(&f->sleep.base);
            check_late(f->sleep.deadline_ns, "a sleep ended early");
        } else if (f->kind == 1) {
            rouse_pending_init(&f->never);
            f->due_ns = rouse_deadline_after(soak_below(f->actor, SPAN_NS));
            rouse_timeout_init(&f->timeout, &f->never.base, f->due_ns);
            AWAIT(&f->timeout.base);
            check_late(f->due_ns, "a timeout came early");
            if (f->timeout.output != -ETIMEDOUT) soak_wrong("a timeout", f->timeout.output);
        } else if (f->kind == 2) {
            rouse_sleep_init(&f->sleep, soak_below(f->actor, SPAN_NS));
            rouse_timeout_init(&f->timeout, &f->sleep.base, soak_bound());
            AWAIT(&f->timeout.base);
            if (f->timeout.output != 0) soak_wrong("a sleep was lost", f->timeout.output);
        } else if (f->kind == 3) {
            for (interval_begin(f); f->ticks > 0; f->ticks--) {
                rouse_interval_tick_init(&f->tick, &f->interval);
                AWAIT(&f->tick.base);
                check_late(f->tick.output, "a tick came early");
            }
        } else if (f->kind == 4) {
            drop_begin(f);
            AWAIT(&f->select.base);
            if (f->select.output != 1) soak_wrong("a long sleep won", (int64_t)f->select.output);
        } else {
            race_begin(f);
            AWAIT(&f->select.base);
            check_late(f->due_ns, "the first of two sleeps was early");
        }
        soak_operation_end(f->actor);
    }
    BODY_END();
}

static int spawn(const struct body_target *target, struct rouse_join_handle *handle,
                 struct soak_actor *actor)
{
    return SPAWN_ON(target, handle, timers, .actor = actor);
}

const struct soak_load SOAK_LOAD(timers) = {.name = "timers", .actors = 16, .spawn = spawn};
