// SPDX-License-Identifier: MIT
//
// The demo's own visitors: a few connections that ask for pages without hurry, so that there is
// something to see. They have a runtime of their own, with one worker, which can be ended and begun
// anew on another back end while the server goes on.
#ifndef HTTPD_DEMO_CLIENT_H
#define HTTPD_DEMO_CLIENT_H

#include <rouse/addr.h>

struct rouse_runtime;

// Begin, switch and end may block: they are for threads that may, one at a time.
struct httpd_demo_client {
    struct rouse_addr server;
    struct rouse_runtime *runtime;  // NULL: it has not begun, or could not
    bool is_on_io_uring;
};

// Returns 0 or a negative errno.
int httpd_demo_client_begin(struct httpd_demo_client *client);
// Ends the visitors, and begins with new ones on the other back end: epoll or io_uring. Where the
// kernel refuses it, the runtime takes the next best and says so.
int httpd_demo_client_switch(struct httpd_demo_client *client);
void httpd_demo_client_end(struct httpd_demo_client *client);

#endif
