// SPDX-License-Identifier: MIT
//
// The allocator of a runtime or executor: it gets back all it gave, in the sizes it gave, and it is
// not called to wake, cancel, close or shut down. The one here counts, and can be frozen: from then
// on each allocation is counted as a sin.

#include <rouse/allocator.h>
#include <rouse/error.h>
#include <rouse/fd.h>
#include <rouse/ready.h>
#include <rouse/sleep.h>
#include <rouse/task.h>
#include <rouse/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#include "harness/api.h"

static _Atomic bool frozen;
static _Atomic int sins;
static _Atomic int refusing;
static _Atomic int64_t bytes_out;
static _Atomic int64_t pages_out;

// What comes before each block: its size, to compare with what is given back.
union header {
    size_t size;
    max_align_t align;
};

static void note(_Atomic int64_t *out, int64_t amount)
{
    // Relaxed: counts, compared when all is over.
    atomic_fetch_add_explicit(out, amount, memory_order_relaxed);
}

static bool may_allocate(void)
{
    if (atomic_load_explicit(&frozen, memory_order_acquire)) count_add(&sins, 1);
    return count_get(&refusing) == 0;
}

static void *counted_alloc(void *data, size_t size)
{
    CHECK(data == &bytes_out);
    if (!may_allocate()) return NULL;
    union header *header = malloc(sizeof *header + size);

    if (header == NULL) return NULL;
    header->size = size;
    note(&bytes_out, (int64_t)size);
    return header + 1;
}

static void counted_free(void *data, void *memory, size_t size)
{
    union header *header = (union header *)memory - 1;

    CHECK(data == &bytes_out);
    CHECK_EQ(size, header->size);
    note(&bytes_out, -(int64_t)size);
    free(header);
}

static void *counted_pages(void *data, size_t size, size_t align)
{
    CHECK(data == &bytes_out);
    CHECK_EQ(size % 4096, 0);
    CHECK_EQ(align & (align - 1), 0);
    if (!may_allocate()) return NULL;
    void *pages = rouse_allocator_default()->pages_alloc(NULL, size, align);

    if (pages == NULL) return NULL;
    CHECK_EQ((uintptr_t)pages % align, 0);
    note(&pages_out, (int64_t)size);
    return pages;
}

static void counted_pages_free(void *data, void *pages, size_t size)
{
    CHECK(data == &bytes_out);
    note(&pages_out, -(int64_t)size);
    rouse_allocator_default()->pages_free(NULL, pages, size);
}

static const struct rouse_allocator counted = {
    .data = &bytes_out,
    .alloc = counted_alloc,
    .free = counted_free,
    .pages_alloc = counted_pages,
    .pages_free = counted_pages_free};

static void freeze(void)
{
    // Release, with the acquire in may_allocate().
    atomic_store_explicit(&frozen, true, memory_order_release);
}

static void check_all_is_back(void)
{
    CHECK_EQ(atomic_load_explicit(&bytes_out, memory_order_relaxed), 0);
    CHECK_EQ(atomic_load_explicit(&pages_out, memory_order_relaxed), 0);
}

// ---- Frozen ----

enum { TASKS = 30 };

static _Atomic int waiting;
static _Atomic int napping;  // have slept once
static _Atomic int ended;
static struct gate gates[TASKS];

static void count_end(void *frame)
{
    (void)frame;
    count_add(&ended, 1);
}

// Waits at its gate, then for ever.
struct woken {
    struct body body;
    struct gate *gate;
    struct gate_wait wait;
    struct rouse_pending pending;
};

static rouse_poll woken(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(woken, frame, cx);
    count_add(&waiting, 1);
    gate_wait_init(&f->wait, f->gate);
    AWAIT(&f->wait.base);
    count_add(&waiting, -1);
    rouse_pending_init(&f->pending);
    AWAIT(&f->pending.base);
    BODY_END();
}

