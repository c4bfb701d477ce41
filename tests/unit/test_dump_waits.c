// SPDX-License-Identifier: MIT
//
// What a dump says of tasks that wait for each other, for nobody, or for too long: on one runtime
// after the other, each with a scene that stands still before it is dumped. And what a future says
// of what it stands on.

#include <fcntl.h>
#include <rouse.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sanitizer.h"
#include "claim.h"

enum { TEXT_MAX = 1 << 18, CROWD = 300 };

static char text[TEXT_MAX];

static void must(bool holds)
{
    if (!holds) abort();
}

// ---- A dump ----

static void dump(bool all_tasks)
{
    const struct rouse_dump_options options = {.size = sizeof options, .all_tasks = all_tasks};
    char path[] = "/tmp/rouse-test-dump-XXXXXX";
    int fd = mkstemp(path);

    must(fd >= 0 && unlink(path) == 0 && rouse_dump_with(fd, &options) == 0);
    ssize_t size = pread(fd, text, sizeof text - 1, 0);

    must(size >= 0 && (size_t)size < sizeof text - 1);
    text[size] = '\0';
    (void)close(fd);
}

static bool says(const char *words)
{
    return strstr(text, words) != NULL;
}

static unsigned count_of(const char *words)
{
    unsigned count = 0;

    for (const char *at = text; (at = strstr(at, words)) != NULL; at++) count++;
    return count;
}

static void show_if(bool failed)
{
    if (failed) printf("# %s\n", text);
}

static void claim_dumped(bool holds, const char *claimed)
{
    claim(holds, claimed);
    show_if(!holds);
}

// ---- A scene ----

static struct rouse_runtime *runtime;
static struct rouse_join_handle handles[4];
static size_t handle_count;

static void scene_begin(unsigned workers)
{
    const struct rouse_runtime_options options = {.size = sizeof options, .workers = workers};

    must(rouse_runtime_new(&runtime, &options) == 0);
    handle_count = 0;
}

static void cast(const char *name, rouse_fiber_function fn, void *arg)
{
    const struct rouse_task_attrs attrs = {.size = sizeof attrs, .name = name, .site = "scene"};

    must(rouse_runtime_spawn(runtime, &handles[handle_count++], fn, arg, &attrs) == 0);
}

// Dumps until the text has the words, for a while: then they all stand where they should.
static bool comes_to(const char *words)
{
    for (int i = 0; i < 1000; i++) {
        dump(false);
        if (says(words)) return true;
        (void)usleep(5000);
    }
    return false;
}

// The handles go last: tasks may wait for them.
static void scene_end(void)
{
    rouse_runtime_free(runtime);
    for (size_t i = 0; i < handle_count; i++) rouse_future_drop(&handles[i].base);
}

// ---- Deadlocks ----

static struct rouse_mutex left;
static struct rouse_mutex right;
static struct rouse_barrier both;

static int lock_two(struct rouse_mutex *first, struct rouse_mutex *second)
{
    int err = rouse_mutex_lock(first);

    if (err < 0) return err;
    err = rouse_barrier_wait(&both) < 0 ? -1 : rouse_mutex_lock(second);
    if (err == 0) rouse_mutex_unlock(second);
    rouse_mutex_unlock(first);
    return err;
}

static int lock_left_first(void *arg)
{
    (void)arg;
    return lock_two(&left, &right);
}

static int lock_right_first(void *arg)
{
    (void)arg;
    return lock_two(&right, &left);
}

static void two_mutexes(void)
{
    scene_begin(2);
    rouse_barrier_init(&both, 2);
    cast("lefty", lock_left_first, NULL);
    cast("righty", lock_right_first, NULL);
    bool found = comes_to("deadlock: 2 tasks wait in a circle");

    claim_dumped(found && says("for: mutex ") && count_of("it is held by task") == 2 &&
                     count_of("deadlock:") == 1,
                 "two tasks that lock two mutexes crosswise are a deadlock");
    claim_dumped(says("at lock_right_first+0x"), "their calls are named, static functions too");
    scene_end();
}

static int lock_twice(void *arg)
{
    struct rouse_mutex mutex = ROUSE_MUTEX_INIT;
    int err = rouse_mutex_lock(&mutex);

    (void)arg;
    if (err == 0) err = rouse_mutex_lock(&mutex);
    return err;
}

