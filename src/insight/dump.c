// SPDX-License-Identifier: MIT
//
// The task dump: every task of every runtime and executor. Any thread runs it; the workers stand
// still meanwhile, except those that are inside a poll for longer.
//
// It is formatted into memory first. Written only then, with no lock held and the workers at work
// again: whoever reads the other end may be one of the tasks. Nothing that it does waits for a lock
// that a task can hold: the mutexes of tasks are only looked at, and names come without the loader.

#include <rouse/dump.h>

#include <rouse/clock.h>
#include <rouse/error.h>
#include <rouse/stats.h>
#include <stdlib.h>
#include <string.h>

#include "insight/dump.h"
#include "insight/groups.h"
#include "insight/symbols.h"
#include "insight/text.h"
#include "insight/view.h"
#include "insight/waits.h"
#include "sched/probe.h"
#include "sched/sched.h"
#include "task/task.h"

#define PAUSE_NS (100 * ROUSE_NS_PER_MS)

enum { LOST_NAMED_MAX = 16 };

struct dump {
    struct rs_text *text;
    bool all_tasks;
    uint32_t now_ms;
    struct rs_sched *sched;
    struct rs_groups groups;
    struct rs_waits waits;
    struct rs_view view;  // of one task at a time
    struct rs_symbols *symbols;
    bool has_no_symbols;  // there was no memory for them
    uint64_t lost;
    const struct rouse_task *lost_named[LOST_NAMED_MAX];
    struct rs_task_link *unowned;
};

// ---- Calls ----

static struct rs_symbols *symbols_of(struct dump *d)
{
    if (d->symbols == NULL && !d->has_no_symbols) {
        d->symbols = rs_symbols_new();
        d->has_no_symbols = d->symbols == NULL;
    }
    return d->symbols;
}

static bool is_code(uintptr_t pc, void *arg)
{
    return rs_symbols_is_code(symbols_of(arg), pc);
}

// The innermost is where it is; the others are where it goes on, which may be in the next function,
// so the call itself is named.
static void print_calls(struct dump *d, struct rs_text *text, const uintptr_t *calls, size_t count,
                        bool is_guess)
{
    char name[256];

    for (size_t i = 0; i < count; i++) {
        (void)rs_symbols_describe(symbols_of(d), i == 0 ? calls[i] : calls[i] - 1, name,
                                  sizeof name);
        rs_text_print(text, "      %s %s\n", is_guess && i > 0 ? "at?" : "at", name);
    }
}

// ---- One task ----

// Not of a task that runs: its flags are its poll's.
static const char *style_of(const struct rs_view *view)
{
    if ((view->task->flags & RS_TASK_FIBER) != 0) return "fiber";
    return view->part_count > 0 && view->parts[0].line > 0 ? "frame" : "future";
}

static void print_who(struct rs_text *text, const struct rs_view *view)
{
    const struct rouse_task *task = view->task;

    rs_text_print(text, "%s  ", rouse_task_name(task));
    if (task->name != NULL) rs_text_print(text, "(%s)  ", task->site);
}

static const char *name_of(const struct rouse_future *future)
{
    return future->vtable->name != NULL ? future->vtable->name : "future";
}

// What is awaited in what, from the outside in. A fiber's calls say it as well, and better.
static void print_parts(struct rs_text *text, const struct rs_view *view)
{
    const struct rouse_future *root = rs_task_future(view->task);

    for (size_t i = 0; i < view->part_count; i++) {
        const struct rs_view_part *part = &view->parts[i];
        const struct rouse_future *outer = root;

        for (size_t j = 0; j < i; j++) {
            if (view->parts[j].depth + 1 == part->depth) outer = view->parts[j].future;
        }
        if (part->line > 0) {
            rs_text_print(text, "      %s, in line %d, awaits %s\n", name_of(outer), part->line,
                          name_of(part->future));
        } else if (outer != root || (view->task->flags & RS_TASK_FIBER) == 0) {
            rs_text_print(text, "      %s polls %s\n", name_of(outer), name_of(part->future));
        }
    }
}

