// SPDX-License-Identifier: MIT
//
// join and try_join: each poll polls every arm that has not ended.

#include <rouse/join.h>

#include "future/arms.h"

// ROUSE_READY when every arm has ended.
static rouse_poll arms_poll_all(struct rouse_future **arms, size_t count, struct rouse_context *cx)
{
    rouse_poll all = ROUSE_READY;

    for (size_t i = 0; i < count; i++) {
        if (rouse_future_is_ended(arms[i])) continue;
        if (rouse_future_poll(arms[i], cx) == ROUSE_PENDING) all = ROUSE_PENDING;
    }
    return all;
}

// As arms_poll_all(), but stops at the first arm that failed: `*failed` is its index, else `count`.
// An arm that had ended before the first poll counts like one that ends now.
static rouse_poll arms_poll_try(struct rouse_future **arms, size_t count, struct rouse_context *cx,
                                size_t *failed)
{
    rouse_poll all = ROUSE_READY;

    for (size_t i = 0; i < count; i++) {
        bool ended = rouse_future_is_ended(arms[i]);

        if (!ended && rouse_future_poll(arms[i], cx) == ROUSE_PENDING) {
            all = ROUSE_PENDING;
        } else if (rouse_future_result(arms[i]) < 0) {
            *failed = i;
            rs_arms_drop_running(arms, count);
            return ROUSE_READY;
        }
    }
    *failed = count;
    return all;
}

static rouse_poll join_poll(struct rouse_future *self, struct rouse_context *cx)
{
    return arms_poll_all(ROUSE_CONTAINER_OF(self, struct rouse_join, base)->arms, 2, cx);
}

static void join_drop(struct rouse_future *self)
{
    rs_arms_drop(ROUSE_CONTAINER_OF(self, struct rouse_join, base)->arms, 2);
}

static int join_describe(const struct rouse_future *self, char *buf, size_t size)
{
    return rs_arms_describe("join", ((const struct rouse_join *)self)->arms, 2, buf, size);
}

static rouse_cancel_kind join_cancel_kind(const struct rouse_future *self)
{
    const struct rouse_join *s = (const struct rouse_join *)self;

    return rs_arms_cancel_kind(s->arms, 2, ROUSE_CANCEL_PARTIAL);
}

static void join_inspect(const struct rouse_future *self, struct rouse_inspector *inspector)
{
    const struct rouse_join *f = (const struct rouse_join *)self;

    rs_arms_inspect(f->arms, 2, false, inspector);
}

static const struct rouse_future_vtable join_ended = {.drop = join_drop, .name = "join"};
static const struct rouse_future_vtable join_vtable = {
    .poll = join_poll,
    .drop = join_drop,
    .name = "join",
    .describe = join_describe,
    .ended = &join_ended,
    .cancel_kind = join_cancel_kind,
    .inspect = join_inspect};

void rouse_join_init(struct rouse_join *join, struct rouse_future *a, struct rouse_future *b)
{
    *join = (struct rouse_join){.base.vtable = &join_vtable, .arms = {a, b}};
}

static rouse_poll join_all_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_join_all *j = ROUSE_CONTAINER_OF(self, struct rouse_join_all, base);

    return arms_poll_all(j->arms, j->count, cx);
}

static void join_all_drop(struct rouse_future *self)
{
    struct rouse_join_all *j = ROUSE_CONTAINER_OF(self, struct rouse_join_all, base);

    rs_arms_drop(j->arms, j->count);
}

static int join_all_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rouse_join_all *j = (const struct rouse_join_all *)self;

    return rs_arms_describe("join_all", j->arms, j->count, buf, size);
}

static rouse_cancel_kind join_all_cancel_kind(const struct rouse_future *self)
{
    const struct rouse_join_all *s = (const struct rouse_join_all *)self;

    return rs_arms_cancel_kind(s->arms, s->count, ROUSE_CANCEL_PARTIAL);
}

static void join_all_inspect(const struct rouse_future *self, struct rouse_inspector *inspector)
{
    const struct rouse_join_all *f = (const struct rouse_join_all *)self;

    rs_arms_inspect(f->arms, f->count, false, inspector);
}

static const struct rouse_future_vtable join_all_ended = {.drop = join_all_drop,
                                                          .name = "join_all"};
static const struct rouse_future_vtable join_all_vtable = {
    .poll = join_all_poll,
    .drop = join_all_drop,
    .name = "join_all",
    .describe = join_all_describe,
    .ended = &join_all_ended,
    .cancel_kind = join_all_cancel_kind,
    .inspect = join_all_inspect};

