// SPDX-License-Identifier: MIT
//
// Histograms: that the buckets leave no gap and are as narrow as they promise, over the bounds of
// each and random durations; and quantiles against sorted durations.

#include "base/histogram.h"

#include <rouse/clock.h>
#include <stdlib.h>
#include <string.h>

#include "claim.h"

enum { DURATIONS = 1000 };

static bool bounds_begin_the_next_bucket(void)
{
    uint64_t before = 0;

    for (unsigned i = 0; i + 1 < ROUSE_HISTOGRAM_BUCKETS; i++) {
        uint64_t bound = rouse_histogram_bound_ns(i);

        if (bound <= before) return false;
        if (rouse_histogram_bucket(bound - 1) != i || rouse_histogram_bucket(bound) != i + 1) {
            return false;
        }
        if (rouse_histogram_bucket(before) != i) return false;
        before = bound;
    }
    return rouse_histogram_bound_ns(ROUSE_HISTOGRAM_BUCKETS - 1) == ROUSE_NEVER &&
           rouse_histogram_bucket(UINT64_MAX) == ROUSE_HISTOGRAM_BUCKETS - 1;
}

static bool buckets_are_a_quarter_wide(void)
{
    uint64_t seed = 42;

    for (int i = 0; i < 100000; i++) {
        uint64_t duration = claim_random(&seed) >> (28 + claim_random(&seed) % 36);
        unsigned bucket = rouse_histogram_bucket(duration);
        uint64_t begin = bucket > 0 ? rouse_histogram_bound_ns(bucket - 1) : 0;
        uint64_t width = rouse_histogram_bound_ns(bucket) - begin;

        if (duration < begin || duration - begin >= width) return false;
        if (width > 1 && width > begin / 4) return false;
    }
    return true;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static bool quantiles_are_those_of_the_durations(void)
{
    static struct rs_histogram histogram;
    struct rouse_histogram read = {0};
    uint64_t durations[DURATIONS];
    uint64_t seed = 7;
    uint64_t sum = 0;

    for (int i = 0; i < DURATIONS; i++) {
        durations[i] = claim_random(&seed) >> (30 + claim_random(&seed) % 30);
        sum += durations[i];
        rs_histogram_add(&histogram, durations[i]);
    }
    qsort(durations, DURATIONS, sizeof durations[0], compare);
    rs_histogram_read(&histogram, &read);
    if (read.count != DURATIONS || read.sum_ns != sum) return false;
    for (int percent = 1; percent <= 100; percent++) {
        uint64_t exact = durations[DURATIONS * percent / 100 - 1];
        uint64_t said = rouse_histogram_quantile_ns(&read, percent / 100.0);

        if (rouse_histogram_bucket(said) != rouse_histogram_bucket(exact) || said < exact) {
            return false;
        }
    }
    return rouse_histogram_bucket(rouse_histogram_quantile_ns(&read, 0)) ==
           rouse_histogram_bucket(durations[0]);
}

static bool readings_add_up(void)
{
    static struct rs_histogram a, b;
    struct rouse_histogram read = {0};

    rs_histogram_add(&a, 5);
    rs_histogram_add(&b, 5);
    rs_histogram_add(&b, 1000);
    rs_histogram_read(&a, &read);
    rs_histogram_read(&b, &read);
    return read.count == 3 && read.sum_ns == 1010 && read.buckets[5] == 2 &&
           read.buckets[rouse_histogram_bucket(1000)] == 1;
}

int main(void)
{
    struct rouse_histogram empty = {0};

    claim(bounds_begin_the_next_bucket(), "each bound is where the next bucket begins");
    claim(buckets_are_a_quarter_wide(), "a bucket is at most a quarter wider than its begin");
    claim(quantiles_are_those_of_the_durations(), "quantiles are those of the durations");
    claim(readings_add_up(), "readings of several histograms add up");
    claim(rouse_histogram_quantile_ns(&empty, 0.5) == 0, "without durations every quantile is 0");
    return claims_end();
}
