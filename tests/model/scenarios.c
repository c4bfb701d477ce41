// SPDX-License-Identifier: MIT
//
// The files of scenarios.

#include "model.h"

extern const struct model_scenario model_self_scenarios[];
extern const struct model_scenario model_scope_scenarios[];
extern const struct model_scenario model_lock_scenarios[];
extern const struct model_scenario model_runq_scenarios[];
extern const struct model_scenario model_waker_scenarios[];

const struct model_scenario *const model_scenario_files[] = {
    model_self_scenarios,  model_lock_scenarios,  model_runq_scenarios,
    model_scope_scenarios, model_waker_scenarios, NULL,
};
