// SPDX-License-Identifier: MIT
//
// Combinators, polled by hand over probes. First what every one of them promises, from a table:
// that arms end exactly once whenever the combinator is dropped, that no output is lost, that a
// late poll panics, that the last waker wins, and what describe writes. Then each by itself.

#include <rouse/error.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "claim.h"
#include "combinator.h"
#include "heap.h"
#include "panics.h"

static const int twice[ARMS_MAX] = {2, 2, 2};
static const int64_t zeros[ARMS_MAX];

static struct bell bell;
static struct combined c;

static void claim_of(bool holds, const struct combinator *what, const char *text)
{
    char line[160];

    snprintf(line, sizeof line, "%s: %s", what->name, text);
    claim(holds, line);
}

static void poll_it(void *future)
{
    (void)bell_poll(&bell, future);
}

// True if each of the probes it has taken has ended once, no waker is kept and no output is left.
static bool all_ended_once(size_t arms)
{
    bool once = bell.shares == 0 && probe_outputs == 0;

    for (size_t i = 0; i < arms; i++) {
        once &= probe_ends(&c.probes[i]) == 1;
    }
    return once;
}

// How many probes the combinator owns by now.
static size_t arms_taken(const struct combinator *what)
{
    return what->arms == 1 && c.calls > 0 && what->make == make_then ? 2 : what->arms;
}

static void drop_before_the_first_poll(const struct combinator *what)
{
    bool untouched = true;

    combine(&c, what->make, twice, zeros);
    rouse_future_drop(&c.as.base);
    for (size_t i = 0; i < what->arms; i++) {
        untouched &= c.probes[i].polls == 0 && c.probes[i].drops == 1;
    }
    claim_of(untouched && c.calls == 0, what, "a drop before the first poll drops every arm");
    rouse_future_drop(&c.as.base);
    claim_of(all_ended_once(what->arms), what, "and a second drop none again");
    claim_of(panics(poll_it, &c.as.base, "\"dropped future\""), what,
             "a poll after the drop panics");
}

// Drops after each number of polls, up to the end.
static void drop_in_the_middle(const struct combinator *what)
{
    bool once = true;
    bool ready = false;

    for (int polls = 1; !ready; polls++) {
        combine(&c, what->make, twice, zeros);
        for (int i = 0; i < polls; i++) {
            ready = bell_poll(&bell, &c.as.base) == ROUSE_READY;
        }
        rouse_future_drop(&c.as.base);
        once &= all_ended_once(arms_taken(what));
        rouse_future_drop(&c.as.base);
        once &= all_ended_once(arms_taken(what));
    }
    claim_of(once, what, "dropped after any poll, every arm ends once and no output is left");
}

static void late_poll_panics(const struct combinator *what)
{
    char words[64];
    int polls = 1;

    combine(&c, what->make, twice, zeros);
    while (bell_poll(&bell, &c.as.base) == ROUSE_PENDING) {
        polls++;
    }
    // Then has one more wait after its second poll.
    claim_of(polls == (what->make == make_then ? 5 : 3), what, "it is ready as soon as it can be");
    claim_of(rouse_future_is_ended(&c.as.base), what, "and has then ended");
    claim_of(bell.shares == 0, what, "and keeps no waker");
    snprintf(words, sizeof words, "polled after its end: \"%s\"", what->name);
    claim_of(panics(poll_it, &c.as.base, words), what, "a poll after ready panics with its name");
    rouse_future_drop(&c.as.base);
    claim_of(probe_outputs == 0, what, "a drop after the end releases outputs that nobody took");
}

static void last_waker_wins(const struct combinator *what)
{
    struct bell second = {0};

    combine(&c, what->make, twice, zeros);
    bell = (struct bell){0};
    (void)bell_poll(&bell, &c.as.base);
    (void)bell_poll(&second, &c.as.base);
    claim_of(bell.shares == 0 && second.shares == (int)what->arms, what,
             "every arm keeps the waker of the last poll");
    for (size_t i = 0; i < what->arms; i++) {
        rouse_waker_wake(&c.probes[i].waker);
    }
    claim_of(bell.rings == 0 && second.rings == (int)what->arms, what,
             "and an arm that moves wakes that one");
    rouse_future_drop(&c.as.base);
}

