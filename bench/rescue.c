// SPDX-License-Identifier: MIT
//
// What a worker that does not come back does to the others: connections echo, timers fire and tasks
// are spawned, on a few workers, while one task blocks its thread by sleep(). Not one of the rows:
// it prints percentiles of the latencies before and during that, in a table. See --help.
//
// All of them are frames, or, with --style fiber, fibers, which stay on the worker that they have
// begun on.

#include <rouse.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CONNECTIONS = 1000, TIMERS = 1000, CALM_S = 3, BLOCKED_S = 5, SAMPLES_MAX = 4 << 20 };
#define ECHO_PERIOD_NS (20 * ROUSE_NS_PER_MS)
#define TIMER_PERIOD_NS (20 * ROUSE_NS_PER_MS)
#define SPAWN_PERIOD_NS ROUSE_NS_PER_MS

enum kind { ECHO, TIMER, SPAWN, KINDS };
enum phase { WARM_UP, CALM, BLOCKED, PHASES };

static const char *const kind_names[] = {"echo", "timer", "spawn"};
static const char *const phase_names[] = {"", "before", "during"};

static void must(int err, const char *what)
{
    if (err < 0) rouse_panic("%s: %s", what, rouse_strerror(err));
}

struct samples {
    _Atomic uint32_t count;
    uint32_t us[SAMPLES_MAX];
};

static struct samples samples[PHASES][KINDS];
static _Atomic int phase;

// Relaxed, here and below: which phase a latency counts for need not be exact.
static void note(enum kind kind, uint64_t since_ns)
{
    uint64_t us = (rouse_now_ns() - since_ns) / ROUSE_NS_PER_US;
    struct samples *s = &samples[atomic_load_explicit(&phase, memory_order_relaxed)][kind];
    uint32_t i = atomic_fetch_add_explicit(&s->count, 1, memory_order_relaxed);

    if (i < SAMPLES_MAX) s->us[i] = us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
}

// ---- As frames ----

struct echoed {
    struct rouse_async async;
    struct rouse_tcp *conn;  // owned
    struct rouse_tcp_read read;
    struct rouse_tcp_write write;
    char byte;
};

static rouse_poll server_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct echoed *e = ROUSE_CONTAINER_OF(self, struct echoed, async.base);

    ROUSE_ASYNC_BEGIN(&e->async, cx);
    for (;;) {
        rouse_tcp_read_init(&e->read, e->conn, &e->byte, 1);
        ROUSE_AWAIT(&e->read.base);
        if (e->read.output <= 0) break;
        rouse_tcp_write_init(&e->write, e->conn, &e->byte, 1);
        ROUSE_AWAIT(&e->write.base);
    }
    ROUSE_ASYNC_END();
}

struct asking {
    struct echoed echoed;
    struct rouse_sleep sleep;
    uint64_t since_ns;
};

static rouse_poll client_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct asking *a = ROUSE_CONTAINER_OF(self, struct asking, echoed.async.base);
    struct echoed *e = &a->echoed;

    ROUSE_ASYNC_BEGIN(&e->async, cx);
    for (;;) {
        rouse_sleep_init(&a->sleep, ECHO_PERIOD_NS);
        ROUSE_AWAIT(&a->sleep.base);
        a->since_ns = rouse_now_ns();
        rouse_tcp_write_init(&e->write, e->conn, &e->byte, 1);
        ROUSE_AWAIT(&e->write.base);
        rouse_tcp_read_init(&e->read, e->conn, &e->byte, 1);
        ROUSE_AWAIT(&e->read.base);
        if (e->read.output <= 0) break;
        note(ECHO, a->since_ns);
    }
    ROUSE_ASYNC_END();
}

struct ticking {
    struct rouse_async async;
    struct rouse_sleep sleep;
    uint64_t deadline_ns;
};

