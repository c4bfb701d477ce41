// SPDX-License-Identifier: MIT
//
// The object behind a child.
//
// 1. It belongs to its shares: the owner's, and one of each wait from init to end. Whoever gives up
//    the last while the child runs leaves it to a thread of its own, which waits for the end.
// 2. A child is reaped once, under `lock`, by whoever sees first that it has ended; `state` then
//    says so for good. While it is RUNNING its number is nobody else's, for nobody else reaps it.
// 3. The memory comes from the default allocator: the child may outlive the runtime and whatever
//    that allocates from.

#ifndef RS_PROCESS_PROCESS_H
#define RS_PROCESS_PROCESS_H

#include <rouse/process.h>
#include <stdatomic.h>

#include "base/lock.h"
#include "io/source.h"

enum rs_process_state {
    RS_PROCESS_RUNNING,  // or ended, and not yet reaped
    RS_PROCESS_REAPED,   // `status` is set
    RS_PROCESS_LOST      // somebody else has reaped it
};

struct rouse_process {
    _Atomic uint32_t shares;
    pid_t pid;
    struct rs_source source;  // of the pidfd
    bool has_pidfd;
    bool leads_group;
    bool kill_on_free;
    struct rouse_fd *pipes[3];  // the owner's

    struct rs_lock lock;
    enum rs_process_state state;
    struct rouse_exit_status status;

    struct rouse_process *next;  // among those without a thread to wait for them
};

void rs_process_ref(struct rouse_process *process);
void rs_process_unref(struct rouse_process *process);

// Reaps the child if it has ended: 0, and its status is in `*status`; -EAGAIN while it runs;
// -ECHILD if somebody else has done it. Any thread that has a share.
int rs_process_reap(struct rouse_process *process, struct rouse_exit_status *status);

// Takes over the last share of a child that runs.
void rs_process_leave(struct rouse_process *process);

// Reaps those of the children left to us that have ended, and for which no thread could be started.
void rs_process_sweep(void);

// Gives the memory back. The child was reaped.
void rs_process_discard(struct rouse_process *process);

#endif
