// SPDX-License-Identifier: MIT
//
// What runs the root body of a test: an executor on the calling thread, or a runtime with some
// workers. One text of a test is run on each.

#ifndef TESTS_HARNESS_HOST_H
#define TESTS_HARNESS_HOST_H

#include "harness/body.h"

enum host_kind {
    HOST_EXECUTOR = 1 << 0,
    HOST_RUNTIME_2 = 1 << 1,
    HOST_RUNTIME_4 = 1 << 2,
    HOST_RUNTIMES = HOST_RUNTIME_2 | HOST_RUNTIME_4,
    HOST_ALL = HOST_EXECUTOR | HOST_RUNTIMES,
    HOST_NONE = 1 << 3,  // the test makes its own, or needs none
};

struct host_options {
    const struct rouse_allocator *allocator;
    size_t task_limit;
};

struct host {
    enum host_kind kind;
    struct body_target target;
    struct rouse_executor *executor;
};

const char *host_name(enum host_kind kind);

// Fails the test if it cannot be made.
void host_open(struct host *host, enum host_kind kind, const struct host_options *options);

// Runs a body as the root task to its end; an executor runs until every other task has ended too.
int64_t host_run(struct host *host, enum body_style style, const struct body_type *type);

void host_close(struct host *host);

#endif
