// SPDX-License-Identifier: MIT
//
// The console's thread: a listener and a few connections, over poll(2). It takes no lock that a
// task can hold, allocates from nobody but the system, and waits for nobody but its clients.

#ifndef RS_INSIGHT_CONSOLE_SERVER_H
#define RS_INSIGHT_CONSOLE_SERVER_H

#include <pthread.h>
#include <stdatomic.h>

#include "insight/console_conn.h"
#include "insight/console_guard.h"
#include "insight/console_recording.h"
#include "insight/console_snapshot.h"

enum { RS_SERVER_CONNS = 16 };

// All zero does not run.
struct rs_server {
    bool is_running;
    int listener;
    int wake_fd;  // readable: look at `stopping`
    _Atomic bool stopping;
    _Atomic int32_t tid;  // of its thread; 0: it has not begun, or has ended
    pthread_t thread;
    struct rouse_addr address;
    struct rs_guard guard;
    // The thread's.
    uint64_t now_ns;        // of the real clock, as of this turn
    uint64_t accept_at_ns;  // not before: there were too many descriptors
    uint64_t drain_at_ns;   // when workers' rings are to be emptied next
    struct rs_snapshots snapshots;
    struct rs_recording recording;
    struct rs_conn conns[RS_SERVER_CONNS];
};

// Listens, and starts the thread. `guard` is set; what it does not allow is -EACCES. Else errors as
// rouse_console_start(). One thread at a time starts and stops it.
int rs_server_start(struct rs_server *server, const struct rouse_addr *addr);

// Returns when its thread has ended. Does nothing if it does not run.
void rs_server_stop(struct rs_server *server);

// Whether the caller is its thread. Any thread.
bool rs_server_is_here(const struct rs_server *server);

// In the child of a fork, where its thread is not: closes what was the parent's.
void rs_server_forget(struct rs_server *server);

// The connection's request is there: makes an answer of it, or a stream.
void rs_server_route(struct rs_server *server, struct rs_conn *conn);

// Adds a snapshot to the connection's body, as its query asks.
void rs_server_snapshot(struct rs_server *server, struct rs_conn *conn);

// The connection's recording has taken as long as it was to.
void rs_server_end_recording(struct rs_server *server, struct rs_conn *conn);

// Answers with a line of text.
void rs_server_refuse(struct rs_server *server, struct rs_conn *conn, int status, const char *why);

#endif
