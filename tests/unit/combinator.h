// SPDX-License-Identifier: MIT
//
// A table of every combinator over probes, so that what all of them promise is tested once for
// each. One thread only.

#ifndef TESTS_UNIT_COMBINATOR_H
#define TESTS_UNIT_COMBINATOR_H

#include <rouse/join.h>
#include <rouse/ready.h>
#include <rouse/select.h>
#include <rouse/then.h>

#include "probe.h"

enum { ARMS_MAX = 3 };

// A combinator made over `probes`; the array of arms is theirs, in order.
struct combined {
    union {
        struct rouse_future base;
        struct rouse_borrow borrow;
        struct rouse_join join;
        struct rouse_join_all join_all;
        struct rouse_try_join try_join;
        struct rouse_try_join_all try_join_all;
        struct rouse_select select;
        struct rouse_select_all select_all;
        struct rouse_race race;
        struct rouse_then then;
        struct rouse_map map;
    } as;
    struct probe probes[ARMS_MAX];
    struct rouse_future *arms[ARMS_MAX];
    int calls;  // of the function given to then or map
};

struct combinator {
    const char *name;
    size_t arms;              // how many probes it owns from the start
    bool waits_for_all;       // else the first to end is enough
    const char *description;  // while it waits
    void (*make)(struct combined *c);
};

static inline void make_join(struct combined *c)
{
    rouse_join_init(&c->as.join, c->arms[0], c->arms[1]);
}

static inline void make_join_all(struct combined *c)
{
    rouse_join_all_init(&c->as.join_all, c->arms, 3);
}

static inline void make_try_join(struct combined *c)
{
    rouse_try_join_init(&c->as.try_join, c->arms[0], c->arms[1]);
}

static inline void make_try_join_all(struct combined *c)
{
    rouse_try_join_all_init(&c->as.try_join_all, c->arms, 3);
}

static inline void make_select_fair(struct combined *c)
{
    rouse_select_init(&c->as.select, c->arms[0], c->arms[1], ROUSE_SELECT_FAIR);
}

static inline void make_select_biased(struct combined *c)
{
    rouse_select_init(&c->as.select, c->arms[0], c->arms[1], ROUSE_SELECT_BIASED);
}

static inline void make_select_all(struct combined *c)
{
    rouse_select_all_init(&c->as.select_all, c->arms, 3, ROUSE_SELECT_FAIR);
}

static inline void make_race(struct combined *c)
{
    rouse_race_init(&c->as.race, c->arms, 3);
}

// Goes on with the second probe.
static inline struct rouse_future *then_second(void *arg, struct rouse_future *first)
{
    struct combined *c = arg;

    (void)first;
    c->calls++;
    return c->arms[1];
}

static inline void make_then(struct combined *c)
{
    rouse_then_init(&c->as.then, c->arms[0], then_second, c);
}

static inline int64_t map_plus_100(void *arg, struct rouse_future *inner)
{
    struct combined *c = arg;

    c->calls++;
    return rouse_future_result(inner) + 100;
}

static inline void make_map(struct combined *c)
{
    rouse_map_init(&c->as.map, c->arms[0], map_plus_100, c);
}

static const struct combinator combinators[] = {
    {"join", 2, true, "join(probe a, probe b)", make_join},
    {"join_all", 3, true, "join_all(probe a, probe b, probe c)", make_join_all},
    {"try_join", 2, true, "try_join(probe a, probe b)", make_try_join},
    {"try_join_all", 3, true, "try_join_all(probe a, probe b, probe c)", make_try_join_all},
    {"select", 2, false, "select(probe a, probe b)", make_select_fair},
    {"select", 2, false, "select(probe a, probe b)", make_select_biased},
    {"select_all", 3, false, "select_all(probe a, probe b, probe c)", make_select_all},
    {"race", 3, false, "race(probe a, probe b, probe c)", make_race},
    {"then", 1, true, "probe a", make_then},
    {"map", 1, true, "probe a", make_map},
};

enum { COMBINATORS = sizeof combinators / sizeof combinators[0] };

// Makes it over new probes: probe i is pending `pending[i]` times, then ready with `results[i]`.
static inline void combine(struct combined *c, void (*make)(struct combined *c),
                           const int pending[ARMS_MAX], const int64_t results[ARMS_MAX])
{
    static const char *const labels[ARMS_MAX] = {"a", "b", "c"};

    c->calls = 0;
    for (size_t i = 0; i < ARMS_MAX; i++) {
        probe_init(&c->probes[i], labels[i], pending[i], results[i]);
        c->arms[i] = &c->probes[i].base;
    }
    make(c);
}

#endif
