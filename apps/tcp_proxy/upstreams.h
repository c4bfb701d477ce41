// SPDX-License-Identifier: MIT
//
// The upstreams: addresses that are taken in turn. One that does not answer is set back for a
// while: it is tried when no other one has answered. Any worker; nothing here waits.
#ifndef PROXY_UPSTREAMS_H
#define PROXY_UPSTREAMS_H

#include <rouse/addr.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "options.h"

enum { PROXY_UPSTREAMS_MAX = 32 };

struct proxy_upstream {
    struct rouse_addr address;
    char name[ROUSE_ADDR_TEXT_MAX];
    _Atomic uint64_t back_until_ns;  // on rouse_now_ns()'s clock; 0: it answers
};

struct proxy_upstreams {
    struct proxy_upstream list[PROXY_UPSTREAMS_MAX];
    unsigned count;
    _Atomic uint32_t turn;
};

// The order in which a connection tries them.
struct proxy_order {
    uint8_t which[PROXY_UPSTREAMS_MAX];
};

// Looks the names up. Returns 0, or a negative errno after it has said what is wrong.
int proxy_upstreams_init(struct proxy_upstreams *upstreams, const struct proxy_options *options);

// For the next connection.
void proxy_upstreams_order(struct proxy_upstreams *upstreams, struct proxy_order *order);

// How a connect to the upstream ended: 0 or a negative errno. Standard error is told when that is
// news. False if it was not the upstream's fault, and the next one would not do better.
bool proxy_upstream_tried(struct proxy_upstream *upstream, int err);

#endif
