// SPDX-License-Identifier: MIT
//
// Checks a trace:
//
//     trace_check [--part] FILE
//
// It is JSON; every event has the fields that the Trace Event format asks for; arrows and tasks
// begin and end once; what happens in a worker's track is in order, and no two slices of it
// overlap. Prints how many there are of each kind, how many were dropped, and one line for each
// name of a slice. Where events were dropped, pairs need not be whole; nor, with --part, which is
// for a trace of a time between, those of tasks.

#include <ctype.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// That of all threads that are no workers, behind the tracks of all those.
enum { NAME_SIZE = 256, DEPTH_MAX = 16, TRACK_OUTSIDE = INT32_MAX };

// One event, as far as it is of interest. Times are nanoseconds.
struct event {
    char phase;
    bool has_pid, has_tid, has_ts, has_dur, has_bp, has_site;
    long long tid, ts, dur;
    char name[NAME_SIZE], category[NAME_SIZE], id[NAME_SIZE], task[NAME_SIZE];
};

// The begins or ends of one kind of pair, sorted when all have been read.
struct ids {
    char **ids;
    size_t count, room;
};

struct track {
    long long tid, end;
    double end_us;  // as it is for who adds up what the file says
    bool is_named;
};

static const char *text, *at;
static struct ids begun, ended, sent, received, names;
static struct track tracks[4096];
static size_t track_count;
static unsigned long long counts[128];
static long long dropped = -1;
static struct event *event;  // the one that is read; NULL: none

__attribute__((format(printf, 1, 2), noreturn)) static void fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    printf("at byte %zu: ", (size_t)(at - text));
    vprintf(format, args);
    printf("\n%.200s\n", at - text > 100 ? at - 100 : text);
    va_end(args);
    exit(1);
}

// ---- JSON ----

