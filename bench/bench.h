// SPDX-License-Identifier: MIT
//
// What the benchmarks share that are compared with peers: arguments, the clock, and the line of
// JSON that is their result. A program has a table of cases and hands it to bench_main():
//
//     static int mutex_run(struct bench *bench)
//     {
//         ...                    start the runtime; then, in the root task:
//         bench_start(bench);    just before the first spawn
//         ...                    bench->n locks and unlocks
//         bench_stop(bench);     once the last task has been joined
//         ...
//         return 0;
//     }
//
//     static const struct bench_case cases[] = {{"mutex", 640000, mutex_run}};
//
//     int main(int argc, char **argv)
//     {
//         return bench_main(argc, argv, &(struct bench_program){.impl = "rouse", ...});
//     }
//
// One run per process, so that each begins with a fresh heap and its peak of memory is its own.

#ifndef ROUSE_BENCH_H
#define ROUSE_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum bench_style {
    BENCH_PLAIN,   // printed as "-": no tasks, or the program knows one kind only
    BENCH_FUTURE,  // futures and async frames
    BENCH_FIBER,
};

// One run of one case. The first four members are given to it.
struct bench {
    const char *name;
    // Operations. A run whose tasks share them evenly rounds this down to what they do.
    uint64_t n;
    unsigned workers;  // 1 means one thread, and --company another one that sleeps
    enum bench_style style;

    // Written by bench_start() and bench_stop() only.
    uint64_t wall_ns;
    uint64_t cpu_ns;
    // By bench_latencies() only: their median is then the time per operation.
    uint64_t p50_ns;
    uint64_t p99_ns;
    // By bench_memory() only.
    bool counts_bytes;
    double bytes_per_op;
};

struct bench_case {
    const char *name;
    uint64_t default_n;
    // Returns 0, or a negative errno; -ENOTSUP: there is no such case in this style or with this
    // number of workers. Calls bench_start() and bench_stop() once each, before it returns 0.
    int (*run)(struct bench *bench);
};

struct bench_program {
    const char *impl;                // in the JSON
    const char *about;               // a sentence for --help
    enum bench_style default_style;  // BENCH_PLAIN: the program takes no --style
    const struct bench_case *cases;
    size_t case_count;
};

// What main() returns: 0; 1 if the run failed; 2 for bad arguments; 3 for -ENOTSUP.
int bench_main(int argc, char **argv, const struct bench_program *program);

// Between these two, the monotonic clock and the processor's time of all threads are counted. They
// may be called on different threads, where one happens before the other.
void bench_start(struct bench *bench);
void bench_stop(struct bench *bench);

// For a case whose operations are timed one by one, because there is more between them than them.
// Sorts `ns`, of which there are bench->n.
void bench_latencies(struct bench *bench, uint64_t *ns);

// Untouched memory for very many objects, in huge pages where the machine has them, as a program
// with so many takes it. Ends the program if there is none.
void *bench_pages(size_t size);
void bench_pages_free(void *pages);

// The monotonic clock.
uint64_t bench_now_ns(void);

// For a case that is about memory: the resident memory of this process now, and once more when all
// operations are done, which sets what an operation has taken.
uint64_t bench_resident_bytes(void);
void bench_memory(struct bench *bench, uint64_t resident_before);

#endif
