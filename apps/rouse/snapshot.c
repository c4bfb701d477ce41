// SPDX-License-Identifier: MIT
//
// See snapshot.h. Each kind of object has a table of its members: a number, a text, or what a
// function reads.
#include "snapshot.h"

#include <errno.h>
#include <rouse/clock.h>
#include <stdio.h>
#include <string.h>

#include "json.h"

struct reading {
    struct json json;
    struct snapshot *out;
};

struct member {
    const char *name;
    size_t offset;
    size_t text_size;                               // 0: a number
    void (*read)(struct reading *r, void *object);  // NULL: one of the two
};

#define NUMBER(type, key, member)                       \
    {                                                   \
        .name = (key), .offset = offsetof(type, member) \
    }
#define TEXT(type, key, member)                                                                 \
    {                                                                                           \
        .name = (key), .offset = offsetof(type, member), .text_size = sizeof((type *)0)->member \
    }
#define SPECIAL(key, function)            \
    {                                     \
        .name = (key), .read = (function) \
    }
#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

// ---- Objects ----

static void member_read(struct reading *r, const struct member *member, void *object)
{
    char *place = (char *)object + member->offset;

    if (member->read != NULL) {
        member->read(r, object);
    } else if (member->text_size > 0) {
        json_string(&r->json, place, member->text_size);
    } else {
        uint64_t number = json_unsigned(&r->json);

        memcpy(place, &number, sizeof number);
    }
}

static void object_read(struct reading *r, const struct member *members, size_t count, void *object)
{
    char key[JSON_KEY_SIZE];

    json_enter_object(&r->json);
    while (json_member(&r->json, key)) {
        size_t i = 0;

        while (i < count && strcmp(members[i].name, key) != 0) i++;
        if (i < count) {
            member_read(r, &members[i], object);
        } else {
            json_skip(&r->json);
        }
    }
}

// ---- Workers ----

static void worker_task_read(struct reading *r, void *object)
{
    struct snapshot_worker *worker = object;

    if (!json_null(&r->json)) json_string(&r->json, worker->task, sizeof worker->task);
}

static const struct member worker_members[] = {
    NUMBER(struct snapshot_worker, "id", id),
    TEXT(struct snapshot_worker, "state", state),
    SPECIAL("task", worker_task_read),
    NUMBER(struct snapshot_worker, "poll_count", poll_count),
    NUMBER(struct snapshot_worker, "park_count", park_count),
    NUMBER(struct snapshot_worker, "steal_count", steal_count),
    NUMBER(struct snapshot_worker, "busy_ns", busy_ns),
    NUMBER(struct snapshot_worker, "queue", queue),
};

static void workers_read(struct reading *r, void *object)
{
    struct snapshot_scheduler *scheduler = object;

    scheduler->worker_first = r->out->worker_count;
    scheduler->worker_count = 0;
    json_enter_array(&r->json);
    while (json_element(&r->json)) {
        if (r->out->worker_count == SNAPSHOT_WORKERS_MAX) {
            json_skip(&r->json);
            continue;
        }
        struct snapshot_worker *worker = &r->out->workers[r->out->worker_count++];

        memset(worker, 0, sizeof *worker);
        scheduler->worker_count++;
        object_read(r, worker_members, COUNT_OF(worker_members), worker);
    }
}

// ---- Schedulers ----

// A bucket goes to the one of ours that it lies in. A bound of 0, or none, is that of the last.
static void histogram_read(struct reading *r, struct rouse_histogram *out)
{
    *out = (struct rouse_histogram){.size = sizeof *out};
    json_enter_array(&r->json);
    while (json_element(&r->json)) {
        uint64_t bound = 0;
        uint64_t count = 0;

        json_enter_array(&r->json);
        if (json_element(&r->json) && !json_null(&r->json)) bound = json_unsigned(&r->json);
        if (json_element(&r->json)) count = json_unsigned(&r->json);
        while (json_element(&r->json)) json_skip(&r->json);
        out->buckets[rouse_histogram_bucket(bound > 0 ? bound - 1 : ROUSE_NEVER)] += count;
        out->count += count;
    }
}

static void poll_time_read(struct reading *r, void *object)
{
    struct snapshot_scheduler *scheduler = object;

    histogram_read(r, &scheduler->poll_time);
}

static void schedule_latency_read(struct reading *r, void *object)
{
    struct snapshot_scheduler *scheduler = object;

    histogram_read(r, &scheduler->schedule_latency);
}

static const struct member metrics_members[] = {
    NUMBER(struct snapshot_scheduler, "num_workers", num_workers),
    NUMBER(struct snapshot_scheduler, "num_idle_workers", num_idle_workers),
    NUMBER(struct snapshot_scheduler, "num_alive_tasks", num_alive_tasks),
    NUMBER(struct snapshot_scheduler, "global_queue_depth", global_queue_depth),
    NUMBER(struct snapshot_scheduler, "num_blocking_threads", num_blocking_threads),
    NUMBER(struct snapshot_scheduler, "num_idle_blocking_threads", num_idle_blocking_threads),
    NUMBER(struct snapshot_scheduler, "blocking_queue_depth", blocking_queue_depth),
};

