// SPDX-License-Identifier: MIT
//
// Snapshots as apps/rouse reads them, what has changed between two, numbers, and the screen: lines
// keep to its size whatever stands in the texts.

#include "view.h"

#include <errno.h>
#include <rouse/clock.h>
#include <stdlib.h>
#include <string.h>

#include "change.h"
#include "claim.h"
#include "number.h"
#include "table.h"

static struct snapshot first, second;

static int read_text(struct snapshot *out, const char *text)
{
    return snapshot_read(out, text, strlen(text));
}

// ---- Numbers ----

static bool count_is(double count, const char *expected)
{
    char text[NUMBER_SIZE];

    number_of_count(text, count);
    return strcmp(text, expected) == 0;
}

static bool bytes_is(uint64_t bytes, const char *expected)
{
    char text[NUMBER_SIZE];

    number_of_bytes(text, bytes);
    return strcmp(text, expected) == 0;
}

static bool duration_is(uint64_t duration_ns, const char *expected)
{
    char text[NUMBER_SIZE];

    number_of_duration(text, duration_ns);
    return strcmp(text, expected) == 0;
}

static void numbers(void)
{
    claim(count_is(0, "0") && count_is(999, "999") && count_is(1000, "1.00k") &&
              count_is(9994, "9.99k") && count_is(9996, "10.0k") && count_is(99960, "100k") &&
              count_is(999499, "999k") && count_is(999500, "1.00M") && count_is(1.8e19, "18.0E"),
          "counts have three digits");
    claim(bytes_is(1023, "1023B") && bytes_is(1024, "1.00K") && bytes_is(UINT64_MAX, "16.0E"),
          "bytes have units of 1024");
    claim(duration_is(0, "0ns") && duration_is(1500, "1.50us") && duration_is(15000000, "15.0ms") &&
              duration_is(999 * ROUSE_NS_PER_S, "999s") &&
              duration_is(3723 * ROUSE_NS_PER_S, "1:02:03") &&
              duration_is(4 * 86400 * ROUSE_NS_PER_S, "4d 0:00:00"),
          "durations go from nanoseconds to days");
}

// ---- Snapshots ----

static void snapshots(void)
{
    claim(read_text(&first,
                    "{\"pid\":7,\"program\":\"p\",\"schedulers\":[{\"name\":\"r\",\"workers\":["
                    "{\"id\":0,\"task\":\"9\",\"poll_count\":5},{\"id\":1,\"task\":null}],"
                    "\"poll_time\":[[1024,3],[0,1],[null,1],[2048,1,9]]}],"
                    "\"tasks\":{\"is_sample\":true,\"rows\":[{\"id\":\"9\",\"lints\":[\"a\",\"b\"]}"
                    "]},\"else\":[1,{}]}") == 0 &&
              first.pid == 7 && first.scheduler_count == 1 && first.worker_count == 2 &&
              strcmp(first.workers[0].task, "9") == 0 && first.workers[1].task[0] == '\0' &&
              first.tasks_are_sample && strcmp(first.tasks[0].lints, "a, b") == 0,
          "a snapshot is read, and what is unknown skipped");

    const struct rouse_histogram *h = &first.schedulers[0].poll_time;

    claim(h->count == 6 && rouse_histogram_quantile_ns(h, 0.5) == 1023 &&
              h->buckets[ROUSE_HISTOGRAM_BUCKETS - 1] == 2,
          "a bucket without a bound is the last");
    claim(read_text(&first, "{\"pid\":\"7\"}") == -EPROTO && read_text(&first, "[]") == -EPROTO &&
              read_text(&first, "{\"schedulers\":{}}") == -EPROTO &&
              read_text(&first, "{\"pid\":7}x") == -EPROTO && read_text(&first, "") == -EPROTO,
          "a member of another kind is refused");
    claim(read_text(&first, "{}") == 0 && first.pid == 0 && first.task_count == 0,
          "nothing is left of an earlier one");
}

// ---- Changes ----

static void set_up(struct snapshot *s, uint64_t time_ns, uint64_t polls)
{
    *s = (struct snapshot){.pid = 7, .time_ns = time_ns, .uptime_ns = time_ns};
    s->scheduler_count = 1;
    s->worker_count = 1;
    s->schedulers[0].worker_count = 1;
    s->schedulers[0].num_workers = 1;
    s->workers[0].poll_count = polls;
    s->workers[0].busy_ns = polls * 1000;
    s->schedulers[0].poll_time.buckets[20] = polls;
}

static void changes(void)
{
    struct change_worker rates;
    struct rouse_histogram h;
    struct change change;

    set_up(&first, 4 * ROUSE_NS_PER_S, 1000000);
    set_up(&second, 6 * ROUSE_NS_PER_S, 2000000);
    change_init(&change, &second, &first);
    rates = change_of_worker(&change, &second.schedulers[0], 0);
    change_of_poll_time(&change, &second.schedulers[0], &h);
    claim(rates.polls_per_s == 500000 && rates.busy == 0.5 && h.count == 1000000,
          "rates are those between two snapshots");

    change_init(&change, &first, NULL);
    rates = change_of_worker(&change, &first.schedulers[0], 0);
    claim(rates.polls_per_s == 250000, "without an earlier one, since the start");

    first.pid = 8;
    change_init(&change, &second, &first);
    claim(change.before == NULL, "another process is not an earlier one");

    first.pid = 7;
    change_init(&change, &first, &second);
    claim(change.before == NULL, "nor is a later one");

    first.workers[0].poll_count = 3000000;
    change_init(&change, &second, &first);
    claim(change_of_worker(&change, &second.schedulers[0], 0).polls_per_s == 0,
          "a count that has fallen has no rate");
}

