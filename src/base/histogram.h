// SPDX-License-Identifier: MIT
//
// A histogram that one thread writes and any thread reads meanwhile.

#ifndef RS_BASE_HISTOGRAM_H
#define RS_BASE_HISTOGRAM_H

#include <rouse/histogram.h>
#include <stdatomic.h>

// All zero is empty. Its buckets are those of struct rouse_histogram.
struct rs_histogram {
    _Atomic uint64_t sum_ns;
    _Atomic uint64_t buckets[ROUSE_HISTOGRAM_BUCKETS];
};

// Its one writer.
void rs_histogram_add(struct rs_histogram *histogram, uint64_t duration_ns);

// Adds what has been counted so far. Any thread. Each bucket is right; the sum is that of a moment
// nearby.
void rs_histogram_read(const struct rs_histogram *histogram, struct rouse_histogram *out);

#endif
