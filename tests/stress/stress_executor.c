// SPDX-License-Identifier: MIT
//
// Executors that come and go, each run, or turned in a loop over poll(2), by a thread of its own,
// while others clone and drop its spawners, spawn with them, wake and abort its tasks, also after
// the executor is gone. A turn is asked for only by the descriptor: a notice that does not make it
// readable is a loop that never ends.

#include <errno.h>
#include <poll.h>

#include "stress.h"

enum { FOREIGN_THREADS = 2, ITEMS = 12, CLONES = 4 };

struct item {
    pthread_mutex_t lock;
    struct rouse_waker waker;
    struct rouse_abort_handle abort;
};

static struct item items[ITEMS];
static pthread_mutex_t clones_lock = PTHREAD_MUTEX_INITIALIZER;
static struct rouse_spawner *clones[CLONES];  // shares that anybody may take
static _Atomic bool over;
static _Atomic int64_t made;
static _Atomic int64_t ended;
static _Atomic int64_t wrong;
static _Atomic int64_t slept_through;

static void item_leave(int index, const struct rouse_waker *waker)
{
    struct rouse_waker clone = rouse_waker_clone(waker);

    (void)pthread_mutex_lock(&items[index].lock);
    struct rouse_waker old = items[index].waker;
    items[index].waker = clone;
    (void)pthread_mutex_unlock(&items[index].lock);
    rouse_waker_wake(&old);  // who waited there must not wait for ever
}

// Waits to be woken from outside, or for a timer, some times over.
struct guest {
    struct rouse_future base;
    struct rouse_sleep sleep;
    uint64_t random;
    int rounds;
};

static rouse_poll guest_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct guest *guest = ROUSE_CONTAINER_OF(self, struct guest, base);

    while (guest->rounds > 0) {
        item_leave((int)stress_below(&guest->random, ITEMS), rouse_context_waker(cx));
        if (rouse_future_poll(&guest->sleep.base, cx) == ROUSE_PENDING) return ROUSE_PENDING;
        if (rouse_now_ns() > guest->sleep.deadline_ns + 5 * ROUSE_NS_PER_S) {
            (void)stress_add(&slept_through, 1);
        }
        guest->rounds--;
        rouse_sleep_init(&guest->sleep, stress_below(&guest->random, ROUSE_NS_PER_MS));
    }
    (void)stress_add(&ended, 1);
    return ROUSE_READY;
}

static void guest_drop(struct rouse_future *self)
{
    rouse_future_drop(&ROUSE_CONTAINER_OF(self, struct guest, base)->sleep.base);
    (void)stress_add(&ended, 1);
}

static const struct rouse_future_vtable guest_vtable = {
    .poll = guest_poll, .drop = guest_drop, .name = "guest"};

static void guest_init(struct rouse_future *storage, void *arg)
{
    struct guest *guest = ROUSE_CONTAINER_OF(storage, struct guest, base);
    uint64_t *random = arg;

    guest->base.vtable = &guest_vtable;
    guest->random = stress_stream(claim_random(random));
    guest->rounds = (int)stress_below(random, 4);
    rouse_sleep_init(&guest->sleep, stress_below(random, ROUSE_NS_PER_MS));
    (void)stress_add(&made, 1);
}

static int fiber_guest(void *arg)
{
    uint64_t random = stress_stream((uint64_t)(uintptr_t)arg);

    for (int i = 0; i < 3; i++) {
        (void)rouse_sleep(stress_below(&random, 300 * ROUSE_NS_PER_US));
        (void)rouse_yield();
    }
    (void)stress_add(&ended, 1);
    return 0;
}

static void spawn_one(struct rouse_spawner *spawner, uint64_t *random)
{
    struct rouse_join_handle handle;
    bool fiber = stress_below(random, 3) == 0;
    struct rouse_future_spec spec = {
        .size = sizeof(struct guest), .init = guest_init, .arg = random};
    int err = fiber ? rouse_spawner_spawn(spawner, &handle, fiber_guest,
                                          (void *)(uintptr_t)claim_random(random))
                    : rouse_spawner_spawn_future(spawner, &handle, &spec);

    if (err < 0) {
        if (err != -ECANCELED) (void)stress_add(&wrong, 1);
        return;
    }
    if (fiber) (void)stress_add(&made, 1);

    struct item *item = &items[stress_below(random, ITEMS)];

    (void)pthread_mutex_lock(&item->lock);
    struct rouse_abort_handle old = item->abort;
    item->abort = rouse_abort_handle(&handle);
    (void)pthread_mutex_unlock(&item->lock);
    rouse_abort_handle_drop(&old);
    rouse_detach(&handle);
}