// Sleeps again and again.
struct napper {
    struct body body;
    struct rouse_sleep sleep;
    bool has_slept;
};

static rouse_poll napper(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(napper, frame, cx);
    for (;;) {
        rouse_sleep_init(&f->sleep, MS);
        AWAIT(&f->sleep.base);
        if (!f->has_slept) count_add(&napping, 1);
        f->has_slept = true;
    }
    BODY_END();
}

static void turn_or_nap(struct host *host)
{
    if (host->executor != NULL) (void)rouse_executor_turn(host->executor);
    nap_ns(200 * ROUSE_NS_PER_US);
}

static void waking_cancelling_and_shutting_down_allocate_nothing(void)
{
    struct rouse_join_handle handles[TASKS];
    struct rouse_join_handle nappers[TASKS];
    struct rouse_abort_handle abort;
    struct host host;

    host_open(&host, test_now()->host, &(struct host_options){.allocator = &counted});
    for (int i = 0; i < TASKS; i++) {
        CHECK_EQ(SPAWN_ON(&host.target, &handles[i], woken, .body.end = count_end,
                          .gate = &gates[i]),
                 0);
        CHECK_EQ(SPAWN_ON(&host.target, &nappers[i], napper, .body.end = count_end), 0);
    }
    // Each has what it needs once it waits, or has been woken; and each worker, when it has run
    // some.
    while (count_get(&waiting) < TASKS || count_get(&napping) < TASKS) {
        turn_or_nap(&host);
    }
    for (int i = 0; i < 20; i++) {
        turn_or_nap(&host);
    }
    freeze();
    for (int i = 0; i < TASKS; i++) {
        gate_open(&gates[i]);
    }
    while (count_get(&waiting) > 0) {
        turn_or_nap(&host);
    }
    for (int i = 0; i < TASKS; i++) {
        if (i % 3 == 0) rouse_abort(&handles[i]);
        abort = rouse_abort_handle(&nappers[i]);
        if (i % 2 == 0) rouse_abort_handle_abort(&abort);
        rouse_abort_handle_drop(&abort);
        rouse_detach(&handles[i]);
        rouse_future_drop(&nappers[i].base);
    }
    while (count_get(&ended) < TASKS / 3 + TASKS / 2) {
        turn_or_nap(&host);
    }
    host_close(&host);
    CHECK_EQ(count_get(&ended), 2 * TASKS);
    CHECK_EQ(count_get(&sins), 0);
    check_all_is_back();
}

// A thread of its own that it has started may not run until it is shut down.
static void all_that_a_host_needs_is_there_once_it_is_made(void)
{
    struct host host;

    host_open(&host, test_now()->host, &(struct host_options){.allocator = &counted});
    freeze();
    host_close(&host);
    CHECK_EQ(count_get(&sins), 0);
    check_all_is_back();
}

// ---- Refusing ----

static void spawn_without_memory_fails_and_harms_nothing(void)
{
    struct host host;
    int spawned = 0;
    int err;

    host_open(&host, test_now()->host, &(struct host_options){.allocator = &counted});
    count_add(&refusing, 1);
    // What is cached already may still be used up.
    while ((err = SPAWN_ON(&host.target, NULL, napper, .body.end = count_end)) == 0) {
        spawned++;
    }
    CHECK_EQ(err, -ENOMEM);
    CHECK_EQ(count_get(&ended), 0);
    for (int i = 0; i < 10; i++) {
        turn_or_nap(&host);
    }
    count_add(&refusing, -1);
    CHECK_EQ(SPAWN_ON(&host.target, NULL, napper, .body.end = count_end), 0);
    host_close(&host);
    CHECK_EQ(count_get(&ended), spawned + 1);
    check_all_is_back();
}

// What a task makes: refused at first, then made, and left to be freed when the runtime is gone.
static struct rouse_tcp_listener *made_listener;
static struct rouse_tcp *made_conns[2];
static struct rouse_fd *made_fd;

