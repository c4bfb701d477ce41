// SPDX-License-Identifier: MIT
//
// select and race: each poll polls the arms until one ends.

#include <rouse/assert.h>
#include <rouse/select.h>

#include "base/choice.h"
#include "future/arms.h"

static size_t first_arm(rouse_select_order order, size_t count)
{
    return order == ROUSE_SELECT_BIASED ? 0 : rs_random_below((uint32_t)count);
}

// Those beyond are not asked.
enum { ASKED_MAX = 64 };

// Polls the arms from `begin` on until one ends, but for those that say that they are pending,
// which are noted. Returns which, or `end`.
static inline size_t poll_hopeful(struct rouse_future **arms, size_t begin, size_t end,
                                  struct rouse_context *cx, uint64_t *left_out)
{
    for (size_t arm = begin; arm < end; arm++) {
        if (arm < ASKED_MAX && rouse_future_is_pending(arms[arm])) {
            *left_out |= UINT64_C(1) << arm;
        } else if (rouse_future_poll(arms[arm], cx) == ROUSE_READY) {
            return arm;
        }
    }
    return end;
}

// Polls those that were left out: each must have a waker, and what it said may no longer hold.
static inline size_t poll_left_out(struct rouse_future **arms, size_t begin, size_t end,
                                   struct rouse_context *cx, uint64_t left_out)
{
    for (size_t arm = begin; arm < end && arm < ASKED_MAX; arm++) {
        if ((left_out >> arm & 1) == 0) continue;
        if (rouse_future_poll(arms[arm], cx) == ROUSE_READY) return arm;
    }
    return end;
}

// The first arm that ends, from `start` on, or `count`.
static inline size_t arms_poll_from(struct rouse_future **arms, size_t start, size_t count,
                                    struct rouse_context *cx)
{
    uint64_t left_out = 0;
    size_t arm = poll_hopeful(arms, start, count, cx, &left_out);

    if (arm < count) return arm;
    arm = poll_hopeful(arms, 0, start, cx, &left_out);
    if (arm < start) return arm;
    arm = poll_left_out(arms, start, count, cx, left_out);
    if (arm < count) return arm;
    arm = poll_left_out(arms, 0, start, cx, left_out);
    return arm < start ? arm : count;
}

// ROUSE_READY, and the winner, when an arm ended; the others are then dropped.
static rouse_poll arms_poll_any(struct rouse_future **arms, size_t count, rouse_select_order order,
                                struct rouse_context *cx, size_t *winner)
{
    size_t arm = arms_poll_from(arms, first_arm(order, count), count, cx);

    if (arm == count) return ROUSE_PENDING;
    *winner = arm;
    rs_arms_drop_running(arms, count);
    return ROUSE_READY;
}

static rouse_poll select_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_select *s = ROUSE_CONTAINER_OF(self, struct rouse_select, base);

    return arms_poll_any(s->arms, 2, s->order, cx, &s->output);
}

static void select_drop(struct rouse_future *self)
{
    rs_arms_drop(ROUSE_CONTAINER_OF(self, struct rouse_select, base)->arms, 2);
}

static int select_describe(const struct rouse_future *self, char *buf, size_t size)
{
    return rs_arms_describe("select", ((const struct rouse_select *)self)->arms, 2, buf, size);
}

static int64_t select_result(const struct rouse_future *self)
{
    const struct rouse_select *s = (const struct rouse_select *)self;

    return rouse_future_result(s->arms[s->output]);
}

static rouse_cancel_kind select_cancel_kind(const struct rouse_future *self)
{
    const struct rouse_select *s = (const struct rouse_select *)self;

    return rs_arms_cancel_kind(s->arms, 2, ROUSE_CANCEL_TOTAL);
}

static void select_inspect(const struct rouse_future *self, struct rouse_inspector *inspector)
{
    const struct rouse_select *f = (const struct rouse_select *)self;

    rs_arms_inspect(f->arms, 2, true, inspector);
}

static const struct rouse_future_vtable select_ended = {
    .drop = select_drop, .name = "select", .result = select_result};
static const struct rouse_future_vtable select_vtable = {
    .poll = select_poll,
    .drop = select_drop,
    .name = "select",
    .describe = select_describe,
    .ended = &select_ended,
    .cancel_kind = select_cancel_kind,
    .inspect = select_inspect};

void rouse_select_init(struct rouse_select *select, struct rouse_future *a, struct rouse_future *b,
                       rouse_select_order order)
{
    *select = (struct rouse_select){.base.vtable = &select_vtable, .arms = {a, b}, .order = order};
}

