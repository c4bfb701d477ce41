// SPDX-License-Identifier: MIT
//
// The floor of each row: a bare loop over the part of the work that no runtime gets around, with
// nothing of rouse in it. What the difference to it buys is named in docs/performance.md. The loops
// stand in floor/; they run on one thread, but for those whose work is to wake another one, and for
// locks that two workers share.

#include "floor/floor.h"

#include "bench.h"

static int mutex(struct bench *bench)
{
    return bench->workers == 1 ? floor_mutex(bench) : floor_shared_mutex(bench);
}

static int rwlock(struct bench *bench)
{
    return bench->workers == 1 ? floor_mutex(bench) : floor_shared_rwlock(bench);
}

static int semaphore(struct bench *bench)
{
    return bench->workers == 1 ? floor_semaphore(bench) : floor_shared_semaphore(bench);
}

static const struct bench_case cases[] = {
    {"spawn_many", 1000000, floor_spawn_many},
    {"spawn_join", 1000000, floor_spawn_join},
    {"yield200", 200000, floor_yield200},
    {"yield1000", 1000000, floor_yield1000},
    {"chained", 1000000, floor_chained},
    {"scope", 1000000, floor_scope},
    {"pingpong", 100000, floor_pingpong},
    {"oneshot", 1000000, floor_oneshot},
    {"mpsc_b", 4000000, floor_mpsc_b},
    {"mpsc_u", 4000000, floor_mpsc_u},
    {"pingpong_chan", 200000, floor_pingpong_chan},
    {"notify", 1000000, floor_notify},
    {"broadcast", 1000000, floor_broadcast},
    {"watch", 1000000, floor_watch},
    {"mutex", 640000, mutex},
    {"mutex_held", 640000, floor_mutex_held},
    {"rwlock", 640000, rwlock},
    {"semaphore", 640000, semaphore},
    {"select3", 1000000, floor_select3},
    {"select3_wait", 1000000, floor_select3_wait},
    {"timer_ic", 1000000, floor_timer_ic},
    {"timer_bulk", 1000000, floor_timer_bulk},
    {"sleep1m", 1000000, floor_sleep1m},
    {"wake", 3000, floor_wake},
    {"blocking", 20000, floor_blocking},
    {"switch", 10000000, floor_switch},
    {"switch_many", 10000000, floor_switch_many},
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv,
                      &(struct bench_program){.impl = "floor",
                                              .about = "The least that each row takes.",
                                              .cases = cases,
                                              .case_count = sizeof cases / sizeof cases[0]});
}
