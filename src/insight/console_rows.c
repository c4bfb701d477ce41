// SPDX-License-Identifier: MIT
//
// Choosing rows: see console_rows.h. A heap of the chosen ones so far, the last of them on top,
// which has to go when a better one comes.

#include "insight/console_rows.h"

#include <rouse/clock.h>
#include <stdlib.h>
#include <string.h>

#include "base/sys.h"
#include "sched/observe.h"
#include "task/task.h"

// How many blocks of memory are looked at between two looks at the clock.
enum { STEP = 64, OVERSIZED = 4096, POLLS_MIN = 16 };
// For workers that are in a poll: what they keep the others from.
#define PAUSE_NS (2 * ROUSE_NS_PER_MS)
#define NEVER_YIELDS_NS ROUSE_NS_PER_S

static const char *const key_names[] = {
    [RS_ROW_ID] = "id",       [RS_ROW_NAME] = "name",           [RS_ROW_SITE] = "site",
    [RS_ROW_STATE] = "state", [RS_ROW_POLLS] = "polls",         [RS_ROW_WAKES] = "wakes",
    [RS_ROW_BUSY] = "busy",   [RS_ROW_SCHEDULED] = "scheduled", [RS_ROW_IDLE] = "idle"};

void rs_rows_parse_key(struct rs_rows_query *query, const char *text)
{
    query->falls = text[0] == '-';
    for (int i = 0; i <= RS_ROW_IDLE; i++) {
        query->key = (enum rs_row_key)i;
        if (strcmp(text + query->falls, key_names[i]) == 0) return;
    }
    query->key = RS_ROW_BUSY;
    query->falls = true;
}

const char *rs_row_state_name(enum rs_view_state state)
{
    static const char *const names[] = {[RS_VIEW_NOT_BEGUN] = "not begun",
                                        [RS_VIEW_WAITING] = "waiting",
                                        [RS_VIEW_SCHEDULED] = "scheduled",
                                        [RS_VIEW_RUNNING] = "running",
                                        [RS_VIEW_LOST] = "lost"};

    return names[state];
}

// ---- The order ----

static uint64_t number_of(const struct rs_row *row, enum rs_row_key key)
{
    switch (key) {
    case RS_ROW_POLLS:
        return row->polls;
    case RS_ROW_WAKES:
        return row->wakes;
    case RS_ROW_BUSY:
        return row->busy_ns;
    case RS_ROW_SCHEDULED:
        return row->scheduled_ns;
    case RS_ROW_IDLE:
        return row->idle_ns;
    default:
        return row->id;
    }
}

static int compare_texts(const struct rs_row *a, const struct rs_row *b, enum rs_row_key key)
{
    switch (key) {
    case RS_ROW_NAME:
        return strcmp(a->name, b->name);
    case RS_ROW_SITE:
        return strcmp(a->site, b->site);
    case RS_ROW_STATE:
        return strcmp(rs_row_state_name(a->state), rs_row_state_name(b->state));
    default:
        return 0;
    }
}

static bool is_text(enum rs_row_key key)
{
    return key == RS_ROW_NAME || key == RS_ROW_SITE || key == RS_ROW_STATE;
}

// Whether `a` comes before `b`; of those that are alike the one with the lower id does.
static bool precedes(const struct rs_rows_query *query, const struct rs_row *a,
                     const struct rs_row *b)
{
    int order = compare_texts(a, b, query->key);
    uint64_t x = number_of(a, query->key);
    uint64_t y = number_of(b, query->key);

    if (!is_text(query->key) && x != y) order = x < y ? -1 : 1;
    if (order == 0) return a->id < b->id;
    return query->falls ? order > 0 : order < 0;
}

static struct rs_row *row_at(const struct rs_rows *rows, size_t index)
{
    return &((struct rs_row *)rows->area.memory)[index];
}

// Behind the rows lies the heap: which of them is where.
static uint32_t *heap_of(const struct rs_rows *rows)
{
    return (uint32_t *)(void *)row_at(rows, RS_ROWS_MAX);
}