static void use_item(struct item *item, uint64_t *random)
{
    (void)pthread_mutex_lock(&item->lock);
    if (stress_below(random, 4) == 0) rouse_abort_handle_abort(&item->abort);
    rouse_waker_wake_by_ref(&item->waker);
    (void)pthread_mutex_unlock(&item->lock);
}

// Takes a share out of the common place, so that it is dropped or used here.
static struct rouse_spawner *clone_take(size_t i)
{
    (void)pthread_mutex_lock(&clones_lock);
    struct rouse_spawner *spawner = clones[i];
    clones[i] = NULL;
    (void)pthread_mutex_unlock(&clones_lock);
    return spawner;
}

static void *foreign_main(void *arg)
{
    uint64_t random = stress_stream((uint64_t)(uintptr_t)arg);

    while (!atomic_load_explicit(&over, memory_order_acquire)) {
        struct rouse_spawner *spawner = clone_take(stress_below(&random, CLONES));

        if (spawner != NULL) {
            for (uint64_t i = stress_below(&random, 6); i > 0; i--) {
                struct rouse_spawner *second = rouse_spawner_clone(spawner);

                spawn_one(spawner, &random);
                rouse_spawner_drop(second);
                if (stress_below(&random, 3) == 0) stress_nap(stress_below(&random, 200000));
            }
            rouse_spawner_drop(spawner);
        }
        use_item(&items[stress_below(&random, ITEMS)], &random);
        if (stress_below(&random, 4) == 0) stress_nap(20 * ROUSE_NS_PER_US);
    }
    return NULL;
}

static void turn_in_a_loop(struct rouse_executor *executor)
{
    struct pollfd entry = {.fd = rouse_executor_fd(executor), .events = POLLIN};

    do {
        if (poll(&entry, 1, 20000) == 0) (void)stress_add(&slept_through, 1);
    } while (rouse_executor_turn(executor));
}

static void round_of(uint64_t *random)
{
    struct rouse_executor *executor;
    struct rouse_spawner *spawner;

    stress_must(rouse_executor_new(&executor, &spawner, NULL), "executor");
    (void)pthread_mutex_lock(&clones_lock);
    for (int i = 0; i < CLONES; i++) {
        if (clones[i] == NULL) clones[i] = rouse_spawner_clone(spawner);
    }
    (void)pthread_mutex_unlock(&clones_lock);
    for (int i = 0; i < 4; i++) spawn_one(spawner, random);
    rouse_spawner_drop(spawner);
    switch (stress_below(random, 4)) {
    case 0:  // freed with its spawners at work
        break;
    case 1:
        rouse_executor_run(executor);
        break;
    default:
        if (rouse_executor_fd(executor) < 0) break;  // a reactor without one
        turn_in_a_loop(executor);
    }
    rouse_executor_free(executor);
}

int main(int argc, char **argv)
{
    struct rouse_stats before;
    pthread_t threads[FOREIGN_THREADS];
    char text[96];
    int rounds = 0;

    stress_begin(argc, argv);
    rouse_stats_get(&before);
    uint64_t random = stress_stream(9);
    uint64_t deadline = stress_deadline(1);
    for (int i = 0; i < ITEMS; i++) (void)pthread_mutex_init(&items[i].lock, NULL);
    for (uintptr_t i = 0; i < FOREIGN_THREADS; i++) {
        threads[i] = stress_thread(foreign_main, (void *)(i + 70));
    }
    while (rouse_now_ns() < deadline) {
        round_of(&random);
        rounds++;
    }
    atomic_store_explicit(&over, true, memory_order_release);
    for (int i = 0; i < FOREIGN_THREADS; i++) (void)pthread_join(threads[i], NULL);
    for (int i = 0; i < CLONES; i++) rouse_spawner_drop(clones[i]);
    for (int i = 0; i < ITEMS; i++) {
        rouse_waker_drop(&items[i].waker);
        rouse_abort_handle_drop(&items[i].abort);
    }
    (void)snprintf(text, sizeof text, "%d executors: each of %lld tasks ended once", rounds,
                   (long long)stress_get(&made));
    claim(stress_get(&made) == stress_get(&ended), text);
    claim(stress_get(&slept_through) == 0, "no loop slept through a notice");
    claim(stress_get(&wrong) == 0, "a spawn succeeds or says -ECANCELED");
    claim(stress_is_clean(&before), "nothing is left");
    return claims_end();
}
