// SPDX-License-Identifier: MIT
//
// The back end of a driver or poller, which may be replaced while it is in use: a sandbox may
// refuse later what it allowed at first, and then another back end goes on. Nobody who waits
// notices.
//
// Whose wait() fails replaces: opens a successor, and, under the owner's lock, has it watch what
// the owner's table says and puts it in place. Then the former one is retired.
//
// 1. A back end that was replaced is closed with its owner only. So whoever has loaded it may call
//    it at any time; retired, it finds nothing more and wakes nobody.
// 2. Watches change under the owner's lock, as does the place: a watch comes before the
//    replacement, and is in the table that the successor is told of, or it comes after, and goes to
//    the successor.
// 3. No event is lost: readiness is a state, and a successor that is told of a descriptor reports
//    what is ready. An event that somebody still has from the former one is as good as ever.
// 4. No notification is lost. A driver notifies both back ends after the replacement: so who sleeps
//    around it, in either of the two, is woken and looks for work. Who falls asleep later does so
//    in the successor, and says so before, in a word that a notifier reads before it loads the
//    place: it finds the successor too. Of a poller only the one who waits replaces: see its wait.
// 5. There is one replacement: a successor never fails for good.

#ifndef RS_IO_REACTOR_H
#define RS_IO_REACTOR_H

#include <stdatomic.h>

#include "io/backend.h"

struct rs_reactor {
    _Atomic(struct rs_backend *) place;
    struct rs_backend *retired;  // what was replaced, or NULL; under the owner's lock
    const struct rouse_allocator *allocator;
};

// As rs_backend_open().
int rs_reactor_open(struct rs_reactor *reactor, const char *name,
                    const struct rouse_allocator *allocator);
void rs_reactor_close(struct rs_reactor *reactor);

// In the child of a fork.
void rs_reactor_discard(struct rs_reactor *reactor);

static inline struct rs_backend *rs_reactor_get(const struct rs_reactor *reactor)
{
    // Acquire, with the release in rs_reactor_put(): the back end is whole.
    return atomic_load_explicit(&reactor->place, memory_order_acquire);
}

// The descriptor for a foreign loop: it stays the same for good. Under the owner's lock.
int rs_reactor_fd(const struct rs_reactor *reactor);

// Opens what is to replace `failed`, whose wait gave `err`; NULL if that needs no replacement, or
// there is none to be had: the next wait will say the same.
struct rs_backend *rs_reactor_successor(const struct rs_reactor *reactor, struct rs_backend *failed,
                                        int err);

// Puts `successor` in the place of `failed`. Under the owner's lock. False if somebody was faster.
// Without the lock, the caller then has the former one retire, which wakes who sleeps in it.
bool rs_reactor_put(struct rs_reactor *reactor, struct rs_backend *failed,
                    struct rs_backend *successor);

#endif