// The text for every size of the buffer, from none to more than enough.
static void describe_truncates(const struct combinator *what)
{
    size_t length = strlen(what->description);
    bool right = true;
    char text[80];

    combine(&c, what->make, twice, zeros);
    for (size_t size = 0; size <= length + 2; size++) {
        size_t shown = size == 0 ? 0 : size - 1 < length ? size - 1 : length;

        memset(text, '#', sizeof text);
        right &= rouse_future_describe(&c.as.base, size == 0 ? NULL : text, size) == (int)length;
        right &= memcmp(text, what->description, shown) == 0;
        right &= size == 0 || text[shown] == '\0';
        for (size_t i = size; i < sizeof text; i++) {
            right &= text[i] == '#';
        }
    }
    claim_of(right, what, "describe writes what it waits for, cut to any size of buffer");
    rouse_future_drop(&c.as.base);
}

// What an inspector is told of a future.
struct parts {
    struct rouse_inspector base;
    size_t arms;  // that are probes of ours
    size_t others;
    size_t alternatives;
};

static void part_note(struct rouse_inspector *self, const struct rouse_future *part, int line,
                      bool alternative)
{
    struct parts *parts = ROUSE_CONTAINER_OF(self, struct parts, base);
    bool is_arm = false;

    for (size_t i = 0; i < ARMS_MAX; i++) is_arm = is_arm || part == &c.probes[i].base;
    parts->arms += is_arm;
    parts->others += !is_arm || line != 0;
    parts->alternatives += alternative;
}

static void inspect_tells_of_each_arm(const struct combinator *what)
{
    struct parts parts = {.base = {.part = part_note}};

    combine(&c, what->make, twice, zeros);
    (void)bell_poll(&bell, &c.as.base);
    rouse_future_inspect(&c.as.base, &parts.base);
    claim_of(parts.arms == what->arms && parts.others == 0, what,
             "an inspector is told of each arm, and of nothing else");
    claim_of(what->waits_for_all ? parts.alternatives == 0 || strncmp(what->name, "try", 3) == 0
                                 : parts.alternatives == what->arms,
             what, "and whether it may end without that one");
    claim_of(rouse_future_cancel_kind(&c.as.base) == ROUSE_CANCEL_UNSTATED, what,
             "what a drop means is not stated if an arm does not state it");
    rouse_future_drop(&c.as.base);
}

static void never_allocates(const struct combinator *what)
{
    long before = heap_counted();

    combine(&c, what->make, twice, zeros);
    while (bell_poll(&bell, &c.as.base) == ROUSE_PENDING) {
    }
    rouse_future_drop(&c.as.base);
    combine(&c, what->make, twice, zeros);
    (void)bell_poll(&bell, &c.as.base);
    rouse_future_drop(&c.as.base);
    claim_of(heap_counted() == before, what, "allocates nothing from init to drop");
}

static void every_combinator(void)
{
    for (size_t i = 0; i < COMBINATORS; i++) {
        bell = (struct bell){0};
        drop_before_the_first_poll(&combinators[i]);
        drop_in_the_middle(&combinators[i]);
        late_poll_panics(&combinators[i]);
        last_waker_wins(&combinators[i]);
        describe_truncates(&combinators[i]);
        inspect_tells_of_each_arm(&combinators[i]);
        never_allocates(&combinators[i]);
    }
}

static void join_waits_for_all(void)
{
    combine(&c, make_join_all, (const int[]){0, 2, 1}, (const int64_t[]){1, -2, 3});
    claim(bell_poll(&bell, &c.as.base) == ROUSE_PENDING &&
              bell_poll(&bell, &c.as.base) == ROUSE_PENDING &&
              bell_poll(&bell, &c.as.base) == ROUSE_READY,
          "join_all is ready with the slowest arm");
    claim(c.probes[0].polls == 1 && c.probes[1].polls == 3 && c.probes[2].polls == 2,
          "join_all polls no arm that has ended");
    claim(rouse_future_result(c.arms[0]) == 1 && rouse_future_result(c.arms[1]) == -2 &&
              rouse_future_result(&c.as.base) == 0,
          "each arm has its own result, a join none");
    rouse_future_drop(&c.as.base);

    combine(&c, make_join_all, twice, zeros);
    while (bell_poll(&bell, c.arms[1]) == ROUSE_PENDING) {
    }
    while (bell_poll(&bell, &c.as.base) == ROUSE_PENDING) {
    }
    claim(c.probes[1].polls == 3, "an arm that had ended before counts as ended");
    rouse_future_drop(&c.as.base);
    claim(all_ended_once(3), "and its output is released with the others");

    rouse_join_all_init(&c.as.join_all, NULL, 0);
    claim(bell_poll(&bell, &c.as.base) == ROUSE_READY, "a join of no arms is ready at once");
    rouse_future_drop(&c.as.base);
}

