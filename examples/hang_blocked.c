// SPDX-License-Identifier: MIT
//
// A program that hangs, to try the task dump and the stall report on: the only worker is inside a
// task that calls what blocks its thread, and a clock beside it stands still. With --spin the task
// computes for ever instead. Run it, press Ctrl-\ and read. docs/debugging.md does so line by line.

#include <rouse.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LIFE_S = 300 };  // then SIGALRM ends it

static volatile uint64_t steps;

static int ticker(void *arg)
{
    int err = 0;

    (void)arg;
    for (int i = 0; err == 0; i++) {
        printf("tick %d\n", i);
        err = rouse_sleep(100 * ROUSE_NS_PER_MS);
    }
    return err;
}

static int sleeps_on_the_thread(void *arg)
{
    (void)arg;
    (void)sleep(3600);  // the fault: rouse_sleep(), or the whole in rouse_blocking()
    return 0;
}

static int computes_for_ever(void *arg)
{
    (void)arg;
    while (steps < UINT64_MAX) steps++;  // the fault: no rouse_yield() in it
    return 0;
}

static int root(void *arg)
{
    const struct rouse_task_attrs attrs[] = {
        {.size = sizeof attrs[0], .name = "ticker", .site = ROUSE_SITE},
        {.size = sizeof attrs[0], .name = "blocker", .site = ROUSE_SITE}};
    bool spins = *(bool *)arg;
    struct rouse_join_handle handle;
    int err = rouse_spawn_at(NULL, ticker, NULL, &attrs[0]);

    if (err == 0) err = rouse_sleep(10 * ROUSE_NS_PER_MS);
    if (err < 0) return err;
    err = rouse_spawn_at(&handle, spins ? computes_for_ever : sleeps_on_the_thread, NULL,
                         &attrs[1]);
    return err < 0 ? err : (int)rouse_join(&handle);
}

int main(int argc, char **argv)
{
    const struct rouse_runtime_options options = {.size = sizeof options, .workers = 1};
    bool spins = argc == 2 && strcmp(argv[1], "--spin") == 0;
    bool wants_help = argc == 2 && strcmp(argv[1], "--help") == 0;

    if (argc > 1 && !spins) {
        fputs("Usage: hang_blocked [--spin] [--help]\n"
              "Hangs: a task sleeps on its worker's thread, or computes for ever (--spin).\n"
              "Ctrl-\\ shows where each task is; after five minutes it ends.\n",
              wants_help ? stdout : stderr);
        return wants_help ? 0 : 2;
    }
    (void)alarm(LIFE_S);
    int err = rouse_run_with(root, &spins, &options);

    printf("done: %s\n", rouse_strerror(err));
    return err < 0;
}
