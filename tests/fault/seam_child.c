// SPDX-License-Identifier: MIT
//
// The part of the seam that is about child processes. Some of these calls are made by the child, on
// a stack of its own: in our memory, or in a copy of it, where only the counts are shared.

#include <errno.h>
#include <sys/syscall.h>

#include "base/sys.h"
#include "seam.h"

static int seam_clone(int (*fn)(void *), void *stack, int flags, void *arg)
{
    int err = seam_ask(CALL_CLONE);

    return err < 0 ? err : rs_sys_real.clone(fn, stack, flags, arg);
}

// CALL_COUNT: one whose errors the child does not look at.
static enum fault_call child_call_of(long number)
{
    switch (number) {
    case SYS_execve:
        return CALL_CHILD_EXECVE;
    case SYS_setsid:
    case SYS_setpgid:
    case SYS_chdir:
        return CALL_CHILD_PLACE;
    case SYS_dup3:
        return CALL_CHILD_STREAM;
    case SYS_close_range:
        return CALL_CHILD_CLOSE_RANGE;
    default:
        return CALL_COUNT;
    }
}

static long seam_child_call(long number, long a, long b, long c, long d)
{
    enum fault_call call = child_call_of(number);
    int err = call != CALL_COUNT ? seam_ask(call) : 0;

    return err < 0 ? err : rs_sys_real.child_call(number, a, b, c, d);
}

static int seam_pidfd_open(pid_t pid)
{
    int err = seam_ask(CALL_PIDFD_OPEN);

    return err < 0 ? err : rs_sys_real.pidfd_open(pid);
}

static int seam_pidfd_send_signal(int pidfd, int signal)
{
    int err = seam_ask(CALL_PIDFD_SEND_SIGNAL);

    return err < 0 ? err : rs_sys_real.pidfd_send_signal(pidfd, signal);
}

static int seam_kill(pid_t pid, int signal)
{
    int err = seam_ask(CALL_KILL);

    return err < 0 ? err : rs_sys_real.kill(pid, signal);
}

// A child that is no longer there has been reaped by somebody else.
static int seam_waitid(pid_t pid, siginfo_t *info, int options)
{
    int err = seam_ask(CALL_WAITID);

    if (err < 0 && err != -ECHILD) return err;
    int result = rs_sys_real.waitid(pid, info, options);

    return err < 0 && result == 0 && info->si_pid != 0 ? err : result;
}

void seam_begin_child(void)
{
    rs_sys.clone = seam_clone;
    rs_sys.child_call = seam_child_call;
    rs_sys.pidfd_open = seam_pidfd_open;
    rs_sys.pidfd_send_signal = seam_pidfd_send_signal;
    rs_sys.kill = seam_kill;
    rs_sys.waitid = seam_waitid;
}
