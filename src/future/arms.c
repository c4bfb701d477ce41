// SPDX-License-Identifier: MIT
//
// Describing the arms of a combinator.

#include "future/arms.h"

#include <stdio.h>

// A line of a dump has room for a few; the rest is a count.
enum { ARMS_SHOWN = 4 };

static size_t rest(size_t size, int used)
{
    return (size_t)used < size ? size - (size_t)used : 0;
}

int rs_arms_describe(const char *name, struct rouse_future *const *arms, size_t count, char *buf,
                     size_t size)
{
    int used = snprintf(buf, size, "%s(", name);

    for (size_t i = 0; i < count && i < ARMS_SHOWN; i++) {
        if (i > 0) used += snprintf(rest(size, used) ? buf + used : NULL, rest(size, used), ", ");
        used +=
            rouse_future_describe(arms[i], rest(size, used) ? buf + used : NULL, rest(size, used));
    }
    if (count > ARMS_SHOWN) {
        used += snprintf(rest(size, used) ? buf + used : NULL, rest(size, used), ", and %zu more",
                         count - ARMS_SHOWN);
    }
    return used + snprintf(rest(size, used) ? buf + used : NULL, rest(size, used), ")");
}
