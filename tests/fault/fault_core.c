// SPDX-License-Identifier: MIT
//
// Faults in all that needs no network: runtimes, tasks, stacks, timers, the blocking pool, signals,
// an executor inside a loop of the program's own, the default runtime, the dump, locks, channels.

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "signal/signal.h"
#include "waits.h"

// ---- A runtime, up and down ----

static bool runtime_run(void)
{
    struct rouse_runtime *runtime = runtime_make(2);

    if (runtime == NULL) return false;
    if (rouse_runtime_workers(runtime) != 2) fault_broken("not the workers that were asked for");
    rouse_runtime_free(runtime);
    return true;
}

static int root_fiber(void *arg)
{
    (void)arg;
    step_done();
    return 7;
}

// With the handlers that a whole program has.
static bool program_run(void)
{
    const struct rouse_runtime_options options = {.size = sizeof options, .workers = 2};
    int64_t result = rouse_run_with(root_fiber, NULL, &options);

    fault_note(result);
    rs_signal_thread_stop();
    return result == 7 && steps_are(1);
}

// ---- Spawn and join ----

enum { CHILDREN = 6 };

static int child_fiber(void *arg)
{
    (void)rouse_yield();
    step_done();
    return *(int *)arg;
}

static void child_sleep_init(struct rouse_future *storage, void *arg)
{
    (void)arg;
    rouse_sleep_init(ROUSE_CONTAINER_OF(storage, struct rouse_sleep, base), ROUSE_NS_PER_MS);
}

static int spawn_root(void *arg)
{
    static int numbers[CHILDREN];
    const struct rouse_future_spec spec = {.size = sizeof(struct rouse_sleep),
                                           .init = child_sleep_init};
    struct rouse_join_handle fibers[CHILDREN], futures[CHILDREN];
    bool is_fiber[CHILDREN], is_future[CHILDREN];

    (void)arg;
    for (int i = 0; i < CHILDREN; i++) {
        numbers[i] = i + 1;
        is_fiber[i] = fault_note(rouse_spawn(&fibers[i], child_fiber, &numbers[i])) == 0;
        is_future[i] = fault_note(rouse_spawn_future(&futures[i], &spec)) == 0;
    }
    for (int i = 0; i < CHILDREN; i++) {
        if (is_fiber[i] && wait_joined(&fibers[i]) == i + 1) step_done();
        if (is_future[i] && fault_note(wait_joined(&futures[i])) == 0) step_done();
    }
    return 0;
}

static bool spawn_run(void)
{
    with_runtime(2, spawn_root, NULL);
    return steps_are(3 * CHILDREN);
}

// ---- Fibers with big stacks ----

enum { BIG_FIBERS = 3, BIG_STACK = 1 << 20 };

static int big_fiber(void *arg)
{
    volatile char block[BIG_STACK / 2];

    (void)arg;
    for (size_t i = 0; i < sizeof block; i += 4096) block[i] = (char)(i / 4096);
    if (fault_note(rouse_sleep(ROUSE_NS_PER_MS)) < 0) return -1;
    for (size_t i = 0; i < sizeof block; i += 4096) {
        if (block[i] != (char)(i / 4096)) fault_broken("a stack has changed");
    }
    return 0;
}

static int stacks_root(void *arg)
{
    const struct rouse_task_attrs attrs = {
        .size = sizeof attrs, .name = "big", .stack_size = BIG_STACK, .site = ROUSE_SITE};
    struct rouse_join_handle handles[BIG_FIBERS];
    bool is_spawned[BIG_FIBERS];

    (void)arg;
    for (int i = 0; i < BIG_FIBERS; i++) {
        is_spawned[i] = fault_note(rouse_spawn_at(&handles[i], big_fiber, NULL, &attrs)) == 0;
    }
    for (int i = 0; i < BIG_FIBERS; i++) {
        if (is_spawned[i] && wait_joined(&handles[i]) == 0) step_done();
    }
    return 0;
}

