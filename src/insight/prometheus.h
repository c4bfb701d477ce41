// SPDX-License-Identifier: MIT
//
// The metrics as Prometheus reads them, for those of this layer that write them elsewhere than to a
// descriptor.

#ifndef RS_INSIGHT_PROMETHEUS_H
#define RS_INSIGHT_PROMETHEUS_H

#include "insight/text.h"

// Adds what rouse_metrics_write() writes. Any thread.
void rs_prometheus_print(struct rs_text *text);

#endif
