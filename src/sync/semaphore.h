// SPDX-License-Identifier: MIT
//
// What is built on a semaphore, such as the rwlock, and knows how many permits there are in all.

#ifndef RS_SYNC_SEMAPHORE_H
#define RS_SYNC_SEMAPHORE_H

#include <rouse/semaphore.h>

// Gives `permits` back to a semaphore that never has more than `most`.
void rs_semaphore_release(struct rouse_semaphore *semaphore, uint64_t permits, uint64_t most);

#endif
