// SPDX-License-Identifier: MIT
//
// Linked into each program of this folder; see bench.h.

#include "bench.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum {
    EXIT_BROKEN = 1,
    EXIT_USAGE = 2,
    EXIT_NO_SUCH_RUN = 3,
    WORKERS_MAX = 1024,
    NS_PER_S = 1000000000,
    NS_PER_US = 1000,
};

static const char *const style_names[] = {
    [BENCH_PLAIN] = "-", [BENCH_FUTURE] = "future", [BENCH_FIBER] = "fiber"};

// ---- Measuring ----

void *bench_pages(size_t size)
{
    const size_t huge = 2 << 20;
    void *pages = aligned_alloc(huge, (size + huge - 1) / huge * huge);

    if (pages == NULL) abort();
    (void)madvise(pages, (size + huge - 1) / huge * huge, MADV_HUGEPAGE);
    return pages;
}

void bench_pages_free(void *pages)
{
    free(pages);
}

uint64_t bench_now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static uint64_t timeval_ns(struct timeval time)
{
    return (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_usec * NS_PER_US;
}

// User and system time of all threads, ended ones included.
static uint64_t cpu_now_ns(void)
{
    struct rusage usage = {0};

    (void)getrusage(RUSAGE_SELF, &usage);
    return timeval_ns(usage.ru_utime) + timeval_ns(usage.ru_stime);
}

void bench_start(struct bench *bench)
{
    bench->cpu_ns = cpu_now_ns();
    bench->wall_ns = bench_now_ns();
}

void bench_stop(struct bench *bench)
{
    bench->wall_ns = bench_now_ns() - bench->wall_ns;
    bench->cpu_ns = cpu_now_ns() - bench->cpu_ns;
}

static int by_size(const void *a, const void *b)
{
    const uint64_t *left = a;
    const uint64_t *right = b;

    return (*left > *right) - (*left < *right);
}

void bench_latencies(struct bench *bench, uint64_t *ns)
{
    if (bench->n == 0) return;
    qsort(ns, bench->n, sizeof ns[0], by_size);
    bench->p50_ns = ns[bench->n / 2];
    bench->p99_ns = ns[bench->n - 1 - bench->n / 100];
}

// What the line that begins with `name` says, in this process's status in the kernel.
static uint64_t status_kib(const char *name)
{
    uint64_t kib = 0;
    char line[256];
    FILE *file = fopen("/proc/self/status", "re");
    size_t length = strlen(name);

    if (file == NULL) return 0;
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, name, length) == 0) kib = strtoull(line + length, NULL, 10);
    }
    (void)fclose(file);
    return kib;
}

uint64_t bench_resident_bytes(void)
{
    return status_kib("VmRSS:") * 1024;
}

void bench_memory(struct bench *bench, uint64_t resident_before)
{
    double grown = (double)bench_resident_bytes() - (double)resident_before;

    bench->counts_bytes = true;
    bench->bytes_per_op = grown > 0 ? grown / (double)bench->n : 0;
}

// The peak of this program's own resident memory. (ru_maxrss begins with that of the process that
// started it.)
static uint64_t peak_kib(void)
{
    return status_kib("VmHWM:");
}

static void print_result(const struct bench *bench, const char *impl)
{
    double n = (double)bench->n;
    double ns = bench->p50_ns > 0 ? (double)bench->p50_ns : (double)bench->wall_ns / n;

    printf("{\"bench\":\"%s\",\"impl\":\"%s\",\"style\":\"%s\",\"workers\":%u,\"n\":%" PRIu64
           ",\"ns_per_op\":%.3f,\"cpu_ns_per_op\":%.3f,\"rss_kib\":%" PRIu64,
           bench->name, impl, style_names[bench->style], bench->workers, bench->n, ns,
           (double)bench->cpu_ns / n, peak_kib());
    if (bench->p99_ns > 0) printf(",\"p99_ns\":%" PRIu64, bench->p99_ns);
    if (bench->counts_bytes) printf(",\"bytes_per_op\":%.1f", bench->bytes_per_op);
    puts("}");
}

// ---- Arguments ----

