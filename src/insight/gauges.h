// SPDX-License-Identifier: MIT
//
// The metrics of one scheduler, also of an executor, for those of this layer that show them.

#ifndef RS_INSIGHT_GAUGES_H
#define RS_INSIGHT_GAUGES_H

#include <rouse/metrics.h>

#include "sched/sched.h"

// Fill what is the scheduler's own, or the worker's; the rest is 0. The scheduler is alive; any
// thread.
void rs_gauges_sched(struct rs_sched *sched, struct rouse_metrics *out);
void rs_gauges_worker(struct rs_sched *sched, unsigned worker, struct rouse_worker_metrics *out);

// Fills what is of the whole process.
void rs_gauges_process(struct rouse_metrics *out);

// Of one worker, or of all with -1. -ENOTSUP if it is not measured.
int rs_gauges_histogram(struct rs_sched *sched, int worker, rouse_histogram_kind kind,
                        struct rouse_histogram *out);

#endif