// A fiber that starves may be given a stack that is too small for it, when no other fiber is left
// to end: so the default is what the big ones ask for.
static bool stacks_run(void)
{
    const struct rouse_runtime_options options = {
        .size = sizeof options, .workers = 2, .stack_size = BIG_STACK};
    struct rouse_runtime *runtime = NULL;
    struct rouse_join_handle root;

    if (fault_note(rouse_runtime_new(&runtime, &options)) < 0) return false;
    if (fault_note(rouse_runtime_spawn(runtime, &root, stacks_root, NULL, NULL)) == 0 &&
        fault_note(rouse_block_on(runtime, &root.base)) == 0) {
        rouse_future_drop(&root.base);
    }
    rouse_runtime_free(runtime);
    return steps_are(BIG_FIBERS);
}

// ---- Timers ----

static int timers_root(void *arg)
{
    struct rouse_pending never;
    struct rouse_interval interval;
    struct rouse_sleep sleep;

    (void)arg;
    if (fault_note(rouse_sleep(ROUSE_NS_PER_MS)) == 0) step_done();
    rouse_pending_init(&never);
    if (rouse_await_until(&never.base, rouse_deadline_after(ROUSE_NS_PER_MS)) == -ETIMEDOUT) {
        step_done();
    }
    rouse_interval_init(&interval, rouse_now_ns(), ROUSE_NS_PER_MS, ROUSE_MISSED_DELAY);
    for (int i = 0; i < 3; i++) {
        if (fault_note(rouse_interval_tick(&interval, NULL)) == 0) step_done();
    }
    rouse_sleep_init(&sleep, ROUSE_NS_PER_MS);
    if (wait_for(&sleep.base) == 0) step_done();
    return 0;
}

static bool timers_run(void)
{
    struct rouse_runtime *runtime = runtime_make(2);
    struct rouse_sleep sleep;
    struct rouse_join_handle root;

    if (runtime == NULL) return false;
    rouse_sleep_init(&sleep, ROUSE_NS_PER_MS);
    if (fault_note(rouse_block_on(runtime, &sleep.base)) == 0) step_done();
    if (fault_note(rouse_runtime_spawn(runtime, &root, timers_root, NULL, NULL)) == 0 &&
        fault_note(rouse_block_on(runtime, &root.base)) == 0) {
        rouse_future_drop(&root.base);
    }
    rouse_runtime_free(runtime);
    return steps_are(7);
}

// ---- The blocking pool ----

enum { JOBS = 4 };

static int64_t job_run(void *arg)
{
    const struct timespec moment = {.tv_nsec = 300000};

    (void)nanosleep(&moment, NULL);
    return *(int *)arg;
}

static int job_fiber(void *arg)
{
    int number = 11;
    int64_t out = 0;

    (void)arg;
    if (fault_note(rouse_blocking(job_run, &number, &out)) < 0) return -1;
    if (out != 11) fault_broken("a job's result has changed");
    return 0;
}

static int blocking_root(void *arg)
{
    struct rouse_join_handle handles[JOBS];
    bool is_spawned[JOBS];
    struct rouse_blocking job;
    int *number = malloc(sizeof *number);

    (void)arg;
    for (int i = 0; i < JOBS; i++) {
        is_spawned[i] = fault_note(rouse_spawn(&handles[i], job_fiber, NULL)) == 0;
    }
    *number = 12;
    rouse_blocking_init(&job, job_run, number, free);
    if (wait_for(&job.base) == 0 && fault_note(job.output) == 0 && job.result == 12) step_done();
    for (int i = 0; i < JOBS; i++) {
        if (is_spawned[i] && wait_joined(&handles[i]) == 0) step_done();
    }
    return 0;
}

static bool blocking_run(void)
{
    with_runtime(2, blocking_root, NULL);
    return steps_are(JOBS + 1);
}

// ---- Signals ----

static int signal_root(void *arg)
{
    struct rouse_signal signal;

    (void)arg;
    rouse_signal_init(&signal, SIGUSR1);
    if (signal.output == 0) (void)kill(getpid(), SIGUSR1);
    if (wait_for(&signal.base) == 0 && fault_note(signal.output) == SIGUSR1) step_done();
    return 0;
}

