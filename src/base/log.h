// SPDX-License-Identifier: MIT
//
// Writing to the log hook.

#ifndef RS_BASE_LOG_H
#define RS_BASE_LOG_H

#include <rouse/log.h>
#include <stdatomic.h>
#include <stdbool.h>

void rs_log_write(rouse_log_level level, const char *site, const char *format, ...)
    ROUSE_PRINTF(3, 4);

#define rs_log(level, ...) rs_log_write((level), ROUSE_SITE, __VA_ARGS__)

// The name of the task polled on this thread, or NULL; set by the layer that knows tasks.
extern const char *(*_Atomic rs_log_task_name)(void);

#endif
