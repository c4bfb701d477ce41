// SPDX-License-Identifier: MIT
//
// The program's actions, which the console shows as buttons.

#ifndef RS_INSIGHT_CONSOLE_ACTION_H
#define RS_INSIGHT_CONSOLE_ACTION_H

#include <rouse/console.h>

#include "insight/text.h"

// Adds them as elements of a JSON array.
void rs_actions_print(struct rs_text *text);

// Runs one, with no lock held; what it returns is in `*result`. False: there is none of that name.
bool rs_action_run(const char *name, int *result);

#endif