static bool signal_run(void)
{
    with_runtime(2, signal_root, NULL);
    rs_signal_thread_stop();
    return steps_are(1);
}

// ---- An executor in a loop of the program's own ----

static int embedded_fiber(void *arg)
{
    (void)arg;
    if (fault_note(rouse_sleep(2 * ROUSE_NS_PER_MS)) == 0) step_done();
    if (fault_note(rouse_yield()) == 0) step_done();
    if (fault_note(rouse_sleep(ROUSE_NS_PER_MS)) == 0) step_done();
    return 0;
}

// Turns the executor when its descriptor says so; where there is none, every millisecond.
static void loop(struct rouse_executor *executor)
{
    struct pollfd entry = {.fd = rouse_executor_fd(executor), .events = POLLIN};
    uint64_t deadline = fault_deadline();

    while (rouse_executor_turn(executor)) {
        if (entry.fd < 0) {
            (void)poll(NULL, 0, 1);
        } else if (poll(&entry, 1, 5000) == 0) {
            fault_broken("the loop was not told to turn");
            return;
        }
        if (rouse_now_ns() > deadline) {
            (void)fault_note(-ETIMEDOUT);
            return;
        }
    }
}

static bool embedded_run(void)
{
    struct rouse_executor *executor;
    struct rouse_spawner *spawner;

    if (fault_note(rouse_executor_new(&executor, &spawner, NULL)) < 0) return false;
    (void)fault_note(rouse_spawner_spawn(spawner, NULL, embedded_fiber, NULL));
    rouse_spawner_drop(spawner);
    loop(executor);
    rouse_executor_free(executor);
    return steps_are(3);
}

// ---- The default runtime ----

static bool default_run(void)
{
    struct rouse_sleep sleep;
    struct rouse_join_handle handle;
    static int number = 5;

    rouse_sleep_init(&sleep, ROUSE_NS_PER_MS);
    if (fault_note(rouse_block_on(NULL, &sleep.base)) == 0) step_done();
    if (fault_note(rouse_spawn(&handle, child_fiber, &number)) == 0) {
        if (fault_note(rouse_join(&handle)) == 5) step_done();
    }
    fault_over();  // or this would make one only to free it
    rouse_runtime_free(rouse_runtime_default());
    return steps_are(3);
}

// ---- Locks ----

enum { LOCKERS = 4, ROUNDS = 3 };

static struct rouse_mutex mutex;
static struct rouse_semaphore permits;
static struct rouse_rate_limiter limiter;
static int counter;  // under the mutex

static int64_t count_once(void)
{
    struct rouse_mutex_lock lock;

    rouse_mutex_lock_init(&lock, &mutex);
    int64_t err = wait_for(&lock.base);

    if (err < 0) return err;
    int before = counter;

    err = fault_note(rouse_sleep(ROUSE_NS_PER_MS));
    if (counter != before) fault_broken("a mutex does not exclude");
    counter++;
    rouse_mutex_unlock(&mutex);
    return err;
}

static int64_t pass_once(void)
{
    struct rouse_semaphore_acquire acquire;
    struct rouse_rate_limiter_acquire pace;

    rouse_semaphore_acquire_init(&acquire, &permits, 1);
    int64_t err = wait_for(&acquire.base);

    if (err < 0) return err;
    rouse_rate_limiter_acquire_init(&pace, &limiter, 1);
    err = wait_for(&pace.base);
    rouse_semaphore_release(&permits, 1);
    return err;
}

static int locking_fiber(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        if (count_once() < 0 || pass_once() < 0) return -1;
    }
    step_done();
    return 0;
}

