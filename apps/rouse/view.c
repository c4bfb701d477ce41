// SPDX-License-Identifier: MIT
//
// See view.h. From above: a line about the program, one about the connection if there is something
// to say, a paragraph for each scheduler, one for the process, and the table with what is left.
#include "view.h"

#include <rouse/clock.h>
#include <rouse/histogram.h>
#include <stdio.h>

#include "change.h"
#include "number.h"
#include "table.h"

enum {
    CELL_WIDTH = 78,  // of a worker: so two have room side by side on a wide screen
    BAR_WIDTH = 14,
    TABLE_ROWS_MIN = 6,  // that workers leave for tasks, where there are many
    LINES_BELOW = 5,     // those of a scheduler behind its workers, and of the process
};

// ---- The program ----

static void draw_title(struct screen *screen, const struct view *view)
{
    char uptime[NUMBER_SIZE];
    char memory[NUMBER_SIZE];

    screen_style_line(screen, SCREEN_BOLD);
    screen_put(screen, "rouse top");
    if (view->now != NULL) {
        number_of_uptime(uptime, view->now->uptime_ns);
        number_of_bytes(memory, view->now->rss_bytes);
        screen_putf(screen, " - %s, process %llu, up %s, %s resident", view->now->program,
                    (unsigned long long)view->now->pid, uptime, memory);
    } else {
        screen_putf(screen, " - %s", view->target);
    }
    screen_end_line(screen);
}

static void draw_trouble(struct screen *screen, const struct view *view)
{
    if (view->trouble[0] == '\0') return;
    screen_style_line(screen, SCREEN_REVERSE);
    screen_putf(screen, "%s; trying again", view->trouble);
    screen_end_line(screen);
}

// ---- Workers ----

static void draw_worker(struct screen *screen, const struct change *change,
                        const struct snapshot_scheduler *scheduler, unsigned index)
{
    const struct snapshot_worker *worker = &change->now->workers[scheduler->worker_first + index];
    struct change_worker rates = change_of_worker(change, scheduler, index);
    unsigned filled = (unsigned)(rates.busy * BAR_WIDTH + 0.5);
    char bar[BAR_WIDTH + 1] = "";
    char polls[NUMBER_SIZE];
    char steals[NUMBER_SIZE];
    char queue[NUMBER_SIZE];

    for (unsigned i = 0; i < BAR_WIDTH; i++) bar[i] = i < filled ? '|' : ' ';
    number_of_count(polls, rates.polls_per_s);
    number_of_count(steals, rates.steals_per_s);
    number_of_count(queue, (double)worker->queue);
    screen_putf(screen, "%3llu [%s]%4.0f%% %-9s %6s polls/s %6s steals/s %4s queued",
                (unsigned long long)worker->id, bar, 100 * rates.busy, worker->state, polls, steals,
                queue);
}

// Draws as many lines of workers as there is room for, and says how many are left out.
static void draw_workers(struct screen *screen, const struct change *change,
                         const struct snapshot_scheduler *scheduler)
{
    unsigned in_line = screen->columns / CELL_WIDTH > 0 ? screen->columns / CELL_WIDTH : 1;
    unsigned reserved = TABLE_ROWS_MIN + LINES_BELOW;
    unsigned index = 0;

    while (index < scheduler->worker_count) {
        bool is_last_line = screen->row + reserved + 1 >= screen->rows;

        if (is_last_line && index > 0 && scheduler->worker_count - index > in_line) break;
        for (unsigned i = 0; i < in_line && index < scheduler->worker_count; i++, index++) {
            screen_fill_to(screen, i * (CELL_WIDTH + 1));
            draw_worker(screen, change, scheduler, index);
        }
        screen_end_line(screen);
    }
    if (index >= scheduler->num_workers) return;
    screen_putf(screen, "    and %llu more workers",
                (unsigned long long)scheduler->num_workers - index);
    screen_end_line(screen);
}

// ---- Latency ----

static void draw_latency(struct screen *screen, const char *title,
                         const struct rouse_histogram *histogram)
{
    static const struct {
        const char *name;
        double part;
    } parts[] = {{"p50", 0.5}, {"p99", 0.99}, {"p99.9", 0.999}};
    char number[NUMBER_SIZE];

    screen_put_left(screen, title, 17);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0] && histogram->count > 0; i++) {
        uint64_t duration_ns = rouse_histogram_quantile_ns(histogram, parts[i].part);

        number_of_duration(number, duration_ns);
        screen_putf(screen, "%s ", parts[i].name);
        // The last bucket has no bound.
        screen_put_left(screen, duration_ns < ROUSE_NEVER - 1 ? number : "> 2 min", 9);
    }
    number_of_count(number, (double)histogram->count);
    screen_putf(screen, histogram->count > 0 ? "(of %s)" : "none", number);
    screen_end_line(screen);
}

