// SPDX-License-Identifier: MIT
//
// What the tests of futures wait for and are woken by. A probe is a future that follows a script
// and counts what is done to it; its output owns something, so one that is never released shows.
// A bell is a waker that counts its shares and its rings. One thread only.

#ifndef TESTS_UNIT_PROBE_H
#define TESTS_UNIT_PROBE_H

#include <rouse/future.h>
#include <stdio.h>

enum { PROBE_NEVER = -1 };

// 1. It is pending `pending` times (PROBE_NEVER: for ever), then ready with `result`.
// 2. Once ready it owns an output, until a drop releases it.
struct probe {
    struct rouse_future base;
    const char *label;
    int pending;
    int64_t result;
    int polls;
    int drops;                 // before its end
    int releases;              // of its output
    struct rouse_waker waker;  // a share of the one that the last pending poll brought
};

// Made by probes and not yet released.
static int probe_outputs;

static inline struct probe *probe_of(struct rouse_future *self)
{
    return ROUSE_CONTAINER_OF(self, struct probe, base);
}

static inline rouse_poll probe_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct probe *p = probe_of(self);

    p->polls++;
    rouse_waker_drop(&p->waker);
    if (p->pending == 0) {
        probe_outputs++;
        return ROUSE_READY;
    }
    if (p->pending > 0) p->pending--;
    p->waker = rouse_waker_clone(rouse_context_waker(cx));
    return ROUSE_PENDING;
}

static inline void probe_drop(struct rouse_future *self)
{
    struct probe *p = probe_of(self);

    p->drops++;
    rouse_waker_drop(&p->waker);
}

static inline void probe_release(struct rouse_future *self)
{
    probe_of(self)->releases++;
    probe_outputs--;
}

static inline int64_t probe_result(const struct rouse_future *self)
{
    return ((const struct probe *)self)->result;
}

static inline int probe_describe(const struct rouse_future *self, char *buf, size_t size)
{
    return snprintf(buf, size, "probe %s", ((const struct probe *)self)->label);
}

static const struct rouse_future_vtable probe_ended_vtable = {
    .drop = probe_release, .name = "probe", .result = probe_result};
static const struct rouse_future_vtable probe_vtable = {
    .poll = probe_poll,
    .drop = probe_drop,
    .name = "probe",
    .describe = probe_describe,
    .ended = &probe_ended_vtable};

static inline void probe_init(struct probe *p, const char *label, int pending, int64_t result)
{
    *p = (struct probe){
        .base.vtable = &probe_vtable, .label = label, .pending = pending, .result = result};
}

// How often it has ended: exactly once, at last.
static inline int probe_ends(const struct probe *p)
{
    return p->drops + (p->polls > 0 && p->pending == 0 && p->drops == 0);
}

struct bell {
    int shares;  // not counting the one in the context
    int rings;
};

static inline struct rouse_waker bell_waker(struct bell *bell);

static inline struct rouse_waker bell_clone(void *data)
{
    struct bell *bell = data;

    bell->shares++;
    return bell_waker(bell);
}

static inline void bell_ring(void *data)
{
    struct bell *bell = data;

    bell->rings++;
}

static inline void bell_drop(void *data)
{
    struct bell *bell = data;

    bell->shares--;
}

static inline void bell_wake(void *data)
{
    bell_ring(data);
    bell_drop(data);
}

static const struct rouse_waker_vtable bell_vtable = {
    .clone = bell_clone, .wake = bell_wake, .wake_by_ref = bell_ring, .drop = bell_drop};

static inline struct rouse_waker bell_waker(struct bell *bell)
{
    return (struct rouse_waker){&bell_vtable, bell};
}

// Polls with the bell as the waker.
static inline rouse_poll bell_poll(struct bell *bell, struct rouse_future *future)
{
    struct rouse_waker waker = bell_waker(bell);
    struct rouse_context cx;

    rouse_context_init(&cx, &waker, NULL);
    return rouse_future_poll(future, &cx);
}

#endif