static void print_needs(struct rs_text *text, const struct rs_view *view)
{
    static const char *const words[] = {[ROUSE_NEED_RELEASE] = "it is held by",
                                        [ROUSE_NEED_TURN] = "the turn was given to",
                                        [ROUSE_NEED_END] = "it ends with"};

    for (size_t i = 0; i < view->need_count; i++) {
        rs_text_print(text, "      %s task %p\n", words[view->needs[i].need],
                      (const void *)view->needs[i].task);
    }
}

static void print_wait(struct dump *d, struct rs_text *text)
{
    const struct rs_view *view = &d->view;
    char what[256];

    if (view->state != RS_VIEW_NOT_BEGUN) {
        (void)rouse_future_describe(rs_task_future(view->task), what, sizeof what);
        rs_text_print(text, " for: %s", what);
    }
    if (view->state == RS_VIEW_SCHEDULED) rs_text_print(text, ", scheduled");
    if (view->state == RS_VIEW_LOST) rs_text_print(text, "; pending, no waker stored anywhere");
    if (view->is_cancelled) rs_text_print(text, ", cancelled");
    rs_text_print(text, "\n      task %p\n", (const void *)view->task);
    print_needs(text, view);
    print_parts(text, view);
    print_calls(d, text, view->calls, view->call_count, false);
}

static void print_running(struct dump *d)
{
    const struct rs_view *view = &d->view;
    struct rs_probe probe;

    rs_text_print(d->text, "  ");
    print_who(d->text, view);
    rs_text_print(d->text, "running on worker %u%s\n      task %p\n", view->runner->index,
                  view->is_cancelled ? ", cancelled" : "", (const void *)view->task);
    if (view->runner == rs_tls.worker) {
        rs_text_print(d->text, "      it writes this dump\n");
        return;
    }
    rs_worker_probe(view->runner, &probe, is_code, d);
    if (probe.count == 0) rs_text_print(d->text, "      its calls cannot be told\n");
    print_calls(d, d->text, probe.calls, probe.count, probe.is_guess);
}

// ---- All tasks ----

static void note_lost(struct dump *d)
{
    if (d->lost < LOST_NAMED_MAX) d->lost_named[d->lost] = d->view.task;
    d->lost++;
}

static void print_times(struct rs_text *text, enum rs_view_state state, uint32_t shortest_ms,
                        uint32_t longest_ms)
{
    if (state == RS_VIEW_NOT_BEGUN) {
        rs_text_print(text, "not begun");
        return;
    }
    rs_text_print(text, "waiting %.3f s", (double)shortest_ms / 1e3);
    if (longest_ms != shortest_ms) rs_text_print(text, " to %.3f s", (double)longest_ms / 1e3);
}

static void add_to_group(struct dump *d)
{
    struct rs_group *group;

    if (!rs_groups_add(&d->groups, &d->view, d->now_ms, &group)) return;
    print_who(&d->groups.text, &d->view);
    rs_text_print(&d->groups.text, "%s, ", style_of(&d->view));
    rs_group_split(&d->groups, group);
    print_wait(d, &d->groups.text);
    rs_group_end(&d->groups, group);
}

static void see_task(struct rouse_task *task, void *arg)
{
    struct dump *d = arg;

    if (!rs_view_take(&d->view, task, d->sched)) return;
    if (d->view.state == RS_VIEW_RUNNING) {
        print_running(d);
        return;
    }
    if (d->view.state == RS_VIEW_LOST) note_lost(d);
    rs_waits_add(&d->waits, &d->view);
    add_to_group(d);
}

static void see_again(struct rouse_task *task, void *arg)
{
    struct dump *d = arg;

    rs_waits_meet(&d->waits, task, rs_view_runner(d->sched, task) != NULL);
}

static void print_lost(struct dump *d)
{
    if (d->lost == 0) return;
    rs_text_print(d->text, "lost: %llu pending, no waker stored anywhere: nobody can wake them\n",
                  (unsigned long long)d->lost);
    for (size_t i = 0; i < LOST_NAMED_MAX && i < d->lost; i++) {
        const struct rouse_task *task = d->lost_named[i];

        rs_text_print(d->text, "  task %p %s (%s)\n", (const void *)task, rouse_task_name(task),
                      task->site);
    }
    if (d->lost > LOST_NAMED_MAX) {
        rs_text_print(d->text, "  and %llu more\n", (unsigned long long)d->lost - LOST_NAMED_MAX);
    }
}

