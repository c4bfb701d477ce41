// SPDX-License-Identifier: MIT
//
// How many stealable tasks a worker keeps to itself, by the length of its polls and by what has
// been spawned: with a worker that nobody runs, and times made up.

#include <rouse.h>
#include <stdio.h>

#include "claim.h"
#include "sched/sched.h"

static struct rs_sched sched;
static struct rs_worker worker;
static uint64_t now_ns = 1000 * ROUSE_NS_PER_S;

static void begin(void)
{
    worker = (struct rs_worker){.sched = &sched};
    sched.workers = &worker;
    sched.worker_count = 1;
    rs_idle_init(&sched.idle);
    rs_solo_init(&sched.solo, false);
    rs_runq_init(&worker.runq);
    rs_share_init(&worker);
    worker.looked_ns = now_ns;
    worker.dry_ns = now_ns;
}

// The worker has polled 100 times, `poll_ns` each, since its last look, and been out of work.
static void look(uint64_t poll_ns, bool ran_dry)
{
    worker.tick += 100;
    now_ns += 100 * poll_ns;
    worker.ran_dry = ran_dry;
    rs_share_measure(&worker, now_ns);
    worker.looked_ns = now_ns;
    worker.looked_tick = worker.tick;
}

static bool keeps_fewer_than(uint32_t count)
{
    return worker.share_from == count;
}

static bool keeps_once_spawned(uint32_t count)
{
    rs_share_spawned(&worker);
    return keeps_fewer_than(count);
}

static void by_the_length_of_polls(void)
{
    begin();
    claim(keeps_fewer_than(1), "a worker that knows nothing shares the first task");
    look(2000, true);
    claim(keeps_fewer_than(9), "of polls of 2 us those that take less than 20 us are kept");
    look(10, true);
    claim(keeps_fewer_than(256), "256 are shared however short they are");
    look(1000000, true);
    claim(keeps_fewer_than(1), "and a single one that is long");
}

static void by_what_was_spawned(void)
{
    static const uint32_t expected[] = {8, 16, 32, 64, 64};
    bool good = true;

    begin();
    look(5000, true);
    look(4000, true);
    claim(keeps_fewer_than(4) && keeps_once_spawned(4),
          "what is spawned does not make it keep more");
    begin();
    for (size_t i = 0; good && i < sizeof expected / sizeof expected[0]; i++) {
        look(10, true);
        good = keeps_fewer_than(256) && keeps_once_spawned(expected[i]);
    }
    claim(good, "of spawned tasks it keeps more, look by look, where polls are short");
    look(4000, true);
    look(300, true);
    claim(keeps_once_spawned(64), "polls that are neither short nor long change nothing");
    look(50000, true);
    look(300, true);
    claim(keeps_once_spawned(8), "after long ones it begins anew");
}

static void by_what_is_left(void)
{
    begin();
    look(100, true);
    look(9000, false);
    look(900, false);
    claim(keeps_fewer_than(22), "a queue that has work left for less than a millisecond is kept");
    look(1000, false);
    claim(keeps_fewer_than(1) && worker.offer_every == 19,
          "for longer, it is shared, and others are told as seldom as before");
    claim(keeps_once_spawned(1) && worker.offer_every == 16, "also once a task is spawned");
    look(1000, true);
    claim(keeps_fewer_than(19), "until the queue has been empty");
}

int main(void)
{
    by_the_length_of_polls();
    by_what_was_spawned();
    by_what_is_left();
    return claims_end();
}
