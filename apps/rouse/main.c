// SPDX-License-Identifier: MIT
//
// rouse: what one does with a program that uses rouse, from outside. It has one command, `top`.
// docs/debugging.md says how to use it.
#include <signal.h>
#include <stdlib.h>

#include "top.h"

enum { EXIT_USAGE = 2 };

int main(int argc, char **argv)
{
    struct top_options options;

    // A pipe whose reader has gone is an error like any other.
    (void)signal(SIGPIPE, SIG_IGN);
    switch (top_options_parse(&options, argc, argv)) {
    case APP_RUN:
        return top_run(&options);
    case APP_DONE:
        return EXIT_SUCCESS;
    default:
        return EXIT_USAGE;
    }
}
