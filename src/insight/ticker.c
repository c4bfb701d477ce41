// SPDX-License-Identifier: MIT
//
// The ticker's thread, which sleeps on the word that stops it.

#include "insight/ticker.h"

#include <rouse/clock.h>

#include "base/counters.h"
#include "base/sys.h"
#include "base/thread.h"

static void *ticker_main(void *arg)
{
    struct rs_ticker *ticker = arg;
    const struct timespec period = {.tv_sec = (time_t)(ticker->period_ns / ROUSE_NS_PER_S),
                                    .tv_nsec = (long)(ticker->period_ns % ROUSE_NS_PER_S)};

    rs_thread_set_name(ticker->name);
    // Relaxed: the join orders what matters.
    while (atomic_load_explicit(&ticker->stopped, memory_order_relaxed) == 0) {
        (void)rs_sys.futex_wait((uint32_t *)&ticker->stopped, 0, &period);
        ticker->tick();
    }
    return NULL;
}

int rs_ticker_start(struct rs_ticker *ticker)
{
    // Relaxed: no thread runs yet.
    atomic_store_explicit(&ticker->stopped, 0, memory_order_relaxed);
    int err = rs_thread_start(&ticker->thread, ticker_main, ticker);

    ticker->runs = err == 0;
    if (ticker->runs) rs_counter_add(RS_COUNTER_THREADS, 1);
    return err;
}

void rs_ticker_forget(struct rs_ticker *ticker)
{
    if (ticker->runs) rs_counter_add(RS_COUNTER_THREADS, -1);
    ticker->runs = false;
}

void rs_ticker_stop(struct rs_ticker *ticker)
{
    if (!ticker->runs) return;
    // Relaxed: as above.
    atomic_store_explicit(&ticker->stopped, 1, memory_order_relaxed);
    (void)rs_sys.futex_wake((uint32_t *)&ticker->stopped, 1);
    (void)pthread_join(ticker->thread, NULL);
    rs_ticker_forget(ticker);
}
