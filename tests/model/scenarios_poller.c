// SPDX-License-Identifier: MIT
//
// Pollers: a notify against a wait, on both back ends.

#include <rouse/clock.h>
#include <rouse/poller.h>

#include "model.h"

static struct rouse_poller *poller;
static int plain;

static void make_on(const char *reactor)
{
    model_claim(rouse_poller_new(&poller, reactor) == 0, "a poller can be made");
    plain = 0;
}

static void make(void)
{
    make_on("epoll");
}

static void make_on_poll(void)
{
    make_on("poll");
}

static void unmake(void)
{
    rouse_poller_free(poller);
}

static void wait_and_read(void)
{
    struct rouse_poller_event events[2];
    int count = rouse_poller_wait(poller, events, 2, ROUSE_NEVER);

    model_claim(count == 0, "only a notify ends the wait");
    model_claim(plain == 1, "what came before the notify is seen after the wait");
}

static void write_and_notify(void)
{
    plain = 1;
    rouse_poller_notify(poller);
}

const struct model_scenario model_poller_scenarios[] = {
    {.name = "poller_notify",
     .about = "a notify ends a wait, whenever it comes, and publishes",
     .setup = make,
     .threads = {wait_and_read, write_and_notify},
     .check = unmake},
    {.name = "poller_notify_on_poll",
     .about = "the same without epoll",
     .setup = make_on_poll,
     .threads = {wait_and_read, write_and_notify},
     .check = unmake},
    {.name = NULL},
};
