// SPDX-License-Identifier: MIT
//
// The console (rouse/console.h) of this server, where --console asks for it. It answers at an
// address of its own, so also when every worker hangs; /console of the server only leads there.
#ifndef HTTPD_CONSOLE_H
#define HTTPD_CONSOLE_H

#include <rouse/addr.h>
#include <stdbool.h>
#include <stddef.h>

struct rouse_tcp;
struct httpd_options;

// All zero: there is none.
struct httpd_console {
    struct rouse_addr address;
    bool is_on;
};

// "http://", an address, "/", and the end.
enum { HTTPD_CONSOLE_LOCATION_SIZE = ROUSE_ADDR_TEXT_MAX + 16 };

// Starts it, if the options ask for it, and prints where it is. Returns 0, or a negative errno
// after it has said what is wrong.
int httpd_console_init(struct httpd_console *console, const struct httpd_options *options);
// From here on no button is pressed any more.
void httpd_console_deinit(struct httpd_console *console);

// Where a client that has reached the server by this connection finds the console. Returns the
// length of the text.
size_t httpd_console_location(const struct httpd_console *console, const struct rouse_tcp *tcp,
                              char out[HTTPD_CONSOLE_LOCATION_SIZE]);

#endif