static int locks_root(void *arg)
{
    struct rouse_join_handle handles[LOCKERS];
    bool is_spawned[LOCKERS];

    (void)arg;
    rouse_semaphore_init(&permits, 2);
    rouse_rate_limiter_init(&limiter, ROUSE_NS_PER_MS / 10, 2);
    for (int i = 0; i < LOCKERS; i++) {
        is_spawned[i] = fault_note(rouse_spawn(&handles[i], locking_fiber, NULL)) == 0;
    }
    for (int i = 0; i < LOCKERS; i++) {
        if (is_spawned[i]) (void)wait_joined(&handles[i]);
    }
    return 0;
}

static bool locks_run(void)
{
    with_runtime(2, locks_root, NULL);
    if (rouse_mutex_is_locked(&mutex) || rouse_semaphore_available(&permits) % 2 != 0) {
        fault_broken("a lock that nobody holds is free");
    }
    return steps_are(LOCKERS);
}

static struct rouse_condition condition;
static bool is_set;  // under the mutex

static int setting_fiber(void *arg)
{
    (void)arg;
    (void)rouse_sleep(ROUSE_NS_PER_MS);
    if (fault_note(rouse_mutex_lock(&mutex)) < 0) return -1;
    is_set = true;
    rouse_mutex_unlock(&mutex);
    rouse_condition_signal(&condition);
    step_done();
    return 0;
}

// On the default runtime. A wait that finds no memory has the mutex all the same.
static bool condition_run(void)
{
    struct rouse_join_handle handle;
    int64_t err = fault_note(rouse_spawn(&handle, setting_fiber, NULL));

    if (err == 0) {
        err = fault_note(rouse_mutex_lock(&mutex));
        if (err == 0) {
            while (!is_set && err == 0) err = fault_note(rouse_condition_wait(&condition, &mutex));
            if (!rouse_mutex_is_locked(&mutex)) fault_broken("a wait has the mutex again");
            rouse_mutex_unlock(&mutex);
        }
        if (fault_note(rouse_join(&handle)) == 0 && err == 0) step_done();
    }
    fault_over();  // or this would make one only to free it
    rouse_runtime_free(rouse_runtime_default());
    return steps_are(2);
}

// ---- Channels ----

// Several chunks of an unbounded one; few for a bounded one, where each is a wait for a place.
enum { ELEMENTS_BOUNDED = 16, ELEMENTS_UNBOUNDED = 600 };

struct ends {
    struct rouse_channel_sender *tx;
    struct rouse_channel_receiver *rx;
    int wanted;
    int sent;
    int dropped;
};

static struct ends ends;  // of the channel that is in use; a sender may outlive the wait for it

static void element_drop(void *element)
{
    (void)element;
    ends.dropped++;
}

static int elements_of(const struct rouse_channel_sender *tx)
{
    return rouse_channel_sender_capacity(tx) == ROUSE_CHANNEL_UNBOUNDED
               ? ELEMENTS_UNBOUNDED
               : ELEMENTS_BOUNDED;
}

// Sends until something fails, then gives up its end.
static int sending_fiber(void *arg)
{
    struct rouse_channel_sender *tx = arg;
    bool is_bounded = elements_of(tx) == ELEMENTS_BOUNDED;

    for (int64_t i = 0; i < elements_of(tx); i++) {
        int err = rouse_channel_send(tx, &i);

        if (err == -ENOMEM && is_bounded) fault_broken("a bounded channel has asked for memory");
        if (fault_note(err) < 0) break;
        ends.sent++;
    }
    rouse_channel_sender_unref(tx);
    return 0;
}

// Receives `count` in order, or all until the end. False if that was given up.
static bool receive_in_order(int count, int *received)
{
    struct rouse_channel_receive receive;
    int64_t element = -1;

    for (*received = 0; *received < count; ++*received) {
        rouse_channel_receive_init(&receive, ends.rx, &element);
        if (wait_for(&receive.base) < 0) return false;
        if (receive.output == -EPIPE) return true;
        if (receive.output != 1 || element != *received) fault_broken("not the next element");
    }
    return true;
}