struct maker {
    struct body body;
    struct rouse_addr address;
    struct rouse_tcp_connect connect;
    struct rouse_tcp_accept accept;
    int fds[2];
};

static rouse_poll maker(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(maker, frame, cx);
    CHECK_EQ(pipe(f->fds), 0);
    f->address = rouse_addr_loopback(0);
    count_add(&refusing, 1);
    CHECK_EQ(rouse_tcp_listen(&made_listener, &f->address, NULL), -ENOMEM);
    CHECK_EQ(rouse_fd_adopt(&made_fd, f->fds[0]), -ENOMEM);
    rouse_tcp_connect_init(&f->connect, &f->address);
    AWAIT(&f->connect.base);
    CHECK_EQ(f->connect.output, -ENOMEM);
    count_add(&refusing, -1);
    CHECK_EQ(rouse_tcp_listen(&made_listener, &f->address, NULL), 0);
    CHECK_EQ(rouse_fd_adopt(&made_fd, f->fds[0]), 0);
    CHECK_EQ(close(f->fds[1]), 0);
    CHECK_EQ(rouse_tcp_listener_address(made_listener, &f->address), 0);
    rouse_tcp_connect_init(&f->connect, &f->address);
    AWAIT(&f->connect.base);
    CHECK_EQ(f->connect.output, 0);
    made_conns[0] = rouse_tcp_connect_take(&f->connect);
    rouse_tcp_accept_init(&f->accept, made_listener);
    AWAIT(&f->accept.base);
    CHECK_EQ(f->accept.output, 0);
    made_conns[1] = rouse_tcp_accept_take(&f->accept);
    count_add(&ended, 1);
    BODY_END();
}

static void sockets_come_from_the_runtime_that_made_them(void)
{
    struct host host;
    int fds[2];

    host_open(&host, test_now()->host, &(struct host_options){.allocator = &counted});
    CHECK_EQ(SPAWN_ON(&host.target, NULL, maker, .body.end = NULL), 0);
    while (count_get(&ended) == 0) {
        turn_or_nap(&host);
    }
    host_close(&host);
    rouse_tcp_listener_unref(made_listener);
    rouse_tcp_unref(made_conns[0]);
    rouse_tcp_unref(made_conns[1]);
    rouse_fd_free(made_fd);
    check_all_is_back();
    // This thread belongs to no runtime.
    count_add(&refusing, 1);
    CHECK_EQ(pipe(fds), 0);
    CHECK_EQ(rouse_fd_adopt(&made_fd, fds[0]), 0);
    rouse_fd_free(made_fd);
    CHECK_EQ(close(fds[1]), 0);
    count_add(&refusing, -1);
}

static void nothing_can_be_made_without_memory(void)
{
    const struct rouse_runtime_options runtime_options = {
        .size = sizeof runtime_options, .workers = 2, .allocator = &counted};
    const struct rouse_executor_options executor_options = {.size = sizeof executor_options,
                                                            .allocator = &counted};
    struct rouse_runtime *runtime;
    struct rouse_executor *executor;
    struct rouse_spawner *spawner;

    count_add(&refusing, 1);
    CHECK_EQ(rouse_runtime_new(&runtime, &runtime_options), -ENOMEM);
    CHECK_EQ(rouse_executor_new(&executor, &spawner, &executor_options), -ENOMEM);
    check_all_is_back();
}

const struct api_test API_TESTS[] = {
    {PLAIN(waking_cancelling_and_shutting_down_allocate_nothing), .hosts = HOST_ALL},
    {PLAIN(all_that_a_host_needs_is_there_once_it_is_made), .hosts = HOST_ALL, .any_style = true},
    {PLAIN(spawn_without_memory_fails_and_harms_nothing), .hosts = HOST_ALL},
    {PLAIN(sockets_come_from_the_runtime_that_made_them), .hosts = HOST_ALL},
    {PLAIN(nothing_can_be_made_without_memory), .any_style = true},
    {0}};
