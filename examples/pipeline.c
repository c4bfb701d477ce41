// SPDX-License-Identifier: MIT
//
// A pipeline with back-pressure: numbers, their squares, the sum of those. The last stage is slow;
// the first is not, but waits for a place: so it gets no further ahead than the channels can hold,
// and one for each of the two later stages, which have it in hand.

#include <errno.h>
#include <rouse.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { ITEMS = 100, CAPACITY = 4 };

struct pipeline {
    unsigned long ahead, sum;
    atomic_ulong summed;  // how many. Relaxed: the channels put the accesses in order
    struct rouse_channel_sender *number_tx, *square_tx;
    struct rouse_channel_receiver *number_rx, *square_rx;
};

// A stage gives up its ends. Later ones get what is left, then -EPIPE; earlier ones that at once.
static int stage_end(struct rouse_channel_receiver **rx, struct rouse_channel_sender **tx, int err)
{
    if (rx != NULL) rouse_channel_receiver_unref(*rx), *rx = NULL;
    if (tx != NULL) rouse_channel_sender_unref(*tx), *tx = NULL;
    return err == -EPIPE ? 0 : err;
}

static int count(void *arg)
{
    struct pipeline *p = arg;
    int err = 0;

    for (unsigned long n = 1; n <= ITEMS && err == 0; n++) {
        err = rouse_channel_send(p->number_tx, &n);
        unsigned long ahead = n - atomic_load_explicit(&p->summed, memory_order_relaxed);
        if (err == 0 && ahead > p->ahead) p->ahead = ahead;
    }
    return stage_end(NULL, &p->number_tx, err);
}

static int square(void *arg)
{
    struct pipeline *p = arg;
    unsigned long n;
    int err;

    while ((err = rouse_channel_receive(p->number_rx, &n)) == 0) {
        n *= n;
        if ((err = rouse_channel_send(p->square_tx, &n)) < 0) break;
    }
    return stage_end(&p->number_rx, &p->square_tx, err);
}

static int add(void *arg)
{
    struct pipeline *p = arg;
    unsigned long n;
    int err;

    while ((err = rouse_channel_receive(p->square_rx, &n)) == 0) {
        if ((err = rouse_sleep(ROUSE_NS_PER_MS)) < 0) break;  // slow
        p->sum += n;
        atomic_fetch_add_explicit(&p->summed, 1, memory_order_relaxed);
    }
    return stage_end(&p->square_rx, NULL, err);
}

static int run(void *arg)
{
    static const rouse_fiber_function stages[] = {count, square, add};
    struct pipeline *p = arg;
    struct rouse_scope scope;
    int err = rouse_channel_new(&p->number_tx, &p->number_rx, sizeof p->sum, CAPACITY);

    if (err == 0) err = rouse_channel_new(&p->square_tx, &p->square_rx, sizeof p->sum, CAPACITY);
    rouse_scope_open(&scope, ROUSE_NEVER);
    for (int i = 0; i < 3 && err == 0; i++) err = rouse_scope_spawn(&scope, NULL, stages[i], p);
    if (err < 0) rouse_scope_cancel(&scope, "a stage is missing");
    int ended = rouse_scope_wait(&scope, NULL);

    (void)stage_end(&p->number_rx, &p->number_tx, 0);  // those of stages that never began
    (void)stage_end(&p->square_rx, &p->square_tx, 0);
    return err < 0 ? err : ended;
}

int main(int argc, char **argv)
{
    struct pipeline p = {0};
    bool wants_help = argc == 2 && strcmp(argv[1], "--help") == 0;

    if (argc > 1) {
        fputs("Usage: pipeline [--help]\nAdds up squares, slowly.\n", wants_help ? stdout : stderr);
        return wants_help ? 0 : 2;
    }
    int err = rouse_run(run, &p);

    if (err < 0) return fprintf(stderr, "pipeline: %s\n", rouse_strerror(err)), 1;
    printf("the sum of %d squares is %lu\n", ITEMS, p.sum);
    printf("the first stage was at most %lu ahead of the last\n", p.ahead);
    return 0;
}
