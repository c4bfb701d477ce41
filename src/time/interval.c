// SPDX-License-Identifier: MIT
//
// Intervals: the arithmetic of ticks, over a sleep for each.

#include <rouse/assert.h>
#include <rouse/await.h>
#include <rouse/sleep.h>
#include <stdio.h>

void rouse_interval_init(struct rouse_interval *interval, uint64_t start_ns, uint64_t period_ns,
                         rouse_missed_ticks missed)
{
    rouse_assert(period_ns > 0, "an interval needs a period above 0");
    *interval =
        (struct rouse_interval){.next_ns = start_ns, .period_ns = period_ns, .missed = missed};
}

static uint64_t add_saturated(uint64_t a, uint64_t b)
{
    return b > ROUSE_NEVER - a ? ROUSE_NEVER : a + b;
}

// When the tick after the one due at `next_ns`, seen at `now`, is due.
static uint64_t tick_after(const struct rouse_interval *interval, uint64_t now)
{
    uint64_t due = add_saturated(interval->next_ns, interval->period_ns);

    if (due > now || interval->missed == ROUSE_MISSED_BURST) return due;
    if (interval->missed == ROUSE_MISSED_DELAY) return add_saturated(now, interval->period_ns);
    uint64_t late = (now - interval->next_ns) % interval->period_ns;
    return add_saturated(now - late, interval->period_ns);
}

static rouse_poll tick_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_interval_tick *tick = ROUSE_CONTAINER_OF(self, struct rouse_interval_tick, base);
    struct rouse_interval *interval = tick->interval;

    // A burst of missed ticks is ready at once each time: it must let others run.
    if (!rouse_context_spend(cx)) return ROUSE_PENDING;
    if (rouse_future_poll(&tick->sleep.base, cx) == ROUSE_PENDING) return ROUSE_PENDING;
    tick->error = tick->sleep.output;
    if (tick->error < 0) return ROUSE_READY;
    tick->output = interval->next_ns;
    interval->next_ns = tick_after(interval, rouse_now_ns());
    return ROUSE_READY;
}

static void tick_drop(struct rouse_future *self)
{
    rouse_future_drop(&ROUSE_CONTAINER_OF(self, struct rouse_interval_tick, base)->sleep.base);
}

static int tick_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rouse_interval_tick *tick = (const struct rouse_interval_tick *)self;

    return snprintf(buf, size, "tick of an interval of %.3f s",
                    (double)tick->interval->period_ns / 1e9);
}

static int64_t tick_result(const struct rouse_future *self)
{
    return ((const struct rouse_interval_tick *)self)->error;
}

static const struct rouse_future_vtable tick_ended = {.name = "interval_tick",
                                                      .result = tick_result};
static const struct rouse_future_vtable tick_vtable = {
    .poll = tick_poll,
    .drop = tick_drop,
    .name = "interval_tick",
    .describe = tick_describe,
    .ended = &tick_ended,
    .cancel_kind = rouse_cancel_kind_total};

void rouse_interval_tick_init(struct rouse_interval_tick *tick, struct rouse_interval *interval)
{
    tick->base.vtable = &tick_vtable;
    tick->interval = interval;
    tick->output = 0;
    tick->error = 0;
    rouse_sleep_until_init(&tick->sleep, interval->next_ns);
}

int rouse_interval_tick(struct rouse_interval *interval, uint64_t *due_ns)
{
    struct rouse_interval_tick tick;

    rouse_interval_tick_init(&tick, interval);
    int err = rouse_await(&tick.base);

    if (err == 0) err = tick.error;
    if (err == 0 && due_ns != NULL) *due_ns = tick.output;
    return err;
}
