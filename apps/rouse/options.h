// SPDX-License-Identifier: MIT
//
// What the command line asks for.
#ifndef TOP_OPTIONS_H
#define TOP_OPTIONS_H

#include "common/command_line.h"
#include "query.h"
#include "target.h"

#define TOP_VERSION "0.1.0"

struct top_options {
    struct target target;
    struct query query;
    bool once;  // one screen to standard output, and no terminal is needed
};

// Used before any thread is started. Without an address on the line it is that of ROUSE_CONSOLE,
// which is then taken out of the environment: this program is not to have a console of its own.
enum app_verdict top_options_parse(struct top_options *out, int argc, char **argv);

#endif
