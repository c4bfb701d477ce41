// SPDX-License-Identifier: MIT
//
// Runtimes that come and go a thousand times with work in flight: tasks that sleep, wait for wakes,
// spawn on, or end in that moment, and threads from outside that spawn, wake and abort throughout.
// Their wakers, handles and abort handles outlive the runtime, and are used after it.

#include <errno.h>

#include "fiber/await.h"
#include "stress.h"

enum { ROUNDS_MAX = 1000, FOREIGN_THREADS = 2, ITEMS = 16, TASKS = 12 };

// What a task has left for others.
struct item {
    pthread_mutex_t lock;
    struct rouse_waker waker;
    struct rouse_abort_handle abort;
    struct rouse_join_handle join;
    bool has_join;
};

static struct item items[ITEMS];
static struct rouse_runtime *runtime;
// Held by who spawns on it, so that it is not freed meanwhile.
static pthread_rwlock_t runtime_lock = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;
static _Atomic bool over;
static _Atomic int64_t made;
static _Atomic int64_t ended;
static _Atomic int64_t wrong;

// ---- A future that leaves its waker with an item, and ends when it is woken often enough ----

struct guest {
    struct rouse_future base;
    struct rouse_sleep sleep;
    int polls;
    int item;
};

static void item_leave(int index, const struct rouse_waker *waker)
{
    struct rouse_waker clone = rouse_waker_clone(waker);

    (void)pthread_mutex_lock(&items[index].lock);
    struct rouse_waker old = items[index].waker;
    items[index].waker = clone;
    (void)pthread_mutex_unlock(&items[index].lock);
    rouse_waker_drop(&old);
}

static rouse_poll guest_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct guest *guest = ROUSE_CONTAINER_OF(self, struct guest, base);

    item_leave(guest->item, rouse_context_waker(cx));
    if (++guest->polls < 4 && rouse_future_poll(&guest->sleep.base, cx) == ROUSE_PENDING) {
        return ROUSE_PENDING;
    }
    rouse_future_drop(&guest->sleep.base);
    (void)stress_add(&ended, 1);
    return ROUSE_READY;
}

static void guest_drop(struct rouse_future *self)
{
    struct guest *guest = ROUSE_CONTAINER_OF(self, struct guest, base);

    rouse_future_drop(&guest->sleep.base);
    (void)stress_add(&ended, 1);
}

static const struct rouse_future_vtable guest_vtable = {
    .poll = guest_poll, .drop = guest_drop, .name = "guest"};

static void guest_init(struct rouse_future *storage, void *arg)
{
    struct guest *guest = ROUSE_CONTAINER_OF(storage, struct guest, base);
    uint64_t *random = arg;

    guest->base.vtable = &guest_vtable;
    guest->polls = 0;
    guest->item = (int)stress_below(random, ITEMS);
    // Some would sleep for ever.
    rouse_sleep_init(&guest->sleep, stress_below(random, 3) == 0
                                        ? ROUSE_NEVER
                                        : stress_below(random, 400 * ROUSE_NS_PER_US));
    (void)stress_add(&made, 1);
}

// ---- A fiber that waits, spawns and spawns again while it is being shut down ----

static int spawner(void *arg)
{
    uint64_t random = stress_stream((uint64_t)(uintptr_t)arg);

    for (int i = 0; i < 3; i++) {
        struct rouse_future_spec spec = {
            .size = sizeof(struct guest), .init = guest_init, .arg = &random};
        int err = rouse_spawn_future(NULL, &spec);

        if (err < 0 && err != -ECANCELED) (void)stress_add(&wrong, 1);
        (void)rouse_sleep(stress_below(&random, 100 * ROUSE_NS_PER_US));
        (void)rouse_yield();
    }
    (void)stress_add(&ended, 1);
    return 0;
}

static void spawn_one(uint64_t *random)
{
    struct rouse_join_handle handle;
    bool fiber = stress_below(random, 3) == 0;
    int err;

    if (fiber) {
        err = rouse_runtime_spawn(runtime, &handle, spawner,
                                  (void *)(uintptr_t)claim_random(random), NULL);
        if (err == 0) (void)stress_add(&made, 1);
    } else {
        err = rouse_runtime_spawn_future(
            runtime, &handle,
            &(struct rouse_future_spec){
                .size = sizeof(struct guest), .init = guest_init, .arg = random},
            &(struct rouse_task_attrs){.pinned = stress_below(random, 3) == 0});
    }
    if (err == -ECANCELED) return;
    stress_must(err, "spawn");

    struct item *item = &items[stress_below(random, ITEMS)];
    struct item old = {0};

    (void)pthread_mutex_lock(&item->lock);
    old.abort = item->abort;
    old.join = item->join;
    old.has_join = item->has_join;
    item->abort = rouse_abort_handle(&handle);
    item->join = handle;
    item->has_join = true;
    (void)pthread_mutex_unlock(&item->lock);
    rouse_abort_handle_drop(&old.abort);
    if (old.has_join) rouse_detach(&old.join);
}

