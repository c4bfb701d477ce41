// SPDX-License-Identifier: MIT
//
// No wake is lost, whenever it comes. In each round, eight threads get the waker of one future.
// Each stores the number of the round, relaxed, wakes twice, and wakes a third time after the
// future has ended. The wakes fall where they will: while the future is polled (in every other
// round its first poll does not return before the first wake), when a poll has just returned and
// the thread is about to park, and when it has parked. The poll that follows a wake must see the
// number stored before it; if one stays unseen for a second, the program ends with 1. In the first
// half of the rounds the future is driven by rouse_block_on(), in the second each is a task on the
// runtime.

#include <getopt.h>
#include <pthread.h>
#include <rouse.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { CALLERS = 8 };

// When a wake came.
enum { DURING_POLL, ACROSS_POLLS, BETWEEN_POLLS, AFTER_END, TIMES };

struct caller {
    _Alignas(64) atomic_ulong number;  // of the round; stored relaxed before each wake
    atomic_ulong seen;                 // the last number that a poll has seen
    atomic_ulong woken;                // the last round in which it has woken
    struct rouse_waker waker;          // handed over by the first poll of a round
    sem_t handed_over;
    unsigned long wakes[TIMES];
    pthread_t thread;
};

static struct caller callers[CALLERS];
static atomic_ulong round_begun;
static atomic_ulong round_ended;
static bool over;                // published by the semaphores
static atomic_ulong poll_clock;  // odd while a poll runs

static unsigned long get(atomic_ulong *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

static void set(atomic_ulong *value, unsigned long new_value)
{
    atomic_store_explicit(value, new_value, memory_order_relaxed);
}

// ---- The future: ends when it has seen the round's number from every caller ----

struct listener {
    struct rouse_future base;
    unsigned long round;
};

static void hand_over(unsigned long round, struct rouse_context *cx)
{
    set(&round_begun, round);
    for (int i = 0; i < CALLERS; i++) {
        callers[i].waker = rouse_waker_clone(rouse_context_waker(cx));
        sem_post(&callers[i].handed_over);
    }
}

static bool someone_has_woken(unsigned long round)
{
    for (int i = 0; i < CALLERS; i++) {
        if (get(&callers[i].woken) == round) return true;
    }
    return false;
}

static bool all_are_seen(unsigned long round)
{
    bool all = true;

    for (int i = 0; i < CALLERS; i++) {
        if (get(&callers[i].number) == round) {
            set(&callers[i].seen, round);
        } else {
            all = false;
        }
    }
    return all;
}

static rouse_poll listener_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct listener *l = ROUSE_CONTAINER_OF(self, struct listener, base);
    bool first = get(&round_begun) < l->round;
    bool all = false;

    atomic_fetch_add_explicit(&poll_clock, 1, memory_order_relaxed);
    if (first) {
        // All polls of one block_on, and of one task, bring the same waker: once is enough.
        hand_over(l->round, cx);
        while (l->round % 2 == 0 && !someone_has_woken(l->round)) {
            sched_yield();
        }
    } else {
        all = all_are_seen(l->round);
    }
    if (all) set(&round_ended, l->round);
    atomic_fetch_add_explicit(&poll_clock, 1, memory_order_relaxed);
    return all ? ROUSE_READY : ROUSE_PENDING;
}

static const struct rouse_future_vtable listener_vtable = {.poll = listener_poll,
                                                           .name = "listener"};

// ---- The callers ----

static void wake(struct caller *c, const struct rouse_waker *waker, unsigned long round)
{
    bool ended = get(&round_ended) >= round;
    unsigned long before = get(&poll_clock);

    rouse_waker_wake_by_ref(waker);
    unsigned long after = get(&poll_clock);
    int time = BETWEEN_POLLS;

    if (before % 2 == 1) time = DURING_POLL;
    if (before != after) time = ACROSS_POLLS;
    if (ended) time = AFTER_END;
    c->wakes[time]++;
}

// Waits for the next round, which begins when the one before has ended; false if there is none.
// Meanwhile the number of the caller must be seen.
static bool next_round(struct caller *c)
{
    uint64_t deadline_ns = rouse_deadline_after(ROUSE_NS_PER_S);
    unsigned long round = get(&c->number);

    for (;;) {
        struct timespec limit;

        timespec_get(&limit, TIME_UTC);
        limit.tv_sec++;
        if (sem_timedwait(&c->handed_over, &limit) == 0) return !over;
        if (get(&c->seen) != round && rouse_now_ns() >= deadline_ns) {
            fprintf(stderr, "round %lu: the wake of caller %d was not seen within 1 s\n", round,
                    (int)(c - callers));
            _Exit(1);
        }
    }
}