static rouse_poll timer_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct ticking *t = ROUSE_CONTAINER_OF(self, struct ticking, async.base);

    ROUSE_ASYNC_BEGIN(&t->async, cx);
    for (;;) {
        t->deadline_ns = rouse_deadline_after(TIMER_PERIOD_NS);
        rouse_sleep_until_init(&t->sleep, t->deadline_ns);
        ROUSE_AWAIT(&t->sleep.base);
        if (t->sleep.output < 0) break;
        note(TIMER, t->deadline_ns);
    }
    ROUSE_ASYNC_END();
}

static void echoed_drop(struct rouse_future *self)
{
    struct echoed *e = ROUSE_CONTAINER_OF(self, struct echoed, async.base);

    rouse_async_cancel(&e->async);
    rouse_tcp_unref(e->conn);
}

static const struct rouse_future_vtable vtable_of_server = {
    .poll = server_poll, .drop = echoed_drop, .name = "server"};
static const struct rouse_future_vtable vtable_of_client = {
    .poll = client_poll, .drop = echoed_drop, .name = "client"};
static const struct rouse_future_vtable vtable_of_timer = {
    .poll = timer_poll, .drop = rouse_async_drop, .name = "timer"};

static void server_init(struct rouse_future *storage, void *arg)
{
    struct echoed *e = ROUSE_CONTAINER_OF(storage, struct echoed, async.base);

    rouse_async_init(&e->async, &vtable_of_server);
    e->conn = arg;
}

static void client_init(struct rouse_future *storage, void *arg)
{
    struct asking *a = ROUSE_CONTAINER_OF(storage, struct asking, echoed.async.base);

    rouse_async_init(&a->echoed.async, &vtable_of_client);
    a->echoed.conn = arg;
}

static void timer_init(struct rouse_future *storage, void *arg)
{
    (void)arg;
    rouse_async_init(&ROUSE_CONTAINER_OF(storage, struct ticking, async.base)->async,
                     &vtable_of_timer);
}

// ---- As fibers ----

static int server_run(void *arg)
{
    char byte;

    while (rouse_tcp_read(arg, &byte, 1) == 1 && rouse_tcp_write(arg, &byte, 1) == 1) continue;
    rouse_tcp_unref(arg);
    return 0;
}

static int client_run(void *arg)
{
    char byte = 0;

    while (rouse_sleep(ECHO_PERIOD_NS) == 0) {
        uint64_t since_ns = rouse_now_ns();

        if (rouse_tcp_write(arg, &byte, 1) != 1 || rouse_tcp_read(arg, &byte, 1) != 1) break;
        note(ECHO, since_ns);
    }
    rouse_tcp_unref(arg);
    return 0;
}

static int timer_run(void *arg)
{
    for (;;) {
        uint64_t deadline_ns = rouse_deadline_after(TIMER_PERIOD_NS);

        if (rouse_sleep_until(deadline_ns) < 0) return arg != NULL;
        note(TIMER, deadline_ns);
    }
}

// ---- Tasks that are new ----

static int begin_run(void *arg)
{
    note(SPAWN, (uint64_t)(uintptr_t)arg);
    return 0;
}

static int spawner_run(void *arg)
{
    while (rouse_sleep(SPAWN_PERIOD_NS) == 0) {
        must(rouse_spawn(NULL, begin_run, (void *)(uintptr_t)rouse_now_ns()), "spawn");
    }
    return arg != NULL;
}

// ---- The whole ----

static bool as_fibers;

static void spawn_pair(struct rouse_tcp_listener *listener, const struct rouse_addr *address)
{
    const struct rouse_future_spec server = {.size = sizeof(struct echoed), .init = server_init};
    const struct rouse_future_spec client = {.size = sizeof(struct asking), .init = client_init};
    struct rouse_future_spec spec;
    struct rouse_tcp *near;
    struct rouse_tcp *far;

    must(rouse_tcp_connect(&near, address), "connect");
    must(rouse_tcp_accept(listener, &far), "accept");
    must(rouse_tcp_set_nodelay(near, true), "nodelay");
    must(rouse_tcp_set_nodelay(far, true), "nodelay");
    if (as_fibers) {
        must(rouse_spawn(NULL, server_run, far), "spawn");
        must(rouse_spawn(NULL, client_run, near), "spawn");
        return;
    }
    spec = server;
    spec.arg = far;
    must(rouse_spawn_future(NULL, &spec), "spawn");
    spec = client;
    spec.arg = near;
    must(rouse_spawn_future(NULL, &spec), "spawn");
}