static void draw_scheduler(struct screen *screen, const struct change *change,
                           const struct snapshot_scheduler *scheduler)
{
    // The two are not read at one moment.
    uint64_t idle = scheduler->num_idle_blocking_threads;
    uint64_t working =
        scheduler->num_blocking_threads > idle ? scheduler->num_blocking_threads - idle : 0;
    struct rouse_histogram histogram;
    char alive[NUMBER_SIZE];
    char queue[NUMBER_SIZE];

    number_of_count(alive, (double)scheduler->num_alive_tasks);
    number_of_count(queue, (double)scheduler->global_queue_depth);
    screen_putf(screen, "%s, %s: idle %llu/%llu, tasks %s, queued %s; ", scheduler->name,
                scheduler->reactor, (unsigned long long)scheduler->num_idle_workers,
                (unsigned long long)scheduler->num_workers, alive, queue);
    screen_putf(screen, "blocking %llu/%llu, queued %llu", (unsigned long long)working,
                (unsigned long long)scheduler->num_blocking_threads,
                (unsigned long long)scheduler->blocking_queue_depth);
    screen_end_line(screen);
    draw_workers(screen, change, scheduler);
    change_of_poll_time(change, scheduler, &histogram);
    draw_latency(screen, "poll time", &histogram);
    change_of_schedule_latency(change, scheduler, &histogram);
    draw_latency(screen, "schedule latency", &histogram);
}

// ---- The rest ----

static void draw_process(struct screen *screen, const struct snapshot *now)
{
    char tasks[NUMBER_SIZE];
    char stacks[NUMBER_SIZE];
    char buffers[NUMBER_SIZE];

    number_of_bytes(tasks, now->task_bytes);
    number_of_bytes(stacks, now->stack_bytes);
    number_of_bytes(buffers, now->buffer_bytes);
    screen_putf(screen, "%llu timers, %llu descriptors; memory: tasks %s, stacks %s, buffers %s",
                (unsigned long long)now->num_timers, (unsigned long long)now->num_sources, tasks,
                stacks, buffers);
    screen_end_line(screen);
}

static void draw_summary(struct screen *screen, const struct view *view)
{
    const struct snapshot *now = view->now;

    screen_putf(screen, "%llu tasks", (unsigned long long)now->tasks_alive);
    if (now->tasks_are_sample) {
        screen_putf(screen, ", %llu looked at", (unsigned long long)now->tasks_looked_at);
    }
    if (view->is_typing) {
        screen_putf(screen, "; filter: %s_", view->filter);
    } else if (view->filter[0] != '\0') {
        screen_putf(screen, ", %llu with \"%s\"", (unsigned long long)now->tasks_matched,
                    view->filter);
    }
    if (view->is_paused) screen_put(screen, "; paused");
    screen_end_line(screen);
}

// Returns how many tasks have room.
static unsigned draw_tasks(struct screen *screen, const struct view *view)
{
    const struct snapshot *now = view->now;

    table_draw_titles(screen, view->order);
    unsigned room = screen->rows - screen->row;
    unsigned scroll_max = now->task_count > room ? now->task_count - room : 0;
    unsigned scroll = view->scroll < scroll_max ? view->scroll : scroll_max;

    for (unsigned i = scroll; i < now->task_count && screen_has_room(screen); i++) {
        table_draw_task(screen, &now->tasks[i]);
    }
    return room;
}

unsigned view_draw(struct screen *screen, const struct view *view, unsigned columns, unsigned rows)
{
    struct change change;
    unsigned room = 0;

    screen_begin(screen, columns, rows);
    draw_title(screen, view);
    draw_trouble(screen, view);
    if (view->now != NULL) {
        change_init(&change, view->now, view->before);
        for (unsigned i = 0; i < view->now->scheduler_count; i++) {
            draw_scheduler(screen, &change, &view->now->schedulers[i]);
        }
        draw_process(screen, view->now);
        draw_summary(screen, view);
        room = draw_tasks(screen, view);
    } else if (view->trouble[0] == '\0') {
        screen_put(screen, "waiting for the first snapshot");
        screen_end_line(screen);
    }
    screen_end(screen);
    return room;
}
