// SPDX-License-Identifier: MIT
//
// The one link through which a task stands in a queue: a run queue, the injection queue or an
// inbox. A task embeds it once, so it is in at most one queue at a time, and no push allocates.

#ifndef RS_BASE_LINK_H
#define RS_BASE_LINK_H

// While queued, `next` belongs to the queue; otherwise its value means nothing.
struct rs_task_link {
    struct rs_task_link *next;
};

#endif
