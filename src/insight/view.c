// SPDX-License-Identifier: MIT
//
// Looking at a task: see view.h. It is read only if no worker polls it, and as long as the visit
// has a share of it.

#include "insight/view.h"

#include "fiber/backtrace.h"
#include "fiber/poll.h"
#include "task/task.h"

const struct rs_worker *rs_view_runner(const struct rs_sched *sched, const struct rouse_task *task)
{
    for (unsigned i = 0; i < sched->worker_count; i++) {
        const struct rs_worker *worker = &sched->workers[i];

        // Acquire, with the release at the end of a poll: out of it, the task may be read.
        if (atomic_load_explicit(&worker->current, memory_order_acquire) == task) return worker;
    }
    return NULL;
}

// ---- What it waits for ----

struct walk {
    struct rouse_inspector base;
    struct rs_view *view;
    unsigned depth;
    bool is_certain;
};

// It ends whatever it meets: each step takes a place.
static void walk_part(struct rouse_inspector *self, const struct rouse_future *part, int line,
                      bool alternative)
{
    struct walk *w = ROUSE_CONTAINER_OF(self, struct walk, base);
    struct rs_view *view = w->view;
    bool was_certain = w->is_certain;

    if (view->part_count == RS_VIEW_PARTS_MAX) return;
    view->parts[view->part_count++] =
        (struct rs_view_part){.future = part, .line = line, .depth = w->depth};
    w->depth++;
    w->is_certain = was_certain && !alternative;
    rouse_future_inspect(part, self);
    w->is_certain = was_certain;
    w->depth--;
}

static void walk_needs(struct rouse_inspector *self, const struct rouse_task *task, rouse_need need)
{
    struct walk *w = ROUSE_CONTAINER_OF(self, struct walk, base);
    struct rs_view *view = w->view;

    if (task == NULL || view->need_count == RS_VIEW_NEEDS_MAX) return;
    view->needs[view->need_count++] =
        (struct rs_view_need){.task = task, .need = need, .is_certain = w->is_certain};
}

static void take_wait(struct rs_view *view)
{
    const struct rouse_future *root = rs_task_future(view->task);
    struct walk walk = {.base = {.part = walk_part, .needs = walk_needs},
                        .view = view,
                        .is_certain = true};

    rouse_future_inspect(root, &walk.base);
    if (root->vtable != &rs_fiber_vtable) return;
    const struct rs_fiber *fiber = ((const struct rs_fiber_root *)root)->fiber;

    view->call_count = rs_backtrace(rs_fiber_frame(fiber), rs_fiber_stack_range(fiber), view->calls,
                                    RS_VIEW_CALLS_MAX);
}

// ---- Its state ----

// References that are no waker's: the task's own, its handle's, those in the poll's hand, and the
// visit's. What is left are wakers, and abort handles, which count as such.
static uint64_t references_besides_wakers(const struct rouse_task *task, uint64_t word)
{
    return 2 + ((word & RS_TASK_JOIN) != 0 ? 1u : 0u) + task->in_hand;
}

// A fiber that waits for a stack is woken by its worker without a waker.
static bool has_lost_its_waker(const struct rouse_task *task, uint64_t word)
{
    return rs_task_future(task)->vtable != &rs_fiber_new_vtable &&
           word / RS_TASK_REFERENCE <= references_besides_wakers(task, word);
}

static enum rs_view_state state_of(const struct rs_view *view, uint64_t word)
{
    if ((word & (RS_TASK_SCHEDULED | RS_TASK_RUNNING)) != 0) {
        return view->since_ms == 0 ? RS_VIEW_NOT_BEGUN : RS_VIEW_SCHEDULED;
    }
    return has_lost_its_waker(view->task, word) ? RS_VIEW_LOST : RS_VIEW_WAITING;
}

// A worker that the pause could not wait for may end its poll, and its task, while we read. The
// visit's reference keeps the task's memory; what its future waits for is read only if no worker
// was polling it, and it had not ended, after we looked: then nobody polls it until we resume.
bool rs_view_look(struct rs_view *view, struct rouse_task *task, const struct rs_sched *sched)
{
    view->task = task;
    view->runner = rs_view_runner(sched, task);
    view->part_count = 0;
    view->need_count = 0;
    view->call_count = 0;
    // Acquire, with the release in rs_state_complete(): after the look at the workers.
    uint64_t word = atomic_load_explicit(&task->state, memory_order_acquire);

    if (view->runner == NULL && (word & RS_TASK_COMPLETE) != 0) return false;
    view->is_cancelled = (word & RS_TASK_CANCELLED) != 0;
    // Relaxed: written by a worker that stands still, or that runs the task, and then not used.
    view->since_ms = atomic_load_explicit(&task->since_ms, memory_order_relaxed);
    if (view->runner != NULL) {
        view->state = RS_VIEW_RUNNING;
        return true;
    }
    view->state = state_of(view, word);
    return true;
}

bool rs_view_take(struct rs_view *view, struct rouse_task *task, const struct rs_sched *sched)
{
    if (!rs_view_look(view, task, sched)) return false;
    if (view->state != RS_VIEW_RUNNING && view->state != RS_VIEW_NOT_BEGUN) take_wait(view);
    return true;
}

// ---- Compared ----

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

uint64_t rs_view_hash(const struct rs_view *view)
{
    uint64_t hash = mix(view->state + 1, (uintptr_t)view->task->site);

    hash = mix(hash, (uintptr_t)view->task->name);
    hash = mix(hash, view->is_cancelled);
    for (size_t i = 0; i < view->part_count; i++) {
        hash = mix(hash, (uintptr_t)view->parts[i].future->vtable);
        hash = mix(hash, (uint64_t)view->parts[i].line);
    }
    for (size_t i = 0; i < view->need_count; i++) hash = mix(hash, view->needs[i].need);
    for (size_t i = 0; i < view->call_count; i++) hash = mix(hash, view->calls[i]);
    return hash;
}