static void one_mutex_twice(void)
{
    scene_begin(1);
    cast("selfish", lock_twice, NULL);
    bool found = comes_to("deadlock: 1 task waits in a circle");

    claim_dumped(found && says("waits for itself to give back what it holds"),
                 "a task that locks a mutex twice waits for itself");
    scene_end();
}

static int lock_until(void *arg)
{
    struct rouse_deadline deadline;

    rouse_deadline_enter(&deadline, rouse_deadline_after(3600 * ROUSE_NS_PER_S));
    int err = lock_twice(arg);

    (void)rouse_deadline_leave(&deadline);
    return err;
}

static void one_that_ends(void)
{
    scene_begin(1);
    cast("patient", lock_until, NULL);
    bool found = comes_to("it is held by task");

    claim_dumped(found && !says("deadlock"), "within a deadline that is no deadlock");
    scene_end();
}

static int join_other(void *arg)
{
    struct rouse_borrow borrow;

    rouse_borrow_init(&borrow, arg);
    return rouse_await(&borrow.base);
}

// Once both handles are there.
static struct rouse_semaphore gate;

static int join_beyond_gate(void *arg)
{
    int err = rouse_semaphore_acquire(&gate, 1);

    return err < 0 ? err : join_other(arg);
}

static void two_joins(void)
{
    rouse_semaphore_init(&gate, 0);
    scene_begin(2);
    cast("hen", join_beyond_gate, &handles[1].base);
    cast("egg", join_beyond_gate, &handles[0].base);
    rouse_semaphore_release(&gate, 2);
    bool found = comes_to("deadlock: 2 tasks wait in a circle");

    claim_dumped(found && says("to end"), "two tasks that join each other are a deadlock");
    scene_end();
}

static struct rouse_rwlock book;

static int write_and_join(void *arg)
{
    int err = rouse_rwlock_write_lock(&book);

    if (err == 0) err = join_other(arg);
    rouse_rwlock_write_unlock(&book);
    return err;
}

static int read_book(void *arg)
{
    (void)arg;
    int err = rouse_sleep(5 * ROUSE_NS_PER_MS);

    if (err == 0) err = rouse_rwlock_read_lock(&book);
    if (err == 0) rouse_rwlock_read_unlock(&book);
    return err;
}

static void writer_and_reader(void)
{
    scene_begin(1);
    rouse_rwlock_init(&book);
    cast("reader", read_book, NULL);
    cast("writer", write_and_join, &handles[0].base);
    bool found = comes_to("deadlock: 2 tasks wait in a circle");

    claim_dumped(found && says("to read"), "so are a writer and a reader that it joins");
    scene_end();
}

// ---- Holders that are gone ----

static int lock_and_leave(void *arg)
{
    return rouse_mutex_lock(arg);
}

static int lock_one(void *arg)
{
    int err = rouse_mutex_lock(arg);

    if (err == 0) rouse_mutex_unlock(arg);
    return err;
}

static void holder_has_ended(void)
{
    static struct rouse_mutex mutex;

    rouse_mutex_init(&mutex);
    scene_begin(1);
    cast("leaver", lock_and_leave, &mutex);
    must(rouse_join(&handles[--handle_count]) == 0);
    cast("waiter", lock_one, &mutex);
    claim_dumped(comes_to("waiter  (scene)  fiber, waiting") && says("it is held by task"),
                 "a lock names its holder, also one that has ended");
    scene_end();
}

// ---- Turns ----

static struct rouse_semaphore turns;

static int hold_for_a_moment(void *arg)
{
    int err = rouse_semaphore_acquire(&turns, 1);

    (void)arg;
    if (err < 0) return err;
    err = rouse_sleep(20 * ROUSE_NS_PER_MS);
    rouse_semaphore_release(&turns, 1);
    return err;
}

// Is in the queue, by a future that it polls once.
static int queue_and_forget(void *arg)
{
    struct rouse_semaphore_acquire acquire;
    struct rouse_borrow borrow;
    struct rouse_sleep moment;
    struct rouse_select either;

    (void)arg;
    rouse_semaphore_acquire_init(&acquire, &turns, 1);
    rouse_borrow_init(&borrow, &acquire.base);
    rouse_sleep_init(&moment, ROUSE_NS_PER_MS);
    rouse_select_init(&either, &borrow.base, &moment.base, ROUSE_SELECT_BIASED);
    int err = rouse_await(&either.base);

    if (err == 0) err = rouse_sleep(3600 * ROUSE_NS_PER_S);
    rouse_future_drop(&acquire.base);
    return err;
}

