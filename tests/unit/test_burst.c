// SPDX-License-Identifier: MIT
//
// A worker that falls asleep promises to come when many timers of another one are due: with workers
// that nobody runs, and a clock of the test's own behind the table of system calls.

#include <rouse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sys.h"
#include "claim.h"
#include "io/driver.h"
#include "sched/sched.h"
#include "sleeps.h"

enum { WORKERS = 3, US = ROUSE_NS_PER_US, START_US = 20 };

static struct rs_sched sched;
static struct rs_worker workers[WORKERS];
static struct rouse_sleep sleeps[2 * RS_DRIVER_BURST];
static int filed;
static struct hand_waker hand;

static bool begin(void)
{
    now_ns = 1000 * ROUSE_NS_PER_S;
    filed = 0;
    memset(workers, 0, sizeof workers);
    sched.workers = workers;
    sched.worker_count = WORKERS;
    rs_idle_init(&sched.idle);
    rs_inject_init(&sched.inject);
    for (unsigned i = 0; i < WORKERS; i++) {
        struct rs_worker *w = &workers[i];

        w->sched = &sched;
        w->index = i;
        w->spin.max_ns = RS_SPIN_MAX_NS;
        w->share_from = 1;
        rs_runq_init(&w->runq);
        rs_inbox_init(&w->inbox);
        rs_hand_init(&w->hand);
        if (rouse_driver_new(&w->driver, NULL) < 0) return false;
    }
    return true;
}

static void end(void)
{
    for (int i = 0; i < filed; i++) rouse_future_drop(&sleeps[i].base);
    for (unsigned i = 0; i < WORKERS; i++) rouse_driver_free(workers[i].driver);
}

// Files `count` timers with a worker, which then is about to sleep.
static void file(unsigned index, int count, uint64_t deadline_ns)
{
    struct rouse_driver *driver = workers[index].driver;

    file_sleeps(driver, &hand, &sleeps[filed], count, deadline_ns);
    filed += count;
    rs_driver_prepare_sleep(driver);
    rs_driver_cancel_sleep(driver);
}

// How many microseconds after `from_ns` the worker means to come; negative: it does not.
static int64_t promise(unsigned index, uint64_t from_ns)
{
    uint64_t until = rs_burst_promise(&workers[index], now_ns, ROUSE_NEVER);

    return until == ROUSE_NEVER ? -1 : (int64_t)(until - from_ns) / US;
}

// It wakes up, and looks at its driver, at `at_ns`. True if it has come, and looked for work.
static bool comes(unsigned index, uint64_t at_ns)
{
    struct rs_worker *w = &workers[index];

    w->looked_ns = at_ns;
    now_ns = at_ns;
    rs_burst_come(w);
    bool has_come = w->searching;

    if (has_come) (void)rs_idle_search_end(&sched.idle);
    w->searching = false;
    return has_come;
}

static void one_comes(void)
{
    uint64_t due_ns = 1000 * ROUSE_NS_PER_S + 900 * US;

    if (!begin()) exit(1);
    file(1, RS_DRIVER_BURST - 1, due_ns);
    claim(promise(0, due_ns) < 0, "nobody comes for a few timers");
    file(1, 1, due_ns);
    claim(promise(1, due_ns) < 0, "nor does who has to wake for them anyway");
    claim(rs_burst_promise(&workers[0], now_ns, due_ns) == due_ns, "nor who is to wake before");
    claim(promise(0, due_ns) == START_US, "one comes for many, when they have begun to fire");
    claim(promise(2, due_ns) < 0, "and one is enough");
    claim(comes(0, due_ns + START_US * US), "he looks for work");
    rs_driver_prepare_sleep(workers[1].driver);
    claim(promise(2, due_ns) < 0, "nobody comes a second time for the same");
    end();
}

static void who_wakes_before(void)
{
    uint64_t due_ns = 1000 * ROUSE_NS_PER_S + 900 * US;

    if (!begin()) exit(1);
    file(1, RS_DRIVER_BURST, due_ns);
    claim(promise(0, due_ns) == START_US && !comes(0, due_ns - US),
          "who is woken before does not look for them");
    claim(promise(2, due_ns) == START_US, "and leaves the promise to another one");
    workers[2].looked_ns = due_ns + US;
    workers[2].searching = true;
    rs_burst_come(&workers[2]);
    claim(workers[2].burst == NULL, "who has been called has work already");
    end();
}

// How many sleeps go by until the worker promises again.
static int passes(unsigned index, uint64_t due_ns)
{
    int count = 0;

    now_ns = due_ns - US;
    while (promise(index, due_ns) < 0) count++;
    return count;
}

static void who_comes_in_vain(void)
{
    uint64_t due_ns = 1000 * ROUSE_NS_PER_S + 900 * US;
    static const int expected[] = {0, 1, 3, 7};
    bool good = true;

    if (!begin()) exit(1);
    file(1, RS_DRIVER_BURST, due_ns);
    for (size_t i = 0; good && i < sizeof expected / sizeof expected[0]; i++) {
        good = passes(0, due_ns) == expected[i] && comes(0, due_ns + START_US * US);
        rs_driver_give_burst_back(workers[1].driver, due_ns);
    }
    claim(good, "who finds nothing lets one burst pass, then three, and so on");
    workers[0].burst_vain = 1000;
    good = passes(0, due_ns) == 15 && comes(0, due_ns + START_US * US);
    rs_driver_give_burst_back(workers[1].driver, due_ns);
    claim(good && passes(0, due_ns) == 63, "but not for ever");
    workers[0].looked_ns = due_ns;
    workers[1].share_from = 0;  // it has work to share
    rs_burst_come(&workers[0]);
    rs_driver_give_burst_back(workers[1].driver, due_ns);
    claim(passes(0, due_ns) == 0, "until he finds something again");
    end();
}

static void the_soonest(void)
{
    uint64_t due_ns = 1000 * ROUSE_NS_PER_S + 900 * US;

    if (!begin()) exit(1);
    file(2, RS_DRIVER_BURST, due_ns + 50 * US);
    file(1, RS_DRIVER_BURST, due_ns);
    claim(promise(0, due_ns) == START_US, "of two bursts the first is helped with");
    claim(!comes(0, due_ns - US), "not before its time");
    now_ns = due_ns;
    claim(promise(0, due_ns) == 50 + START_US, "what is past needs no help any more");
    end();
}

static void where_workers_do_not_spin(void)
{
    uint64_t due_ns = 1000 * ROUSE_NS_PER_S + 900 * US;

    if (!begin()) exit(1);
    file(1, RS_DRIVER_BURST, due_ns);
    workers[0].spin.max_ns = 0;
    claim(promise(0, due_ns) < 0 && promise(2, due_ns) == START_US,
          "who does not spin does not come");
    end();
}

static void wide_slots(void)
{
    uint64_t due_ns = 1000 * ROUSE_NS_PER_S + 100 * ROUSE_NS_PER_S;

    if (!begin()) exit(1);
    file(1, RS_DRIVER_BURST, due_ns);
    claim(promise(0, due_ns) < 0, "what may be far apart is no burst");
    end();
}

int main(void)
{
    rs_sys.clock_gettime = set_clock;
    one_comes();
    who_wakes_before();
    who_comes_in_vain();
    the_soonest();
    where_workers_do_not_spin();
    wide_slots();
    claim(hand_waker_shares(&hand) == 0, "no waker is left behind");
    return claims_end();
}
