// SPDX-License-Identifier: MIT
//
// What the two files of the kernel share: kernel.c has the descriptors, and kernel_ring.c what
// io_uring does with them.

#ifndef MODEL_KERNEL_H
#define MODEL_KERNEL_H

#include <sys/types.h>

#include "engine.h"

// ---- kernel.c ----

// A call begins: another thread may go first.
void kernel_step(const char *what, int fd, bool changes);

// Sleeps on `addr` until somebody wakes it, an alarm goes off, or `end_ns` comes (0: never). False:
// it came. `*err` is set if a signal did.
bool kernel_sleep(uintptr_t addr, uint64_t end_ns, int *err);

// The kernel reads or writes the caller's memory.
void kernel_user_memory(const void *memory, size_t size, bool write);

int kernel_open_ring(void);
bool kernel_is_open(int fd);
// In the words of epoll, which are those of poll.
uint32_t kernel_readiness(int fd);
// The descriptor has changed in the ways of `what`.
void kernel_tell(int fd, uint32_t what);
// Bytes of a stream are taken: how many, or a negative errno.
ssize_t kernel_take(int fd, size_t size);

// ---- kernel_ring.c ----

void ring_install(void);
void ring_reset(void);
bool ring_any_is_open(void);
bool ring_has_completions(int fd);
// Who has operations on the descriptor hears of its change.
void ring_hear(int fd, uint32_t what);
// Operations keep the file, not the number.
void ring_forget(int fd);
void ring_close(int fd);
// The program has no queues any more.
void ring_unmapped(const void *memory);

#endif