static void turn_that_nobody_takes(void)
{
    scene_begin(1);
    rouse_semaphore_init(&turns, 1);
    cast("holder", hold_for_a_moment, NULL);
    cast("forgetful", queue_and_forget, NULL);
    cast("third", hold_for_a_moment, NULL);
    bool found = comes_to("futurelock: ");

    claim_dumped(found && says("forgetful (scene) was given the turn") && says("1 wait for that"),
                 "a task that does not poll the future that has the turn is a futurelock");
    scene_end();
    rouse_semaphore_init(&turns, 1);
    scene_begin(1);
    cast("one", hold_for_a_moment, NULL);
    cast("two", hold_for_a_moment, NULL);
    must(rouse_join(&handles[1]) == 0 && rouse_join(&handles[0]) == 0);
    handle_count = 0;
    must(rouse_semaphore_acquire(&turns, 1) == 0);
    cast("behind", hold_for_a_moment, NULL);
    found = comes_to("which has 0");
    claim_dumped(found && !says("the turn was given"), "a turn that was taken is nobody's fault");
    scene_end();
}

// ---- Nobody ----

static rouse_poll deaf_poll(struct rouse_future *self, struct rouse_context *cx)
{
    (void)self;
    (void)cx;
    return ROUSE_PENDING;
}

static const struct rouse_future_vtable deaf_vtable = {.poll = deaf_poll, .name = "deaf"};

static int wait_for_nobody(void *arg)
{
    struct rouse_future deaf = {.vtable = &deaf_vtable};

    (void)arg;
    return rouse_await(&deaf);
}

static int sleep_long(void *arg)
{
    (void)arg;
    return rouse_sleep(3600 * ROUSE_NS_PER_S);
}

static void nobody_wakes(void)
{
    scene_begin(2);
    cast("lost", wait_for_nobody, NULL);
    cast("sleeper", sleep_long, NULL);
    bool found = comes_to("lost: 1 pending, no waker stored anywhere");

    claim_dumped(found && says("deaf; pending, no waker stored") &&
                     count_of("no waker stored") == 2,
                 "a task that nobody has a waker of is named, and one that sleeps is not");
    scene_end();
}

// ---- Many ----

static void crowd(void)
{
    scene_begin(2);
    for (int i = 0; i < CROWD; i++) {
        must(rouse_runtime_spawn(runtime, NULL, sleep_long, NULL,
                                 &(struct rouse_task_attrs){.site = "crowd"}) == 0);
    }
    claim_dumped(comes_to("300 x crowd  fiber, waiting"), "those that wait alike are one group");
    dump(true);
    claim_dumped(count_of("  crowd  fiber, waiting") == CROWD && !says(" x crowd"),
                 "each of them by itself, if asked for");
    rouse_runtime_free(runtime);
}

// ---- Frames ----

struct inner {
    struct rouse_async async;
    struct rouse_sleep sleep;
};

struct outer {
    struct rouse_async async;
    struct inner inner;
    struct rouse_timeout timeout;
};

static int inner_line;

static rouse_poll inner_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct inner *f = (struct inner *)self;

    ROUSE_ASYNC_BEGIN(&f->async, cx)
    rouse_sleep_init(&f->sleep, 3600 * ROUSE_NS_PER_S);
    inner_line = __LINE__ + 1;
    ROUSE_AWAIT(&f->sleep.base);
    ROUSE_ASYNC_END();
}

static const struct rouse_future_vtable inner_vtable = {
    .poll = inner_poll, .drop = rouse_async_drop, .name = "inner frame"};

static rouse_poll outer_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct outer *f = (struct outer *)self;

    ROUSE_ASYNC_BEGIN(&f->async, cx)
    rouse_async_init(&f->inner.async, &inner_vtable);
    rouse_timeout_init(&f->timeout, &f->inner.async.base, ROUSE_NEVER);
    ROUSE_AWAIT(&f->timeout.base);
    ROUSE_ASYNC_END();
}

static const struct rouse_future_vtable outer_vtable = {
    .poll = outer_poll, .drop = rouse_async_drop, .name = "outer frame"};

static void outer_init(struct rouse_future *storage, void *arg)
{
    (void)arg;
    rouse_async_init((struct rouse_async *)storage, &outer_vtable);
}