static void try_join_stops_at_the_first_failure(void)
{
    combine(&c, make_try_join, (const int[]){5, 1, 0}, (const int64_t[]){0, -EIO, 0});
    claim(bell_poll(&bell, &c.as.base) == ROUSE_PENDING &&
              bell_poll(&bell, &c.as.base) == ROUSE_READY,
          "try_join is ready with the first failure");
    claim(c.as.try_join.output == -EIO && rouse_future_result(&c.as.base) == -EIO,
          "whose error is its output");
    claim(c.probes[0].drops == 1 && c.probes[1].drops == 0 && bell.shares == 0,
          "the other arm is dropped at once");
    rouse_future_drop(&c.as.base);
    claim(c.probes[0].drops == 1 && all_ended_once(2), "and not again");

    combine(&c, make_try_join_all, (const int[]){0, 5, 1}, (const int64_t[]){7, 0, -EPIPE});
    while (bell_poll(&bell, &c.as.base) == ROUSE_PENDING) {
    }
    claim(c.as.try_join_all.failed == 2 && c.as.try_join_all.output == -EPIPE,
          "try_join_all says which arm failed");
    claim(c.probes[1].drops == 1 && c.probes[0].releases == 0 && probe_outputs == 2,
          "the running arms are dropped, outputs of ended ones are kept to be read");
    rouse_future_drop(&c.as.base);
    claim(all_ended_once(3), "until the try_join is dropped");

    combine(&c, make_try_join_all, (const int[]){0, 1, 0}, (const int64_t[]){7, 8, 9});
    while (bell_poll(&bell, &c.as.base) == ROUSE_PENDING) {
    }
    claim(c.as.try_join_all.failed == 3 && c.as.try_join_all.output == 0,
          "without a failure the output is 0 and no arm has failed");
    rouse_future_drop(&c.as.base);

    combine(&c, make_try_join_all, (const int[]){0, 5, 5}, (const int64_t[]){-EIO, 0, 0});
    (void)bell_poll(&bell, c.arms[0]);
    claim(bell_poll(&bell, &c.as.base) == ROUSE_READY && c.as.try_join_all.failed == 0 &&
              c.probes[1].polls == 0 && c.probes[1].drops == 1,
          "an arm that had failed before ends it at the first poll");
    rouse_future_drop(&c.as.base);

    rouse_try_join_all_init(&c.as.try_join_all, NULL, 0);
    claim(bell_poll(&bell, &c.as.base) == ROUSE_READY && c.as.try_join_all.output == 0,
          "a try_join of no arms succeeds at once");
    rouse_future_drop(&c.as.base);
}

static void select_takes_the_first(void)
{
    combine(&c, make_select_biased, (const int[]){1, 0, 0}, (const int64_t[]){5, -ENOENT, 0});
    claim(bell_poll(&bell, &c.as.base) == ROUSE_READY && c.as.select.output == 1,
          "select is ready with its first ready arm, and says which");
    claim(rouse_future_result(&c.as.base) == -ENOENT, "its result is the winner's");
    claim(c.probes[0].polls == 1 && c.probes[0].drops == 1 && bell.shares == 0,
          "the loser is dropped at once");
    rouse_future_drop(&c.as.base);
    claim(c.probes[0].drops == 1 && all_ended_once(2), "and not again");

    combine(&c, make_select_biased, (const int[]){0, 0, 0}, zeros);
    (void)bell_poll(&bell, &c.as.base);
    claim(c.as.select.output == 0 && c.probes[1].polls == 0 && c.probes[1].drops == 1,
          "of two ready arms a biased select takes the first and never polls the other");
    rouse_future_drop(&c.as.base);

    combine(&c, make_select_all, (const int[]){9, 9, 1}, (const int64_t[]){0, 0, 42});
    while (bell_poll(&bell, &c.as.base) == ROUSE_PENDING) {
    }
    claim(c.as.select_all.output == 2 && rouse_future_result(&c.as.base) == 42,
          "select_all says which arm won, and has its result");
    claim(c.probes[0].drops == 1 && c.probes[1].drops == 1, "all others are dropped");
    rouse_future_drop(&c.as.base);
}

