// SPDX-License-Identifier: MIT
//
// A thread that does something again and again, until it is stopped. It exists only while somebody
// wants to see what it shows.

#ifndef RS_INSIGHT_TICKER_H
#define RS_INSIGHT_TICKER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

// All zero does not run.
struct rs_ticker {
    const char *name;
    uint64_t period_ns;
    void (*tick)(void);
    pthread_t thread;
    bool runs;
    _Atomic uint32_t stopped;
};

// `name`, `period_ns` and `tick` are set. -EAGAIN when there are too many threads. One thread at a
// time starts and stops it.
int rs_ticker_start(struct rs_ticker *ticker);

// Returns when the last tick has. Does nothing if it does not run.
void rs_ticker_stop(struct rs_ticker *ticker);

// In the child of a fork, where its thread is not.
void rs_ticker_forget(struct rs_ticker *ticker);

#endif
