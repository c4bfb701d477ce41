// SPDX-License-Identifier: MIT
//
// A program that hangs, to try the task dump on: two tasks lock two mutexes, each in its own order.
// Run it, press Ctrl-\ and read. docs/debugging.md does so line by line.

#include <rouse.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LIFE_S = 300 };  // then SIGALRM ends it

static struct rouse_mutex accounts = ROUSE_MUTEX_INIT;
static struct rouse_mutex journal = ROUSE_MUTEX_INIT;

static int lock_both(struct rouse_mutex *first, struct rouse_mutex *second)
{
    int err = rouse_mutex_lock(first);

    if (err < 0) return err;
    err = rouse_sleep(10 * ROUSE_NS_PER_MS);  // so that the other has locked its first
    if (err == 0) err = rouse_mutex_lock(second);
    if (err == 0) rouse_mutex_unlock(second);
    rouse_mutex_unlock(first);
    return err;
}

static int transfer(void *arg)
{
    (void)arg;
    return lock_both(&accounts, &journal);
}

static int audit(void *arg)
{
    (void)arg;
    return lock_both(&journal, &accounts);  // the fault: the other way round
}

static int root(void *arg)
{
    const struct rouse_task_attrs attrs[] = {
        {.size = sizeof attrs[0], .name = "transfer", .site = ROUSE_SITE},
        {.size = sizeof attrs[0], .name = "audit", .site = ROUSE_SITE}};
    struct rouse_join_handle handles[2];
    int err = rouse_spawn_at(&handles[0], transfer, NULL, &attrs[0]);

    (void)arg;
    if (err < 0) return err;
    err = rouse_spawn_at(&handles[1], audit, NULL, &attrs[1]);
    if (err == 0) err = (int)rouse_join(&handles[1]);
    (void)rouse_join(&handles[0]);
    return err;
}

int main(int argc, char **argv)
{
    bool wants_help = argc == 2 && strcmp(argv[1], "--help") == 0;

    if (argc > 1) {
        fputs("Usage: hang_deadlock [--help]\n"
              "Hangs: two tasks lock two mutexes, each in another order.\n"
              "Ctrl-\\ shows where each task is; after five minutes it ends.\n",
              wants_help ? stdout : stderr);
        return wants_help ? 0 : 2;
    }
    (void)alarm(LIFE_S);
    int err = rouse_run(root, NULL);

    printf("done: %s\n", rouse_strerror(err));
    return err < 0;
}