// Counts which of three ready arms wins, over 10^4 selects.
static void count_wins(void (*make)(struct combined *), int wins[ARMS_MAX])
{
    static const int ready[ARMS_MAX];

    memset(wins, 0, ARMS_MAX * sizeof *wins);
    for (int i = 0; i < 10000; i++) {
        combine(&c, make, ready, zeros);
        (void)bell_poll(&bell, &c.as.base);
        wins[make == make_select_all ? c.as.select_all.output : c.as.select.output]++;
        rouse_future_drop(&c.as.base);
    }
}

static bool is_near(int count, int expected)
{
    return abs(count - expected) < 300;  // six standard deviations
}

static void fair_select_is_fair(void)
{
    int wins[ARMS_MAX];

    rs_random_seed(1);
    count_wins(make_select_fair, wins);
    claim(is_near(wins[0], 5000) && is_near(wins[1], 5000), "a fair select gives each arm half");
    count_wins(make_select_all, wins);
    claim(is_near(wins[0], 3333) && is_near(wins[1], 3333) && is_near(wins[2], 3333),
          "a fair select_all gives each of three arms a third");
    count_wins(make_select_biased, wins);
    claim(wins[0] == 10000, "a biased select gives the first arm all");
    rs_random_seed(7);
    count_wins(make_select_fair, wins);
    int first = wins[0];

    rs_random_seed(7);
    count_wins(make_select_fair, wins);
    claim(wins[0] == first, "the same seed makes the same choices");
}

// A probe that says of itself, the first `says` times that it is asked, that it is pending.
struct teller {
    struct probe probe;
    int says;
};

static bool teller_is_pending(const struct rouse_future *self)
{
    struct teller *t =
        ROUSE_CONTAINER_OF(probe_of((struct rouse_future *)(uintptr_t)self), struct teller, probe);

    return t->says > 0 && t->says-- > 0;
}

static void teller_init(struct teller *t, int pending, int says)
{
    static struct rouse_future_vtable vtable;

    vtable = probe_vtable;
    vtable.is_pending = teller_is_pending;
    probe_init(&t->probe, "t", pending, 0);
    t->probe.base.vtable = &vtable;
    t->says = says;
}

// Two of them, or one and a probe, in that order.
static rouse_poll select_two(struct rouse_select *select, struct teller *a, struct rouse_future *b)
{
    bell = (struct bell){0};
    rouse_select_init(select, &a->probe.base, b, ROUSE_SELECT_BIASED);
    return bell_poll(&bell, &select->base);
}

static void select_passes_over_what_is_pending(void)
{
    struct teller a, b;
    struct rouse_borrow lent;
    struct rouse_select select;

    teller_init(&a, PROBE_NEVER, 9);
    teller_init(&b, 0, 0);
    claim(select_two(&select, &a, &b.probe.base) == ROUSE_READY && select.output == 1 &&
              a.probe.polls == 0 && a.probe.drops == 1,
          "an arm that says that it is pending is not polled where another one is ready");
    rouse_future_drop(&select.base);

    teller_init(&a, 1, 1);
    teller_init(&b, 1, 1);
    claim(select_two(&select, &a, &b.probe.base) == ROUSE_PENDING && a.probe.polls == 1 &&
              b.probe.polls == 1 && bell.shares == 2,
          "where none is, each has a waker, after one poll");
    claim(bell_poll(&bell, &select.base) == ROUSE_READY && select.output == 0,
          "and the first that does not say so any more is polled first");
    rouse_future_drop(&select.base);

    teller_init(&a, 0, 1);
    teller_init(&b, PROBE_NEVER, 1);
    claim(select_two(&select, &a, &b.probe.base) == ROUSE_READY && select.output == 0,
          "one that is ready just after it has said so is not missed");
    rouse_future_drop(&select.base);

    teller_init(&a, PROBE_NEVER, 9);
    teller_init(&b, PROBE_NEVER, 9);
    rouse_borrow_init(&lent, &b.probe.base);
    claim(rouse_future_is_pending(&lent.base) &&
              select_two(&select, &a, &lent.base) == ROUSE_PENDING && b.says == 7 &&
              b.probe.polls == 1,
          "a borrow says what is lent");
    rouse_future_drop(&select.base);
    rouse_future_drop(&b.probe.base);
    claim(bell.shares == 0 && !rouse_future_is_pending(&b.probe.base),
          "what has ended is not pending");
}

