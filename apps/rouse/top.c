// SPDX-License-Identifier: MIT
//
// See top.h. One worker runs it all. The root fiber draws, whenever there is something new; others,
// in a scope of its own, bring it: the feed, the keys, and one for each signal. None of them waits
// in the middle of a change, so they share `struct top` as it is.
//
//     feed -- snapshots, troubles ---+
//     keys -- order, filter, pause --+--> news --> root: draws
//     signals -- size, end ----------+
#include "top.h"

#include <langinfo.h>
#include <locale.h>
#include <rouse/await.h>
#include <rouse/cancel.h>
#include <rouse/error.h>
#include <rouse/log.h>
#include <rouse/runtime.h>
#include <rouse/scope.h>
#include <rouse/signal.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/complain.h"
#include "feed.h"
#include "keys.h"
#include "terminal.h"
#include "view.h"

enum {
    ESCAPE_PATIENCE_MS = 50,  // between an escape and the rest of its sequence
    TASKS_MIN = 100,          // that are asked for, also where less have room: one may scroll
    ONCE_PERIODS = 5,         // that --once waits for its second snapshot at most, and ...
    ONCE_PATIENCE_MS = 5000,  // ... so much more
};

struct top {
    const struct top_options *options;
    struct feed feed;
    struct rouse_notify news;
    struct screen screen;
    struct terminal terminal;
    struct query query;             // what the feed is asked for
    char typed[QUERY_FILTER_SIZE];  // the filter that is being typed
    bool is_typing;
    bool is_ending;
    unsigned scroll;
    unsigned room;  // for tasks
    int err;        // why it ends, if not because it is to
};

static void end_with(struct top *top, int err)
{
    top->is_ending = true;
    if (err < 0 && top->err == 0) top->err = err;
    rouse_notify_one(&top->news);
}

// ---- Drawing ----

static void draw(struct top *top, unsigned columns, unsigned rows)
{
    const struct view view = {
        .now = top->feed.now,
        .before = top->feed.before,
        .target = top->feed.target.name,
        .trouble = top->feed.trouble,
        .order = top->query.order,
        .filter = top->is_typing ? top->typed : top->query.filter,
        .is_typing = top->is_typing,
        .is_paused = top->feed.is_paused,
        .scroll = top->scroll,
    };

    top->screen.has_unicode = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    top->room = view_draw(&top->screen, &view, columns, rows);
}

static void ask(struct top *top)
{
    feed_ask(&top->feed, &top->query);
}

// A screen that has room for more tasks than were asked for asks for more.
static void ask_for_room(struct top *top)
{
    if (top->room <= top->query.tasks || top->query.tasks == SNAPSHOT_TASKS_MAX) return;
    top->query.tasks = top->room < SNAPSHOT_TASKS_MAX ? top->room : SNAPSHOT_TASKS_MAX;
    ask(top);
}

static int show(struct top *top)
{
    unsigned columns, rows;

    terminal_size(&top->terminal, &columns, &rows);
    draw(top, columns, rows);
    ask_for_room(top);
    if (top->screen.has_failed) return -ENOMEM;
    ssize_t written = rouse_fd_write_all(top->terminal.io, top->screen.text, top->screen.size);

    return written < 0 ? (int)written : 0;
}

// ---- Keys ----

static void sort_by(struct top *top, unsigned step)
{
    top->query.order = query_order_of((top->query.order.key + step) % QUERY_KEYS);
    ask(top);
}

static void scroll_by(struct top *top, int rows)
{
    unsigned count = top->feed.now == NULL ? 0 : top->feed.now->task_count;
    unsigned max = count > top->room ? count - top->room : 0;
    int64_t scroll = (int64_t)top->scroll + rows;

    top->scroll = scroll < 0 ? 0 : scroll > max ? max : (unsigned)scroll;
}

static void filter_end(struct top *top, bool is_taken)
{
    top->is_typing = false;
    if (!is_taken) return;
    memcpy(top->query.filter, top->typed, sizeof top->typed);
    top->scroll = 0;
    ask(top);
}

// Takes the last character away.
static void filter_shorten(struct top *top)
{
    size_t size = strlen(top->typed);

    while (size > 0 && ((unsigned char)top->typed[size - 1] & 0xc0) == 0x80) size--;
    if (size > 0) size--;
    top->typed[size] = '\0';
}

static void key_to_filter(struct top *top, const struct key *key)
{
    size_t size = strlen(top->typed);

    if (key->kind == KEY_TEXT && size + strlen(key->text) < sizeof top->typed) {
        memcpy(top->typed + size, key->text, strlen(key->text) + 1);
    } else if (key->kind == KEY_BACKSPACE) {
        filter_shorten(top);
    } else if (key->kind == KEY_ENTER) {
        filter_end(top, true);
    } else if (key->kind == KEY_ESCAPE) {
        filter_end(top, false);
    }
}

