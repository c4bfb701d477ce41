// SPDX-License-Identifier: MIT
//
// A program that hangs, to try the task dump on: a task begins to wait for the only permit of a
// semaphore, goes on to something else without giving up its place, and then waits for the permit
// again. The permit goes to the place in front, which nobody polls. Run it, press Ctrl-\ and read.
// docs/debugging.md does so line by line.

#include <rouse.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LIFE_S = 300 };  // then SIGALRM ends it

static struct rouse_semaphore printer = ROUSE_SEMAPHORE_INIT(1);

static int slow_user(void *arg)
{
    int err = rouse_semaphore_acquire(&printer, 1);

    (void)arg;
    if (err < 0) return err;
    err = rouse_sleep(50 * ROUSE_NS_PER_MS);
    rouse_semaphore_release(&printer, 1);
    return err;
}

// Waits for the printer, but only for a moment.
static int impatient_user(void *arg)
{
    struct rouse_semaphore_acquire acquire;
    struct rouse_borrow borrow;
    struct rouse_sleep moment;
    struct rouse_select either;

    (void)arg;
    rouse_semaphore_acquire_init(&acquire, &printer, 1);
    rouse_borrow_init(&borrow, &acquire.base);
    rouse_sleep_init(&moment, 10 * ROUSE_NS_PER_MS);
    rouse_select_init(&either, &borrow.base, &moment.base, ROUSE_SELECT_BIASED);
    int err = rouse_await(&either.base);

    if (err < 0) return err;
    // The fault: the borrow keeps the acquire alive, and its place in the queue. It should be
    // dropped, or polled on.
    err = rouse_semaphore_acquire(&printer, 1);
    if (err == 0) rouse_semaphore_release(&printer, 1);
    rouse_future_drop(&acquire.base);
    return err;
}

static int root(void *arg)
{
    const struct rouse_task_attrs attrs[] = {
        {.size = sizeof attrs[0], .name = "slow user", .site = ROUSE_SITE},
        {.size = sizeof attrs[0], .name = "impatient user", .site = ROUSE_SITE}};
    struct rouse_join_handle handles[2];
    int err = rouse_spawn_at(&handles[0], slow_user, NULL, &attrs[0]);

    (void)arg;
    if (err < 0) return err;
    err = rouse_yield();
    if (err == 0) err = rouse_spawn_at(&handles[1], impatient_user, NULL, &attrs[1]);
    if (err == 0) err = (int)rouse_join(&handles[1]);
    (void)rouse_join(&handles[0]);
    return err;
}

int main(int argc, char **argv)
{
    const struct rouse_runtime_options options = {.size = sizeof options, .workers = 1};
    bool wants_help = argc == 2 && strcmp(argv[1], "--help") == 0;

    if (argc > 1) {
        fputs("Usage: hang_futurelock [--help]\n"
              "Hangs: a task waits for a semaphore behind a wait of its own that it forgot.\n"
              "Ctrl-\\ shows where each task is; after five minutes it ends.\n",
              wants_help ? stdout : stderr);
        return wants_help ? 0 : 2;
    }
    (void)alarm(LIFE_S);
    int err = rouse_run_with(root, NULL, &options);

    printf("done: %s\n", rouse_strerror(err));
    return err < 0;
}
