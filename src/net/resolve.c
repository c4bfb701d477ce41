// SPDX-License-Identifier: MIT
//
// Names to addresses. A future is polled by one thread at a time; its look-up is run by a thread of
// the pool for look-ups. They share a block with their own copy of the names, since the look-up may
// outlive the future.
//
// The look-up's state is one word, and each transition one read-modify-write:
//
//     QUEUED --thread--> RUNNING --thread--> DONE
//        |                  |
//        +------ drop ------+----> ABANDONED
//
// Who moves it away from RUNNING knows of the other: a drop counts the look-up as abandoned, and
// the thread, when it finds it abandoned at the end, counts it out. The answer is not published by
// the state, but by the job's lock.

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <rouse/assert.h>
#include <rouse/await.h>
#include <rouse/resolve.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/counters.h"
#include "base/sys.h"
#include "blocking/blocking.h"
#include "net/addr.h"

enum { LOOKUP_QUEUED = 0, LOOKUP_RUNNING = 1, LOOKUP_DONE = 2, LOOKUP_ABANDONED = 3 };

// One block with two shares, the future's and the job's, since either may end first.
struct lookup {
    _Atomic uint32_t shares;
    _Atomic uint32_t state;
    struct addrinfo *list;  // the answer
    size_t size;            // of the block
    const struct rouse_allocator *allocator;
    int family;
    const char *service;  // behind the host in `text`, or NULL
    char text[];
};

static struct lookup *lookup_new(const struct rouse_resolve *r)
{
    size_t host_size = strlen(r->host) + 1;
    size_t service_size = r->service != NULL ? strlen(r->service) + 1 : 0;
    size_t size = sizeof(struct lookup) + host_size + service_size;
    const struct rouse_allocator *allocator = rs_allocator_current();
    struct lookup *lookup = rs_alloc(allocator, size);

    if (lookup == NULL) return NULL;
    // Relaxed: published with the job.
    atomic_store_explicit(&lookup->shares, 2, memory_order_relaxed);
    lookup->size = size;
    lookup->allocator = allocator;
    lookup->family = r->family;
    memcpy(lookup->text, r->host, host_size);
    if (service_size > 0) {
        memcpy(lookup->text + host_size, r->service, service_size);
        lookup->service = lookup->text + host_size;
    }
    return lookup;
}

static void lookup_unref(void *arg)
{
    struct lookup *lookup = arg;

    // Acq_rel: the last one comes after what the other did.
    if (atomic_fetch_sub_explicit(&lookup->shares, 1, memory_order_acq_rel) != 1) return;
    if (lookup->list != NULL) freeaddrinfo(lookup->list);
    rs_free(lookup->allocator, lookup, lookup->size);
}

// `system_error` is what errno was after the call.
static int lookup_error(int error, int system_error)
{
    switch (error) {
    case 0:
        return 0;
    case EAI_NONAME:
    case EAI_NODATA:
    case EAI_ADDRFAMILY:
    case EAI_SERVICE:
        return -ENOENT;
    case EAI_AGAIN:
        return -EAGAIN;
    case EAI_MEMORY:
        return -ENOMEM;
    case EAI_SYSTEM:
        return system_error > 0 ? -system_error : -EIO;
    default:
        return -EIO;
    }
}

// On a thread of the pool. All orders of the state are relaxed: it is a matter between two, and
// says nothing about other memory.
static int64_t lookup_run(void *arg)
{
    struct lookup *lookup = arg;
    const struct addrinfo hints = {.ai_family = lookup->family,
                                   .ai_socktype = SOCK_STREAM,
                                   .ai_protocol = IPPROTO_TCP};
    uint32_t expected = LOOKUP_QUEUED;
    int system_error = 0;

    // Relaxed, here and below: see above.
    if (!atomic_compare_exchange_strong_explicit(&lookup->state, &expected, LOOKUP_RUNNING,
                                                 memory_order_relaxed, memory_order_relaxed)) {
        return -ECANCELED;
    }
    int error = rs_sys.look_up(lookup->text, lookup->service, &hints, &lookup->list, &system_error);

    // Relaxed: see above.
    if (atomic_exchange_explicit(&lookup->state, LOOKUP_DONE, memory_order_relaxed) ==
        LOOKUP_ABANDONED) {
        rs_counter_add(RS_COUNTER_LOOKUPS_ABANDONED, -1);
    }
    return lookup_error(error, system_error);
}

