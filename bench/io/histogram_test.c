// SPDX-License-Identifier: MIT
//
// Tests histogram.h: the buckets by walking all of them, the quantiles against a sorted copy of
// the same values. Prints TAP; tests/blackbox/bench_io.sh runs it.

#include "histogram.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

enum { SAMPLES = 200000 };

static struct histogram histogram;
static uint64_t samples[SAMPLES];
static unsigned tests_run, tests_failed;

static void report(bool passed, const char *claim)
{
    tests_run++;
    if (!passed) tests_failed++;
    printf("%s %u - %s\n", passed ? "ok" : "not ok", tests_run, claim);
}

static bool within_one_percent(uint64_t got, uint64_t exact)
{
    uint64_t off = got > exact ? got - exact : exact - got;

    return off * 100 <= exact;
}

static bool buckets_touch_and_hold_their_bounds(void)
{
    uint64_t next = 0;

    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        uint64_t low = histogram_bucket_low(i);
        uint64_t high = low + histogram_bucket_width(i) - 1;

        if (low != next) return false;
        if (histogram_bucket_of(low) != i || histogram_bucket_of(high) != i) return false;
        next = high + 1;
    }
    return next == UINT64_C(1) << HISTOGRAM_VALUE_BITS;
}

static bool one_value_is_reported_within_one_percent(void)
{
    for (uint64_t value = 1; value < UINT64_C(1) << HISTOGRAM_VALUE_BITS; value += value / 97 + 1) {
        histogram_reset(&histogram);
        histogram_record(&histogram, value);
        histogram_record(&histogram, UINT64_C(1) << 41);  // so that max does not round it
        if (!within_one_percent(histogram_quantile(&histogram, 1, 2), value)) return false;
    }
    return true;
}

static uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static bool quantiles_are_those_of_a_sorted_array(void)
{
    static const uint64_t fractions[][2] = {{0, 1}, {1, 100}, {1, 2}, {99, 100}, {999, 1000}};
    uint64_t state = 88172645463325252;

    histogram_reset(&histogram);
    for (size_t i = 0; i < SAMPLES; i++) {
        // Uniform in its logarithm, more or less: from 0 to 2^40.
        samples[i] = random_next(&state) >> (24 + random_next(&state) % 40);
        histogram_record(&histogram, samples[i]);
    }
    qsort(samples, SAMPLES, sizeof samples[0], compare);
    for (size_t i = 0; i < sizeof fractions / sizeof fractions[0]; i++) {
        uint64_t rank = (SAMPLES * fractions[i][0] + fractions[i][1] - 1) / fractions[i][1];
        uint64_t exact = samples[rank == 0 ? 0 : rank - 1];
        uint64_t got = histogram_quantile(&histogram, fractions[i][0], fractions[i][1]);

        if (!within_one_percent(got, exact)) return false;
    }
    return histogram.max == samples[SAMPLES - 1] && histogram.count == SAMPLES;
}

static bool ranks_are_exact_for_round_numbers(void)
{
    histogram_reset(&histogram);
    for (uint64_t value = 1; value <= 100; value++) {
        histogram_record(&histogram, value);
    }
    return histogram_quantile(&histogram, 1, 2) == 50 &&
           histogram_quantile(&histogram, 99, 100) == 99 &&
           histogram_quantile(&histogram, 999, 1000) == 100 &&
           histogram_quantile(&histogram, 1, 1) == 100;
}

static bool empty_reports_zero(void)
{
    histogram_reset(&histogram);
    return histogram_quantile(&histogram, 1, 2) == 0 && histogram.max == 0;
}

static bool huge_values_count_and_keep_the_maximum(void)
{
    histogram_reset(&histogram);
    histogram_record(&histogram, 5);
    histogram_record(&histogram, UINT64_MAX);
    return histogram.count == 2 && histogram.max == UINT64_MAX &&
           histogram_quantile(&histogram, 1, 2) == 5 &&
           histogram.buckets[HISTOGRAM_BUCKETS - 1] == 1;
}

static bool no_quantile_exceeds_the_maximum(void)
{
    histogram_reset(&histogram);
    histogram_record(&histogram, UINT64_C(1) << 30);  // the lower bound of a wide bucket
    return histogram_quantile(&histogram, 1, 1) == UINT64_C(1) << 30;
}

int main(void)
{
    report(buckets_touch_and_hold_their_bounds(), "buckets_touch_and_hold_their_bounds");
    report(one_value_is_reported_within_one_percent(), "one_value_is_reported_within_one_percent");
    report(quantiles_are_those_of_a_sorted_array(), "quantiles_are_those_of_a_sorted_array");
    report(ranks_are_exact_for_round_numbers(), "ranks_are_exact_for_round_numbers");
    report(empty_reports_zero(), "empty_reports_zero");
    report(huge_values_count_and_keep_the_maximum(), "huge_values_count_and_keep_the_maximum");
    report(no_quantile_exceeds_the_maximum(), "no_quantile_exceeds_the_maximum");
    printf("1..%u\n", tests_run);
    return tests_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
