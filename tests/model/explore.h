// SPDX-License-Identifier: MIT
//
// Exploring a scenario within bounds.

#ifndef MODEL_EXPLORE_H
#define MODEL_EXPLORE_H

#include "engine.h"

struct plan {
    uint32_t executions_max;  // of the search, for each scenario
    uint32_t random_runs;     // after it
    uint64_t seed;            // of the random runs
    bool quiet;               // failures are not printed
    const char *replay_file;  // where a failing path is written; NULL: nowhere
};

struct result {
    bool failed;
    bool complete;          // all executions without a bound on preemptions
    int preemptions;        // the largest bound whose executions were all explored; -1: none
    uint32_t executions;    // that ran to their end
    uint32_t pruned;        // cut off, since they repeat others
    uint32_t random;        // of them, random ones
    unsigned longest_path;  // choices
};

struct result explore(const struct model_scenario *scenario, const struct plan *plan);

// Runs the one execution that a replay file describes, and prints it. False: no such file.
bool replay(const char *file, bool *failed);

#endif
