// SPDX-License-Identifier: MIT
//
// What the environment asks to be shown, switched on with the first scheduler and off after the
// last:
//
//     ROUSE_METRICS=histograms    the times of polls
//     ROUSE_SCHEDTRACE=MS         a line each so many milliseconds
//     ROUSE_TRACE=FILE            a trace
//     ROUSE_CONSOLE=ADDRESS       the console
//
// Without any of these nothing is locked and no thread is started.

#include <errno.h>
#include <rouse/clock.h>
#include <rouse/error.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/global_lock.h"
#include "base/log.h"
#include "insight/console.h"
#include "insight/schedtrace.h"
#include "insight/ticker.h"
#include "insight/trace.h"
#include "sched/observe.h"
#include "sched/sched.h"

// A ring of records fills in no less, at a rate that a file can follow.
#define TRACE_PERIOD_NS (10 * ROUSE_NS_PER_MS)

enum { PERIOD_MAX_MS = 3600 * 1000 };

// All of it under RS_GLOBAL_INSIGHT.
static pid_t owner;      // the process whose threads these are
static unsigned traced;  // schedulers
static unsigned shown;
static struct rs_ticker tracer = {
    .name = "rouse-trace", .period_ns = TRACE_PERIOD_NS, .tick = rs_trace_write};
static struct rs_ticker printer = {.name = "rouse-sched", .tick = rs_schedtrace_print};

// In the child of a fork: nobody of the parent's is here.
static void inherit(void)
{
    pid_t pid = getpid();

    if (owner == pid) return;
    if (owner != 0) rs_trace_forget();
    owner = pid;
    traced = 0;
    shown = 0;
    rs_ticker_forget(&tracer);
    rs_ticker_forget(&printer);
}

// What went wrong is told without the lock, since the log's hook is the program's.
struct outcome {
    int trace;
    int tracer;
    int printer;
};

static void attach_trace(struct rs_sched *sched, const char *path, struct outcome *outcome)
{
    outcome->trace = rs_observe_start(sched, RS_OBSERVE_TRACE);
    if (outcome->trace == 0) outcome->trace = rs_trace_attach(sched, path);
    if (outcome->trace < 0) return;
    sched->is_traced = true;
    if (traced++ == 0) outcome->tracer = rs_ticker_start(&tracer);
}

static void attach_schedtrace(struct rs_sched *sched, const char *text, struct outcome *outcome)
{
    unsigned long ms = strtoul(text, NULL, 10);

    if (ms == 0 || ms > PERIOD_MAX_MS) return;
    sched->is_shown = true;
    printer.period_ns = ms * ROUSE_NS_PER_MS;
    if (shown++ == 0) outcome->printer = rs_ticker_start(&printer);
}

static void complain(const char *of_what, int err)
{
    if (err < 0) rs_log(ROUSE_LOG_WARN, "no %s: %s", of_what, rouse_strerror(err));
}

void rs_insight_attach(struct rs_sched *sched)
{
    const char *metrics = getenv("ROUSE_METRICS");
    const char *period = getenv("ROUSE_SCHEDTRACE");
    // Who runs a program with rights that are not theirs does not choose what it writes to, or who
    // may look into it.
    const char *trace = secure_getenv("ROUSE_TRACE");
    const char *console = secure_getenv("ROUSE_CONSOLE");
    struct outcome outcome = {0};

    if (metrics != NULL && strcmp(metrics, "histograms") == 0) {
        complain("histograms", rs_observe_start(sched, RS_OBSERVE_TIMES));
    }
    if (console != NULL && console[0] != '\0') {
        sched->has_console = true;
        rs_console_attach(console);
    }
    if (period == NULL && trace == NULL) return;
    rs_lock(rs_global_lock(RS_GLOBAL_INSIGHT));
    inherit();
    if (trace != NULL && trace[0] != '\0') attach_trace(sched, trace, &outcome);
    if (period != NULL) attach_schedtrace(sched, period, &outcome);
    rs_unlock(rs_global_lock(RS_GLOBAL_INSIGHT));
    complain("trace", outcome.trace);
    complain("thread for the trace", outcome.tracer);
    complain("thread for ROUSE_SCHEDTRACE", outcome.printer);
}

void rs_insight_detach(struct rs_sched *sched)
{
    int err = 0;

    if (sched->has_console) rs_console_detach();
    if (!sched->is_traced && !sched->is_shown) return;
    rs_lock(rs_global_lock(RS_GLOBAL_INSIGHT));
    if (sched->is_traced) {
        if (--traced == 0) rs_ticker_stop(&tracer);
        err = rs_trace_detach(sched, traced == 0);
    }
    if (sched->is_shown && --shown == 0) rs_ticker_stop(&printer);
    rs_unlock(rs_global_lock(RS_GLOBAL_INSIGHT));
    complain("more of the trace", err);
}