static void text_to_command(struct top *top, char text)
{
    switch (text) {
    case 'q':
        end_with(top, 0);
        break;
    case 's':
        sort_by(top, 1);
        break;
    case 'r':
        top->query.order.is_falling = !top->query.order.is_falling;
        ask(top);
        break;
    case '/':
        top->is_typing = true;
        memcpy(top->typed, top->query.filter, sizeof top->typed);
        break;
    case ' ':
        top->feed.is_paused = !top->feed.is_paused;
        break;
    default:
        break;
    }
}

static void key_to_command(struct top *top, const struct key *key)
{
    int page = top->room > 1 ? (int)top->room - 1 : 1;

    switch (key->kind) {
    case KEY_TEXT:
        text_to_command(top, key->text[0]);
        break;
    case KEY_RIGHT:
        sort_by(top, 1);
        break;
    case KEY_LEFT:
        sort_by(top, QUERY_KEYS - 1);
        break;
    case KEY_UP:
        scroll_by(top, -1);
        break;
    case KEY_DOWN:
        scroll_by(top, 1);
        break;
    case KEY_PAGE_UP:
        scroll_by(top, -page);
        break;
    case KEY_PAGE_DOWN:
        scroll_by(top, page);
        break;
    case KEY_HOME:
        scroll_by(top, -SNAPSHOT_TASKS_MAX);
        break;
    case KEY_END:
        scroll_by(top, SNAPSHOT_TASKS_MAX);
        break;
    default:
        break;
    }
}

static void key_pressed(struct top *top, const struct key *key)
{
    if (key->kind == KEY_CONTROL && key->text[0] == 'c') {
        end_with(top, 0);
    } else if (key->kind == KEY_CONTROL && key->text[0] == 'z') {
        int err = terminal_suspend(&top->terminal);

        if (err < 0) end_with(top, err);
    } else if (top->is_typing) {
        key_to_filter(top, key);
    } else {
        key_to_command(top, key);
    }
    rouse_notify_one(&top->news);
}

// Waits for bytes; for a short time only, if what has come may be the begin of a key. Returns how
// many came; 0 if none did in time; or a negative errno.
static ssize_t keys_wait(struct top *top, char *bytes, size_t size, bool is_for_rest)
{
    struct rouse_fd_read read;
    uint64_t deadline_ns = is_for_rest ? rouse_deadline_after(ESCAPE_PATIENCE_MS * ROUSE_NS_PER_MS)
                                       : ROUSE_NEVER;

    rouse_fd_read_init(&read, top->terminal.io, bytes, size);
    int err = rouse_await_until(&read.base, deadline_ns);

    if (err == -ETIMEDOUT) return 0;
    if (err < 0) return err;
    return read.output == 0 ? -EIO : read.output;
}

static int keys_run(void *arg)
{
    struct top *top = arg;
    char bytes[64];
    size_t size = 0;
    ssize_t count = 0;

    while (count >= 0 && !top->is_ending) {
        struct key key;
        size_t used;

        count = keys_wait(top, bytes + size, sizeof bytes - size, size > 0);
        if (count < 0) break;
        size += (size_t)count;
        while ((used = key_read(&key, bytes, size, count == 0 || size == sizeof bytes)) > 0) {
            memmove(bytes, bytes + used, size - used);
            size -= used;
            key_pressed(top, &key);
        }
    }
    // A terminal that has gone ends us.
    if (count < 0 && count != -ECANCELED) end_with(top, (int)count);
    return 0;
}

// ---- Signals ----

struct watch {
    struct top *top;
    int number;
    void (*handle)(struct top *top);
};

static void size_changed(struct top *top)
{
    rouse_notify_one(&top->news);
}

static void is_to_end(struct top *top)
{
    end_with(top, 0);
}

// Whoever stopped and continued us may have used the terminal.
static void was_continued(struct top *top)
{
    terminal_leave(&top->terminal);
    int err = terminal_enter(&top->terminal);

    if (err < 0) end_with(top, err);
    rouse_notify_one(&top->news);
}

static int watch_run(void *arg)
{
    const struct watch *watch = arg;
    struct rouse_signal signal;

    rouse_signal_init(&signal, watch->number);
    while (rouse_await(&signal.base) == 0 && signal.output > 0) {
        rouse_signal_init(&signal, watch->number);
        watch->handle(watch->top);
    }
    rouse_future_drop(&signal.base);
    return signal.output < 0 && signal.output != -ECANCELED ? signal.output : 0;
}

// ---- On a terminal ----

static int spawn(struct rouse_scope *scope, const char *name, rouse_fiber_function fn, void *arg)
{
    const struct rouse_task_attrs attrs = {.size = sizeof attrs, .name = name, .site = ROUSE_SITE};

    return rouse_scope_spawn_at(scope, NULL, fn, arg, &attrs);
}

static int draw_until_end(struct top *top)
{
    int err = 0;

    while (err == 0 && !top->is_ending) {
        err = show(top);
        if (err == 0) err = rouse_notify_wait(&top->news);
    }
    return err;
}