static void print_usage(FILE *to, const struct bench_program *program)
{
    const char *styles = program->default_style == BENCH_PLAIN ? "" : " [--style future|fiber]";

    fprintf(to,
            "usage: %s BENCH [--workers N] [--n OPERATIONS]%s [--company]\n"
            "       %s --list | --help\n\n",
            program_invocation_short_name, styles, program_invocation_short_name);
    fprintf(to,
            "%s\n\n"
            "  --workers N     threads that run tasks (default 1)\n"
            "  --n OPERATIONS  how often (default: see below)\n",
            program->about);
    if (program->default_style != BENCH_PLAIN) {
        fprintf(to, "  --style STYLE   future or fiber (default %s)\n",
                style_names[program->default_style]);
    }
    fprintf(to, "  --company       begin with another thread, which sleeps until the end\n"
                "  --list          print the benchmarks' names\n\nBENCH is one of:\n\n");
    for (size_t i = 0; i < program->case_count; i++) {
        fprintf(to, "  %-16s %" PRIu64 "\n", program->cases[i].name, program->cases[i].default_n);
    }
}

static _Noreturn void misuse(const char *what, const char *value)
{
    fprintf(stderr, "%s: bad %s: '%s' (see --help)\n", program_invocation_short_name, what, value);
    exit(EXIT_USAGE);
}

static uint64_t parse_count(const char *what, const char *text, uint64_t max)
{
    char *end;
    unsigned long long value;

    errno = 0;
    value = strtoull(text, &end, 10);
    // strtoull() would take a sign or leading blanks.
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0) misuse(what, text);
    if (value == 0 || value > max) misuse(what, text);
    return value;
}

static enum bench_style parse_style(const struct bench_program *program, const char *text)
{
    if (program->default_style != BENCH_PLAIN) {
        if (strcmp(text, style_names[BENCH_FUTURE]) == 0) return BENCH_FUTURE;
        if (strcmp(text, style_names[BENCH_FIBER]) == 0) return BENCH_FIBER;
    }
    misuse("--style", text);
}

static const struct bench_case *find_case(const struct bench_program *program, const char *name)
{
    for (size_t i = 0; i < program->case_count; i++) {
        if (strcmp(program->cases[i].name, name) == 0) return &program->cases[i];
    }
    misuse("benchmark", name);
}

static void print_list(const struct bench_program *program)
{
    for (size_t i = 0; i < program->case_count; i++) puts(program->cases[i].name);
}

static void *sleep_on(void *arg)
{
    for (;;) (void)pause();
    return arg;
}

// Of a process with a single thread, the C library and rouse know that nobody can come between.
static void keep_company(void)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, sleep_on, NULL) != 0) abort();
    (void)pthread_detach(thread);
}

// Fills in all but the name. `n` stays 0 where no --n is given.
static void parse_options(int argc, char **argv, const struct bench_program *program,
                          struct bench *bench)
{
    static const struct option options[] = {
        {"workers", required_argument, NULL, 'w'},
        {"n", required_argument, NULL, 'n'},
        {"style", required_argument, NULL, 's'},
        {"company", no_argument, NULL, 'c'},
        {"list", no_argument, NULL, 'l'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0}};
    int option;

    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (option) {
        case 'w':
            bench->workers = (unsigned)parse_count("--workers", optarg, WORKERS_MAX);
            break;
        case 'n':
            bench->n = parse_count("--n", optarg, UINT64_MAX);
            break;
        case 's':
            bench->style = parse_style(program, optarg);
            break;
        case 'c':
            keep_company();
            break;
        case 'l':
            print_list(program);
            exit(0);
        case 'h':
            print_usage(stdout, program);
            exit(0);
        default:
            print_usage(stderr, program);
            exit(EXIT_USAGE);
        }
    }
}

int bench_main(int argc, char **argv, const struct bench_program *program)
{
    struct bench bench = {.workers = 1, .style = program->default_style};

    parse_options(argc, argv, program, &bench);
    if (argc - optind != 1) {
        print_usage(stderr, program);
        return EXIT_USAGE;
    }
    const struct bench_case *chosen = find_case(program, argv[optind]);

    bench.name = chosen->name;
    if (bench.n == 0) bench.n = chosen->default_n;
    int err = chosen->run(&bench);

    if (err < 0) {
        fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, bench.name, strerror(-err));
        return err == -ENOTSUP ? EXIT_NO_SUCH_RUN : EXIT_BROKEN;
    }
    if (bench.n == 0) misuse("--n", "too few for the tasks to share");
    print_result(&bench, program->impl);
    return 0;
}
