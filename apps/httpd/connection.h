// SPDX-License-Identifier: MIT
//
// A connection: one fiber that reads requests and answers them until one side has had enough.
#ifndef HTTPD_CONNECTION_H
#define HTTPD_CONNECTION_H

#include "worker.h"

// Serves `tcp` in a fiber of its own, on the calling worker. Takes `tcp` in any case.
void httpd_connection_start(struct httpd_worker *worker, struct rouse_tcp *tcp);

#endif