static void use_item(struct item *item, uint64_t *random)
{
    (void)pthread_mutex_lock(&item->lock);
    switch (stress_below(random, 5)) {
    case 0:
        rouse_waker_wake(&item->waker);
        break;
    case 1:
        rouse_waker_drop(&item->waker);
        break;
    case 2:
        rouse_abort_handle_abort(&item->abort);
        break;
    case 3:
        if (item->has_join && stress_below(random, 2) == 0) {
            rouse_abort_on_drop(&item->join);
            rouse_future_drop(&item->join.base);
            item->has_join = false;
        }
        break;
    default:
        rouse_waker_wake_by_ref(&item->waker);
    }
    (void)pthread_mutex_unlock(&item->lock);
}

static void *foreign_main(void *arg)
{
    uint64_t random = stress_stream((uint64_t)(uintptr_t)arg);

    // Relaxed: only when to stop.
    while (!atomic_load_explicit(&over, memory_order_relaxed)) {
        if (stress_below(&random, 4) == 0) {
            (void)pthread_rwlock_rdlock(&runtime_lock);
            if (runtime != NULL) spawn_one(&random);
            (void)pthread_rwlock_unlock(&runtime_lock);
        }
        use_item(&items[stress_below(&random, ITEMS)], &random);
        if (stress_below(&random, 8) == 0) stress_nap(10 * ROUSE_NS_PER_US);
    }
    return NULL;
}

static void items_clear(void)
{
    for (int i = 0; i < ITEMS; i++) {
        rouse_waker_drop(&items[i].waker);
        rouse_abort_handle_drop(&items[i].abort);
        if (items[i].has_join) rouse_detach(&items[i].join);
        items[i].has_join = false;
    }
}

// Stays until it is told to go, whoever asks: a shutdown runs out of time meanwhile.
static int stay(void *arg)
{
    // Relaxed: only when to stop.
    while (!atomic_load_explicit((_Atomic bool *)arg, memory_order_relaxed)) {
        struct rouse_yield yield;

        rouse_yield_init(&yield);
        rs_await_shielded(&yield.base);
    }
    return 0;
}

static void runtime_set(struct rouse_runtime *to)
{
    (void)pthread_rwlock_wrlock(&runtime_lock);
    runtime = to;
    (void)pthread_rwlock_unlock(&runtime_lock);
}

// Shuts down while others go on using what they hold, and, for as long as a task keeps the runtime
// from its end, while others try to spawn on it.
static void runtime_end(uint64_t *random)
{
    struct rouse_runtime *ending = runtime;
    _Atomic bool go = false;

    if (stress_below(random, 2) == 0) {
        stress_must(rouse_runtime_spawn(ending, NULL, stay, &go, NULL), "spawn");
        for (uint64_t i = 1 + stress_below(random, 2); i > 0; i--) {
            if (rouse_runtime_shutdown(ending, stress_below(random, 50 * ROUSE_NS_PER_US)) !=
                -ETIMEDOUT) {
                (void)stress_add(&wrong, 1);
            }
        }
        if (rouse_runtime_spawn(ending, NULL, stay, &go, NULL) != -ECANCELED) {
            (void)stress_add(&wrong, 1);
        }
    }
    runtime_set(NULL);
    atomic_store_explicit(&go, true, memory_order_relaxed);
    rouse_runtime_free(ending);
}

static int rounds_run(void)
{
    uint64_t random = stress_stream(7);
    uint64_t deadline = stress_deadline(1);
    int rounds = 0;

    while (rounds < ROUNDS_MAX && (rounds < 20 || rouse_now_ns() < deadline)) {
        static const unsigned workers[] = {1, 2, 4};

        runtime_set(stress_runtime(workers[rounds % 3]));
        for (int i = 0; i < TASKS; i++) spawn_one(&random);
        if (stress_below(&random, 2) == 0) stress_nap(stress_below(&random, ROUSE_NS_PER_MS));
        runtime_end(&random);
        rounds++;
    }
    return rounds;
}

// A shutdown that runs out of time names what it waits for.
static void say_nothing(void *data, const struct rouse_log_record *record)
{
    (void)data;
    (void)record;
}

int main(int argc, char **argv)
{
    struct rouse_stats before;
    pthread_t threads[FOREIGN_THREADS];
    char text[96];

    stress_begin(argc, argv);
    rouse_log_set_hook(say_nothing, NULL, ROUSE_LOG_ERROR);
    rouse_stats_get(&before);
    for (int i = 0; i < ITEMS; i++) (void)pthread_mutex_init(&items[i].lock, NULL);
    for (uintptr_t i = 0; i < FOREIGN_THREADS; i++) {
        threads[i] = stress_thread(foreign_main, (void *)(i + 50));
    }
    int rounds = rounds_run();
    atomic_store_explicit(&over, true, memory_order_relaxed);
    for (int i = 0; i < FOREIGN_THREADS; i++) (void)pthread_join(threads[i], NULL);
    items_clear();
    (void)snprintf(text, sizeof text, "%d runtimes: each of %lld tasks ended once", rounds,
                   (long long)stress_get(&made));
    claim(stress_get(&made) == stress_get(&ended), text);
    claim(stress_get(&wrong) == 0, "a spawn succeeds or says -ECANCELED");
    claim(stress_is_clean(&before), "nothing is left");
    return claims_end();
}