static rouse_poll select_all_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_select_all *s = ROUSE_CONTAINER_OF(self, struct rouse_select_all, base);

    return arms_poll_any(s->arms, s->count, s->order, cx, &s->output);
}

static void select_all_drop(struct rouse_future *self)
{
    struct rouse_select_all *s = ROUSE_CONTAINER_OF(self, struct rouse_select_all, base);

    rs_arms_drop(s->arms, s->count);
}

static int select_all_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rouse_select_all *s = (const struct rouse_select_all *)self;

    return rs_arms_describe("select_all", s->arms, s->count, buf, size);
}

static int64_t select_all_result(const struct rouse_future *self)
{
    const struct rouse_select_all *s = (const struct rouse_select_all *)self;

    return rouse_future_result(s->arms[s->output]);
}

static rouse_cancel_kind select_all_cancel_kind(const struct rouse_future *self)
{
    const struct rouse_select_all *s = (const struct rouse_select_all *)self;

    return rs_arms_cancel_kind(s->arms, s->count, ROUSE_CANCEL_TOTAL);
}

static void select_all_inspect(const struct rouse_future *self, struct rouse_inspector *inspector)
{
    const struct rouse_select_all *f = (const struct rouse_select_all *)self;

    rs_arms_inspect(f->arms, f->count, true, inspector);
}

static const struct rouse_future_vtable select_all_ended = {
    .drop = select_all_drop, .name = "select_all", .result = select_all_result};
static const struct rouse_future_vtable select_all_vtable = {
    .poll = select_all_poll,
    .drop = select_all_drop,
    .name = "select_all",
    .describe = select_all_describe,
    .ended = &select_all_ended,
    .cancel_kind = select_all_cancel_kind,
    .inspect = select_all_inspect};

void rouse_select_all_init(struct rouse_select_all *select, struct rouse_future **arms,
                           size_t count, rouse_select_order order)
{
    rouse_assert(count > 0, "a select without arms never ends; give it at least one");
    *select = (struct rouse_select_all){
        .base.vtable = &select_all_vtable, .arms = arms, .count = count, .order = order};
}

// True if the arm ends in this poll. One that had ended before the first poll ends in that.
static bool arm_ends(struct rouse_future *arm, bool begun, struct rouse_context *cx, bool *running)
{
    if (rouse_future_is_ended(arm)) return !begun;
    if (rouse_future_poll(arm, cx) == ROUSE_READY) return true;
    *running = true;
    return false;
}

static rouse_poll race_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_race *r = ROUSE_CONTAINER_OF(self, struct rouse_race, base);
    bool begun = r->begun;
    bool running = false;

    r->begun = true;
    for (size_t i = 0; i < r->count; i++) {
        if (!arm_ends(r->arms[i], begun, cx, &running)) continue;
        r->output = rouse_future_result(r->arms[i]);
        if (r->output < 0) continue;
        r->winner = i;
        rs_arms_drop_running(r->arms, r->count);
        return ROUSE_READY;
    }
    return running ? ROUSE_PENDING : ROUSE_READY;
}

static void race_drop(struct rouse_future *self)
{
    struct rouse_race *r = ROUSE_CONTAINER_OF(self, struct rouse_race, base);

    rs_arms_drop(r->arms, r->count);
}

static int race_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rouse_race *r = (const struct rouse_race *)self;

    return rs_arms_describe("race", r->arms, r->count, buf, size);
}

static int64_t race_result(const struct rouse_future *self)
{
    return ((const struct rouse_race *)self)->output;
}

static rouse_cancel_kind race_cancel_kind(const struct rouse_future *self)
{
    const struct rouse_race *s = (const struct rouse_race *)self;

    return rs_arms_cancel_kind(s->arms, s->count, ROUSE_CANCEL_TOTAL);
}

static void race_inspect(const struct rouse_future *self, struct rouse_inspector *inspector)
{
    const struct rouse_race *f = (const struct rouse_race *)self;

    rs_arms_inspect(f->arms, f->count, true, inspector);
}

static const struct rouse_future_vtable race_ended = {
    .drop = race_drop, .name = "race", .result = race_result};
static const struct rouse_future_vtable race_vtable = {
    .poll = race_poll,
    .drop = race_drop,
    .name = "race",
    .describe = race_describe,
    .ended = &race_ended,
    .cancel_kind = race_cancel_kind,
    .inspect = race_inspect};

void rouse_race_init(struct rouse_race *race, struct rouse_future **arms, size_t count)
{
    rouse_assert(count > 0, "a race without arms never ends; give it at least one");
    *race = (struct rouse_race){
        .base.vtable = &race_vtable, .arms = arms, .count = count, .winner = count};
}