// ---- The screen ----

// The widest line, in characters, and how many there are; -1 if there is a control character.
static int widest(const struct screen *screen, unsigned *lines)
{
    int width = 0, column = 0;

    *lines = 0;
    for (size_t i = 0; i < screen->size; i++) {
        unsigned char byte = (unsigned char)screen->text[i];

        if (byte == '\n') {
            ++*lines;
            column = 0;
        } else if (byte < 0x20 || byte == 0x7f) {
            return -1;
        } else if ((byte & 0xc0) != 0x80) {
            column++;
        }
        if (column > width) width = column;
    }
    return width;
}

// What anybody may have called his tasks and his program.
static void fill_with(struct snapshot *s, const char *text)
{
    set_up(s, ROUSE_NS_PER_S, UINT64_MAX);
    s->scheduler_count = SNAPSHOT_SCHEDULERS_MAX;
    s->worker_count = SNAPSHOT_WORKERS_MAX;
    s->task_count = SNAPSHOT_TASKS_MAX;
    snprintf(s->program, sizeof s->program, "%s", text);
    for (unsigned i = 0; i < s->scheduler_count; i++) {
        s->schedulers[i] = s->schedulers[0];
        s->schedulers[i].worker_count = SNAPSHOT_WORKERS_MAX;
        snprintf(s->schedulers[i].name, sizeof s->schedulers[i].name, "%s", text);
    }
    for (unsigned i = 0; i < s->task_count; i++) {
        struct snapshot_task *task = &s->tasks[i];

        *task = (struct snapshot_task){.polls = UINT64_MAX, .busy_ns = UINT64_MAX};
        snprintf(task->name, sizeof task->name, "%s", text);
        snprintf(task->waits, sizeof task->waits, "%s%s%s", text, text, text);
        snprintf(task->lints, sizeof task->lints, "%s", text);
    }
}

static bool keeps_to(struct screen *screen, const struct view *view, unsigned columns,
                     unsigned rows)
{
    unsigned lines;

    (void)view_draw(screen, view, columns, rows);
    int width = widest(screen, &lines);

    if (width >= 0 && width <= (int)columns && lines <= rows && !screen->has_failed) return true;
    printf("# %u x %u: %d wide, %u lines\n", columns, rows, width, lines);
    return false;
}

static void sizes(void)
{
    static const unsigned columns[] = {1, 2, 20, 79, 80, 109, 110, 157, 200, 1000};
    static const unsigned rows[] = {1, 2, 5, 11, 12, 24, 100};
    struct view view = {.now = &first, .target = "t", .trouble = "", .filter = ""};
    struct screen screen = {.has_unicode = true};
    bool all = true;

    fill_with(&first, "\033[2J\x9b\x7f\r\n\xc2\x9b\xff\xc3\xa4\xf0\x9f\x98\x80 and more");
    for (size_t c = 0; c < sizeof columns / sizeof columns[0]; c++) {
        for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
            all = keeps_to(&screen, &view, columns[c], rows[r]) && all;
        }
    }
    claim(all, "no line is wider than the screen, and none too many");
    view.scroll = UINT32_MAX;
    claim(keeps_to(&screen, &view, 80, 24), "nor after much scrolling");
    view = (struct view){.target = "t", .trouble = "\033refused", .filter = ""};
    claim(keeps_to(&screen, &view, 80, 24) && strstr(screen.text, "?refused; trying again") != NULL,
          "what others say cannot move the cursor");
    screen_deinit(&screen);
}

static bool shows(struct screen *screen, const char *text)
{
    char *copy = strndup(screen->text, screen->size);
    bool is_there = copy != NULL && strstr(copy, text) != NULL;

    free(copy);
    return is_there;
}

static void contents(void)
{
    struct view view = {.now = &second,
                        .before = &first,
                        .target = "t",
                        .trouble = "",
                        .order = {QUERY_NAME, false},
                        .filter = "x"};
    struct screen screen = {0};

    set_up(&first, 4 * ROUSE_NS_PER_S, 1000000);
    set_up(&second, 6 * ROUSE_NS_PER_S, 2000000);
    second.task_count = 1;
    snprintf(second.tasks[0].name, sizeof second.tasks[0].name, "caf\xc3\xa9");
    snprintf(second.tasks[0].site, sizeof second.tasks[0].site, "src/a.c:7");
    (void)view_draw(&screen, &view, 80, 24);
    claim(shows(&screen, "[|||||||       ]  50%") && shows(&screen, " 500k polls/s"),
          "a worker has its load and its rates");
    claim(shows(&screen, "NAME+") && shows(&screen, "caf?") && !shows(&screen, "src/a.c"),
          "80 columns have names, here without Unicode");
    (void)view_draw(&screen, &view, 200, 24);
    claim(shows(&screen, "src/a.c:7"), "200 have sites, too");
    second.tasks[0].name[0] = '\0';
    (void)view_draw(&screen, &view, 80, 24);
    claim(shows(&screen, "a.c:7"), "a task without a name is known by its site");
    view.is_typing = view.is_paused = true;
    (void)view_draw(&screen, &view, 80, 24);
    claim(shows(&screen, "filter: x_; paused"), "what is typed is shown");
    screen_deinit(&screen);
}

int main(void)
{
    numbers();
    snapshots();
    changes();
    sizes();
    contents();
    return claims_end();
}