static bool is_after(const struct rs_rows *rows, size_t i, size_t j)
{
    const uint32_t *heap = heap_of(rows);

    return precedes(&rows->query, row_at(rows, heap[j]), row_at(rows, heap[i]));
}

static void swap(const struct rs_rows *rows, size_t i, size_t j)
{
    uint32_t *heap = heap_of(rows);
    uint32_t before = heap[i];

    heap[i] = heap[j];
    heap[j] = before;
}

static void sift_up(const struct rs_rows *rows, size_t i)
{
    for (; i > 0 && is_after(rows, i, (i - 1) / 2); i = (i - 1) / 2) swap(rows, i, (i - 1) / 2);
}

static void sift_down(const struct rs_rows *rows, size_t size)
{
    for (size_t i = 0, child = 1; child < size; child = 2 * i + 1) {
        if (child + 1 < size && is_after(rows, child + 1, child)) child++;
        if (!is_after(rows, child, i)) return;
        swap(rows, i, child);
        i = child;
    }
}

static void keep(struct rs_rows *rows)
{
    uint32_t *heap = heap_of(rows);

    if (rows->query.count == 0) return;
    if (rows->kept < rows->query.count) {
        heap[rows->kept] = (uint32_t)rows->kept;
        *row_at(rows, rows->kept) = rows->row;
        sift_up(rows, rows->kept++);
        return;
    }
    if (!precedes(&rows->query, &rows->row, row_at(rows, heap[0]))) return;
    *row_at(rows, heap[0]) = rows->row;
    sift_down(rows, rows->kept);
}

// ---- One row ----

// A worker that runs the task may end it, and its name with it.
static void copy_text(const struct rs_view *view, char *to, size_t size, const char *from)
{
    size_t length = 0;

    if (view->state == RS_VIEW_RUNNING) {
        ssize_t n = from != NULL ? rs_sys.peek(to, from, size - 1) : 0;

        length = n > 0 ? (size_t)n : 0;
    } else if (from != NULL) {
        length = strnlen(from, size - 1);
        memcpy(to, from, length);
    }
    to[length] = '\0';
}

struct line_walk {
    struct rouse_inspector base;
    bool has_line;
};

static void note_line(struct rouse_inspector *self, const struct rouse_future *part, int line,
                      bool alternative)
{
    struct line_walk *walk = ROUSE_CONTAINER_OF(self, struct line_walk, base);

    (void)part;
    (void)alternative;
    if (line > 0) walk->has_line = true;
}

static void note_need(struct rouse_inspector *self, const struct rouse_task *task, rouse_need need)
{
    (void)self;
    (void)task;
    (void)need;
}

// Not of a task that runs: its flags are its poll's.
static const char *style_of(const struct rs_view *view)
{
    struct line_walk walk = {.base = {.part = note_line, .needs = note_need}};

    if (view->state == RS_VIEW_RUNNING) return "";
    if ((view->task->flags & RS_TASK_FIBER) != 0) return "fiber";
    if (view->state == RS_VIEW_NOT_BEGUN) return "future";
    rouse_future_inspect(rs_task_future(view->task), &walk.base);
    return walk.has_line ? "async" : "future";
}

static void fill_counts(const struct rs_rows *rows, struct rs_row *row)
{
    const struct rs_counts *counts = rs_counts_find(rows->counts, row->id);
    uint64_t from_ns = rows->watched_since_ns;

    row->polls = 0;
    row->wakes = 0;
    row->busy_ns = 0;
    row->scheduled_ns = 0;
    row->idle_ns = 0;

    if (counts != NULL) {
        row->polls = counts->polls;
        row->wakes = counts->wakes;
        row->busy_ns = counts->busy_ns;
        row->scheduled_ns = counts->scheduled_ns;
        from_ns = counts->first_ns;
        if (counts->polls >= POLLS_MIN && 2 * counts->wakes_by_it > counts->polls) {
            row->lints |= RS_LINT_WAKES_ITSELF;
        }
    }
    if (from_ns == 0) return;
    uint64_t idle_ns = rows->now_ns - from_ns - row->busy_ns - row->scheduled_ns;

    // Other clocks of it may be a little ahead.
    row->idle_ns = (int64_t)idle_ns > 0 ? idle_ns : 0;
}

