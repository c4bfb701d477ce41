// SPDX-License-Identifier: MIT
//
// Starting a thread of our own: it leaves the signals meant for the process to the program's
// threads, and carries a name.

#ifndef RS_BASE_THREAD_H
#define RS_BASE_THREAD_H

#include <pthread.h>
#include <signal.h>

// Fills `set` with every signal but those that a thread causes itself by a fault.
void rs_thread_async_signals(sigset_t *set);

// Starts `fn(arg)` on a thread that blocks all of those. -EAGAIN when there are too many.
int rs_thread_start(pthread_t *out, void *(*fn)(void *arg), void *arg);

// Names the calling thread, for ps and debuggers; the kernel keeps 15 bytes.
void rs_thread_set_name(const char *name);

#endif
