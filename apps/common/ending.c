// SPDX-License-Identifier: MIT
//
// See ending.h.
#include "common/ending.h"

#include <rouse/await.h>
#include <rouse/select.h>
#include <rouse/signal.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

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
