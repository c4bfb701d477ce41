// SPDX-License-Identifier: MIT
//
// See feed.h. One snapshot after another is read into the spare of three; then it is the last one,
// the last one the one before it, and that the spare.
#include "feed.h"

#include <errno.h>
#include <rouse/cancel.h>
#include <rouse/error.h>
#include <rouse/sleep.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "response.h"

enum { PAUSE_MS = 1000, PATIENCE_MS = 5000 };

int feed_init(struct feed *feed, const struct target *target, const struct query *query,
              struct rouse_notify *news)
{
    *feed = (struct feed){.target = *target, .query = *query, .news = news};
    feed->memory = calloc(3, sizeof *feed->memory);
    if (feed->memory == NULL) return -ENOMEM;
    feed->spare = &feed->memory[0];
    return 0;
}

void feed_deinit(struct feed *feed)
{
    events_deinit(&feed->events);
    free(feed->memory);
}

void feed_ask(struct feed *feed, const struct query *query)
{
    feed->query = *query;
    feed->is_paused = false;
    feed->is_to_ask_anew = true;
    if (feed->conn != NULL) rouse_tcp_close(feed->conn);
}

// ---- What is wrong ----

// Says why it is not read any more; `err` is passed on.
static int trouble_is(struct feed *feed, int err, const char *why)
{
    (void)snprintf(feed->trouble, sizeof feed->trouble, "%s: %s", feed->target.name, why);
    return err;
}

static int status_is_wrong(struct feed *feed, const struct response *response)
{
    char why[64];

    if (response->status != 200) {
        (void)snprintf(why, sizeof why, "refuses with status %u", response->status);
        return trouble_is(feed, -EPROTO, why);
    }
    if (!response->has_events) return trouble_is(feed, -EPROTO, "is no console of rouse");
    return trouble_is(feed, -EPROTO, "sends an encoding that was not asked for");
}

static const char *reason_of(int err)
{
    if (err == -EPIPE) return "the program has ended";
    if (err == -EMSGSIZE) return "a snapshot is too large";
    if (err == -ETIMEDOUT) return "no answer in time";
    return rouse_strerror(err);
}

// ---- Reading ----

// Waits for more bytes, but not for ever. Returns 0 or a negative errno; -EPIPE: that was all.
static int read_more(struct feed *feed)
{
    struct rouse_deadline deadline;
    uint64_t patience_ms = 4 * (uint64_t)feed->query.period_ms + PATIENCE_MS;
    size_t size;
    char *room;
    int err = events_room(&feed->events, &room, &size);

    if (err < 0) return err;
    rouse_deadline_enter(&deadline, rouse_deadline_after(patience_ms * ROUSE_NS_PER_MS));
    ssize_t count = rouse_tcp_read(feed->conn, room, size);

    (void)rouse_deadline_leave(&deadline);
    if (count <= 0) return count < 0 ? (int)count : -EPIPE;
    events_add(&feed->events, (size_t)count);
    return 0;
}

static int read_head(struct feed *feed)
{
    struct response response;
    size_t size;
    int err = read_more(feed);

    while (err == 0) {
        const char *text = events_rest(&feed->events, &size);
        int head = response_read(&response, text, size);

        if (head < 0) return trouble_is(feed, head, "is no console of rouse");
        if (head > 0) {
            events_skip(&feed->events, (size_t)head);
            if (response.status == 200 && response.has_events && !response.is_encoded) return 0;
            return status_is_wrong(feed, &response);
        }
        err = read_more(feed);
    }
    return err;
}

static int take_snapshot(struct feed *feed, const struct event *event)
{
    struct snapshot *taken = feed->spare;
    int err = snapshot_read(taken, event->data, event->size);

    if (err < 0) return trouble_is(feed, err, "sends a snapshot that cannot be read");
    feed->spare = feed->before != NULL ? feed->before : &feed->memory[feed->count + 1];
    feed->before = feed->now;
    feed->now = taken;
    feed->count++;
    feed->trouble[0] = '\0';
    rouse_notify_one(feed->news);
    return 0;
}

static int read_events(struct feed *feed)
{
    struct event event;
    int err = 0;

    while (err == 0) {
        while (err == 0 && events_next(&feed->events, &event)) {
            if (strcmp(event.name, "snapshot") != 0 || feed->is_paused) continue;
            err = take_snapshot(feed, &event);
        }
        if (err == 0) err = read_more(feed);
    }
    return err;
}

// ---- Connections ----

static int connect_in_time(struct feed *feed)
{
    struct rouse_deadline deadline;

    rouse_deadline_enter(&deadline, rouse_deadline_after(PATIENCE_MS * ROUSE_NS_PER_MS));
    int err = rouse_tcp_connect_name(&feed->conn, feed->target.host, feed->target.service);

    (void)rouse_deadline_leave(&deadline);
    if (err < 0) feed->conn = NULL;
    return err;
}

// Connects and reads. Returns a negative errno, always.
static int read_all(struct feed *feed)
{
    char request[QUERY_REQUEST_SIZE];
    int err = connect_in_time(feed);

    if (err < 0) return err;
    feed->is_to_ask_anew = false;
    size_t size = query_request(request, &feed->query, &feed->target);
    ssize_t written = rouse_tcp_write_all(feed->conn, request, size);

    err = written < 0 ? (int)written : read_head(feed);
    if (err == 0) err = read_events(feed);
    rouse_tcp_unref(feed->conn);
    feed->conn = NULL;
    return err;
}

int feed_run(void *arg)
{
    struct feed *feed = arg;

    while (!rouse_is_cancelled()) {
        events_deinit(&feed->events);
        int err = read_all(feed);

        // The connection was closed by feed_ask().
        if (feed->is_to_ask_anew && err == -EBADF) continue;
        if (rouse_is_cancelled()) break;
        if (err != -EPROTO) (void)trouble_is(feed, err, reason_of(err));
        rouse_notify_one(feed->news);
        (void)rouse_sleep(PAUSE_MS * ROUSE_NS_PER_MS);
    }
    return 0;
}