// More arms than are asked.
static void select_takes_many_arms(void)
{
    enum { COUNT = 70 };
    static struct teller tellers[COUNT];
    struct rouse_future *arms[COUNT];
    struct rouse_select_all select;
    bool once = true;

    for (size_t order = 0; order < 2; order++) {
        for (size_t i = 0; i < COUNT; i++) {
            teller_init(&tellers[i], i == COUNT - 1 ? 1 : PROBE_NEVER, 9);
            arms[i] = &tellers[i].probe.base;
        }
        bell = (struct bell){0};
        rouse_select_all_init(&select, arms, COUNT, (rouse_select_order)order);
        once &= bell_poll(&bell, &select.base) == ROUSE_PENDING && bell.shares == COUNT;
        for (size_t i = 0; i < COUNT; i++) once &= tellers[i].probe.polls == 1;
        once &= bell_poll(&bell, &select.base) == ROUSE_READY && select.output == COUNT - 1;
        rouse_future_drop(&select.base);
        once &= bell.shares == 0;
    }
    claim(once, "of many arms that say so each is polled once");
}

static void select_leaves_a_borrowed_loser_alive(void)
{
    struct rouse_borrow lent;
    struct rouse_select select;
    struct probe slow;
    struct probe fast;

    probe_init(&slow, "slow", 2, 11);
    probe_init(&fast, "fast", 0, 0);
    rouse_borrow_init(&lent, &slow.base);
    rouse_select_init(&select, &lent.base, &fast.base, ROUSE_SELECT_BIASED);
    claim(bell_poll(&bell, &select.base) == ROUSE_READY && select.output == 1 && slow.polls == 1 &&
              slow.drops == 0,
          "a select drops the borrow of its loser, not the loser");
    rouse_future_drop(&select.base);
    claim(bell.shares == 1, "which keeps its place where it waits");
    (void)bell_poll(&bell, &slow.base);
    claim(bell_poll(&bell, &slow.base) == ROUSE_READY && slow.polls == 3, "and goes on from there");
    rouse_future_drop(&slow.base);
    claim(probe_outputs == 0 && bell.shares == 0, "to its own end");
}

static void race_counts_arms_that_ended_before(void)
{
    struct rouse_ready ready;
    struct rouse_pending pending;
    struct rouse_race race;
    struct rouse_future *arms[] = {&pending.base, &ready.base};
    struct rouse_waker none = {0};
    struct rouse_context cx;

    rouse_context_init(&cx, &none, NULL);
    rouse_ready_init(&ready);
    rouse_pending_init(&pending);
    (void)rouse_future_poll(&ready.base, &cx);
    rouse_race_init(&race, arms, 2);
    claim(rouse_future_poll(&race.base, &cx) == ROUSE_READY && race.winner == 1,
          "an arm that had ended well before wins a race");
}

static void race_takes_the_first_success(void)
{
    combine(&c, make_race, (const int[]){0, 2, 9}, (const int64_t[]){-EIO, 17, 0});
    while (bell_poll(&bell, &c.as.base) == ROUSE_PENDING) {
    }
    claim(c.as.race.winner == 1 && c.as.race.output == 17 && rouse_future_result(&c.as.base) == 17,
          "a race is won by the first arm that succeeds");
    claim(c.probes[0].polls == 1 && c.probes[2].drops == 1,
          "an arm that failed is polled no more, the others are dropped");
    claim(c.probes[0].releases == 0, "an output is kept until the race is dropped");
    rouse_future_drop(&c.as.base);
    claim(all_ended_once(3), "then all are released");

    combine(&c, make_race, (const int[]){2, 0, 1}, (const int64_t[]){-EIO, -EPIPE, -ENOENT});
    while (bell_poll(&bell, &c.as.base) == ROUSE_PENDING) {
    }
    claim(c.as.race.winner == 3 && c.as.race.output == -EIO,
          "when all fail nobody wins and the output is the last error");
    rouse_future_drop(&c.as.base);
    claim(all_ended_once(3), "and every arm is released");
}

static struct rouse_future *then_nothing(void *arg, struct rouse_future *first)
{
    *(int64_t *)arg = rouse_future_result(first);
    return NULL;
}

