// SPDX-License-Identifier: MIT
//
// Counting primes: a range is split into two until it is small; one half is a task of its own,
// which an idle worker may steal, the other is done by the caller.
#include <rouse/scope.h>

#include "demo_show.h"

enum { LIMIT = 1 << 21, LEAF = 1 << 9 };

struct range {
    uint32_t from;
    uint32_t to;
    uint32_t primes;  // found in it
};

static bool is_prime(uint32_t n)
{
    if (n < 2 || (n > 2 && n % 2 == 0)) return false;
    for (uint32_t i = 3; i * i <= n; i += 2) {
        if (n % i == 0) return false;
    }
    return true;
}

static int range_count(void *arg)
{
    const struct rouse_task_attrs attrs = {
        .size = sizeof attrs, .name = "primes", .site = ROUSE_SITE};
    struct range *range = arg;

    if (range->to - range->from <= LEAF) {
        for (uint32_t n = range->from; n < range->to; n++) {
            range->primes += is_prime(n);
        }
        return 0;
    }
    uint32_t middle = range->from + (range->to - range->from) / 2;
    struct range low = {.from = range->from, .to = middle};
    struct range high = {.from = middle, .to = range->to};
    struct rouse_scope scope;

    rouse_scope_open(&scope, ROUSE_NEVER);
    int err = rouse_scope_spawn_at(&scope, NULL, range_count, &high, &attrs);

    if (err == 0) err = range_count(&low);
    // Waits also where it fails: the other half lies on this stack.
    int result = rouse_scope_wait(&scope, NULL);

    range->primes = low.primes + high.primes;
    return err < 0 ? err : result;
}

int httpd_demo_fork_join(void *unused)
{
    struct range all = {.to = LIMIT};

    (void)unused;
    return range_count(&all);
}
