// SPDX-License-Identifier: MIT
//
// The command `rouse top`: reads a console, and shows what it says.
#ifndef TOP_TOP_H
#define TOP_TOP_H

#include "options.h"

// Runs it, on a runtime of its own. Returns the exit status.
int top_run(const struct top_options *options);

#endif
