// SPDX-License-Identifier: MIT
//
// USDT probes of provider "rouse": a nop each, and a note in the library that says where it is and
// where its arguments are. Tools like bpftrace put a breakpoint there. Without <sys/sdt.h> at build
// time there are none. Which worker it is the thread tells, by its name. docs/tracing.md says what
// they tell; tools/rouse.bt uses them.

#ifndef RS_SCHED_USDT_H
#define RS_SCHED_USDT_H

#include "task/task.h"

#ifndef ROUSE_PROBES
#define ROUSE_PROBES 0
#endif

#if ROUSE_PROBES
#include <sys/sdt.h>
#else
#define DTRACE_PROBE1(provider, probe, a) ((void)(a))
#define DTRACE_PROBE2(provider, probe, a, b) ((void)(a), (void)(b))
#define DTRACE_PROBE3(provider, probe, a, b, c) ((void)(a), (void)(b), (void)(c))
#endif

// A compiler takes a probe for many instructions, and would not put it into another function.
#define RS_USDT_INLINE __attribute__((always_inline)) static inline

// A task has been spawned, and is about to be queued.
RS_USDT_INLINE void rs_usdt_spawn(const struct rouse_task *task)
{
    DTRACE_PROBE3(rouse, spawn, task, task->name, task->site);
}

// A task that waited has been woken, and is about to be queued.
RS_USDT_INLINE void rs_usdt_wake(const struct rouse_task *task)
{
    DTRACE_PROBE1(rouse, wake, task);
}

RS_USDT_INLINE void rs_usdt_poll_start(const struct rouse_task *task)
{
    DTRACE_PROBE3(rouse, poll__start, task, task->name, task->site);
}

// The task may be gone. `state` is that of rouse_task_run().
RS_USDT_INLINE void rs_usdt_poll_end(const struct rouse_task *task, rouse_task_state state)
{
    DTRACE_PROBE2(rouse, poll__end, task, state);
}

RS_USDT_INLINE void rs_usdt_park(unsigned worker)
{
    DTRACE_PROBE1(rouse, park, worker);
}

RS_USDT_INLINE void rs_usdt_unpark(unsigned worker)
{
    DTRACE_PROBE1(rouse, unpark, worker);
}

// A worker has taken so many tasks from another.
RS_USDT_INLINE void rs_usdt_steal(unsigned worker, unsigned victim, uint32_t tasks)
{
    DTRACE_PROBE3(rouse, steal, worker, victim, tasks);
}

#endif
