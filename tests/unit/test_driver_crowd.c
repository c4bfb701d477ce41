// SPDX-License-Identifier: MIT
//
// A driver with a crowd of timers that are due at one time: it moves them ahead of that time, a few
// in each turn. On a clock of the test's own behind the table of system calls.

#include <rouse.h>
#include <stdlib.h>

#include "base/sys.h"
#include "claim.h"
#include "io/driver.h"
#include "sleeps.h"

enum { CROWD = RS_WHEEL_AHEAD_MIN + 1000, SLOT_BITS = 24 };  // a slot of 16.8 ms

// A turn that goes to sleep, and wakes up at once.
static int turn(struct rouse_driver *driver)
{
    return rouse_driver_turn(driver, 1);
}

static void a_crowd(struct rouse_driver *driver, struct rouse_sleep *sleeps)
{
    const uint64_t slot_ns = UINT64_C(1) << SLOT_BITS;
    const uint64_t begin_ns = (now_ns / slot_ns + 2) * slot_ns;
    const uint64_t lead_ns = (uint64_t)CROWD * RS_WHEEL_MOVE_NS * RS_WHEEL_LEAD;
    struct hand_waker hand = {0};
    int turns = 0;

    file_sleeps(driver, &hand, sleeps, CROWD, begin_ns + 5);
    claim(turn(driver) == 0 && rs_driver_next_deadline(driver) == begin_ns - lead_ns,
          "it means to wake up ahead of a crowd");
    now_ns = begin_ns - lead_ns;
    (void)rs_driver_poll(driver);
    claim(driver->wheel.ahead == 0, "not while its loop has something else to do");
    rs_driver_prepare_crowd(driver);
    claim(driver->wheel.ahead != 0 && rs_driver_next_deadline(driver) <= now_ns,
          "a loop that does not sleep in it may say when it has not");
    claim(turn(driver) == 0 && rs_driver_next_deadline(driver) <= now_ns,
          "then a turn moves some, and it does not sleep while there are more");
    while (rs_driver_next_deadline(driver) <= now_ns && turns <= CROWD && turn(driver) == 0) {
        turns++;
    }
    claim(turns >= 4 && turns < CROWD && rs_driver_next_deadline(driver) == begin_ns,
          "turn by turn, until all are moved");
    now_ns = begin_ns + 4;
    claim(turn(driver) == 0 && hand_waker_wakes(&hand) == 0, "none fires early");
    now_ns = begin_ns + 5;
    claim(turn(driver) == CROWD && hand_waker_wakes(&hand) == CROWD, "all fire at their deadline");
    claim(rs_driver_next_deadline(driver) == ROUSE_NEVER, "and nothing is left");
    for (int i = 0; i < CROWD; i++) rouse_future_drop(&sleeps[i].base);
    claim(hand_waker_shares(&hand) == 0, "no waker is left behind");
}

int main(void)
{
    struct rouse_sleep *sleeps = calloc(CROWD, sizeof sleeps[0]);
    struct rouse_driver *driver;

    rs_sys.clock_gettime = set_clock;
    if (sleeps == NULL || rouse_driver_new(&driver, NULL) < 0) return 1;
    a_crowd(driver, sleeps);
    rouse_driver_free(driver);
    free(sleeps);
    return claims_end();
}