static void fill_since(const struct rs_rows *rows, struct rs_row *row, const struct rs_view *view)
{
    uint32_t ago_ms = (uint32_t)(rows->now_ns / ROUSE_NS_PER_MS) - view->since_ms;

    row->since_ns = 0;
    if (view->state == RS_VIEW_RUNNING) {
        row->since_ns = rows->poll_since_ns(view->runner, rows->arg);
        if (row->since_ns != 0 && rows->now_ns - row->since_ns >= NEVER_YIELDS_NS) {
            row->lints |= RS_LINT_NEVER_YIELDS;
        }
    } else if (view->since_ms != 0) {
        // The worker's clock may be a little ahead.
        row->since_ns = rows->now_ns - (ago_ms <= UINT32_MAX / 2 ? ago_ms * ROUSE_NS_PER_MS : 0);
    }
}

// What is quickly known, and most tasks are sorted out by.
static bool fill_numbers(struct rs_rows *rows, struct rs_row *row, struct rouse_task *task,
                         struct rs_sched *sched)
{
    struct rs_view *view = &rows->view;

    if (!rs_view_look(view, task, sched)) return false;
    row->id = rs_task_id(task);
    row->scheduler = sched->number;
    row->state = view->state;
    row->is_cancelled = view->is_cancelled;
    row->lints = 0;
    if (view->state == RS_VIEW_LOST) row->lints |= RS_LINT_LOST_WAKER;
    if (rs_block_size(&task->block) > OVERSIZED) row->lints |= RS_LINT_OVERSIZED;
    fill_counts(rows, row);
    fill_since(rows, row, view);
    return true;
}

static void fill_texts(const struct rs_rows *rows, struct rs_row *row)
{
    const struct rs_view *view = &rows->view;

    row->style = style_of(view);
    copy_text(view, row->name, sizeof row->name, view->task->name);
    copy_text(view, row->site, sizeof row->site, view->task->site);
    row->waits[0] = '\0';
    if (view->state == RS_VIEW_WAITING || view->state == RS_VIEW_LOST) {
        (void)rouse_future_describe(rs_task_future(view->task), row->waits, sizeof row->waits);
    }
}

bool rs_row_fill(struct rs_rows *rows, struct rs_row *row, struct rouse_task *task,
                 struct rs_sched *sched)
{
    if (!fill_numbers(rows, row, task, sched)) return false;
    fill_texts(rows, row);
    return true;
}

// ---- All of them ----

static bool matches(const struct rs_row *row, const char *filter)
{
    return filter[0] == '\0' || strcasestr(row->name, filter) != NULL ||
           strcasestr(row->site, filter) != NULL || strcasestr(row->waits, filter) != NULL ||
           strcasestr(rs_row_state_name(row->state), filter) != NULL;
}

// Whether the numbers alone say that it will not be among the chosen.
static bool is_hopeless(const struct rs_rows *rows)
{
    if (rows->query.filter[0] != '\0' || rows->query.key == RS_ROW_NAME ||
        rows->query.key == RS_ROW_SITE) {
        return false;
    }
    return rows->kept == rows->query.count &&
           !precedes(&rows->query, &rows->row, row_at(rows, heap_of(rows)[0]));
}

static void see_task(struct rouse_task *task, void *arg)
{
    struct rs_rows *rows = arg;

    if (!fill_numbers(rows, &rows->row, task, rows->sched)) return;
    rows->looked_at++;
    if (is_hopeless(rows)) {
        rows->matched++;
        return;
    }
    fill_texts(rows, &rows->row);
    if (!matches(&rows->row, rows->query.filter)) return;
    rows->matched++;
    keep(rows);
}

// From where the last look ended to the last task, and then from the first one to there; or until
// the time is up.
struct round {
    struct rs_rows *rows;
    struct rs_task_link **unowned;
    uint64_t spent_ns;
    bool has_begun;  // it has come to the scheduler where the last look ended
    bool is_second;  // it goes up to where it began
    bool is_over;
    uint32_t first_scheduler;
    struct rs_task_cursor first;
};

