// SPDX-License-Identifier: MIT
//
// One connection: an upstream is found for it, and bytes are carried both ways until both streams
// have ended. A future in a task of the worker that accepted it; while nothing moves it costs that
// task, and no buffer.
#ifndef PROXY_RELAY_H
#define PROXY_RELAY_H

#include <rouse/tcp.h>

struct proxy_worker;

// Takes a connection, in a task of the worker.
void proxy_relay_start(struct proxy_worker *worker, struct rouse_tcp *client);

#endif