static void then_goes_on_with_what_was_made(void)
{
    struct rouse_then then;
    struct probe only;
    int64_t seen = 0;

    combine(&c, make_then, (const int[]){1, 1, 0}, (const int64_t[]){3, 4, 0});
    (void)bell_poll(&bell, &c.as.base);
    claim(c.calls == 0, "then makes the second future when the first has ended");
    claim(bell_poll(&bell, &c.as.base) == ROUSE_PENDING && c.calls == 1 && c.probes[1].polls == 1,
          "and polls it at once");
    claim(c.probes[0].releases == 0, "the first output stays while the second runs");
    claim(bell_poll(&bell, &c.as.base) == ROUSE_READY && c.calls == 1, "it is made once");
    claim(rouse_future_result(&c.as.base) == 4, "the result is the second one's");
    rouse_future_drop(&c.as.base);
    claim(all_ended_once(2), "both are released");

    probe_init(&only, "only", 0, 9);
    rouse_then_init(&then, &only.base, then_nothing, &seen);
    claim(bell_poll(&bell, &then.base) == ROUSE_READY && seen == 9,
          "without a second future then ends with the first");
    claim(rouse_future_result(&then.base) == 9, "and has its result");
    rouse_future_drop(&then.base);
    claim(only.releases == 1, "which it releases");

    probe_init(&only, "only", 0, 9);
    (void)bell_poll(&bell, &only.base);
    rouse_then_init(&then, &only.base, then_nothing, &seen);
    claim(panics(poll_it, &then.base, "polled after its end: \"probe\""),
          "a first future that ended before is misuse, not skipped");
    rouse_future_drop(&then.base);
}

static void map_turns_one_output_into_another(void)
{
    combine(&c, make_map, (const int[]){1, 0, 0}, (const int64_t[]){5, 0, 0});
    (void)bell_poll(&bell, &c.as.base);
    claim(c.calls == 0, "map calls its function when the inner future has ended");
    (void)bell_poll(&bell, &c.as.base);
    claim(c.calls == 1 && c.as.map.output == 105 && rouse_future_result(&c.as.base) == 105,
          "once, and what it returns is the output");
    rouse_future_drop(&c.as.base);
    claim(all_ended_once(1), "the inner output is released with the map");
}

static void empty_select(void *arg)
{
    rouse_select_all_init(&c.as.select_all, arg, 0, ROUSE_SELECT_FAIR);
}

static void empty_race(void *arg)
{
    rouse_race_init(&c.as.race, arg, 0);
}

static void misuse_says_the_cure(void)
{
    claim(panics(empty_select, NULL, "give it at least one"), "a select of no arms panics");
    claim(panics(empty_race, NULL, "give it at least one"), "a race of no arms panics");
}

// A join of a select, a map and a then: one tree, no heap.
static void trees_drop_from_the_root(void)
{
    struct rouse_pending pendings[6];
    struct rouse_future *arms[6];
    struct rouse_join_all all;
    struct rouse_map map;
    struct rouse_join join;
    struct probe p;
    char text[96];

    for (size_t i = 0; i < 6; i++) {
        rouse_pending_init(&pendings[i]);
        arms[i] = &pendings[i].base;
    }
    probe_init(&p, "leaf", PROBE_NEVER, 0);
    rouse_map_init(&map, &p.base, map_plus_100, &c);
    rouse_join_all_init(&all, arms, 6);
    rouse_join_init(&join, &map.base, &all.base);
    (void)bell_poll(&bell, &join.base);
    rouse_future_describe(&join.base, text, sizeof text);
    claim(strcmp(text, "join(probe leaf, join_all(pending, pending, pending, pending, and 2 "
                       "more))") == 0,
          "describe names the leaves of a tree, and counts what it leaves out");
    rouse_future_drop(&join.base);
    claim(p.drops == 1 && bell.shares == 0, "a drop of the root drops every leaf once");
}

int main(void)
{
    heap_watch();
    every_combinator();
    join_waits_for_all();
    try_join_stops_at_the_first_failure();
    select_takes_the_first();
    fair_select_is_fair();
    select_passes_over_what_is_pending();
    select_takes_many_arms();
    select_leaves_a_borrowed_loser_alive();
    race_takes_the_first_success();
    race_counts_arms_that_ended_before();
    then_goes_on_with_what_was_made();
    map_turns_one_output_into_another();
    misuse_says_the_cure();
    trees_drop_from_the_root();
    return claims_end();
}
