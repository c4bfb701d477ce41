// SPDX-License-Identifier: MIT
//
// What the gadgets do. Any thread, unless a function says otherwise.

#include "harness/gadgets.h"

#include <sched.h>
#include <time.h>

#include "harness/check.h"

void gate_open(struct gate *gate)
{
    // Release, twice, with the acquire in gate_is_open(): who passes sees what came before.
    atomic_store_explicit(&gate->state, GATE_OPENING, memory_order_release);
    struct rouse_waker waker = rouse_waker_slot_take(&gate->slot);

    atomic_store_explicit(&gate->state, GATE_OPEN, memory_order_release);
    rouse_waker_wake(&waker);
}

// Who registered too late for the waker to be taken sees at least GATE_OPENING, and waits for who
// opens to leave the gate: the next step may free it.
bool gate_is_open(const struct gate *gate)
{
    int state;

    while ((state = atomic_load_explicit(&gate->state, memory_order_acquire)) == GATE_OPENING) {
        (void)sched_yield();
    }
    return state == GATE_OPEN;
}

static rouse_poll gate_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct gate_wait *wait = ROUSE_CONTAINER_OF(self, struct gate_wait, base);

    rouse_waker_slot_register(&wait->gate->slot, rouse_context_waker(cx));
    if (!gate_is_open(wait->gate)) return ROUSE_PENDING;
    rouse_waker_slot_deinit(&wait->gate->slot);
    return ROUSE_READY;
}

static void gate_drop(struct rouse_future *self)
{
    rouse_waker_slot_deinit(&ROUSE_CONTAINER_OF(self, struct gate_wait, base)->gate->slot);
}

static const struct rouse_future_vtable gate_ended = {.name = "gate"};
static const struct rouse_future_vtable gate_vtable = {
    .poll = gate_poll, .drop = gate_drop, .name = "gate", .ended = &gate_ended};

void gate_wait_init(struct gate_wait *wait, struct gate *gate)
{
    *wait = (struct gate_wait){.base.vtable = &gate_vtable, .gate = gate};
}

static rouse_poll trip_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct trip_wire *wire = ROUSE_CONTAINER_OF(self, struct trip_wire, base);

    rouse_waker_drop(&wire->waker);
    wire->waker = rouse_waker_clone(rouse_context_waker(cx));
    if (wire->polls != NULL) count_add(wire->polls, 1);
    return ROUSE_PENDING;
}

static void trip_drop(struct rouse_future *self)
{
    struct trip_wire *wire = ROUSE_CONTAINER_OF(self, struct trip_wire, base);

    rouse_waker_drop(&wire->waker);
    count_add(wire->drops, 1);
}

static const struct rouse_future_vtable trip_vtable = {
    .poll = trip_poll, .drop = trip_drop, .name = "trip wire"};

void trip_wire_init(struct trip_wire *wire, _Atomic int *drops, _Atomic int *polls)
{
    *wire = (struct trip_wire){.base.vtable = &trip_vtable, .drops = drops, .polls = polls};
}

rouse_poll poll_by_hand(struct rouse_future *future)
{
    static const struct rouse_waker nobody;
    struct rouse_context cx;

    rouse_context_init(&cx, &nobody, NULL);
    return rouse_future_poll(future, &cx);
}

void busy_ns(uint64_t duration_ns)
{
    uint64_t until_ns = rouse_deadline_after(duration_ns);

    while (rouse_now_ns() < until_ns) {
    }
}

void nap_ns(uint64_t duration_ns)
{
    struct timespec left = {(time_t)(duration_ns / ROUSE_NS_PER_S),
                            (long)(duration_ns % ROUSE_NS_PER_S)};

    while (nanosleep(&left, &left) < 0) {
    }
}

pthread_t thread_start(void *(*fn)(void *arg), void *arg)
{
    pthread_t thread;

    CHECK_EQ(pthread_create(&thread, NULL, fn, arg), 0);
    return thread;
}

void thread_join(pthread_t thread)
{
    CHECK_EQ(pthread_join(thread, NULL), 0);
}
