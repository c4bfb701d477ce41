// SPDX-License-Identifier: MIT
//
// The virtual clock: who sees the new time sees what was done before it was moved.

#include <rouse/clock.h>

#include "base/clock.h"
#include "model.h"

enum { START = 1000 };

static int done;  // plain: before the clock is moved

static void begin(void)
{
    rouse_clock_use_virtual(START);
    done = 0;
}

static void do_and_advance(void)
{
    done = 1;
    rouse_clock_advance(10);
}

static void do_and_jump(void)
{
    done = 1;
    rs_clock_jump_to(START + 10);
}

static void advance_more(void)
{
    rouse_clock_advance(5);
}

static void jump_back(void)
{
    rs_clock_jump_to(START + 3);
}

static void look(void)
{
    if (rouse_now_ns() >= START + 10) model_claim(done == 1, "time passes after what was done");
}

static void check_advance(void)
{
    model_claim(rouse_now_ns() == START + 15, "no move is lost");
}

static void check_jump(void)
{
    model_claim(rouse_now_ns() == START + 10, "a jump never goes back");
}

const struct model_scenario model_clock_scenarios[] = {
    {.name = "clock_advance",
     .about = "a clock that two threads advance while a third looks",
     .setup = begin,
     .threads = {do_and_advance, advance_more, look},
     .check = check_advance},
    {.name = "clock_jump",
     .about = "a clock that jumps while somebody looks",
     .setup = begin,
     .threads = {do_and_jump, jump_back, look},
     .check = check_jump},
    {.name = NULL},
};
