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

static void ending_begin(struct app_ending *ending)
{
    rouse_signal_init(&ending->interrupt, SIGINT);
    rouse_signal_init(&ending->terminate, SIGTERM);
    ending->has_waited = false;
}

static void ending_end(struct app_ending *ending)
{
    if (ending->has_waited) return;
    rouse_future_drop(&ending->interrupt.base);
    rouse_future_drop(&ending->terminate.base);
}

int app_ending_wait(struct app_ending *ending)
{
    struct rouse_select either;

    ending->has_waited = true;
    rouse_select_init(&either, &ending->interrupt.base, &ending->terminate.base,
                      ROUSE_SELECT_BIASED);
    int result = rouse_await(&either.base);

    if (result == 0) {
        result = either.output == 0 ? ending->interrupt.output : ending->terminate.output;
    }
    if (result > 0) end_at_next_signal();
    return result;
}

int app_ending_serve(const struct app_serving *serving)
{
    struct rouse_deadline grace;
    struct app_ending ending;

    ending_begin(&ending);
    rouse_deadline_enter(&grace, ROUSE_NEVER);
    rouse_scope_open(serving->connections, ROUSE_NEVER);
    int result = serving->serve(serving->arg, &ending);

    ending_end(&ending);
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