static void metrics_read(struct reading *r, void *object)
{
    object_read(r, metrics_members, COUNT_OF(metrics_members), object);
}

static const struct member scheduler_members[] = {
    TEXT(struct snapshot_scheduler, "name", name),
    TEXT(struct snapshot_scheduler, "kind", kind),
    TEXT(struct snapshot_scheduler, "reactor", reactor),
    SPECIAL("metrics", metrics_read),
    SPECIAL("workers", workers_read),
    SPECIAL("poll_time", poll_time_read),
    SPECIAL("schedule_latency", schedule_latency_read),
};

static void schedulers_read(struct reading *r, void *object)
{
    struct snapshot *out = object;

    out->scheduler_count = 0;
    out->worker_count = 0;
    json_enter_array(&r->json);
    while (json_element(&r->json)) {
        if (out->scheduler_count == SNAPSHOT_SCHEDULERS_MAX) {
            json_skip(&r->json);
            continue;
        }
        struct snapshot_scheduler *scheduler = &out->schedulers[out->scheduler_count++];

        memset(scheduler, 0, sizeof *scheduler);
        object_read(r, scheduler_members, COUNT_OF(scheduler_members), scheduler);
    }
}

// ---- Tasks ----

static void lints_read(struct reading *r, void *object)
{
    struct snapshot_task *task = object;
    size_t used = 0;

    json_enter_array(&r->json);
    while (json_element(&r->json)) {
        char lint[SNAPSHOT_TEXT_SIZE];

        json_string(&r->json, lint, sizeof lint);
        int size = snprintf(task->lints + used, sizeof task->lints - used, "%s%s",
                            used > 0 ? ", " : "", lint);

        // One that has no room is left out whole.
        if (size > 0 && (size_t)size < sizeof task->lints - used) {
            used += (size_t)size;
        } else {
            task->lints[used] = '\0';
        }
    }
}

static const struct member task_members[] = {
    TEXT(struct snapshot_task, "id", id),
    TEXT(struct snapshot_task, "name", name),
    TEXT(struct snapshot_task, "site", site),
    TEXT(struct snapshot_task, "style", style),
    TEXT(struct snapshot_task, "state", state),
    TEXT(struct snapshot_task, "waits", waits),
    SPECIAL("lints", lints_read),
    NUMBER(struct snapshot_task, "polls", polls),
    NUMBER(struct snapshot_task, "wakes", wakes),
    NUMBER(struct snapshot_task, "busy_ns", busy_ns),
    NUMBER(struct snapshot_task, "scheduled_ns", scheduled_ns),
    NUMBER(struct snapshot_task, "idle_ns", idle_ns),
};

static void rows_read(struct reading *r, void *object)
{
    struct snapshot *out = object;

    out->task_count = 0;
    json_enter_array(&r->json);
    while (json_element(&r->json)) {
        if (out->task_count == SNAPSHOT_TASKS_MAX) {
            json_skip(&r->json);
            continue;
        }
        struct snapshot_task *task = &out->tasks[out->task_count++];

        memset(task, 0, sizeof *task);
        object_read(r, task_members, COUNT_OF(task_members), task);
    }
}

static void is_sample_read(struct reading *r, void *object)
{
    struct snapshot *out = object;

    out->tasks_are_sample = json_bool(&r->json);
}

static const struct member tasks_members[] = {
    NUMBER(struct snapshot, "alive", tasks_alive),
    NUMBER(struct snapshot, "looked_at", tasks_looked_at),
    NUMBER(struct snapshot, "matched", tasks_matched),
    SPECIAL("is_sample", is_sample_read),
    SPECIAL("rows", rows_read),
};

static void tasks_read(struct reading *r, void *object)
{
    object_read(r, tasks_members, COUNT_OF(tasks_members), object);
}

// ---- The whole ----

static const struct member process_members[] = {
    NUMBER(struct snapshot, "num_timers", num_timers),
    NUMBER(struct snapshot, "num_sources", num_sources),
    NUMBER(struct snapshot, "task_bytes", task_bytes),
    NUMBER(struct snapshot, "stack_bytes", stack_bytes),
    NUMBER(struct snapshot, "buffer_bytes", buffer_bytes),
};

static void process_read(struct reading *r, void *object)
{
    object_read(r, process_members, COUNT_OF(process_members), object);
}

static const struct member snapshot_members[] = {
    NUMBER(struct snapshot, "time_ns", time_ns),
    NUMBER(struct snapshot, "pid", pid),
    NUMBER(struct snapshot, "uptime_ns", uptime_ns),
    NUMBER(struct snapshot, "rss_bytes", rss_bytes),
    TEXT(struct snapshot, "program", program),
    TEXT(struct snapshot, "version", version),
    SPECIAL("schedulers", schedulers_read),
    SPECIAL("process", process_read),
    SPECIAL("tasks", tasks_read),
};

int snapshot_read(struct snapshot *out, const char *text, size_t size)
{
    struct reading r = {.out = out};

    // The arrays are cleared as they are filled: half a megabyte that is seldom needed.
    memset(out, 0, offsetof(struct snapshot, schedulers));
    json_init(&r.json, text, size);
    object_read(&r, snapshot_members, COUNT_OF(snapshot_members), out);
    return json_end(&r.json) ? 0 : -EPROTO;
}
