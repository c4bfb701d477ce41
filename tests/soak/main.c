// SPDX-License-Identifier: MIT
//
// The soak: every load at once on one runtime under chaos, for as long as asked. The main thread
// samples what lives each second, sees to it that every operation ends, and judges at the end:
// nothing grew, every byte came back, no wake-up was lost, and after the shutdown nothing is left.

#include <errno.h>
#include <getopt.h>

#include "procfs.h"
#include "samples.h"
#include "soak.h"

enum { LOADS_MAX = 16, ACTORS_MAX = 128, WRONGS_SHOWN = 20, LINE_EVERY = 15 };

static const struct soak_load *const loads[] = {
    &soak_echo_fibers,    &soak_echo_frames,    &soak_http_fibers,     &soak_http_frames,
    &soak_timers_fibers,  &soak_timers_frames,  &soak_churn_fibers,    &soak_churn_frames,
    &soak_foreign_fibers, &soak_foreign_frames, &soak_blocking_fibers, &soak_blocking_frames,
};

enum { LOADS = sizeof loads / sizeof loads[0] };

struct options {
    double seconds;
    unsigned workers;
    uint64_t seed;
    const char *csv;
    pid_t other;  // a process to sample too; 0: none
};

struct crew {
    struct soak_actor actors[ACTORS_MAX];
    struct rouse_join_handle handles[ACTORS_MAX];
    pthread_t threads[ACTORS_MAX];
    const struct soak_load *of[ACTORS_MAX];
    size_t count;
};

static struct crew crew;
static struct rouse_runtime *runtime;
static _Atomic bool over;
static _Atomic int64_t wrongs;
static _Atomic int64_t bytes;

bool soak_is_over(void)
{
    // Acquire, with the release in crew_end().
    return atomic_load_explicit(&over, memory_order_acquire);
}

// Relaxed, here and in the next: the main thread looks now and then, and may be late.
void soak_operation_begin(struct soak_actor *actor)
{
    atomic_store_explicit(&actor->since_ns, rouse_now_ns(), memory_order_relaxed);
}

void soak_operation_end(struct soak_actor *actor)
{
    uint64_t since = atomic_load_explicit(&actor->since_ns, memory_order_relaxed);
    uint64_t took = rouse_now_ns() - since;

    if (took > atomic_load_explicit(&actor->longest_ns, memory_order_relaxed)) {
        atomic_store_explicit(&actor->longest_ns, took, memory_order_relaxed);
    }
    atomic_store_explicit(&actor->since_ns, 0, memory_order_relaxed);
    atomic_fetch_add_explicit(&actor->operations, 1, memory_order_relaxed);
}

void soak_wrong(const char *what, int64_t result)
{
    if (stress_add(&wrongs, 1) > WRONGS_SHOWN) return;
    printf("# WRONG: %s: %lld\n", what, (long long)result);
    (void)fflush(stdout);
}

int64_t soak_wrongs(void)
{
    return stress_get(&wrongs);
}

void soak_bytes_add(int64_t count)
{
    (void)stress_add(&bytes, count);
}

// ---- The actors ----

static void actor_start(const struct soak_load *load)
{
    const struct body_target target = {.runtime = runtime};
    size_t i = crew.count++;
    struct soak_actor *actor = &crew.actors[i];

    *actor = (struct soak_actor){.load = load->name, .random = stress_stream(i + 1)};
    crew.of[i] = load;
    if (load->spawn != NULL) {
        stress_must(load->spawn(&target, &crew.handles[i], actor), "actor");
    } else {
        crew.threads[i] = stress_thread(load->thread, actor);
    }
}

static void crew_start(void)
{
    for (size_t i = 0; i < LOADS; i++) {
        if (loads[i]->open != NULL) loads[i]->open(runtime);
        for (unsigned j = 0; j < loads[i]->actors; j++) actor_start(loads[i]);
    }
}

// An operation that takes longer than the bound will never end. Says which, and what the tasks wait
// for, and ends the program: nothing can be shut down in order any more.
static void crew_watch(void)
{
    uint64_t now = rouse_now_ns();

    for (size_t i = 0; i < crew.count; i++) {
        // Relaxed: see soak_operation_begin().
        uint64_t since = atomic_load_explicit(&crew.actors[i].since_ns, memory_order_relaxed);

        if (since == 0 || since + SOAK_BOUND_NS + 10 * ROUSE_NS_PER_S > now) continue;
        printf("not ok - an operation of actor %zu, %s, began %llu ms ago and does not end\n", i,
               crew.actors[i].load, (unsigned long long)((now - since) / ROUSE_NS_PER_MS));
        (void)fflush(stdout);
        (void)rouse_dump(STDOUT_FILENO);
        _Exit(1);
    }
}

