// SPDX-License-Identifier: MIT
//
// A program that hangs, to try the task dump on: a future of one's own returns ROUSE_PENDING and
// keeps no waker, so whoever brings what it waits for cannot tell it. Run it, press Ctrl-\ and
// read. docs/debugging.md does so line by line.

#include <rouse.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LIFE_S = 300 };  // then SIGALRM ends it

static int letters;  // tasks of one worker share it

struct letter {
    struct rouse_future base;
};

static rouse_poll letter_poll(struct rouse_future *self, struct rouse_context *cx)
{
    (void)self;
    (void)cx;  // the fault: rouse_context_waker(cx) is to be cloned and kept
    return letters > 0 ? ROUSE_READY : ROUSE_PENDING;
}

static const struct rouse_future_vtable letter_vtable = {.poll = letter_poll, .name = "letter"};

static int reader(void *arg)
{
    struct letter letter = {.base.vtable = &letter_vtable};

    (void)arg;
    return rouse_await(&letter.base);
}

static int root(void *arg)
{
    const struct rouse_task_attrs attrs = {
        .size = sizeof attrs, .name = "reader", .site = ROUSE_SITE};
    struct rouse_join_handle handle;
    int err = rouse_spawn_at(&handle, reader, NULL, &attrs);

    (void)arg;
    if (err < 0) return err;
    err = rouse_sleep(10 * ROUSE_NS_PER_MS);
    letters++;  // it has come, and nobody is told
    if (err == 0) err = (int)rouse_join(&handle);
    return err;
}

int main(int argc, char **argv)
{
    const struct rouse_runtime_options options = {.size = sizeof options, .workers = 1};
    bool wants_help = argc == 2 && strcmp(argv[1], "--help") == 0;

    if (argc > 1) {
        fputs("Usage: hang_lost_wake [--help]\n"
              "Hangs: a future of one's own keeps no waker, so nobody can wake its task.\n"
              "Ctrl-\\ shows where each task is; after five minutes it ends.\n",
              wants_help ? stdout : stderr);
        return wants_help ? 0 : 2;
    }
    (void)alarm(LIFE_S);
    int err = rouse_run_with(root, NULL, &options);

    printf("done: %s\n", rouse_strerror(err));
    return err < 0;
}