static void print_group(struct dump *d, const struct rs_group *group)
{
    rs_text_print(d->text, "  ");
    if (group->count > 1) {
        rs_text_print(d->text, "%llu x ", (unsigned long long)group->count);
    }
    rs_text_append(d->text, &d->groups.text, group->who_at, group->wait_at);
    print_times(d->text, group->state, group->shortest_ms, group->longest_ms);
    rs_text_append(d->text, &d->groups.text, group->wait_at, group->end_at);
}

static void print_groups(struct dump *d)
{
    for (size_t i = 0; i < d->groups.count; i++) print_group(d, rs_groups_at(&d->groups, i));
    if (d->groups.left_out > 0) {
        rs_text_print(d->text, "  and %llu tasks for which there was no memory\n",
                      (unsigned long long)d->groups.left_out);
    }
    if (d->groups.left_out > 0 || d->groups.text.truncated) d->text->truncated = true;
}

static void print_solo(struct dump *d)
{
    int32_t worker = rs_solo_worker(&d->sched->solo);

    if (worker < 0) return;
    rs_text_print(d->text, "  worker %d runs all that may move: alone it gets more done\n", worker);
}

static void dump_sched(struct rs_sched *sched, void *arg)
{
    struct dump *d = arg;

    d->sched = sched;
    d->lost = 0;
    d->groups = (struct rs_groups){.each_alone = d->all_tasks};
    rs_text_init(&d->groups.text);
    rs_sched_pause(sched, PAUSE_NS);
    rs_text_print(d->text, "%s with %u worker%s, %llu tasks:\n", sched->kind, sched->worker_count,
                  sched->worker_count == 1 ? "" : "s", (unsigned long long)rs_sched_live(sched));
    print_solo(d);
    rs_sched_visit_tasks(sched, see_task, d, &d->unowned);
    print_groups(d);
    if (rs_waits_index(&d->waits)) rs_sched_visit_tasks(sched, see_again, d, &d->unowned);
    rs_waits_print(&d->waits, d->text);
    print_lost(d);
    rs_sched_resume(sched);
    rs_waits_deinit(&d->waits);
    rs_groups_deinit(&d->groups);
}

static void print_stats(struct dump *d)
{
    struct rouse_stats s;

    rouse_stats_get(&s);
    rs_text_print(d->text,
                  "rouse dump: %lld tasks, %lld timers, %lld sources, %lld stacks, %lld sockets, "
                  "%lld blocking jobs, %lld threads, %lld bytes allocated, %lld polls\n",
                  (long long)s.tasks, (long long)s.timers, (long long)s.sources,
                  (long long)s.stacks, (long long)s.sockets, (long long)s.blocking_jobs,
                  (long long)s.threads, (long long)s.allocated_bytes, (long long)s.polls);
}

void rs_dump_print(struct rs_text *text, bool all_tasks)
{
    struct dump dump = {.text = text,
                        .now_ms = (uint32_t)(rouse_now_ns() / ROUSE_NS_PER_MS),
                        .all_tasks = all_tasks};

    print_stats(&dump);
    rs_sched_visit(dump_sched, &dump);
    rs_tasks_free(dump.unowned);
    rs_symbols_free(dump.symbols);
}

int rouse_dump_with(int fd, const struct rouse_dump_options *options)
{
    const char *wish = getenv("ROUSE_DUMP");
    struct rs_text text;

    rs_text_init(&text);
    rs_dump_print(&text, (wish != NULL && strcmp(wish, "all") == 0) ||
                             (options != NULL && options->all_tasks));
    int err = rs_text_write(&text, fd);

    rs_text_deinit(&text);
    return err;
}

int rouse_dump(int fd)
{
    return rouse_dump_with(fd, NULL);
}
