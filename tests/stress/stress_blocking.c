// SPDX-License-Identifier: MIT
//
// Runtimes that are freed while fibers are in rouse_blocking() and futures wait for jobs: queued,
// about to begin, running, or just done. No wait on a futex has a limit here: what would be a stall
// that some timeout ends, a lost wake-up, is a hang, and ends by signal.

#include <errno.h>

#include "base/sys.h"
#include "stress.h"

enum { FIBERS = 6, LEAVERS = 3 };

static _Atomic int64_t calls;     // that said their function has run
static _Atomic int64_t runs;      // of functions for them
static _Atomic int64_t arg_made;  // of the form that may be left behind
static _Atomic int64_t arg_freed;
static _Atomic int64_t wrong;

static int futex_wait_for_ever(uint32_t *word, uint32_t expected, const struct timespec *timeout)
{
    (void)timeout;
    return rs_sys_real.futex_wait(word, expected, NULL);
}

static void work(uint64_t duration_ns)
{
    if (duration_ns % 2 == 0) {
        stress_busy(duration_ns % (20 * ROUSE_NS_PER_US));
    } else {
        stress_nap(duration_ns);
    }
}

static int64_t run_in_pool(void *arg)
{
    work(*(uint64_t *)arg);
    return stress_add(&runs, 1);
}

// Blocks again and again until the shutdown says no.
static int call_fiber(void *arg)
{
    uint64_t random = stress_stream((uint64_t)(uintptr_t)arg);
    int err = 0;

    while (err == 0) {
        uint64_t duration_ns = stress_below(&random, 100 * ROUSE_NS_PER_US);
        int64_t result = 0;

        err = rouse_blocking(run_in_pool, &duration_ns, &result);
        if (err == 0) (void)stress_add(&calls, 1);
        if (err == 0 && result <= 0) (void)stress_add(&wrong, 1);
    }
    if (err != -ECANCELED) (void)stress_add(&wrong, 1);
    return 0;
}

static int64_t run_left(void *arg)
{
    work(*(uint64_t *)arg);
    return 0;
}

static void free_left(void *arg)
{
    free(arg);
    (void)stress_add(&arg_freed, 1);
}

// Waits for a job for a while and leaves it then, again and again.
static int leave_fiber(void *arg)
{
    uint64_t random = stress_stream((uint64_t)(uintptr_t)arg);
    int err = 0;

    while (err == 0 || err == -ETIMEDOUT) {
        struct rouse_blocking job;
        uint64_t *duration_ns = malloc(sizeof *duration_ns);

        if (duration_ns == NULL) exit(1);
        *duration_ns = stress_below(&random, 100 * ROUSE_NS_PER_US);
        (void)stress_add(&arg_made, 1);
        rouse_blocking_init(&job, run_left, duration_ns, free_left);
        err = rouse_await_until(&job.base,
                                rouse_deadline_after(stress_below(&random, 100 * ROUSE_NS_PER_US)));
    }
    if (err != -ECANCELED) (void)stress_add(&wrong, 1);
    return 0;
}

// Few threads, so that jobs are queued as well.
static struct rouse_runtime *runtime_new(unsigned workers, unsigned threads)
{
    const struct rouse_runtime_options options = {
        .size = sizeof options, .workers = workers, .blocking_threads = threads};
    struct rouse_runtime *runtime;

    stress_must(rouse_runtime_new(&runtime, &options), "runtime");
    return runtime;
}

static uint64_t round_of(int number, uint64_t *random)
{
    static const unsigned workers[] = {1, 2, 4};
    static const unsigned threads[] = {2, 8};
    struct rouse_runtime *runtime = runtime_new(workers[number % 3], threads[number % 2]);

    for (int i = 0; i < FIBERS; i++) {
        stress_must(rouse_runtime_spawn(runtime, NULL, call_fiber,
                                        (void *)(uintptr_t)claim_random(random), NULL),
                    "spawn");
    }
    for (int i = 0; i < LEAVERS; i++) {
        stress_must(rouse_runtime_spawn(runtime, NULL, leave_fiber,
                                        (void *)(uintptr_t)claim_random(random), NULL),
                    "spawn");
    }
    if (stress_below(random, 4) != 0) stress_nap(stress_below(random, 400 * ROUSE_NS_PER_US));
    uint64_t start = rouse_now_ns();

    rouse_runtime_free(runtime);
    return rouse_now_ns() - start;
}

int main(int argc, char **argv)
{
    struct rouse_stats before;
    uint64_t longest = 0;
    uint64_t random;
    int rounds = 0;

    stress_begin(argc, argv);
    rs_sys.futex_wait = futex_wait_for_ever;
    rouse_stats_get(&before);
    random = stress_stream(0);
    uint64_t deadline = stress_deadline(1);

    while (rounds < 20 || rouse_now_ns() < deadline) {
        uint64_t time = round_of(rounds++, &random);

        if (time > longest) longest = time;
    }
    printf("# %d runtimes, %lld calls; the longest shutdown took %.1f ms\n", rounds,
           (long long)stress_get(&calls), (double)longest / 1e6);
    claim(stress_get(&calls) == stress_get(&runs), "each function that ran was waited for");
    claim(stress_get(&arg_made) == stress_get(&arg_freed), "each argument left behind is freed");
    claim(stress_get(&wrong) == 0, "a call has its result, or says -ECANCELED");
    claim(stress_is_clean(&before), "nothing is left");
    return claims_end();
}
