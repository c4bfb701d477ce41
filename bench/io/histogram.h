// SPDX-License-Identifier: MIT
//
// A log-linear histogram of latencies in nanoseconds: each power of two is cut into 128 buckets of
// equal width, so a bucket is at most 1/128 of its values wide and its middle is within 0.4 % of
// each of them. Values below 256 are exact; values from 2^40 (18 minutes) on count as the largest.

#ifndef ROUSE_BENCH_IO_HISTOGRAM_H
#define ROUSE_BENCH_IO_HISTOGRAM_H

#include <stdint.h>
#include <string.h>

enum {
    HISTOGRAM_CUT_BITS = 7,
    HISTOGRAM_CUTS = 1 << HISTOGRAM_CUT_BITS,
    HISTOGRAM_VALUE_BITS = 40,
    HISTOGRAM_BUCKETS = (HISTOGRAM_VALUE_BITS - HISTOGRAM_CUT_BITS + 1) * HISTOGRAM_CUTS,
};

struct histogram {
    uint64_t count;
    uint64_t max;  // as recorded, not rounded
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

// A value's top 8 bits choose the cut, the bits dropped below them the power of two.
static inline unsigned histogram_bucket_of(uint64_t value)
{
    const uint64_t largest = (UINT64_C(1) << HISTOGRAM_VALUE_BITS) - 1;
    unsigned dropped;

    if (value > largest) value = largest;
    if (value < 2 * HISTOGRAM_CUTS) return (unsigned)value;
    dropped = 63u - (unsigned)__builtin_clzll(value) - HISTOGRAM_CUT_BITS;
    return dropped * HISTOGRAM_CUTS + (unsigned)(value >> dropped);
}

static inline unsigned histogram_bits_dropped(unsigned bucket)
{
    return bucket < 2 * HISTOGRAM_CUTS ? 0 : bucket / HISTOGRAM_CUTS - 1;
}

static inline uint64_t histogram_bucket_low(unsigned bucket)
{
    unsigned dropped = histogram_bits_dropped(bucket);

    return (uint64_t)(bucket - dropped * HISTOGRAM_CUTS) << dropped;
}

static inline uint64_t histogram_bucket_width(unsigned bucket)
{
    return UINT64_C(1) << histogram_bits_dropped(bucket);
}

static inline void histogram_reset(struct histogram *h)
{
    memset(h, 0, sizeof *h);
}

static inline void histogram_record(struct histogram *h, uint64_t value)
{
    h->count++;
    if (value > h->max) h->max = value;
    h->buckets[histogram_bucket_of(value)]++;
}

// The smallest recorded value that at least parts/whole of all values do not exceed, rounded to the
// middle of its bucket; 0 if there are none. A fraction, because 0.99 * 100 is not 99.
static inline uint64_t histogram_quantile(const struct histogram *h, uint64_t parts, uint64_t whole)
{
    uint64_t rank = (h->count * parts + whole - 1) / whole;
    uint64_t seen = 0;

    if (h->count == 0) return 0;
    if (rank == 0) rank = 1;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->buckets[i];
        if (seen >= rank) {
            uint64_t middle = histogram_bucket_low(i) + histogram_bucket_width(i) / 2;

            return middle < h->max ? middle : h->max;
        }
    }
    return h->max;
}

#endif
