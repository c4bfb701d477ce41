// SPDX-License-Identifier: MIT
//
// The ring of connections. Its head is a member of the worker, its places are members of the
// connections' streams, and the loops that empty it see how a place is left: a compiler that may
// take that for accesses to different objects looks at the head once and goes on for ever. So the
// loop here is counted.

#include <stdlib.h>

#include "claim.h"
#include "stream.h"

enum { STREAMS = 5 };

static struct httpd_stream streams[STREAMS];

// Which of the streams that place belongs to, counted from one; 0: none, as the head.
static unsigned number_of(const struct httpd_idle *idle)
{
    for (unsigned i = 0; i < STREAMS; i++) {
        if (idle == &streams[i].idle) return i + 1;
    }
    return 0;
}

// Bit i: the i-th round met stream i. At most one round more than there are streams.
__attribute__((noinline)) static unsigned empty(struct httpd_worker *worker)
{
    unsigned seen = 0;

    for (unsigned round = 0; worker->idle.next != &worker->idle && round <= STREAMS; round++) {
        struct httpd_idle *idle = worker->idle.next;

        httpd_idle_leave(idle);
        if (number_of(idle) == round + 1) seen |= 1U << round;
    }
    return seen;
}

static void fill(struct httpd_worker *worker)
{
    for (unsigned i = 0; i < STREAMS; i++) httpd_idle_enter(worker, &streams[i].idle);
}

static void waits_are_timed(struct httpd_worker *worker)
{
    struct httpd_idle *idle = &streams[0].idle;

    claim(idle->since_ns == 0, "who has just come does not wait");
    worker->now_ns = 7;
    httpd_idle_begin(worker, idle);
    worker->now_ns = 9;
    claim(idle->since_ns == 7, "a wait begins at the worker's time");
    httpd_idle_end(idle);
    claim(idle->since_ns == 0 && number_of(worker->idle.next) == 1, "it ends; the place stays");
}

int main(void)
{
    // On the heap, as the server's: of what has a declared type, a compiler knows more.
    struct httpd_worker *worker = calloc(1, sizeof *worker);

    if (worker == NULL) return 1;
    worker->idle.next = worker->idle.prev = &worker->idle;
    fill(worker);
    waits_are_timed(worker);
    claim(empty(worker) == (1U << STREAMS) - 1, "a loop meets each stream in order");
    claim(worker->idle.next == &worker->idle, "and ends with the last");
    fill(worker);
    httpd_idle_leave(&streams[2].idle);
    httpd_idle_leave(&streams[2].idle);
    claim(number_of(worker->idle.next->next->next) == 4, "who leaves twice leaves once");
    free(worker);
    return claims_end();
}
