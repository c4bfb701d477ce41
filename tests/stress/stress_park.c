// SPDX-License-Identifier: MIT
//
// Submit and sleep cross. Workers have next to nothing to do, so they are on their way to sleep
// nearly always, when a thread from outside wakes one task (a future by way of the injection queue,
// a fiber by way of its worker's inbox) and waits for its answer; or when there is work for all of
// them at once and none may rest before all have come, so that each worker that finds some has to
// wake the next. A lost wake-up would be found by the sentinel some milliseconds later and never be
// seen: so no sleep of a worker ends by itself here.
//
// ROUSE_TEST_FULL=1 makes it a million wakes for each number of workers, however long they take.

#include <sched.h>

#include "base/cpu.h"
#include "base/sys.h"
#include "stress.h"

enum { ROUNDS_FULL = 1000000, TEAM_COST = 16, WORKERS_MIN = 2, WORKERS_MAX = 4 };

#define PATIENCE_NS (60 * ROUSE_NS_PER_S)

static struct rouse_runtime *runtime;
static bool is_full;
static _Atomic int64_t wakes;

// A part of the test ends after so many rounds, or at this time.
static int64_t rounds_end;
static uint64_t time_end;

// `share` of what there is for one number of workers.
static void part_begin(double share, int64_t rounds_full)
{
    rounds_end = is_full ? (int64_t)((double)rounds_full * share) : INT64_MAX;
    time_end = is_full ? ROUSE_NEVER : stress_deadline(share / (WORKERS_MAX - WORKERS_MIN + 1));
}

static bool part_goes_on(int64_t rounds)
{
    return rounds < rounds_end && rouse_now_ns() < time_end;
}

// ---- Sleeps without an end ----

static int wait_on_epoll(int epoll_fd, struct epoll_event *events, int max,
                         const struct timespec *timeout)
{
    (void)timeout;  // only sleeps have one; who polls calls epoll_wait()
    return rs_sys_real.epoll_pwait2(epoll_fd, events, max, NULL);
}

static int wait_on_poll(struct pollfd *fds, nfds_t count, const struct timespec *timeout)
{
    bool polls = timeout != NULL && timeout->tv_sec == 0 && timeout->tv_nsec == 0;

    return rs_sys_real.ppoll(fds, count, polls ? timeout : NULL);
}

// Waits for a count without sleeping. What does not come in a minute was lost.
static void wait_for(_Atomic int64_t *count, int64_t value, const char *what)
{
    uint64_t deadline = 0;

    for (uint32_t spins = 0; stress_get(count) < value; spins++) {
        if (spins % 64 == 63) (void)sched_yield();
        if (spins % 65536 != 65535) continue;
        if (deadline == 0) deadline = rouse_deadline_after(PATIENCE_NS);
        if (rouse_now_ns() < deadline) continue;
        claim(false, what);
        (void)rouse_dump(STDOUT_FILENO);
        _Exit(1);
    }
}

// A moment, so that the next round meets the worker at another step of its way to sleep: mostly
// some hundred nanoseconds, sometimes many microseconds.
static void dawdle(uint64_t *random)
{
    uint64_t limit = UINT64_C(1) << stress_below(random, 12);

    for (uint64_t n = stress_below(random, limit); n > 0; n--) rs_cpu_relax();
    if (stress_below(random, 64) == 0) (void)sched_yield();
}

// ---- Processors ----

// The kernel likes to run who is woken where its waker runs. Then the two never cross: so for some
// of the rounds, the threads from outside have a processor of their own, where there are two.
static cpu_set_t all_cpus;
static cpu_set_t first_cpu;
static cpu_set_t other_cpus;

static void cpus_find(void)
{
    size_t first = 0;

    CPU_ZERO(&all_cpus);
    (void)sched_getaffinity(0, sizeof all_cpus, &all_cpus);
    while (first < CPU_SETSIZE - 1 && !CPU_ISSET(first, &all_cpus)) first++;
    first_cpu = all_cpus;
    other_cpus = all_cpus;
    if (CPU_COUNT(&all_cpus) < 2) return;
    CPU_ZERO(&first_cpu);
    CPU_SET(first, &first_cpu);
    CPU_CLR(first, &other_cpus);
}

// Of the calling thread. It is only a help, so a failure does no harm.
static void cpus_set(const cpu_set_t *cpus)
{
    (void)sched_setaffinity(0, sizeof *cpus, cpus);
}

// ---- Work for everybody ----