static int run_on_terminal(struct top *top)
{
    struct watch watches[] = {
        {top, SIGTERM, is_to_end},     {top, SIGINT, is_to_end},      {top, SIGHUP, is_to_end},
        {top, SIGWINCH, size_changed}, {top, SIGCONT, was_continued},
    };
    struct rouse_scope scope;
    int err = 0;

    rouse_scope_open(&scope, ROUSE_NEVER);
    for (size_t i = 0; i < sizeof watches / sizeof watches[0] && err == 0; i++) {
        err = spawn(&scope, "signal", watch_run, &watches[i]);
    }
    if (err == 0) err = spawn(&scope, "keys", keys_run, top);
    if (err == 0) err = spawn(&scope, "feed", feed_run, &top->feed);
    if (err == 0) err = terminal_enter(&top->terminal);
    if (err == 0) err = draw_until_end(top);
    rouse_scope_cancel(&scope, "rouse top ends");
    int failed = rouse_scope_wait(&scope, NULL);

    if (top->err < 0) return top->err;
    if (failed < 0 && failed != -ECANCELED) return failed;
    return err == -ECANCELED ? 0 : err;
}

static int run(void *arg)
{
    struct top *top = arg;
    int err = terminal_open(&top->terminal);

    if (err == -ENOTTY) {
        (void)fprintf(stderr, "%s: standard output is no terminal; --once needs none\n", app_name);
        return EXIT_FAILURE;
    }
    if (err < 0) {
        (void)app_complain("cannot open", "the terminal", err, "");
        return EXIT_FAILURE;
    }
    top->screen.is_terminal = true;
    err = run_on_terminal(top);
    terminal_close(&top->terminal);
    if (err < 0) (void)app_complain("cannot go on with", "the terminal", err, "");
    return err < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

// ---- Once ----

// From 1 to 1000.
static unsigned number_in_environment(const char *name, unsigned otherwise)
{
    const char *text = getenv(name);
    uint64_t number;

    return text != NULL && app_number_parse(text, 1, 1000, &number) ? (unsigned)number : otherwise;
}

// Waits for a second snapshot: what changed since the first is what is shown.
static int once_wait(struct top *top)
{
    int err = 0;

    while (err == 0 && top->feed.count < 2 && top->feed.trouble[0] == '\0') {
        err = rouse_notify_wait(&top->news);
    }
    return err;
}

static int run_once(void *arg)
{
    struct top *top = arg;
    uint64_t patience_ms = ONCE_PERIODS * (uint64_t)top->query.period_ms + ONCE_PATIENCE_MS;
    struct rouse_scope scope;

    rouse_scope_open(&scope, rouse_deadline_after(patience_ms * ROUSE_NS_PER_MS));
    int err = spawn(&scope, "feed", feed_run, &top->feed);

    if (err == 0) err = once_wait(top);
    rouse_scope_cancel(&scope, "one screen is all");
    (void)rouse_scope_wait(&scope, NULL);
    if (top->feed.count >= 2 && top->feed.trouble[0] == '\0') return EXIT_SUCCESS;
    (void)fprintf(stderr, "%s: %s\n", app_name,
                  top->feed.trouble[0] != '\0' ? top->feed.trouble : rouse_strerror(err));
    return EXIT_FAILURE;
}

// When no task is left, since the pipe may take its time.
static int print_once(struct top *top)
{
    unsigned rows = number_in_environment("LINES", SCREEN_ROWS_MAX);

    draw(top, number_in_environment("COLUMNS", 80), rows);
    if (!top->screen.has_failed &&
        fwrite(top->screen.text, 1, top->screen.size, stdout) == top->screen.size &&
        fflush(stdout) == 0) {
        return EXIT_SUCCESS;
    }
    return EXIT_FAILURE;
}

// ---- Both ----

// Lines of the log would be written over the screen.
static void log_ignore(void *data, const struct rouse_log_record *record)
{
    (void)data;
    (void)record;
}

static int run_with_runtime(struct top *top)
{
    const struct rouse_runtime_options runtime = {.size = sizeof runtime, .workers = 1};
    bool once = top->options->once;

    if (!once) {
        terminal_catch_faults();
        if (isatty(STDERR_FILENO)) rouse_log_set_hook(log_ignore, NULL, ROUSE_LOG_ERROR);
    }
    int status = rouse_run_with(once ? run_once : run, top, &runtime);

    if (status < 0) {
        (void)app_complain("cannot start", "the runtime", status, "");
        return EXIT_FAILURE;
    }
    return once && status == EXIT_SUCCESS ? print_once(top) : status;
}

int top_run(const struct top_options *options)
{
    struct top top = {.options = options, .query = options->query};

    (void)setlocale(LC_CTYPE, "");
    top.query.tasks = TASKS_MIN;
    if (options->once && number_in_environment("LINES", 0) > TASKS_MIN) {
        top.query.tasks = number_in_environment("LINES", 0);
    }
    if (feed_init(&top.feed, &options->target, &top.query, &top.news) < 0) {
        return app_complain("cannot start", "the feed", -ENOMEM, "") < 0;
    }
    int status = run_with_runtime(&top);

    screen_deinit(&top.screen);
    feed_deinit(&top.feed);
    return status;
}
