// SPDX-License-Identifier: MIT
//
// A histogram of durations: how many there were of each length. Buckets are log-linear: each power
// of two of nanoseconds is divided into four, so a bucket is at most a quarter wider than where it
// begins. What lasts for longer than two minutes is in the last one.

#ifndef ROUSE_HISTOGRAM_H
#define ROUSE_HISTOGRAM_H

#include <rouse/compiler.h>

ROUSE_EXTERN_C_BEGIN

// Four below 4 ns, and four for each power of two up to 2^36 ns.
#define ROUSE_HISTOGRAM_BUCKETS 144

struct rouse_histogram {
    size_t size;  // sizeof(struct rouse_histogram)
    uint64_t count;
    uint64_t sum_ns;
    uint64_t buckets[ROUSE_HISTOGRAM_BUCKETS];
};

/// The bucket that a duration belongs to.
///
/// Units:   nanoseconds; the result is an index.
/// Threads: any.
ROUSE_API unsigned rouse_histogram_bucket(uint64_t duration_ns);

/// Where a bucket ends: the first duration that belongs to the next one. ROUSE_NEVER for the last.
///
/// Units:   nanoseconds.
/// Threads: any.
ROUSE_API uint64_t rouse_histogram_bound_ns(unsigned bucket);

/// A duration that the given part of all does not exceed: 0.5 for the median, 0.99 and so on. It is
/// the longest of its bucket; 0 if there are none.
///
/// Units:   nanoseconds.
/// Threads: any.
ROUSE_API uint64_t rouse_histogram_quantile_ns(const struct rouse_histogram *histogram,
                                               double part);

ROUSE_EXTERN_C_END

#endif
