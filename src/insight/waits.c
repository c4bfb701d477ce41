// SPDX-License-Identifier: MIT
//
// The graph of waits: see waits.h.

#include "insight/waits.h"

#include "task/task.h"

// How many are written out, of each kind.
enum { PRINTED_MAX = 16, NEEDS = 3 };

struct edge {
    const struct rouse_task *from;
    const struct rouse_task *to;
    rouse_need need;
    bool is_certain;
};

enum color { WHITE, GREY, BLACK };

// A task that others need.
struct node {
    const struct rouse_task *task;  // NULL: an empty place of the table
    const char *name;               // of one that was met, as the next
    const char *site;
    bool is_met;  // it is alive
    bool is_running;
    bool is_idle;  // neither running nor about to
    uint8_t color;
    uint32_t waiters[NEEDS];
    size_t edge_begin;  // its own edges
    size_t edge_end;
    size_t cursor;        // the next of them to follow
    struct node *parent;  // whence the search came
    rouse_need by;        // and what for
};

static const char *const needs[NEEDS] = {[ROUSE_NEED_RELEASE] = "give back what it holds",
                                         [ROUSE_NEED_TURN] = "take the turn that it was given",
                                         [ROUSE_NEED_END] = "end"};

void rs_waits_add(struct rs_waits *waits, const struct rs_view *view)
{
    for (size_t i = 0; i < view->need_count; i++) {
        if (!rs_area_reserve(&waits->edges, (waits->edge_count + 1) * sizeof(struct edge))) {
            waits->is_cut = true;
            return;
        }
        struct edge *edges = waits->edges.memory;

        edges[waits->edge_count++] = (struct edge){.from = view->task,
                                                   .to = view->needs[i].task,
                                                   .need = view->needs[i].need,
                                                   .is_certain = view->needs[i].is_certain};
    }
}

// ---- The nodes ----

static size_t capacity_of(const struct rs_waits *waits)
{
    return waits->nodes.size / sizeof(struct node);
}

// The task's place, or the empty one where it would be. NULL: there is no table.
static struct node *place_of(const struct rs_waits *waits, const struct rouse_task *task)
{
    struct node *table = waits->nodes.memory;
    size_t capacity = capacity_of(waits);
    size_t i;

    if (capacity == 0) return NULL;
    i = (size_t)((uintptr_t)task * UINT64_C(0x9e3779b97f4a7c15) >> 16) % capacity;
    while (table[i].task != NULL && table[i].task != task) i = i + 1 < capacity ? i + 1 : 0;
    return &table[i];
}

static struct node *node_of(const struct rs_waits *waits, const struct rouse_task *task)
{
    struct node *node = place_of(waits, task);

    return node != NULL && node->task != NULL ? node : NULL;
}

// Of all the edges, those that lead on from a task that somebody needs lie side by side.
static void give_edges_to_nodes(struct rs_waits *waits)
{
    const struct edge *edges = waits->edges.memory;

    for (size_t i = 0; i < waits->edge_count; i++) {
        struct node *node = node_of(waits, edges[i].from);

        if (node == NULL) continue;
        if (node->edge_end == 0) node->edge_begin = i;
        node->edge_end = i + 1;
        node->cursor = node->edge_begin;
    }
}

// Twice as large as it needs to be at the most, whoever is needed.
bool rs_waits_index(struct rs_waits *waits)
{
    const struct edge *edges = waits->edges.memory;

    if (waits->edge_count == 0) return false;
    if (!rs_area_renew(&waits->nodes, 2 * waits->edge_count * sizeof(struct node))) {
        waits->is_cut = true;
        return false;
    }
    for (size_t i = 0; i < waits->edge_count; i++) {
        struct node *node = place_of(waits, edges[i].to);

        if (node->task == NULL) waits->node_count++;
        node->task = edges[i].to;
        node->waiters[edges[i].need]++;
    }
    give_edges_to_nodes(waits);
    return true;
}

void rs_waits_meet(struct rs_waits *waits, const struct rouse_task *task, bool is_running)
{
    struct node *node = node_of(waits, task);

    if (node == NULL) return;
    // Relaxed: the visit has looked at it with acquire.
    uint64_t word = atomic_load_explicit(&task->state, memory_order_relaxed);

    node->is_met = true;
    node->name = rouse_task_name(task);
    node->site = task->name != NULL ? task->site : NULL;
    node->is_running = is_running;
    node->is_idle = !is_running && (word & RS_TASK_BUSY) == 0;
}

// ---- Printed ----

// One that runs may have ended by now.
static void print_task(struct rs_text *text, const struct node *node)
{
    rs_text_print(text, "task %p %s", (const void *)node->task, node->name);
    if (node->site != NULL) rs_text_print(text, " (%s)", node->site);
}

static const char *state_name(const struct node *node)
{
    if (node->is_running) return "it runs";
    return node->is_idle ? "it waits" : "it is scheduled";
}