// How many blocks may be looked at next; 0: none before the end.
static size_t step_of(const struct round *round, const struct rs_sched *sched)
{
    const struct rs_task_cursor *at = &round->rows->at;
    const struct rs_task_cursor *end = &round->first;

    if (!round->is_second || sched->number != round->first_scheduler) return STEP;
    if (at->heap != end->heap) return at->heap < end->heap ? STEP : 0;
    if (at->block >= end->block) return 0;
    return end->block - at->block < STEP ? end->block - at->block : STEP;
}

// Returns whether all tasks of the scheduler that are due have been looked at.
static bool look_at_tasks(struct round *round, struct rs_sched *sched)
{
    struct rs_rows *rows = round->rows;
    uint64_t began_ns = rouse_now_ns();
    bool has_more = true;

    while (has_more && round->spent_ns + (rouse_now_ns() - began_ns) < rows->budget_ns) {
        size_t step = step_of(round, sched);

        if (step == 0) {
            round->is_over = true;
            break;
        }
        has_more =
            rs_sched_visit_some_tasks(sched, &rows->at, step, see_task, rows, round->unowned);
    }
    round->spent_ns += rouse_now_ns() - began_ns;
    return !has_more || round->is_over;
}

static void look_at_sched(struct rs_sched *sched, void *arg)
{
    struct round *round = arg;
    struct rs_rows *rows = round->rows;
    uint64_t live = rs_sched_live(sched);

    if (!round->is_second) rows->alive += live;
    if (rows->has_more || round->is_over || live == 0) return;
    if (rows->at_scheduler != 0 && rows->at_scheduler != sched->number && !round->has_begun) return;
    round->has_begun = true;
    rows->sched = sched;
    rs_sched_pause(sched, PAUSE_NS);
    bool is_done = look_at_tasks(round, sched);

    rs_sched_resume(sched);
    rows->has_more = !is_done;
    rows->at_scheduler = is_done && !round->is_over ? 0 : sched->number;
}

// At the first task of all.
static void begin_anew(struct round *round)
{
    round->rows->at = (struct rs_task_cursor){.heap = 0};
    round->rows->at_scheduler = 0;
    round->rows->alive = 0;
    round->first_scheduler = 0;
}

void rs_rows_choose(struct rs_rows *rows, struct rs_task_link **unowned)
{
    size_t size = RS_ROWS_MAX * (sizeof(struct rs_row) + sizeof(uint32_t));
    struct round round = {
        .rows = rows, .unowned = unowned, .first_scheduler = rows->at_scheduler, .first = rows->at};

    rows->kept = 0;
    rows->alive = 0;
    rows->looked_at = 0;
    rows->matched = 0;
    rows->has_more = false;
    if (!rs_area_reserve(&rows->area, size)) return;
    rs_sched_visit(look_at_sched, &round);
    // It has gone, or has no tasks left.
    bool is_gone = round.first_scheduler != 0 && !round.has_begun;

    if (is_gone) begin_anew(&round);
    round.is_second = !is_gone && round.first_scheduler != 0;
    if (is_gone || (round.is_second && !rows->has_more)) rs_sched_visit(look_at_sched, &round);
}

static int compare_rows(const void *a, const void *b, void *arg)
{
    const struct rs_rows *rows = arg;
    const struct rs_row *x = row_at(rows, *(const uint32_t *)a);
    const struct rs_row *y = row_at(rows, *(const uint32_t *)b);

    if (precedes(&rows->query, x, y)) return -1;
    return precedes(&rows->query, y, x) ? 1 : 0;
}

const struct rs_row *rs_rows_take(struct rs_rows *rows, size_t index)
{
    if (index >= rows->kept) return NULL;
    if (index == 0) qsort_r(heap_of(rows), rows->kept, sizeof(uint32_t), compare_rows, rows);
    return row_at(rows, heap_of(rows)[index]);
}

void rs_rows_free(struct rs_rows *rows)
{
    rs_area_free(&rows->area);
}