static void spawn_timer(void)
{
    const struct rouse_future_spec spec = {.size = sizeof(struct ticking), .init = timer_init};

    must(as_fibers ? rouse_spawn(NULL, timer_run, NULL) : rouse_spawn_future(NULL, &spec), "spawn");
}

static void enter_phase(enum phase next)
{
    atomic_store_explicit(&phase, (int)next, memory_order_relaxed);
}

// The root fiber has begun most of the others, so its worker has most of their timers and sockets;
// it is that worker which it blocks. The spawner is on another one.
static int root(void *arg)
{
    const struct rouse_task_attrs on_another = {
        .size = sizeof on_another, .worker = 1 + (unsigned)(rouse_worker_index() == 0)};
    struct rouse_addr address = rouse_addr_loopback(0);
    struct rouse_tcp_listener *listener;

    (void)arg;
    must(rouse_tcp_listen(&listener, &address, NULL), "listen");
    must(rouse_tcp_listener_address(listener, &address), "address");
    for (int i = 0; i < CONNECTIONS; i++) spawn_pair(listener, &address);
    for (int i = 0; i < TIMERS; i++) spawn_timer();
    must(rouse_spawn_at(NULL, spawner_run, NULL, &on_another), "spawn");
    must(rouse_sleep(ROUSE_NS_PER_S), "sleep");
    enter_phase(CALM);
    must(rouse_sleep(CALM_S * ROUSE_NS_PER_S), "sleep");
    enter_phase(BLOCKED);
    (void)sleep(BLOCKED_S);
    // What has waited all the time counts as well.
    must(rouse_sleep(100 * ROUSE_NS_PER_MS), "sleep");
    enter_phase(WARM_UP);
    rouse_tcp_listener_unref(listener);
    return 0;
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static void print_samples(enum kind kind, enum phase of)
{
    struct samples *s = &samples[of][kind];
    size_t count = atomic_load_explicit(&s->count, memory_order_relaxed);

    if (count > SAMPLES_MAX) count = SAMPLES_MAX;
    if (count == 0) return;
    qsort(s->us, count, sizeof s->us[0], by_value);
    printf("%-6s %-7s %8zu %9.3f %9.3f %9.3f %9.3f\n", kind_names[kind], phase_names[of], count,
           s->us[count / 2] / 1e3, s->us[count * 99 / 100] / 1e3, s->us[count * 999 / 1000] / 1e3,
           s->us[count - 1] / 1e3);
}

static int usage(int status)
{
    printf(
        "usage: bench_rescue [--style future|fiber] [--workers N]\n"
        "Latencies of %d connections, %d timers and a fiber spawned each millisecond, before and\n"
        "while one task calls sleep(%d). On 2 workers by default; at least 2.\n",
        CONNECTIONS, TIMERS, BLOCKED_S);
    return status;
}

int main(int argc, char **argv)
{
    struct rouse_runtime_options options = {.size = sizeof options, .workers = 2};

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) return usage(0);
        if (i + 1 == argc) return usage(2);
        if (strcmp(argv[i], "--style") == 0) {
            as_fibers = strcmp(argv[++i], "fiber") == 0;
        } else if (strcmp(argv[i], "--workers") == 0) {
            options.workers = (unsigned)strtoul(argv[++i], NULL, 10);
        } else {
            return usage(2);
        }
    }
    if (options.workers < 2) return usage(2);
    must(rouse_run_with(root, NULL, &options), "run");
    printf("%-6s %-7s %8s %9s %9s %9s %9s  (ms)\n", "what", "when", "count", "p50", "p99", "p99.9",
           "max");
    for (int kind = 0; kind < KINDS; kind++) {
        print_samples((enum kind)kind, CALM);
        print_samples((enum kind)kind, BLOCKED);
    }
    return 0;
}
