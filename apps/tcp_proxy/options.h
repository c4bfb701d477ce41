// SPDX-License-Identifier: MIT
//
// What the command line asks for.
#ifndef PROXY_OPTIONS_H
#define PROXY_OPTIONS_H

#include "common/acceptors.h"
#include "common/command_line.h"

#define PROXY_VERSION "0.1.0"

enum { PROXY_TO_MAX = 16 };

// Never changes after the parse, so threads may share it. Its texts are those of argv.
struct proxy_options {
    struct app_addresses listen;
    const char *to[PROXY_TO_MAX];  // "host:port"
    unsigned to_count;
    unsigned workers;      // 0: as many as the runtime finds right
    unsigned connections;  // at most; 0: as many as descriptors allow
    const char *reactor;   // or NULL
    const char *log;       // a file, "-", or NULL
    uint64_t idle_ns;      // for a connection on which nothing moves
    uint64_t connect_ns;   // for an upstream to take a connection
    uint64_t grace_ns;     // for connections to end by themselves at the end
};

enum app_verdict proxy_options_parse(struct proxy_options *out, int argc, char **argv);

#endif
