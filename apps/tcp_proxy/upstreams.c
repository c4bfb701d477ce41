// SPDX-License-Identifier: MIT
//
// See upstreams.h.
#include "upstreams.h"

#include <errno.h>
#include <netdb.h>
#include <rouse/clock.h>
#include <rouse/error.h>
#include <stdio.h>
#include <string.h>

#include "common/complain.h"

#define BACK_NS (5 * ROUSE_NS_PER_S)

// ---- Named ----

static int add(struct proxy_upstreams *upstreams, const struct rouse_addr *address)
{
    struct proxy_upstream *upstream = &upstreams->list[upstreams->count];

    if (upstreams->count == PROXY_UPSTREAMS_MAX) return -E2BIG;
    upstream->address = *address;
    (void)rouse_addr_format(address, upstream->name, sizeof upstream->name);
    upstreams->count++;
    return 0;
}

static int add_all(struct proxy_upstreams *upstreams, const struct addrinfo *list)
{
    int err = 0;

    for (; err == 0 && list != NULL; list = list->ai_next) {
        struct rouse_addr address = {.length = list->ai_addrlen};

        if (list->ai_addrlen > sizeof address.storage) continue;
        memcpy(&address.storage, list->ai_addr, list->ai_addrlen);
        err = add(upstreams, &address);
    }
    return err;
}

// Before there are threads, so it may take its time.
static int look_up(struct proxy_upstreams *upstreams, const char *to)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_protocol = IPPROTO_TCP};
    const char *colon = strrchr(to, ':');
    struct addrinfo *list;
    char host[NI_MAXHOST];

    if ((size_t)(colon - to) >= sizeof host) return -EINVAL;
    memcpy(host, to, (size_t)(colon - to));
    host[colon - to] = '\0';
    int error = getaddrinfo(host, colon + 1, &hints, &list);

    if (error != 0) {
        (void)fprintf(stderr, "%s: cannot find %s: %s\n", app_name, to, gai_strerror(error));
        return -ENOENT;
    }
    int err = add_all(upstreams, list);

    freeaddrinfo(list);
    if (err < 0) (void)app_complain("cannot use", to, err, "; it has too many addresses");
    return err;
}

int proxy_upstreams_init(struct proxy_upstreams *upstreams, const struct proxy_options *options)
{
    int err = 0;

    upstreams->count = 0;
    // Relaxed, here and below: a turn, and times, which order nothing.
    atomic_store_explicit(&upstreams->turn, 0, memory_order_relaxed);
    for (unsigned i = 0; err == 0 && i < options->to_count; i++) {
        struct rouse_addr address;

        err = rouse_addr_parse(&address, options->to[i]) == 0
                  ? add(upstreams, &address)
                  : look_up(upstreams, options->to[i]);
    }
    for (unsigned i = 0; i < upstreams->count; i++) {
        atomic_store_explicit(&upstreams->list[i].back_until_ns, 0, memory_order_relaxed);
    }
    return err;
}

// ---- In turn ----

static bool is_back(const struct proxy_upstream *upstream)
{
    uint64_t until_ns = atomic_load_explicit(&upstream->back_until_ns, memory_order_relaxed);

    return until_ns != 0 && rouse_now_ns() < until_ns;
}

void proxy_upstreams_order(struct proxy_upstreams *upstreams, struct proxy_order *order)
{
    uint32_t turn = atomic_fetch_add_explicit(&upstreams->turn, 1, memory_order_relaxed);
    unsigned front = 0;
    unsigned rear = upstreams->count;

    for (unsigned i = 0; i < upstreams->count; i++) {
        unsigned which = (turn + i) % upstreams->count;

        order->which[is_back(&upstreams->list[which]) ? --rear : front++] = (uint8_t)which;
    }
}

// Want of something on our side.
static bool is_ours(int err)
{
    return err == -EMFILE || err == -ENFILE || err == -ENOBUFS || err == -ENOMEM ||
           err == -ECANCELED;
}

bool proxy_upstream_tried(struct proxy_upstream *upstream, int err)
{
    if (is_ours(err)) return false;
    uint64_t until_ns = err < 0 ? rouse_now_ns() + BACK_NS : 0;
    uint64_t before_ns =
        atomic_exchange_explicit(&upstream->back_until_ns, until_ns, memory_order_relaxed);

    if (err < 0 && before_ns == 0) {
        (void)app_complain("no answer from", upstream->name, err, "; the others go first");
    } else if (err == 0 && before_ns != 0) {
        (void)fprintf(stderr, "%s: %s answers again\n", app_name, upstream->name);
    }
    return true;
}
