// SPDX-License-Identifier: MIT
//
// One line for each scheduler, to standard error: what its workers do now.

#ifndef RS_INSIGHT_SCHEDTRACE_H
#define RS_INSIGHT_SCHEDTRACE_H

void rs_schedtrace_print(void);

#endif