// Counted first, so that the thread never counts out what was not counted in.
static void lookup_abandon(struct lookup *lookup)
{
    rs_counter_add(RS_COUNTER_LOOKUPS_ABANDONED, 1);
    // Relaxed: see lookup_run().
    if (atomic_exchange_explicit(&lookup->state, LOOKUP_ABANDONED, memory_order_relaxed) !=
        LOOKUP_RUNNING) {
        rs_counter_add(RS_COUNTER_LOOKUPS_ABANDONED, -1);
    }
}

// ---- The future ----

static rouse_poll resolve_end(struct rouse_resolve *r, int output)
{
    r->output = output;
    return ROUSE_READY;
}

// Numbers need no look-up. False if it is to be done; else the future has its output.
static bool resolve_numbers(struct rouse_resolve *r)
{
    struct rouse_addr address;

    if (rs_addr_from_numbers(&address, r->host, r->service) < 0) return false;
    if (r->family != AF_UNSPEC && r->family != address.storage.ss_family) {
        r->output = -ENOENT;
        return true;
    }
    r->found = 1;
    if (r->max > 0) r->out[0] = address;
    r->output = r->max > 0;
    return true;
}

static int resolve_copy(struct rouse_resolve *r, const struct addrinfo *list)
{
    size_t written = 0;

    for (; list != NULL; list = list->ai_next) {
        struct rouse_addr address = {.length = list->ai_addrlen};

        if (list->ai_addrlen > sizeof address.storage) continue;
        memcpy(&address.storage, list->ai_addr, list->ai_addrlen);
        r->found++;
        if (written < r->max) r->out[written++] = address;
    }
    return r->found > 0 ? (int)written : -ENOENT;
}

static rouse_poll resolve_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_resolve *r = ROUSE_CONTAINER_OF(self, struct rouse_resolve, base);

    if (r->lookup == NULL) {
        if (!rouse_context_spend(cx)) return ROUSE_PENDING;
        if (resolve_numbers(r)) return ROUSE_READY;
        r->lookup = lookup_new(r);
        if (r->lookup == NULL) return resolve_end(r, -ENOMEM);
        rs_blocking_lookup_init(&r->job, lookup_run, r->lookup, lookup_unref);
    }
    if (rouse_future_poll(&r->job.base, cx) == ROUSE_PENDING) return ROUSE_PENDING;
    struct lookup *lookup = r->lookup;
    int err = r->job.output < 0 ? r->job.output : (int)r->job.result;

    r->output = err < 0 ? err : resolve_copy(r, lookup->list);
    lookup_unref(lookup);
    return ROUSE_READY;
}

static void resolve_drop(struct rouse_future *self)
{
    struct rouse_resolve *r = ROUSE_CONTAINER_OF(self, struct rouse_resolve, base);

    if (r->lookup == NULL) return;
    lookup_abandon(r->lookup);
    rouse_future_drop(&r->job.base);
    lookup_unref(r->lookup);
}

static int resolve_describe(const struct rouse_future *self, char *buf, size_t size)
{
    return snprintf(buf, size, "the addresses of %s", ((const struct rouse_resolve *)self)->host);
}

static int64_t resolve_result(const struct rouse_future *self)
{
    return ((const struct rouse_resolve *)self)->output;
}

static const struct rouse_future_vtable resolve_ended = {.name = "resolve",
                                                         .result = resolve_result};
static const struct rouse_future_vtable resolve_vtable = {
    .poll = resolve_poll,
    .drop = resolve_drop,
    .name = "resolve",
    .describe = resolve_describe,
    .ended = &resolve_ended,
    .cancel_kind = rouse_cancel_kind_total};

void rouse_resolve_init(struct rouse_resolve *resolve, struct rouse_addr *out, size_t max,
                        const char *host, const char *service,
                        const struct rouse_resolve_options *options)
{
    rouse_assert(host != NULL, "there is nothing to look up; give a host");
    resolve->base.vtable = &resolve_vtable;
    resolve->lookup = NULL;
    resolve->out = out;
    resolve->max = max;
    resolve->host = host;
    resolve->service = service;
    resolve->family = options != NULL ? options->family : AF_UNSPEC;
    resolve->found = 0;
    resolve->output = 0;
}

int rouse_resolve(struct rouse_addr *out, size_t max, const char *host, const char *service,
                  const struct rouse_resolve_options *options)
{
    struct rouse_resolve op;

    rouse_resolve_init(&op, out, max, host, service, options);
    int err = rouse_await(&op.base);

    return err < 0 ? err : op.output;
}