static void *call(void *arg)
{
    struct caller *c = arg;
    bool more = next_round(c);

    for (unsigned long round = 1; more; round++) {
        struct rouse_waker waker = c->waker;  // taken

        set(&c->number, round);
        wake(c, &waker, round);
        set(&c->woken, round);
        wake(c, &waker, round);
        more = next_round(c);
        wake(c, &waker, round);
        rouse_waker_drop(&waker);
    }
    return NULL;
}

// ---- The rounds ----

static void listener_init(struct rouse_future *storage, void *round)
{
    struct listener *l = ROUSE_CONTAINER_OF(storage, struct listener, base);

    *l = (struct listener){.base.vtable = &listener_vtable, .round = *(unsigned long *)round};
}

static int play_block_on(unsigned long from, unsigned long to)
{
    struct listener l;
    int err = 0;

    for (unsigned long round = from; round <= to && err == 0; round++) {
        listener_init(&l.base, &round);
        err = rouse_block_on(NULL, &l.base);
    }
    return err;
}

static int play_tasks(unsigned long from, unsigned long to)
{
    struct rouse_join_handle task;
    int err = 0;

    for (unsigned long round = from; round <= to && err == 0; round++) {
        struct rouse_future_spec spec = {
            .size = sizeof(struct listener), .init = listener_init, .arg = &round};

        err = rouse_spawn_future(&task, &spec);
        if (err == 0) err = (int)rouse_join(&task);
    }
    return err;
}

static int play(unsigned long rounds)
{
    int err = play_block_on(1, rounds / 2);

    return err < 0 ? err : play_tasks(rounds / 2 + 1, rounds);
}

static void print_counts(unsigned long rounds, double seconds)
{
    static const char *const times[TIMES] = {
        [DURING_POLL] = "during a poll",
        [ACROSS_POLLS] = "as a poll began or returned",
        [BETWEEN_POLLS] = "between polls, before the park or after",
        [AFTER_END] = "after the end",
    };

    printf("%lu rounds of %d threads in %.2f s: %lu polls\n", rounds, CALLERS, seconds,
           get(&poll_clock) / 2);
    for (int time = 0; time < TIMES; time++) {
        unsigned long wakes = 0;

        for (int i = 0; i < CALLERS; i++) {
            wakes += callers[i].wakes[time];
        }
        printf("%10lu wakes %s\n", wakes, times[time]);
    }
    printf("%10d wakes unseen\n", 0);
}

static void usage(FILE *to)
{
    fputs("Usage: wake_while_polling [--rounds N]\n"
          "Eight threads wake one future while it is polled, before its thread parks, after its\n"
          "end, and twice. Prints when the wakes came; ends with 1 if one is not seen within 1 s.\n"
          "\n"
          "  --rounds N  so many rounds (default 1000000)\n"
          "  --help      this text\n",
          to);
}

static int start_callers(void)
{
    int err = 0;

    for (int i = 0; i < CALLERS && err == 0; i++) {
        sem_init(&callers[i].handed_over, 0, 0);
        err = -pthread_create(&callers[i].thread, NULL, call, &callers[i]);
    }
    return err;
}

static void stop_callers(void)
{
    over = true;
    for (int i = 0; i < CALLERS; i++) {
        sem_post(&callers[i].handed_over);
        pthread_join(callers[i].thread, NULL);
        sem_destroy(&callers[i].handed_over);
    }
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"rounds", required_argument, NULL, 'r'}, {"help", no_argument, NULL, 'h'}, {0}};
    unsigned long rounds = 1000000;
    char *end = "";

    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 'h') return usage(stdout), 0;
        if (option == 'r') rounds = strtoul(optarg, &end, 10);
        if (option == '?' || *end != '\0' || rounds == 0) return usage(stderr), 2;
    }
    if (optind != argc) return usage(stderr), 2;
    uint64_t start_ns = rouse_now_ns();
    int err = start_callers();

    if (err == 0) err = play(rounds);
    if (err < 0) {
        fprintf(stderr, "wake_while_polling: %s\n", rouse_strerror(err));
        return 1;
    }
    stop_callers();
    print_counts(rounds, (double)(rouse_now_ns() - start_ns) / (double)ROUSE_NS_PER_S);
    return 0;
}
