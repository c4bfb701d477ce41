// SPDX-License-Identifier: MIT
//
// The arms of a join, select or race: an array of futures, polled and dropped together. An arm that
// has ended is told by its vtable, so no combinator keeps a flag for it.

#ifndef RS_FUTURE_ARMS_H
#define RS_FUTURE_ARMS_H

#include <rouse/future.h>

// Drops every arm: ends those that run, releases the outputs of those that ended.
static inline void rs_arms_drop(struct rouse_future **arms, size_t count)
{
    for (size_t i = 0; i < count; i++) rouse_future_drop(arms[i]);
}

// Drops every arm that has not ended.
static inline void rs_arms_drop_running(struct rouse_future **arms, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!rouse_future_is_ended(arms[i])) rouse_future_drop(arms[i]);
    }
}

// The worse of two, where not to say is the worst.
static inline rouse_cancel_kind rs_cancel_kind_worse(rouse_cancel_kind a, rouse_cancel_kind b)
{
    if (a == ROUSE_CANCEL_UNSTATED || b == ROUSE_CANCEL_UNSTATED) return ROUSE_CANCEL_UNSTATED;
    return a > b ? a : b;
}

// The worst of the arms' and `least`.
static inline rouse_cancel_kind rs_arms_cancel_kind(struct rouse_future *const *arms, size_t count,
                                                    rouse_cancel_kind least)
{
    rouse_cancel_kind worst = least;

    for (size_t i = 0; i < count; i++) {
        worst = rs_cancel_kind_worse(worst, rouse_future_cancel_kind(arms[i]));
    }
    return worst;
}

// Tells of the arms that have not ended. `alternative`: one that ends is enough.
static inline void rs_arms_inspect(struct rouse_future *const *arms, size_t count, bool alternative,
                                   struct rouse_inspector *inspector)
{
    for (size_t i = 0; i < count; i++) {
        if (rouse_future_is_ended(arms[i])) continue;
        inspector->part(inspector, arms[i], 0, alternative && count > 1);
    }
}

// "name(first arm, second arm, ...)", as snprintf() does.
int rs_arms_describe(const char *name, struct rouse_future *const *arms, size_t count, char *buf,
                     size_t size);

#endif
