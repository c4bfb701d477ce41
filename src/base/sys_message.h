// SPDX-License-Identifier: MIT
//
// The two system calls of every message, and that of an operation on a ring, through the table like
// all others; but where the table has the real ones, they are made here, in the caller's own frame.
//
// A kernel that guards its own returns against speculation (on AMD, by "safe RET") leaves the
// processor's stack of predicted returns useless. Each call that we are in when a system call is
// made, and return from without another call in between, is mispredicted then: 7 to 9 ns on a Zen 5
// machine, as much as thirty instructions. By way of libc it is two calls more.

#ifndef RS_BASE_SYS_MESSAGE_H
#define RS_BASE_SYS_MESSAGE_H

#include <rouse/compiler.h>
#include <sys/syscall.h>

#include "base/sanitizer.h"
#include "base/sys.h"

// The sanitizers know only libc's.
#if defined(__x86_64__) && !RS_ASAN && !RS_TSAN
#define RS_SYS_INLINE 1

// `flags` and no address.
static inline ssize_t rs_sys_message(long number, int fd, const void *buf, size_t size, int flags)
{
    register long arg4 __asm__("r10") = flags;
    register long arg5 __asm__("r8") = 0;
    register long arg6 __asm__("r9") = 0;
    ssize_t result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"((long)fd), "S"(buf), "d"(size), "r"(arg4), "r"(arg5),
                       "r"(arg6)
                     : "rcx", "r11", "cc", "memory");
    return result;
}

#elif defined(__aarch64__) && !RS_ASAN && !RS_TSAN
#define RS_SYS_INLINE 1

static inline ssize_t rs_sys_message(long number, int fd, const void *buf, size_t size, int flags)
{
    register long call __asm__("x8") = number;
    register long arg1 __asm__("x0") = fd;
    register const void *arg2 __asm__("x1") = buf;
    register size_t arg3 __asm__("x2") = size;
    register long arg4 __asm__("x3") = flags;
    register long arg5 __asm__("x4") = 0;
    register long arg6 __asm__("x5") = 0;

    __asm__ volatile("svc 0"
                     : "+r"(arg1)
                     : "r"(call), "r"(arg2), "r"(arg3), "r"(arg4), "r"(arg5), "r"(arg6)
                     : "cc", "memory");
    return arg1;
}

#else
#define RS_SYS_INLINE 0
#endif

static inline ssize_t rs_sys_recv(int fd, void *buf, size_t size, int flags)
{
#if RS_SYS_INLINE
    if (ROUSE_LIKELY(rs_sys.recv == rs_sys_real.recv)) {
        return rs_sys_message(SYS_recvfrom, fd, buf, size, flags);
    }
#endif
    return rs_sys.recv(fd, buf, size, flags);
}

static inline ssize_t rs_sys_send(int fd, const void *buf, size_t size, int flags)
{
#if RS_SYS_INLINE
    if (ROUSE_LIKELY(rs_sys.send == rs_sys_real.send)) {
        return rs_sys_message(SYS_sendto, fd, buf, size, flags);
    }
#endif
    return rs_sys.send(fd, buf, size, flags);
}

// Without a timeout.
static inline int rs_sys_io_uring_enter(int fd, unsigned to_submit, unsigned wait_for,
                                        unsigned flags)
{
#if RS_SYS_INLINE
    if (ROUSE_LIKELY(rs_sys.io_uring_enter == rs_sys_real.io_uring_enter)) {
        return (int)rs_sys_message(SYS_io_uring_enter, fd, (const void *)(uintptr_t)to_submit,
                                   wait_for, (int)flags);
    }
#endif
    return rs_sys.io_uring_enter(fd, to_submit, wait_for, flags, NULL);
}

#endif