static void crew_end(void)
{
    // Release, with the acquire in soak_is_over().
    atomic_store_explicit(&over, true, memory_order_release);
    for (size_t i = 0; i < crew.count; i++) {
        if (crew.of[i]->spawn == NULL) {
            (void)pthread_join(crew.threads[i], NULL);
            continue;
        }
        stress_must(rouse_block_on(runtime, &crew.handles[i].base), "actor");
        if (crew.handles[i].output != 0) soak_wrong("an actor", crew.handles[i].output);
        rouse_future_drop(&crew.handles[i].base);
    }
    for (size_t i = 0; i < LOADS; i++) {
        if (loads[i]->close != NULL) loads[i]->close(runtime);
    }
}

static int64_t operations(void)
{
    int64_t sum = 0;

    for (size_t i = 0; i < crew.count; i++) {
        // Relaxed: see soak_operation_begin().
        sum += atomic_load_explicit(&crew.actors[i].operations, memory_order_relaxed);
    }
    return sum;
}

static void crew_print(void)
{
    // Relaxed, both: the actors have ended.
    for (size_t i = 0; i < crew.count;) {
        const struct soak_load *load = crew.of[i];
        int64_t sum = 0;
        uint64_t longest = 0;

        for (; i < crew.count && crew.of[i] == load; i++) {
            uint64_t took = atomic_load_explicit(&crew.actors[i].longest_ns, memory_order_relaxed);

            sum += atomic_load_explicit(&crew.actors[i].operations, memory_order_relaxed);
            if (took > longest) longest = took;
        }
        printf("# %-9s %3u actors %10lld operations, the longest took %.1f ms\n", load->name,
               load->actors, (long long)sum, (double)longest / 1e6);
    }
}

// ---- Samples ----

static void sample_fill_stats(struct sample *sample)
{
    struct rouse_stats stats;

    rouse_stats_get(&stats);
    sample->values[SAMPLE_TASKS] = stats.tasks;
    sample->values[SAMPLE_TASK_RECORDS] = stats.task_records;
    sample->values[SAMPLE_TIMERS] = stats.timers;
    sample->values[SAMPLE_SOURCES] = stats.sources;
    sample->values[SAMPLE_STACKS] = stats.stacks;
    sample->values[SAMPLE_STACKS_CACHED] = stats.stacks_cached;
    sample->values[SAMPLE_SOCKETS] = stats.sockets;
    sample->values[SAMPLE_JOBS] = stats.blocking_jobs;
    sample->values[SAMPLE_THREADS] = stats.threads;
    sample->values[SAMPLE_ALLOCATIONS] = stats.allocations;
    sample->values[SAMPLE_ALLOCATED] = stats.allocated_bytes;
    sample->values[SAMPLE_PAGES] = stats.page_bytes;
    sample->values[SAMPLE_DRIVER_FDS] = stats.fds;
    sample->values[SAMPLE_POLLS] = stats.polls;
    sample->values[SAMPLE_STEALS] = stats.steals;
    sample->values[SAMPLE_PARKS] = stats.parks;
}

// False if the process watched beside is gone.
static bool sample_take(struct sample *sample, double at_s, pid_t other)
{
    struct procfs self;
    struct procfs beside = {0};
    bool there = procfs_read(getpid(), &self);

    if (other != 0) there = procfs_read(other, &beside) && there;
    *sample = (struct sample){.at_s = at_s};
    sample_fill_stats(sample);
    sample->values[SAMPLE_RESIDENT] = self.resident_kib;
    sample->values[SAMPLE_OPEN_FDS] = self.fds;
    sample->values[SAMPLE_OS_THREADS] = self.threads;
    sample->values[SAMPLE_OTHER_RESIDENT] = beside.resident_kib;
    sample->values[SAMPLE_OTHER_FDS] = beside.fds;
    sample->values[SAMPLE_OTHER_THREADS] = beside.threads;
    sample->values[SAMPLE_OPERATIONS] = operations();
    sample->values[SAMPLE_BYTES] = stress_get(&bytes) >> 20;
    return there;
}

// On a terminal a line that is written over each second; in a log a line now and then.
static void sample_show(const struct sample *sample, size_t number, double total_s)
{
    if (isatty(STDERR_FILENO) != 0) {
        (void)fprintf(stderr, "\r");
        sample_print(stderr, sample, total_s);
    }
    if (isatty(STDOUT_FILENO) == 0 && number % LINE_EVERY == 0) {
        printf("# ");
        sample_print(stdout, sample, total_s);
        printf("\n");
        (void)fflush(stdout);
    }
}

// Samples until the time is over. False if the process watched beside went away.
static bool watch(struct samples *samples, const struct options *options)
{
    uint64_t start = rouse_now_ns();
    bool there = true;

    for (size_t number = 1;; number++) {
        uint64_t due = start + number * ROUSE_NS_PER_S;
        uint64_t now = rouse_now_ns();
        struct sample sample;

        if (now < due) stress_nap(due - now);
        double at_s = (double)(rouse_now_ns() - start) / 1e9;

        if (at_s > options->seconds) break;
        there = sample_take(&sample, at_s, options->other) && there;
        samples_add(samples, &sample);
        sample_show(&sample, number, options->seconds);
        crew_watch();
    }
    if (isatty(STDERR_FILENO) != 0) (void)fprintf(stderr, "\n");
    return there;
}

