// SPDX-License-Identifier: MIT
//
// What --demo adds to the server: buttons in the console that show what a runtime does, and
// visitors that keep it moving. All of it is bounded, each button does one thing at a time, and all
// ends with the server.
#ifndef HTTPD_DEMO_H
#define HTTPD_DEMO_H

#include <rouse/channel.h>
#include <rouse/scope.h>
#include <stdatomic.h>

#include "demo_client.h"

enum { HTTPD_DEMO_SHOWS = 6 };

struct httpd_demo;

// A button. What it does runs as a task of the server's runtime; the console's thread, which it is
// pressed on, only asks for it.
struct httpd_demo_show {
    struct httpd_demo *demo;
    unsigned which;
    atomic_bool is_running;  // or asked for
};

// All zero is a demo that was not started.
struct httpd_demo {
    struct httpd_demo_client client;
    struct rouse_channel_sender *asking;
    struct rouse_channel_receiver *asked;
    struct httpd_demo_show shows[HTTPD_DEMO_SHOWS];
};

// In the root fiber, once the server listens at `server`: adds the buttons, and starts to wait for
// them, and the visitors, in a fiber of `scope`. Returns 0, or a negative errno.
int httpd_demo_start(struct httpd_demo *demo, struct rouse_scope *scope,
                     const struct rouse_addr *server);

// When the runtime has ended. Ends the console, whose buttons would be without effect.
void httpd_demo_deinit(struct httpd_demo *demo);

#endif
