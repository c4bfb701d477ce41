// SPDX-License-Identifier: MIT
//
// The files of scenarios.

#include "model.h"

extern const struct model_scenario model_self_scenarios[];

const struct model_scenario *const model_scenario_files[] = {
    model_self_scenarios,
    NULL,
};
