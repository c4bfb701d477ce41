// SPDX-License-Identifier: MIT
//
// Who reaps a child that was given up while it runs: a thread that waits for that child and for
// nothing else. It needs no runtime, which may be gone by then, no descriptor, and no handler for
// SIGCHLD, which would be a matter of the whole program; and beside a process a thread is cheap.
//
// If the thread cannot be started, the child goes to a list, and each later spawn looks through it.

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "base/global_lock.h"
#include "base/sys.h"
#include "base/thread.h"
#include "process/process.h"

static struct rouse_process *unattended;  // under RS_GLOBAL_CHILDREN

static void *reaper_run(void *arg)
{
    struct rouse_process *process = arg;
    siginfo_t info;

    rs_thread_set_name("rouse-reaper");
    while (rs_sys.waitid(process->pid, &info, WEXITED) == -EINTR) {
    }
    rs_process_discard(process);
    return NULL;
}

void rs_process_leave(struct rouse_process *process)
{
    pthread_t thread;

    if (rs_thread_start(&thread, reaper_run, process) == 0) {
        (void)pthread_detach(thread);
        return;
    }
    rs_lock(rs_global_lock(RS_GLOBAL_CHILDREN));
    process->next = unattended;
    unattended = process;
    rs_unlock(rs_global_lock(RS_GLOBAL_CHILDREN));
}

// In the child of a fork they are its parent's children, and the first look says so.
void rs_process_sweep(void)
{
    struct rouse_process *ended = NULL;
    struct rouse_exit_status status;

    rs_lock(rs_global_lock(RS_GLOBAL_CHILDREN));
    for (struct rouse_process **place = &unattended; *place != NULL;) {
        struct rouse_process *process = *place;

        if (rs_process_reap(process, &status) == -EAGAIN) {
            place = &process->next;
        } else {
            *place = process->next;
            process->next = ended;
            ended = process;
        }
    }
    rs_unlock(rs_global_lock(RS_GLOBAL_CHILDREN));
    while (ended != NULL) {
        struct rouse_process *next = ended->next;

        rs_process_discard(ended);
        ended = next;
    }
}