void rouse_join_all_init(struct rouse_join_all *join, struct rouse_future **arms, size_t count)
{
    *join = (struct rouse_join_all){.base.vtable = &join_all_vtable, .arms = arms, .count = count};
}

static rouse_poll try_join_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_try_join *j = ROUSE_CONTAINER_OF(self, struct rouse_try_join, base);
    size_t failed;
    rouse_poll poll = arms_poll_try(j->arms, 2, cx, &failed);

    if (failed < 2) j->output = rouse_future_result(j->arms[failed]);
    return poll;
}

static void try_join_drop(struct rouse_future *self)
{
    rs_arms_drop(ROUSE_CONTAINER_OF(self, struct rouse_try_join, base)->arms, 2);
}

static int try_join_describe(const struct rouse_future *self, char *buf, size_t size)
{
    return rs_arms_describe("try_join", ((const struct rouse_try_join *)self)->arms, 2, buf, size);
}

static int64_t try_join_result(const struct rouse_future *self)
{
    return ((const struct rouse_try_join *)self)->output;
}

static rouse_cancel_kind try_join_cancel_kind(const struct rouse_future *self)
{
    const struct rouse_try_join *s = (const struct rouse_try_join *)self;

    return rs_arms_cancel_kind(s->arms, 2, ROUSE_CANCEL_PARTIAL);
}

static void try_join_inspect(const struct rouse_future *self, struct rouse_inspector *inspector)
{
    const struct rouse_try_join *f = (const struct rouse_try_join *)self;

    rs_arms_inspect(f->arms, 2, true, inspector);
}

static const struct rouse_future_vtable try_join_ended = {
    .drop = try_join_drop, .name = "try_join", .result = try_join_result};
static const struct rouse_future_vtable try_join_vtable = {
    .poll = try_join_poll,
    .drop = try_join_drop,
    .name = "try_join",
    .describe = try_join_describe,
    .ended = &try_join_ended,
    .cancel_kind = try_join_cancel_kind,
    .inspect = try_join_inspect};

void rouse_try_join_init(struct rouse_try_join *join, struct rouse_future *a,
                         struct rouse_future *b)
{
    *join = (struct rouse_try_join){.base.vtable = &try_join_vtable, .arms = {a, b}};
}

static rouse_poll try_join_all_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_try_join_all *j = ROUSE_CONTAINER_OF(self, struct rouse_try_join_all, base);
    rouse_poll poll = arms_poll_try(j->arms, j->count, cx, &j->failed);

    if (j->failed < j->count) j->output = rouse_future_result(j->arms[j->failed]);
    return poll;
}

static void try_join_all_drop(struct rouse_future *self)
{
    struct rouse_try_join_all *j = ROUSE_CONTAINER_OF(self, struct rouse_try_join_all, base);

    rs_arms_drop(j->arms, j->count);
}

static int try_join_all_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rouse_try_join_all *j = (const struct rouse_try_join_all *)self;

    return rs_arms_describe("try_join_all", j->arms, j->count, buf, size);
}

static int64_t try_join_all_result(const struct rouse_future *self)
{
    return ((const struct rouse_try_join_all *)self)->output;
}

static rouse_cancel_kind try_join_all_cancel_kind(const struct rouse_future *self)
{
    const struct rouse_try_join_all *s = (const struct rouse_try_join_all *)self;

    return rs_arms_cancel_kind(s->arms, s->count, ROUSE_CANCEL_PARTIAL);
}

static void try_join_all_inspect(const struct rouse_future *self, struct rouse_inspector *inspector)
{
    const struct rouse_try_join_all *f = (const struct rouse_try_join_all *)self;

    rs_arms_inspect(f->arms, f->count, true, inspector);
}

static const struct rouse_future_vtable try_join_all_ended = {
    .drop = try_join_all_drop, .name = "try_join_all", .result = try_join_all_result};
static const struct rouse_future_vtable try_join_all_vtable = {
    .poll = try_join_all_poll,
    .drop = try_join_all_drop,
    .name = "try_join_all",
    .describe = try_join_all_describe,
    .ended = &try_join_all_ended,
    .cancel_kind = try_join_all_cancel_kind,
    .inspect = try_join_all_inspect};

void rouse_try_join_all_init(struct rouse_try_join_all *join, struct rouse_future **arms,
                             size_t count)
{
    *join = (struct rouse_try_join_all){
        .base.vtable = &try_join_all_vtable, .arms = arms, .count = count, .failed = count};
}
