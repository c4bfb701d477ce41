// SPDX-License-Identifier: MIT
//
// See console.h.
#include "console.h"

#include <errno.h>
#include <rouse/console.h>
#include <rouse/tcp.h>
#include <stdio.h>
#include <string.h>

#include "common/complain.h"
#include "options.h"

static const char *cure(int err)
{
    switch (err) {
    case -EACCES:
        return "; others could reach it there: it takes a loopback address, unless "
               "ROUSE_CONSOLE_REMOTE=1 says that they may";
    case -EADDRINUSE:
        return "; stop who has it, or choose another address with --console=ADDR:PORT";
    default:
        return "";
    }
}

int httpd_console_init(struct httpd_console *console, const struct httpd_options *options)
{
    const struct rouse_console_options wanted = {
        .size = sizeof wanted, .listen = options->console, .allow_control = options->allow_control};
    char text[HTTPD_CONSOLE_LOCATION_SIZE];

    if (!options->has_console) return 0;
    int err = rouse_console_start(&wanted);

    if (err == 0) err = rouse_console_address(&console->address);
    if (err < 0) {
        return app_complain("cannot open the console at",
                            options->console != NULL ? options->console : "127.0.0.1:6669", err,
                            cure(err));
    }
    console->is_on = true;
    (void)httpd_console_location(console, NULL, text);
    (void)printf("console at %s\n", text);
    (void)fflush(stdout);
    return 0;
}

void httpd_console_deinit(struct httpd_console *console)
{
    if (console->is_on) rouse_console_stop();
    console->is_on = false;
}

// A console that listens on every address is found at the one by which the client came.
static bool is_every_address(const char *text)
{
    return strncmp(text, "0.0.0.0:", 8) == 0 || strncmp(text, "[::]:", 5) == 0;
}

size_t httpd_console_location(const struct httpd_console *console, const struct rouse_tcp *tcp,
                              char out[HTTPD_CONSOLE_LOCATION_SIZE])
{
    char text[ROUSE_ADDR_TEXT_MAX];
    struct rouse_addr local;

    (void)rouse_addr_format(&console->address, text, sizeof text);
    if (tcp != NULL && is_every_address(text) && rouse_tcp_local_address(tcp, &local) == 0) {
        (void)rouse_addr_format(&local, text, sizeof text);
    }
    char *port = strrchr(text, ':');

    if (port != NULL) *port = '\0';
    int size = snprintf(out, HTTPD_CONSOLE_LOCATION_SIZE, "http://%s:%u/", text,
                        rouse_addr_port(&console->address));

    return (size_t)size;
}
