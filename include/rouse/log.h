// SPDX-License-Identifier: MIT
//
// rouse logs little: what it chose at start, what degraded, what leaked. A program may take the
// lines into its own log.

#ifndef ROUSE_LOG_H
#define ROUSE_LOG_H

#include <rouse/compiler.h>

ROUSE_EXTERN_C_BEGIN

typedef enum rouse_log_level {
    ROUSE_LOG_ERROR = 0,
    ROUSE_LOG_WARN = 1,
    ROUSE_LOG_INFO = 2,
    ROUSE_LOG_DEBUG = 3,
} rouse_log_level;

struct rouse_log_record {
    rouse_log_level level;
    const char *site;     // "file:line" in rouse's sources
    const char *task;     // name or spawn site of the task that was polled; NULL outside tasks
    const char *message;  // one line without its newline; gone when the hook returns
};

typedef void (*rouse_log_hook)(void *data, const struct rouse_log_record *record);

/// Sends every record up to `level` to `hook`, for the whole process. A NULL hook restores the
/// default: warnings and errors to standard error. The environment variable ROUSE_LOG (error,
/// warn, info, debug) raises or lowers the default's level.
///
/// Threads: any. The hook is called by any thread, never with an internal lock held.
ROUSE_API void rouse_log_set_hook(rouse_log_hook hook, void *data, rouse_log_level level);

ROUSE_EXTERN_C_END

#endif