static void skip_space(void)
{
    while (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r') at++;
}

static void expect(char c)
{
    skip_space();
    if (*at != c) fail("there should be a '%c'", c);
    at++;
}

static bool accept(char c)
{
    skip_space();
    if (*at == c) at++;
    return at[-1] == c && at > text;
}

static void read_escape(void)
{
    at++;
    if (*at == 'u') {
        for (int i = 1; i <= 4; i++) {
            if (!isxdigit((unsigned char)at[i])) fail("a bad \\u");
        }
        at += 5;
    } else if (*at != '\0' && strchr("\"\\/bfnrt", *at) != NULL) {
        at++;
    } else {
        fail("a bad escape");
    }
}

// Escapes stay as they are.
static void read_string(char *out)
{
    expect('"');
    const char *begin = at;

    while (*at != '"') {
        if ((unsigned char)*at < 0x20) fail("a string does not end");
        if (*at == '\\') {
            read_escape();
        } else {
            at++;
        }
    }
    if (at - begin >= NAME_SIZE) fail("a string is too long");
    memcpy(out, begin, (size_t)(at - begin));
    out[at - begin] = '\0';
    at++;
}

// In thousandths, exactly: microseconds become nanoseconds.
static long long read_number(void)
{
    char *end;
    long long value = strtoll(at, &end, 10) * 1000;

    if (end == at) fail("there should be a number");
    at = end;
    if (*at != '.') return value;
    for (int scale = 100; isdigit((unsigned char)*++at); scale /= 10) {
        if (scale == 0) fail("more digits than a nanosecond has");
        value += (*at - '0') * scale;
    }
    return value;
}

static void read_value(const char *key, int depth);

static void read_object(int depth)
{
    char key[NAME_SIZE];

    expect('{');
    if (accept('}')) return;
    do {
        skip_space();
        read_string(key);
        expect(':');
        skip_space();
        read_value(key, depth + 1);
    } while (accept(','));
    expect('}');
}

// ---- Events ----

static void take_string(const char *key, const char *value, int depth)
{
    if (strcmp(key, "dropped") == 0 && event == NULL) dropped = strtoll(value, NULL, 10);
    if (event == NULL) return;
    if (depth == 3 && strcmp(key, "ph") == 0) event->phase = value[0];
    if (depth == 3 && strcmp(key, "name") == 0) strcpy(event->name, value);
    if (depth == 3 && strcmp(key, "cat") == 0) strcpy(event->category, value);
    if (depth == 3 && strcmp(key, "id") == 0) strcpy(event->id, value);
    if (depth == 3 && strcmp(key, "bp") == 0) event->has_bp = true;
    if (depth == 4 && strcmp(key, "task") == 0) strcpy(event->task, value);
    if (depth == 4 && strcmp(key, "site") == 0) event->has_site = value[0] != '\0';
}

static void take_number(const char *key, long long value)
{
    if (event == NULL) return;
    if (strcmp(key, "pid") == 0) event->has_pid = true;
    if (strcmp(key, "tid") == 0) event->has_tid = true, event->tid = value / 1000;
    if (strcmp(key, "ts") == 0) event->has_ts = true, event->ts = value;
    if (strcmp(key, "dur") == 0) event->has_dur = true, event->dur = value;
}

static void ids_add(struct ids *ids, const char *id)
{
    if (ids->count == ids->room) {
        ids->room = ids->room > 0 ? 2 * ids->room : 1024;
        ids->ids = realloc(ids->ids, ids->room * sizeof *ids->ids);
    }
    ids->ids[ids->count++] = strdup(id);
}

static struct track *track_of(long long tid)
{
    for (size_t i = 0; i < track_count; i++) {
        if (tracks[i].tid == tid) return &tracks[i];
    }
    if (track_count == sizeof tracks / sizeof tracks[0]) fail("too many tracks");
    tracks[track_count] = (struct track){.tid = tid};
    return &tracks[track_count++];
}

// What is in the track of all other threads comes with the polls that it leads to.
static void check_order(const struct event *e)
{
    struct track *track = track_of(e->tid);
    double begin_us = (double)e->ts / 1000;

    if (e->tid == TRACK_OUTSIDE) return;
    if (!track->is_named) fail("track %lld has no name", e->tid);
    if (e->ts < track->end) fail("track %lld goes back in time", e->tid);
    if (begin_us < track->end_us) fail("track %lld goes back by a fraction", e->tid);
    track->end = e->ts + e->dur;
    track->end_us = begin_us + (double)e->dur / 1000;
}

static void check_slice(const struct event *e)
{
    if (!e->has_dur || e->dur < 0) fail("a slice has no duration");
    if (strcmp(e->category, "poll") == 0 && (e->task[0] == '\0' || !e->has_site)) {
        fail("a poll names neither task nor site");
    }
    check_order(e);
    ids_add(&names, e->name);
}

static void check_event(const struct event *e)
{
    if (e->phase == '\0' || !e->has_pid || !e->has_tid || e->name[0] == '\0') {
        fail("an event lacks a field");
    }
    counts[(unsigned char)e->phase & 127]++;
    if (e->phase == 'M') {
        if (strcmp(e->name, "thread_name") == 0) track_of(e->tid)->is_named = true;
        return;
    }
    if (!e->has_ts || e->ts < 0 || e->category[0] == '\0') fail("an event lacks a field");
    if (strchr("besf", e->phase) != NULL && e->id[0] == '\0') fail("an event has no id");
    switch (e->phase) {
    case 'X':
        check_slice(e);
        break;
    case 'i':
        check_order(e);
        break;
    case 'b':
        ids_add(&begun, e->id);
        break;
    case 'e':
        ids_add(&ended, e->id);
        break;
    case 's':
        ids_add(&sent, e->id);
        break;
    case 'f':
        if (!e->has_bp) fail("an arrow does not say where it ends");
        ids_add(&received, e->id);
        break;
    default:
        fail("an unknown kind of event: %c", e->phase);
    }
}

static void read_array(const char *key, int depth)
{
    bool are_events = depth == 1 && strcmp(key, "traceEvents") == 0;
    struct event e;

    expect('[');
    if (accept(']')) return;
    do {
        skip_space();
        e = (struct event){0};
        event = are_events ? &e : NULL;
        read_value("", depth + 1);
        if (are_events) check_event(&e);
        event = NULL;
    } while (accept(','));
    expect(']');
}

static void read_value(const char *key, int depth)
{
    char string[NAME_SIZE];

    if (depth > DEPTH_MAX) fail("too deep");
    switch (*at) {
    case '{':
        read_object(depth);
        break;
    case '[':
        read_array(key, depth);
        break;
    case '"':
        read_string(string);
        take_string(key, string, depth);
        break;
    default:
        take_number(key, read_number());
        break;
    }
}

// ---- Pairs ----

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort(struct ids *ids)
{
    if (ids->count > 0) qsort(ids->ids, ids->count, sizeof ids->ids[0], compare);
}

static void check_pairs(const char *what, struct ids *a, struct ids *b)
{
    sort(a);
    sort(b);
    for (size_t i = 0; i < a->count && i < b->count; i++) {
        if (strcmp(a->ids[i], b->ids[i]) != 0) {
            fail("%s %s or %s has no other end", what, a->ids[i], b->ids[i]);
        }
        if (i > 0 && strcmp(a->ids[i], a->ids[i - 1]) == 0) fail("two of %s", a->ids[i]);
    }
    if (a->count != b->count) fail("%s: %zu begin, %zu end", what, a->count, b->count);
}

static void print_names(void)
{
    size_t count = 0;

    sort(&names);
    for (size_t i = 0; i < names.count; i++) {
        count++;
        if (i + 1 < names.count && strcmp(names.ids[i], names.ids[i + 1]) == 0) continue;
        printf("%zu of %s\n", count, names.ids[i]);
        count = 0;
    }
}

static const char *read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    static char *buf;
    size_t size = 0;

    if (file == NULL) return NULL;
    for (;;) {
        buf = realloc(buf, size + (1 << 20) + 1);
        size_t n = fread(buf + size, 1, 1 << 20, file);

        if (n == 0) break;
        size += n;
    }
    (void)fclose(file);
    buf[size] = '\0';
    return strlen(buf) == size ? buf : NULL;
}

int main(int argc, char **argv)
{
    bool is_part = argc == 3 && strcmp(argv[1], "--part") == 0;

    text = argc == 2 || is_part ? read_file(argv[argc - 1]) : NULL;
    if (text == NULL) {
        fputs("usage: trace_check [--part] FILE\n", stderr);
        return 2;
    }
    at = text;
    skip_space();
    read_object(0);
    skip_space();
    if (*at != '\0') fail("there is more than one value");
    if (dropped < 0) fail("it does not say how many were dropped");
    if (dropped == 0) {
        if (!is_part) check_pairs("task", &begun, &ended);
        check_pairs("wake", &sent, &received);
    }
    printf("%llu slices, %llu arrows, %llu tasks, %llu steals, %lld dropped\n", counts['X'],
           counts['f'], counts['b'], counts['i'], dropped);
    print_names();
    return 0;
}
