// SPDX-License-Identifier: MIT
//
// Finding a task and looking at it: see console_task.h. Its worker stands still meanwhile, as for a
// dump; words for calls, which take longer, are found afterwards.

#include "insight/console_task.h"

#include <rouse/clock.h>
#include <stdio.h>
#include <string.h>

#include "base/sys.h"
#include "sched/observe.h"
#include "task/task.h"

#define PAUSE_NS (20 * ROUSE_NS_PER_MS)

_Static_assert((int)RS_PROBE_CALLS_MAX <= (int)RS_VIEW_CALLS_MAX, "there is room for all calls");

struct search {
    uint64_t id;
    struct rs_task_sight *sight;
    struct rs_rows *rows;
    struct rs_sched *sched;
    struct rs_symbols *symbols;
    size_t need;  // in hand
    bool is_here;
    struct rs_task_link *unowned;
};

// ---- What it waits for ----

static const char *name_of(const struct rouse_future *future)
{
    return future->vtable->name != NULL ? future->vtable->name : "future";
}

// The future that polls a part.
static const struct rouse_future *outer_of(const struct rs_view *view, size_t part)
{
    for (size_t i = part; i-- > 0;) {
        if (view->parts[i].depth + 1 == view->parts[part].depth) return view->parts[i].future;
    }
    return rs_task_future(view->task);
}

// What a fiber itself awaits its calls say as well, and better.
static void take_parts(struct rs_task_sight *sight, const struct rs_view *view)
{
    bool is_fiber = (view->task->flags & RS_TASK_FIBER) != 0;

    for (size_t i = 0; i < view->part_count; i++) {
        const struct rs_view_part *part = &view->parts[i];
        const char *outer = name_of(outer_of(view, i));

        if (is_fiber && part->line == 0 && part->depth == 0) continue;
        char *line = sight->parts[sight->part_count++];

        if (part->line > 0) {
            (void)snprintf(line, RS_TASK_LINE_SIZE, "%s, in line %d, awaits %s", outer, part->line,
                           name_of(part->future));
        } else {
            (void)snprintf(line, RS_TASK_LINE_SIZE, "%s polls %s", outer, name_of(part->future));
        }
    }
}

static void take_needs(struct rs_task_sight *sight, const struct rs_view *view)
{
    for (size_t i = 0; i < view->need_count; i++) {
        sight->needs[i].need = view->needs[i].need;
        sight->needs[i].address = (uintptr_t)view->needs[i].task;
    }
    sight->need_count = view->need_count;
}

static bool is_code(uintptr_t pc, void *arg)
{
    return rs_symbols_is_code(arg, pc);
}

static void take_running(struct search *s, const struct rs_view *view)
{
    struct rs_task_sight *sight = s->sight;
    struct rs_probe probe;

    rs_worker_probe(view->runner, &probe, is_code, s->symbols);
    memcpy(sight->calls, probe.calls, probe.count * sizeof probe.calls[0]);
    sight->call_count = probe.count;
    sight->is_guess = probe.is_guess;
}

static void see_task(struct rouse_task *task, void *arg)
{
    struct search *s = arg;
    struct rs_view *view = &s->rows->view;

    if (rs_task_id(task) != s->id) return;
    if (!rs_row_fill(s->rows, &s->sight->row, task, s->sched)) return;
    s->sight->is_found = rs_view_take(view, task, s->sched);
    if (!s->sight->is_found) return;
    if (view->state == RS_VIEW_RUNNING) {
        take_running(s, view);
        return;
    }
    take_parts(s->sight, view);
    take_needs(s->sight, view);
    memcpy(s->sight->calls, view->calls, view->call_count * sizeof view->calls[0]);
    s->sight->call_count = view->call_count;
}

static void see_whether_it_is_here(struct rouse_task *task, void *arg)
{
    struct search *s = arg;

    if (rs_task_id(task) == s->id) s->is_here = true;
}

static void look_in_sched(struct rs_sched *sched, void *arg)
{
    struct search *s = arg;
    uintptr_t address = rs_task_id_address(s->id);

    s->sched = sched;
    s->is_here = false;
    rs_sched_visit_task(sched, address, see_whether_it_is_here, s, &s->unowned);
    if (!s->is_here) return;
    rs_sched_pause(sched, PAUSE_NS);
    rs_sched_visit_task(sched, address, see_task, s, &s->unowned);
    rs_sched_resume(sched);
}

// ---- Whom it needs ----

// It may be running, and end, with its name.
static void see_needed(struct rouse_task *task, void *arg)
{
    struct search *s = arg;
    char *to = s->sight->needs[s->need].name;
    size_t size = sizeof s->sight->needs[s->need].name;
    ssize_t n = rs_sys.peek(to, task->name != NULL ? task->name : task->site, size - 1);

    to[n > 0 ? n : 0] = '\0';
    s->sight->needs[s->need].id = rs_task_id(task);
}

static void look_for_needed(struct rs_sched *sched, void *arg)
{
    struct search *s = arg;

    for (s->need = 0; s->need < s->sight->need_count; s->need++) {
        rs_sched_visit_task(sched, s->sight->needs[s->need].address, see_needed, s, &s->unowned);
    }
}

void rs_task_sight_take(struct rs_task_sight *sight, struct rs_rows *rows, uint64_t id)
{
    struct search s = {.id = id, .sight = sight, .rows = rows, .symbols = rs_symbols_new()};

    *sight = (struct rs_task_sight){.is_found = false};
    rs_sched_visit(look_in_sched, &s);
    if (sight->need_count > 0) rs_sched_visit(look_for_needed, &s);
    rs_symbols_free(s.symbols);
    rs_tasks_free(s.unowned);
}

// ---- Asked to end ----

static void abort_task(struct rouse_task *task, void *arg)
{
    struct search *s = arg;
    const struct rouse_abort_handle handle = {.task = task};

    if (rs_task_id(task) != s->id) return;
    s->is_here = true;
    rouse_abort_handle_abort(&handle);
}

static void abort_in_sched(struct rs_sched *sched, void *arg)
{
    struct search *s = arg;

    rs_sched_visit_task(sched, rs_task_id_address(s->id), abort_task, s, &s->unowned);
}

bool rs_task_ask_to_end(uint64_t id)
{
    struct search s = {.id = id};

    rs_sched_visit(abort_in_sched, &s);
    rs_tasks_free(s.unowned);
    return s.is_here;
}
