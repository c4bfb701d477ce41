// SPDX-License-Identifier: MIT
//
// The use of a descriptor, between threads of the machine: whoever has ended it and waited finds
// that its owner is outside, and stays there; also where the kernel has no membarrier. What else
// the threads may do to each other is for the model.

#include "io/use.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/barrier.h"
#include "base/sys.h"
#include "claim.h"

enum { ROUNDS = 100, ROUNDS_REFUSED = 10 };

static struct rs_use use;
static struct rs_owner owner;
static const struct rs_owner nobody;
static _Atomic bool is_used;
static _Atomic int uses;

static int no_membarrier(int command)
{
    (void)command;
    return -EPERM;
}

static bool go_in(void)
{
    return rs_owner_is_us(&owner) ? rs_owner_enter(&owner, &use) : rs_owner_claim(&owner, &use);
}

static void *use_until_ended(void *arg)
{
    rs_tls.number = 1;
    while (go_in()) {
        // Relaxed, all of them: it is the use that is to order them.
        atomic_store_explicit(&is_used, true, memory_order_relaxed);
        atomic_fetch_add_explicit(&uses, 1, memory_order_relaxed);
        atomic_store_explicit(&is_used, false, memory_order_relaxed);
        rs_owner_leave(&owner);
    }
    return arg;
}

static bool ends_once(uint32_t flag)
{
    pthread_t thread;

    use = (struct rs_use){0};
    owner = (struct rs_owner){0};
    atomic_store_explicit(&uses, 0, memory_order_relaxed);
    if (pthread_create(&thread, NULL, use_until_ended, NULL) != 0) exit(1);
    while (atomic_load_explicit(&uses, memory_order_relaxed) < 100) (void)sched_yield();

    bool ended = rs_use_end(&use, flag) == 0;

    rs_owners_wait(&owner, &nobody);
    int before = atomic_load_explicit(&uses, memory_order_relaxed);
    bool outside = !atomic_load_explicit(&is_used, memory_order_relaxed);

    (void)pthread_join(thread, NULL);
    return ended && outside && atomic_load_explicit(&uses, memory_order_relaxed) == before;
}

static bool always_ends(int rounds)
{
    bool all = true;

    for (int i = 0; i < rounds; i++) {
        all = all && ends_once(i % 2 == 0 ? RS_USE_CLOSED : RS_USE_RELEASED);
    }
    return all;
}

static void those_who_are_counted(void)
{
    use = (struct rs_use){0};
    owner = (struct rs_owner){0};
    claim(!rs_use_is_counted(&use), "nobody uses a new descriptor");
    claim(!rs_owner_claim(&owner, &use), "a thread that is no worker does not own a use");
    claim(rs_use_count(&use) && rs_use_is_counted(&use), "it is counted");
    claim(rs_use_end(&use, RS_USE_RELEASED) == -EBUSY, "what is counted is not released");
    claim(rs_use_end(&use, RS_USE_CLOSED) == 0, "but closed");
    claim(rs_use_end(&use, RS_USE_CLOSED) == -EBADF && !rs_use_count(&use), "once");
    claim(!rs_use_uncount(&use) && rs_use_uncount(&use) && !rs_use_count(&use) &&
              !rs_use_uncount(&use),
          "the last one closes, and nobody after that");
}

static void of_two_workers(void)
{
    use = (struct rs_use){0};
    owner = (struct rs_owner){0};
    rs_tls.number = 1;
    claim(rs_owner_claim(&owner, &use) && rs_owner_is_us(&owner), "the first worker owns the use");
    rs_owner_leave(&owner);
    rs_tls.number = 2;
    claim(!rs_owner_claim(&owner, &use) && !rs_owner_is_us(&owner), "the second does not");
    rs_tls.number = 1;
    claim(rs_use_end(&use, RS_USE_CLOSED) == 0 && !rs_owner_enter(&owner, &use),
          "the owner finds that it has been ended");
    rs_owners_wait(&owner, &nobody);
    rs_tls.number = 0;
}

int main(void)
{
    (void)alarm(60);
    (void)rs_barrier_prepare();
    those_who_are_counted();
    of_two_workers();
    claim(always_ends(ROUNDS), "after the end the owner is outside, and stays there");
    rs_sys.membarrier = no_membarrier;
    claim(always_ends(ROUNDS_REFUSED), "so it is where the kernel has no membarrier");
    return claims_end();
}
