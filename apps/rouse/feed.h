// SPDX-License-Identifier: MIT
//
// The stream of snapshots from a console, which is begun anew when it breaks. A fiber reads it; it
// and whoever looks at what it has read are tasks of one worker, so nothing here is locked.
#ifndef TOP_FEED_H
#define TOP_FEED_H

#include <rouse/notify.h>
#include <rouse/tcp.h>

#include "events.h"
#include "query.h"
#include "snapshot.h"

struct feed {
    struct target target;
    struct query query;
    bool is_paused;  // what comes is thrown away

    struct snapshot *now;       // the last one, or NULL
    struct snapshot *before;    // the one before it, or NULL
    unsigned count;             // of snapshots so far
    char trouble[384];          // what is wrong with the connection; empty: nothing is
    struct rouse_notify *news;  // told of snapshots and troubles

    struct snapshot *spare;  // private from here on
    struct snapshot *memory;
    struct events events;
    struct rouse_tcp *conn;  // while it reads
    bool is_to_ask_anew;
};

// Returns 0 or -ENOMEM.
int feed_init(struct feed *feed, const struct target *target, const struct query *query,
              struct rouse_notify *news);
void feed_deinit(struct feed *feed);

// A fiber's function: reads until it is cancelled.
int feed_run(void *feed);

// Asks for other tasks, or in another order, from now on. Ends a pause.
void feed_ask(struct feed *feed, const struct query *query);

#endif
