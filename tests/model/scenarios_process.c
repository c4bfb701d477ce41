// SPDX-License-Identifier: MIT
//
// Child processes: the last share of one. It has been reaped, so nothing is asked of the kernel.

#include "base/alloc.h"
#include "process/process.h"
#include "wait.h"

enum { SHARES = 2 };

static struct rouse_process *process;

static void make(void)
{
    process = rs_alloc(rouse_allocator_default(), sizeof *process);
    process->state = RS_PROCESS_REAPED;
    // Relaxed: the threads come later.
    atomic_store_explicit(&process->shares, SHARES, memory_order_relaxed);
}

// Each uses what is only its own, and gives its share up.
static void use_and_unref(int index)
{
    model_claim(rouse_process_take_pipe(process, index) == NULL, "there is no pipe");
    rs_process_unref(process);
}

static void unref_first(void)
{
    use_and_unref(0);
}

static void unref_second(void)
{
    use_and_unref(1);
}

const struct model_scenario model_process_scenarios[] = {
    {.name = "process_last_share",
     .about = "a process is freed after all that was done with the other shares",
     .setup = make,
     .threads = {unref_first, unref_second}},
    {.name = NULL},
};