// ---- The whole ----

static void usage(void)
{
    printf("usage: soak [--minutes N | --seconds N] [--workers N] [--seed N] [--csv FILE]\n"
           "            [--watch PID]\n\n"
           "Runs every load for so long (10 minutes), and judges. ROUSE_REACTOR picks the back\n"
           "end; ROUSE_CHAOS, which is set to the seed if it is not there, the chaos.\n");
}

static struct options options_parse(int argc, char **argv)
{
    static const struct option names[] = {
        {"minutes", required_argument, NULL, 'm'}, {"seconds", required_argument, NULL, 's'},
        {"workers", required_argument, NULL, 'w'}, {"seed", required_argument, NULL, 'r'},
        {"csv", required_argument, NULL, 'c'},     {"watch", required_argument, NULL, 'p'},
        {"help", no_argument, NULL, 'h'},          {0}};
    struct options o = {.seconds = 600, .workers = 2, .seed = (uint64_t)time(NULL)};
    int kind;

    while ((kind = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (kind == 'm') o.seconds = strtod(optarg, NULL) * 60;
        if (kind == 's') o.seconds = strtod(optarg, NULL);
        if (kind == 'w') o.workers = (unsigned)strtoul(optarg, NULL, 10);
        if (kind == 'r') o.seed = strtoull(optarg, NULL, 0);
        if (kind == 'c') o.csv = optarg;
        if (kind == 'p') o.other = (pid_t)strtol(optarg, NULL, 10);
        if (kind == 'h' || kind == '?') {
            usage();
            exit(kind == 'h' ? 0 : 2);
        }
    }
    if (optind < argc || !(o.seconds > 0)) {
        usage();
        exit(2);
    }
    return o;
}

static void chaos_set(const struct options *options)
{
    char text[32];

    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)options->seed);
    (void)setenv("ROUSE_CHAOS", text, 0);
    printf("# %.0f seconds, %u workers, seed %llu, ROUSE_CHAOS=%s\n", options->seconds,
           options->workers, (unsigned long long)options->seed, getenv("ROUSE_CHAOS"));
    (void)fflush(stdout);
}

// After the shutdown the kernel, too, knows of nothing more than before.
static void claim_nothing_is_left(const struct rouse_stats *stats, const struct procfs *process)
{
    struct procfs now;

    claim(stress_is_clean(stats), "every counter is back at zero");
    claim(procfs_read(getpid(), &now) && now.fds == process->fds, "every descriptor is closed");
    for (int i = 0; i < 1000 && now.threads != process->threads; i++) {
        stress_nap(10 * ROUSE_NS_PER_MS);  // a thread that has been joined may still be counted
        (void)procfs_read(getpid(), &now);
    }
    claim(now.threads == process->threads, "every thread has ended");
}

static void *thread_nothing(void *arg)
{
    return arg;
}

// Before anything is started. A sanitizer may start a thread of its own with our first one.
static void note_before(struct rouse_stats *stats, struct procfs *process)
{
    (void)pthread_join(stress_thread(thread_nothing, NULL), NULL);
    rouse_stats_get(stats);
    (void)procfs_read(getpid(), process);
}

int main(int argc, char **argv)
{
    struct options options = options_parse(argc, argv);
    struct rouse_stats stats;
    struct procfs process;
    struct samples samples;
    char text[128];

    stress_seed = options.seed;
    chaos_set(&options);
    samples_init(&samples, (size_t)options.seconds + 2, options.csv);
    note_before(&stats, &process);
    runtime = stress_runtime(options.workers);
    crew_start();
    bool there = watch(&samples, &options);
    // What follows has limits of its own, which a lost wake-up would not keep.
    (void)alarm(2 * (unsigned)(SOAK_BOUND_NS / ROUSE_NS_PER_S));
    crew_end();
    claim(rouse_runtime_shutdown(runtime, SOAK_BOUND_NS) == 0, "the shutdown leaves nothing");
    crew_print();
    (void)snprintf(text, sizeof text, "%lld operations, each ended within its bound and well",
                   (long long)operations());
    claim(soak_wrongs() == 0 && operations() > 0, text);
    (void)snprintf(text, sizeof text, "%lld bytes went out and came back as they were",
                   (long long)stress_get(&bytes));
    claim(stress_get(&bytes) > 0, text);
    samples_judge(&samples, options.seconds / 10, options.other != 0, claim);
    if (options.other != 0) claim(there, "the process beside was there all the time");
    claim_nothing_is_left(&stats, &process);
    samples_deinit(&samples);
    return claims_end();
}
