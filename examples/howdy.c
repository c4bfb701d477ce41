// SPDX-License-Identifier: MIT
//
// The executor and its spawner. A task prints "howdy!", waits two seconds on a timer future and
// prints "done!". The spawner is dropped once everything is spawned, so rouse_executor_run()
// returns when the last task has ended.
//
//     howdy                                   one task
//     howdy --tasks 1000000 --quiet           a million at once, and what each costs in memory
//     howdy --tasks 1000000 --quiet --style fiber
//
// The body of a task is written twice: as an async frame, and as the body of a fiber.

#include <getopt.h>
#include <rouse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAUSE_NS (2 * ROUSE_NS_PER_S)

static bool quiet;
// Two seconds after the last task began: so all of them are alive at once, however long it takes to
// start them.
static uint64_t done_ns;

static void say(const char *line)
{
    if (!quiet) puts(line);
}

// ---- The async frame: what must survive the wait lives in a struct ----

struct howdy {
    struct rouse_async async;
    struct rouse_sleep sleep;
};

static rouse_poll howdy_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct howdy *h = ROUSE_CONTAINER_OF(self, struct howdy, async.base);

    ROUSE_ASYNC_BEGIN(&h->async, cx);
    say("howdy!");
    done_ns = rouse_deadline_after(PAUSE_NS);
    while (rouse_now_ns() < done_ns) {
        rouse_sleep_until_init(&h->sleep, done_ns);
        ROUSE_AWAIT(&h->sleep.base);
    }
    say("done!");
    ROUSE_ASYNC_END();
}

static const struct rouse_future_vtable howdy_vtable = {
    .poll = howdy_poll, .drop = rouse_async_drop, .name = "howdy"};

static void howdy_init(struct rouse_future *storage, void *arg)
{
    struct howdy *h = ROUSE_CONTAINER_OF(storage, struct howdy, async.base);

    (void)arg;
    rouse_async_init(&h->async, &howdy_vtable);
}

static int spawn_frame(struct rouse_spawner *spawner)
{
    struct rouse_future_spec spec = {.size = sizeof(struct howdy), .init = howdy_init};

    return rouse_spawner_spawn_future(spawner, NULL, &spec);
}

// ---- The fiber: what must survive the wait lives on its stack ----

static int howdy_fiber(void *arg)
{
    (void)arg;
    say("howdy!");
    done_ns = rouse_deadline_after(PAUSE_NS);
    while (rouse_now_ns() < done_ns) {
        if (rouse_sleep_until(done_ns) < 0) return -ECANCELED;
    }
    say("done!");
    return 0;
}

static int spawn_fiber(struct rouse_spawner *spawner)
{
    return rouse_spawner_spawn(spawner, NULL, howdy_fiber, NULL);
}

// ---- The program ----

// A line of /proc/self/status, in bytes: "VmRSS" is the memory held now, "VmHWM" its peak.
static double memory(const char *name)
{
    FILE *status = fopen("/proc/self/status", "r");
    size_t length = strlen(name);
    char line[256];
    double bytes = 0;

    if (status == NULL) return 0;
    while (fgets(line, sizeof line, status) != NULL) {
        if (strncmp(line, name, length) == 0 && line[length] == ':') {
            bytes = 1024 * strtod(line + length + 1, NULL);
        }
    }
    fclose(status);
    return bytes;
}

static int run(bool fibers, unsigned long tasks)
{
    struct rouse_executor *executor;
    struct rouse_spawner *spawner;
    int err = rouse_executor_new(&executor, &spawner, NULL);

    if (err < 0) return err;
    for (unsigned long i = 0; i < tasks && err == 0; i++) {
        err = fibers ? spawn_fiber(spawner) : spawn_frame(spawner);
    }
    rouse_spawner_drop(spawner);
    rouse_executor_run(executor);  // until the last task has ended
    rouse_executor_free(executor);
    return err;
}

static double seconds_between(uint64_t from_ns, uint64_t to_ns)
{
    return (double)(to_ns - from_ns) / (double)ROUSE_NS_PER_S;
}

static int run_and_measure(bool fibers, unsigned long tasks)
{
    double memory_before = memory("VmRSS");
    uint64_t start_ns = rouse_now_ns();
    int err = run(fibers, tasks);
    uint64_t end_ns = rouse_now_ns();
    double per_task = (memory("VmHWM") - memory_before) / (double)tasks;

    if (err < 0) return err;
    printf("%lu tasks (%s) in %.2f s, %.2f s of it start-up; peak memory %.0f bytes per task",
           tasks, fibers ? "fiber" : "async", seconds_between(start_ns, end_ns),
           seconds_between(start_ns, done_ns - PAUSE_NS), per_task);
    if (!fibers) printf(", %zu of them the future", sizeof(struct howdy));
    puts("");
    return 0;
}

static void usage(FILE *to)
{
    fputs("Usage: howdy [--tasks N] [--style async|fiber] [--quiet]\n"
          "Spawns tasks that print howdy!, wait 2 seconds, and print done!\n"
          "\n"
          "  --tasks N      so many at once, then the time and the peak memory per task\n"
          "  --style STYLE  async (default): each is an async frame; fiber: each has a stack\n"
          "  --quiet        the tasks print nothing\n"
          "  --help         this text\n",
          to);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"tasks", required_argument, NULL, 't'},
                                            {"style", required_argument, NULL, 's'},
                                            {"quiet", no_argument, NULL, 'q'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    const char *style = "async";
    unsigned long tasks = 0;
    char *end = "";

    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 't') tasks = strtoul(optarg, &end, 10);
        if (option == 's') style = optarg;
        if (option == 'q') quiet = true;
        if (option == 'h') return usage(stdout), 0;
        if (option == '?' || *end != '\0' || (option == 't' && tasks == 0)) {
            return usage(stderr), 2;
        }
    }
    bool fibers = strcmp(style, "fiber") == 0;

    if (optind != argc || (!fibers && strcmp(style, "async") != 0)) return usage(stderr), 2;
    int err = tasks == 0 ? run(fibers, 1) : run_and_measure(fibers, tasks);

    if (err < 0) fprintf(stderr, "howdy: %s\n", rouse_strerror(err));
    return err < 0 || fflush(stdout) == EOF;
}