// All that was sent comes, but for the last ones, which are dropped with the channel. False if that
// was given up.
static bool receive_and_join(struct rouse_join_handle *sender, int count)
{
    int received;
    bool is_whole = receive_in_order(count, &received);

    if (!is_whole) rouse_channel_receiver_close(ends.rx);  // or the sender waits for a place
    if (wait_joined(sender) < 0) is_whole = false;
    rouse_channel_receiver_unref(ends.rx);
    if (!is_whole) return false;
    if (received + ends.dropped != ends.sent) fault_broken("elements are lost");
    if (ends.sent == ends.wanted) step_done();
    return true;
}

static bool channel_use(size_t capacity, int count)
{
    const struct rouse_channel_options options = {.size = sizeof options,
                                                  .element_size = sizeof(int64_t),
                                                  .capacity = capacity,
                                                  .element_drop = element_drop};
    struct rouse_join_handle sender;

    ends.sent = 0;
    ends.dropped = 0;
    if (fault_note(rouse_channel_new_with(&ends.tx, &ends.rx, &options)) < 0) return true;
    ends.wanted = elements_of(ends.tx);
    if (fault_note(rouse_spawn(&sender, sending_fiber, ends.tx)) == 0) {
        return receive_and_join(&sender, count);
    }
    rouse_channel_sender_unref(ends.tx);
    rouse_channel_receiver_unref(ends.rx);
    return true;
}

static int channel_root(void *arg)
{
    (void)arg;
    (void)(channel_use(2, INT_MAX) && channel_use(1024, ELEMENTS_BOUNDED - 5) &&
           channel_use(ROUSE_CHANNEL_UNBOUNDED, INT_MAX) &&
           channel_use(ROUSE_CHANNEL_UNBOUNDED, ELEMENTS_UNBOUNDED / 2));
    return 0;
}

static bool channel_run(void)
{
    with_runtime(2, channel_root, NULL);
    return steps_are(4);
}

// ---- The dump ----

static int dumped_fiber(void *arg)
{
    (void)arg;
    (void)rouse_sleep(3600 * ROUSE_NS_PER_S);
    return 0;
}

static void dump_to_file(void)
{
    static char text[64];
    FILE *file = tmpfile();

    if (file == NULL) {
        (void)fault_note(-errno);
        return;
    }
    if (fault_note(rouse_dump(fileno(file))) == 0) {
        rewind(file);
        if (fgets(text, sizeof text, file) != NULL && strncmp(text, "rouse dump", 10) == 0) {
            step_done();
        } else {
            fault_broken("a dump that went well is not there");
        }
    }
    (void)fclose(file);
}

static int dump_root(void *arg)
{
    struct rouse_join_handle handles[3];
    bool is_spawned[3];

    (void)arg;
    for (int i = 0; i < 3; i++) {
        is_spawned[i] = fault_note(rouse_spawn(&handles[i], dumped_fiber, NULL)) == 0;
    }
    (void)fault_note(rouse_sleep(ROUSE_NS_PER_MS));
    dump_to_file();
    for (int i = 0; i < 3; i++) {
        if (!is_spawned[i]) continue;
        rouse_abort(&handles[i]);
        if (wait_joined(&handles[i]) == 0) step_done();
    }
    return 0;
}

static bool dump_run(void)
{
    with_runtime(2, dump_root, NULL);
    return steps_are(4);
}

const struct scenario fault_scenarios[] = {
    {.name = "runtime", .run = runtime_run},
    {.name = "program", .run = program_run},
    {.name = "spawn", .run = spawn_run},
    {.name = "stacks", .run = stacks_run},
    {.name = "timers", .run = timers_run},
    {.name = "blocking", .run = blocking_run},
    {.name = "signal", .run = signal_run},
    {.name = "embedded", .run = embedded_run},
    // What makes no default runtime is said in the log; the call says that there is none.
    {.name = "default", .run = default_run, .also = ENOMEM},
    {.name = "channel", .run = channel_run},
    {.name = "dump", .run = dump_run},
    {.name = "locks", .run = locks_run},
    {.name = "condition", .run = condition_run, .also = ENOMEM},
    {.name = NULL},
};
