// SPDX-License-Identifier: MIT
//
// Histograms: which bucket a duration belongs to, and what the buckets say. A bucket of four per
// power of two: its index is the exponent and the two bits that follow the first.

#include "base/histogram.h"

#include <rouse/assert.h>
#include <rouse/clock.h>

enum { PARTS_LOG2 = 2, PARTS = 1 << PARTS_LOG2 };

static unsigned exponent_of(uint64_t value)
{
    return 63u - (unsigned)__builtin_clzll(value);
}

unsigned rouse_histogram_bucket(uint64_t duration_ns)
{
    if (duration_ns < PARTS) return (unsigned)duration_ns;

    unsigned shift = exponent_of(duration_ns) - PARTS_LOG2;
    unsigned bucket = shift * PARTS + (unsigned)(duration_ns >> shift);

    return bucket < ROUSE_HISTOGRAM_BUCKETS ? bucket : ROUSE_HISTOGRAM_BUCKETS - 1;
}

uint64_t rouse_histogram_bound_ns(unsigned bucket)
{
    rouse_assert(bucket < ROUSE_HISTOGRAM_BUCKETS, "there are ROUSE_HISTOGRAM_BUCKETS of them");
    if (bucket == ROUSE_HISTOGRAM_BUCKETS - 1) return ROUSE_NEVER;
    if (bucket < 2 * PARTS) return bucket + 1;

    unsigned shift = bucket / PARTS - 1;

    return (uint64_t)(bucket % PARTS + PARTS + 1) << shift;
}

uint64_t rouse_histogram_quantile_ns(const struct rouse_histogram *histogram, double part)
{
    // Of the durations in order, the one that this many do not exceed; at least the first.
    double rank = part * (double)histogram->count;
    uint64_t seen = 0;

    for (unsigned i = 0; i < ROUSE_HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen > 0 && (double)seen >= rank) return rouse_histogram_bound_ns(i) - 1;
    }
    return 0;
}

// Relaxed, load and store, since the caller is the only writer; a reader may be late.
static void add(_Atomic uint64_t *value, uint64_t amount)
{
    atomic_store_explicit(value, atomic_load_explicit(value, memory_order_relaxed) + amount,
                          memory_order_relaxed);
}

void rs_histogram_add(struct rs_histogram *histogram, uint64_t duration_ns)
{
    add(&histogram->sum_ns, duration_ns);
    add(&histogram->buckets[rouse_histogram_bucket(duration_ns)], 1);
}

void rs_histogram_read(const struct rs_histogram *histogram, struct rouse_histogram *out)
{
    // Relaxed, both: as above.
    out->sum_ns += atomic_load_explicit(&histogram->sum_ns, memory_order_relaxed);
    for (unsigned i = 0; i < ROUSE_HISTOGRAM_BUCKETS; i++) {
        uint64_t count = atomic_load_explicit(&histogram->buckets[i], memory_order_relaxed);

        out->count += count;
        out->buckets[i] += count;
    }
}
