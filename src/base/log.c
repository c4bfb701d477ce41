// SPDX-License-Identifier: MIT
//
// The log hook, the panic hook, and their defaults: whole lines on standard error.

#include "base/log.h"

#include <rouse/assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/global_lock.h"
#include "base/sys.h"

enum { LINE_SIZE = 512 };

static const char *const level_names[] = {"error", "warn", "info", "debug"};

static rouse_log_hook log_hook;  // NULL: log_to_stderr. These three under RS_GLOBAL_HOOKS
static void *log_data;
static int log_level = -1;  // not yet read from the environment
static rouse_panic_hook panic_hook;
static void *panic_data;

const char *(*_Atomic rs_log_task_name)(void);

static int level_from_environment(void)
{
    const char *text = getenv("ROUSE_LOG");

    for (int level = 0; text != NULL && level <= ROUSE_LOG_DEBUG; level++) {
        if (strcmp(text, level_names[level]) == 0) return level;
    }
    return ROUSE_LOG_WARN;
}

static void write_line(const char *line, size_t length)
{
    // Nothing can be done about a standard error that is closed or full.
    (void)rs_sys.write(STDERR_FILENO, line, length);
}

static void log_to_stderr(void *data, const struct rouse_log_record *record)
{
    char line[LINE_SIZE];
    int length = snprintf(line, sizeof line, "rouse: %s: %s%s%s\n", level_names[record->level],
                          record->message, record->task != NULL ? " in task " : "",
                          record->task != NULL ? record->task : "");

    (void)data;
    if (length >= LINE_SIZE) length = LINE_SIZE - 1;
    if (length > 0) write_line(line, (size_t)length);
}

void rouse_log_set_hook(rouse_log_hook hook, void *data, rouse_log_level level)
{
    rs_lock(rs_global_lock(RS_GLOBAL_HOOKS));
    log_hook = hook;
    log_data = data;
    log_level = hook != NULL ? (int)level : level_from_environment();
    rs_unlock(rs_global_lock(RS_GLOBAL_HOOKS));
}

void rs_log_write(rouse_log_level level, const char *site, const char *format, ...)
{
    char message[LINE_SIZE];
    va_list args;

    rs_lock(rs_global_lock(RS_GLOBAL_HOOKS));
    if (log_level < 0) log_level = level_from_environment();
    rouse_log_hook hook = log_hook != NULL ? log_hook : log_to_stderr;
    void *data = log_data;
    bool wanted = (int)level <= log_level;
    rs_unlock(rs_global_lock(RS_GLOBAL_HOOKS));
    if (!wanted) return;

    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    // Relaxed: a pointer to a function, the same each time.
    const char *(*task_name)(void) = atomic_load_explicit(&rs_log_task_name, memory_order_relaxed);

    hook(data, &(struct rouse_log_record){
                   .level = level,
                   .site = site,
                   .task = task_name != NULL ? task_name() : NULL,
                   .message = message,
               });
}

void rouse_panic_set_hook(rouse_panic_hook hook, void *data)
{
    rs_lock(rs_global_lock(RS_GLOBAL_HOOKS));
    panic_hook = hook;
    panic_data = data;
    rs_unlock(rs_global_lock(RS_GLOBAL_HOOKS));
}

// Takes no lock: it may be called anywhere, also by the thread that holds one.
void rouse_panic(const char *format, ...)
{
    char message[LINE_SIZE];
    va_list args;
    static const char prefix[] = "rouse: panic: ";

    va_start(args, format);
    int length = vsnprintf(message, sizeof message, format, args);
    va_end(args);
    if (panic_hook != NULL) {
        panic_hook(panic_data, message);
    } else {
        write_line(prefix, sizeof prefix - 1);
        write_line(message, length < LINE_SIZE ? (size_t)length : LINE_SIZE - 1);
        write_line("\n", 1);
    }
    abort();
}