static void frames(void)
{
    const struct rouse_future_spec spec = {.size = sizeof(struct outer), .init = outer_init};
    char expected[80];

    scene_begin(1);
    must(rouse_runtime_spawn_future(runtime, &handles[handle_count++], &spec, NULL) == 0);
    bool found = comes_to("awaits timeout");

    (void)snprintf(expected, sizeof expected, "inner frame, in line %d, awaits sleep", inner_line);
    claim_dumped(found && says("frame, waiting") && says("timeout polls inner frame") &&
                     says(expected),
                 "a frame is shown with what it awaits, and in which line");
    scene_end();
}

// ---- Workers that do not come back ----

static _Atomic bool enough;
static volatile unsigned steps;

__attribute__((noinline)) static int spin_in_user_code(void *arg)
{
    // Relaxed: a flag.
    while (!atomic_load_explicit(&enough, memory_order_relaxed)) steps++;
    return arg != NULL;
}

__attribute__((noinline)) static int block_in_user_code(void *arg)
{
    while (!atomic_load_explicit(&enough, memory_order_relaxed)) (void)usleep(300000);
    return arg != NULL;
}

static void all_workers_busy(void)
{
    // Relaxed: nobody looks yet.
    atomic_store_explicit(&enough, false, memory_order_relaxed);
    scene_begin(2);
    cast("spinner", spin_in_user_code, NULL);
    cast("blocked", block_in_user_code, NULL);
    bool found = comes_to("blocked  (scene)  running") && comes_to("spinner  (scene)  running");

    claim_dumped(found, "tasks that run are shown although no worker stands still");
    // ThreadSanitizer keeps a signal back until its thread calls into it; and an emulator's threads
    // are not what the kernel says.
    bool can_see = !RS_TSAN && getenv("ROUSE_TEST_EMULATED") == NULL;

    claim_dumped(!can_see || comes_to("spin_in_user_code+0x"), "where one spins");
    claim_dumped(!can_see || comes_to("block_in_user_code+0x"),
                 "where one sleeps in a system call");
    // Relaxed: a flag.
    atomic_store_explicit(&enough, true, memory_order_relaxed);
    scene_end();
}

// ---- By hand ----

struct parts {
    struct rouse_inspector base;
    size_t count;
    size_t alternatives;
    size_t needs;
    rouse_need need;
};

static void count_part(struct rouse_inspector *self, const struct rouse_future *part, int line,
                       bool alternative)
{
    struct parts *parts = ROUSE_CONTAINER_OF(self, struct parts, base);

    (void)line;
    parts->count++;
    if (alternative) parts->alternatives++;
    rouse_future_inspect(part, self);
}

static void count_need(struct rouse_inspector *self, const struct rouse_task *task, rouse_need need)
{
    struct parts *parts = ROUSE_CONTAINER_OF(self, struct parts, base);

    if (task != NULL) parts->needs++;
    parts->need = need;
}

static struct parts parts_of(const struct rouse_future *future)
{
    struct parts parts = {.base = {.part = count_part, .needs = count_need}};

    rouse_future_inspect(future, &parts.base);
    return parts;
}

static void combinators(void)
{
    struct rouse_pending pending[4];
    struct rouse_future *arms[] = {&pending[0].base, &pending[1].base, &pending[2].base};
    struct rouse_join_all all;
    struct rouse_timeout timeout;
    struct rouse_map map;

    for (size_t i = 0; i < 4; i++) rouse_pending_init(&pending[i]);
    rouse_join_all_init(&all, arms, 3);
    struct parts parts = parts_of(&all.base);
    claim(parts.count == 3 && parts.alternatives == 0, "a join has all its arms as parts");
    rouse_map_init(&map, &all.base, NULL, NULL);
    rouse_timeout_init(&timeout, &map.base, 1);
    parts = parts_of(&timeout.base);
    claim(parts.count == 5 && parts.alternatives == 1, "a timeout may end without its part");
    rouse_future_drop(&timeout.base);
    parts = parts_of(&timeout.base);
    claim(parts.count == 0, "what has ended has no parts");
}

int main(void)
{
    (void)alarm(120);
    combinators();
    two_mutexes();
    one_mutex_twice();
    one_that_ends();
    two_joins();
    writer_and_reader();
    holder_has_ended();
    turn_that_nobody_takes();
    nobody_wakes();
    crowd();
    frames();
    all_workers_busy();
    return claims_end();
}