// As many tasks as there are workers, each of which holds its worker until all have begun: so every
// worker must come. They are handed out in one of three ways.
enum shape {
    CROWD,   // by a plain thread, all at once: the last searcher to find one wakes the next worker
    LEADER,  // the first one spawns the others into its worker's queue
    RELAY,   // each spawns the next one, and waits for it only
    SHAPES,
};

struct team {
    _Atomic int64_t began;
    _Atomic int64_t ended;
    int64_t size;
    enum shape shape;
    const cpu_set_t *cpus;  // where the workers are to run from now on; NULL: as before
};

static rouse_poll member_run(void *arg, struct rouse_context *cx);

static void member_init(struct rouse_future *storage, void *arg)
{
    rouse_poll_fn_init(ROUSE_CONTAINER_OF(storage, struct rouse_poll_fn, base), member_run, arg);
}

static void members_spawn(struct team *team, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        stress_must(rouse_runtime_spawn_future(
                        runtime, NULL,
                        &(struct rouse_future_spec){
                            .size = sizeof(struct rouse_poll_fn), .init = member_init, .arg = team},
                        NULL),
                    "spawn");
    }
}

static rouse_poll member_run(void *arg, struct rouse_context *cx)
{
    struct team *team = arg;
    int64_t number = stress_add(&team->began, 1);
    int64_t awaited = team->size;

    (void)cx;
    if (team->cpus != NULL) cpus_set(team->cpus);
    if (team->shape == LEADER && number == 1) members_spawn(team, team->size - 1);
    if (team->shape == RELAY && number < team->size) {
        members_spawn(team, 1);
        awaited = number + 1;
    }
    wait_for(&team->began, awaited, "no worker came for work that was there");
    (void)stress_add(&team->ended, 1);
    return ROUSE_READY;
}

// Returns how many times a team has come; adds to `*run` how many tasks have been run.
static int64_t teams(unsigned workers, int64_t *run)
{
    uint64_t random = stress_stream(workers);
    int64_t rounds = 0;

    for (; part_goes_on(rounds); rounds++) {
        struct team team = {.size = workers, .shape = (enum shape)(rounds % SHAPES)};

        members_spawn(&team, team.shape == CROWD ? team.size : 1);
        wait_for(&team.ended, workers, "a team did not end");
        *run += stress_get(&team.ended);
        dawdle(&random);
    }
    return rounds;
}

// ---- Ping-pong ----

struct ball {
    struct rouse_waker_slot slot;
    _Atomic int64_t served;
    _Atomic int64_t returned;
    _Atomic bool over;
    struct rouse_poll_fn player;
};

static rouse_poll play(void *arg, struct rouse_context *cx)
{
    struct ball *ball = arg;

    rouse_waker_slot_register(&ball->slot, rouse_context_waker(cx));
    // Acquire, here and in stress_get(): after the registration, with the release before the wake.
    if (atomic_load_explicit(&ball->over, memory_order_acquire)) return ROUSE_READY;
    atomic_store_explicit(&ball->returned, stress_get(&ball->served), memory_order_release);
    return ROUSE_PENDING;
}

static int play_as_fiber(void *arg)
{
    struct ball *ball = arg;

    rouse_poll_fn_init(&ball->player, play, ball);
    return rouse_await(&ball->player.base);
}

static void player_init(struct rouse_future *storage, void *arg)
{
    rouse_poll_fn_init(ROUSE_CONTAINER_OF(storage, struct rouse_poll_fn, base), play, arg);
}

static void *serve_main(void *arg)
{
    struct ball *ball = arg;
    uint64_t random = stress_stream((uint64_t)(uintptr_t)ball);

    for (int64_t i = 1; part_goes_on(i - 1); i++) {
        atomic_store_explicit(&ball->served, i, memory_order_release);
        rouse_waker_slot_wake(&ball->slot);
        wait_for(&ball->returned, i, "a wake from a plain thread was lost");
        (void)stress_add(&wakes, 1);
        dawdle(&random);
    }
    return NULL;
}

static void ball_end(struct ball *ball, struct rouse_join_handle *handle)
{
    atomic_store_explicit(&ball->over, true, memory_order_release);
    rouse_waker_slot_wake(&ball->slot);
    stress_must(rouse_block_on(runtime, &handle->base), "block_on");
    rouse_future_drop(&handle->base);
    rouse_waker_slot_deinit(&ball->slot);
}

