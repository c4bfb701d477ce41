// SPDX-License-Identifier: MIT
//
// See ending.h.
#include "common/ending.h"

#include <errno.h>
#include <rouse/await.h>
#include <rouse/select.h>
#include <rouse/signal.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/complain.h"

static void exit_at_once(int number)
{
    (void)number;
    _exit(EXIT_FAILURE);
}

static void end_at_next_signal(void)
{
    struct sigaction action = {.sa_handler = exit_at_once};

    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

int app_ending_wait(void)
{
    struct rouse_signal interrupt, terminate;
    struct rouse_select either;

    rouse_signal_init(&interrupt, SIGINT);
    rouse_signal_init(&terminate, SIGTERM);
    rouse_select_init(&either, &interrupt.base, &terminate.base, ROUSE_SELECT_BIASED);
    int result = rouse_await(&either.base);

    if (result == 0) result = either.output == 0 ? interrupt.output : terminate.output;
    if (result > 0) end_at_next_signal();
    return result;
}

int app_ending_serve(const struct app_serving *serving)
{
    struct rouse_deadline grace;

    rouse_deadline_enter(&grace, ROUSE_NEVER);
    rouse_scope_open(serving->connections, ROUSE_NEVER);
    int result = serving->serve(serving->arg);

    if (result < 0) rouse_scope_cancel(serving->connections, serving->failure);
    rouse_deadline_move(&grace, rouse_deadline_after(serving->grace_ns));
    (void)rouse_scope_wait(serving->connections, NULL);
    if (rouse_deadline_leave(&grace) == -ETIMEDOUT) {
        // Relaxed: those that counted have ended.
        (void)fprintf(stderr, "%s: the grace is over (see --grace); connections cut off: %u\n",
                      app_name, atomic_load_explicit(serving->cut_off, memory_order_relaxed));
    }
    return result > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
