// SPDX-License-Identifier: MIT
//
// The trace: what workers put into their rings becomes a file in the Trace Event format, which
// Perfetto, chrome://tracing and speedscope show.

#ifndef RS_INSIGHT_TRACE_H
#define RS_INSIGHT_TRACE_H

#include <stdbool.h>

struct rs_sched;

// The scheduler has rings: from here on they are written to the file at `path`, in which "%p" is
// the process's id. The first one creates the file. What opening or writing it gave; -EBUSY in the
// child of a fork whose file would be the parent's.
int rs_trace_attach(struct rs_sched *sched, const char *path);

// Its workers have ended: writes what is left. `last`: closes the file, for now. Why not all of it
// has been written, or 0.
int rs_trace_detach(struct rs_sched *sched, bool last);

// Writes what there is. Afterwards the file is whole: a JSON text that ends.
void rs_trace_write(void);

// In the child of a fork.
void rs_trace_forget(void);

#endif