static void player_spawn(struct ball *ball, bool as_fiber, struct rouse_join_handle *handle)
{
    struct rouse_future_spec spec = {
        .size = sizeof(struct rouse_poll_fn), .init = player_init, .arg = ball};

    stress_must(as_fiber ? rouse_runtime_spawn(runtime, handle, play_as_fiber, ball, NULL)
                         : rouse_runtime_spawn_future(runtime, handle, &spec, NULL),
                "spawn");
}

// A thread plays with a future, another with a fiber: balls[0] and balls[1], or one of them alone,
// which leaves more processors to that game.
static void ping_pong(int first, int last)
{
    struct ball balls[2] = {{.over = false}};
    struct rouse_join_handle handles[2];
    pthread_t threads[2];

    for (int i = first; i <= last; i++) player_spawn(&balls[i], i == 1, &handles[i]);
    for (int i = first; i <= last; i++) threads[i] = stress_thread(serve_main, &balls[i]);
    for (int i = first; i <= last; i++) (void)pthread_join(threads[i], NULL);
    for (int i = first; i <= last; i++) ball_end(&balls[i], &handles[i]);
}

// ---- The rounds ----

// Every worker gets a task that moves it.
static void workers_move(unsigned workers, const cpu_set_t *cpus)
{
    struct team team = {.size = workers, .shape = CROWD, .cpus = cpus};

    members_spawn(&team, workers);
    wait_for(&team.ended, workers, "the workers did not move");
}

static struct rouse_runtime *drowsy_runtime(unsigned workers)
{
    const struct rouse_runtime_options options = {
        .size = sizeof options, .workers = workers, .no_spin = true};
    struct rouse_runtime *made;

    stress_must(rouse_runtime_new(&made, &options), "runtime");
    return made;
}

// Among workers that look around before they sleep.
static void round_awake(unsigned workers)
{
    struct rouse_stats before;
    char text[128];

    rouse_stats_get(&before);
    runtime = stress_runtime(workers);
    atomic_store_explicit(&wakes, 0, memory_order_release);
    part_begin(0.15, ROUNDS_FULL);
    ping_pong(0, 1);
    (void)snprintf(text, sizeof text, "%u workers that spin: of %lld wakes none was lost", workers,
                   (long long)stress_get(&wakes));
    claim(stress_get(&wakes) > 0, text);
    rouse_runtime_free(runtime);
    claim(stress_is_clean(&before), "nothing is left of them");
}

static void round_of(unsigned workers)
{
    struct rouse_stats before;
    struct rouse_stats after;
    char text[128];
    int64_t run = 0;

    rouse_stats_get(&before);
    runtime = drowsy_runtime(workers);
    atomic_store_explicit(&wakes, 0, memory_order_release);
    workers_move(workers, &other_cpus);
    cpus_set(&first_cpu);
    part_begin(0.2, ROUNDS_FULL);
    ping_pong(0, 0);
    part_begin(0.3, ROUNDS_FULL);
    ping_pong(1, 1);
    cpus_set(&all_cpus);
    workers_move(workers, &all_cpus);
    part_begin(0.15, ROUNDS_FULL);
    ping_pong(0, 1);
    rouse_stats_get(&after);
    (void)snprintf(text, sizeof text, "%u workers: of %lld wakes none was lost, in %lld sleeps",
                   workers, (long long)stress_get(&wakes), (long long)(after.parks - before.parks));
    claim(stress_get(&wakes) > 0 && after.parks > before.parks, text);
    part_begin(0.2, ROUNDS_FULL / TEAM_COST);
    int64_t rounds = teams(workers, &run);

    (void)snprintf(text, sizeof text, "%u workers: %lld times each of them came for work", workers,
                   (long long)rounds);
    claim(rounds > 0 && run == rounds * workers, text);
    rouse_runtime_free(runtime);
    claim(stress_is_clean(&before), "nothing is left");
}

int main(int argc, char **argv)
{
    const char *full = getenv("ROUSE_TEST_FULL");

    is_full = full != NULL && strcmp(full, "0") != 0;
    stress_begin(argc, argv);
    if (is_full) (void)alarm(3600);
    cpus_find();
    rs_sys.epoll_pwait2 = wait_on_epoll;
    rs_sys.ppoll = wait_on_poll;
    for (unsigned workers = WORKERS_MIN; workers <= WORKERS_MAX; workers++) {
        round_of(workers);
        round_awake(workers);
    }
    return claims_end();
}