static void print_needed(const struct node *node, struct rs_text *text)
{
    for (int need = 0; need < NEEDS; need++) {
        if (node->waiters[need] == 0) continue;
        rs_text_print(text, "  %u wait%s for ", node->waiters[need],
                      node->waiters[need] == 1 ? "s" : "");
        if (!node->is_met) {
            rs_text_print(text, "task %p to %s, which has ended, or is of another runtime\n",
                          (const void *)node->task, needs[need]);
            continue;
        }
        print_task(text, node);
        rs_text_print(text, " to %s; %s\n", needs[need], state_name(node));
    }
}

static void print_all_needed(const struct rs_waits *waits, struct rs_text *text)
{
    const struct node *table = waits->nodes.memory;
    size_t printed = 0;

    rs_text_print(text, "tasks that others wait for: %zu\n", waits->node_count);
    for (size_t i = 0; i < capacity_of(waits); i++) {
        if (table[i].task == NULL) continue;
        if (printed++ < PRINTED_MAX) print_needed(&table[i], text);
    }
    if (printed > PRINTED_MAX) rs_text_print(text, "  and %zu more\n", printed - PRINTED_MAX);
}

// A task that has been given a turn, and now waits for something else.
static void print_futurelocks(const struct rs_waits *waits, struct rs_text *text)
{
    const struct node *table = waits->nodes.memory;

    for (size_t i = 0; i < capacity_of(waits); i++) {
        const struct node *node = &table[i];

        if (node->task == NULL || !node->is_met || !node->is_idle) continue;
        if (node->waiters[ROUSE_NEED_TURN] == 0) continue;
        rs_text_print(text, "futurelock: ");
        print_task(text, node);
        rs_text_print(text,
                      " was given the turn of a lock through a future that it does not poll; "
                      "%u wait for that\n",
                      node->waiters[ROUSE_NEED_TURN]);
    }
}

// ---- Deadlocks ----

static size_t length_of(const struct node *last, const struct node *first)
{
    size_t length = 1;

    for (const struct node *n = last; n != first; n = n->parent) length++;
    return length;
}

// A circle: from `first` by way of whose parents they are to `last`, which needs `first`.
static void print_circle(struct rs_text *text, const struct node *first, const struct node *last,
                         rouse_need need)
{
    const struct node *needed = first;
    rouse_need by = need;

    rs_text_print(text, "deadlock: %zu task%s wait%s in a circle\n", length_of(last, first),
                  last == first ? "" : "s", last == first ? "s" : "");
    for (const struct node *n = last;; n = n->parent) {
        rs_text_print(text, "  ");
        print_task(text, n);
        rs_text_print(text, " waits for ");
        if (n == needed) {
            rs_text_print(text, "itself");
        } else {
            print_task(text, needed);
        }
        rs_text_print(text, " to %s\n", needs[by]);
        if (n == first) return;
        needed = n;
        by = n->by;
    }
}

// The next task on the way from `node`; NULL: there is none left.
static struct node *next_of(const struct rs_waits *waits, struct node *node, rouse_need *need)
{
    const struct edge *edges = waits->edges.memory;

    while (node->cursor < node->edge_end) {
        const struct edge *edge = &edges[node->cursor++];
        struct node *to = node_of(waits, edge->to);

        if (edge->from != node->task || !edge->is_certain || to == NULL || !to->is_met) continue;
        // One that is about to be polled may take its turn.
        if (edge->need == ROUSE_NEED_TURN && !to->is_idle) continue;
        *need = edge->need;
        return to;
    }
    return NULL;
}

// A search in depth, from one task. Returns how many circles it has found.
static size_t search(const struct rs_waits *waits, struct node *from, struct rs_text *text,
                     size_t found)
{
    struct node *at = from;
    rouse_need need;

    at->color = GREY;
    while (at != NULL) {
        struct node *to = next_of(waits, at, &need);

        if (to == NULL) {
            at->color = BLACK;
            at = at->parent;
        } else if (to->color == GREY) {
            if (found++ < PRINTED_MAX) print_circle(text, to, at, need);
        } else if (to->color == WHITE) {
            to->color = GREY;
            to->parent = at;
            to->by = need;
            at = to;
        }
    }
    return found;
}

static void print_deadlocks(const struct rs_waits *waits, struct rs_text *text)
{
    struct node *table = waits->nodes.memory;
    size_t found = 0;

    for (size_t i = 0; i < capacity_of(waits); i++) {
        if (table[i].task == NULL || !table[i].is_met || table[i].color != WHITE) continue;
        found = search(waits, &table[i], text, found);
    }
    if (found > PRINTED_MAX) {
        rs_text_print(text, "deadlock: and %zu circles more\n", found - PRINTED_MAX);
    }
}

void rs_waits_print(struct rs_waits *waits, struct rs_text *text)
{
    if (waits->is_cut) rs_text_print(text, "there was no memory to see who waits for whom\n");
    if (waits->node_count == 0) return;
    print_all_needed(waits, text);
    print_futurelocks(waits, text);
    print_deadlocks(waits, text);
}

void rs_waits_deinit(struct rs_waits *waits)
{
    rs_area_free(&waits->edges);
    rs_area_free(&waits->nodes);
    *waits = (struct rs_waits){0};
}
