// SPDX-License-Identifier: MIT
//
// The harness: runs each test of a program in a process of its own, over every configuration it is
// meant for, watches it, and prints TAP. A file of tests defines the table API_TESTS; it is
// compiled twice, and the program has both tables.

#ifndef TESTS_HARNESS_HARNESS_H
#define TESTS_HARNESS_HARNESS_H

#include "harness/host.h"

struct api_test {
    const char *name;             // a claim
    struct body_type root;        // run as the root task of each host,
    void (*plain)(void);          // or this on a plain thread
    unsigned hosts;               // enum host_kind; 0: all of them, or HOST_NONE for a plain one
    bool any_reactor;             // which makes no difference: run on one only
    bool any_style;               // the same for the style
    bool with_ring;               // also where rouse chooses the reactor; with any_reactor: only so
    bool lasting;                 // leaves a default runtime or a signal thread: no check for leaks
    bool far;                     // needs a far network: left out where there is none
    bool exact;                   // counts polls or turns: left out under ROUSE_CHAOS
    bool virtual_clock;           // starts at VIRTUAL_START_NS
    struct host_options options;  // of the host
    const char *dies;             // it must abort and say this
    const char *fails;            // it must fail, or be ended by the watchdog, and say this
    unsigned limit_s;             // 0: DEFAULT_LIMIT_S
};

enum { DEFAULT_LIMIT_S = 20, VIRTUAL_START_NS = 1000000000 };

// A row of the table for a body, or for a function on a plain thread, whose name is its claim.
#define TEST(fn) .name = #fn, .root = BODY(fn)
#define PLAIN(fn) .name = #fn, .plain = fn

// A row with no name ends the table.
extern const struct api_test api_tests_fiber[];
extern const struct api_test api_tests_async[];

// The configuration that this process tests.
struct test_case {
    const struct api_test *test;
    enum body_style style;
    enum host_kind host;
    const char *reactor;
    char id[160];
};

// The one of this process. Plain tests that were given hosts ask for its kind.
const struct test_case *test_now(void);

// How much slower than usual this build runs: 1, or more under a sanitizer or Valgrind.
unsigned test_slowness(void);

// Runs one test to its end in the calling process, which then exits.
ROUSE_NORETURN void test_process(const struct test_case *test);

#endif
