// SPDX-License-Identifier: MIT
//
// Where a console is: its address as a person writes it, or as the log of its program has it.
#ifndef TOP_TARGET_H
#define TOP_TARGET_H

#include <stdbool.h>

#define TARGET_DEFAULT "127.0.0.1:6669"

struct target {
    char host[256];  // without brackets, to be looked up
    char service[16];
    char name[280];  // "host:service", for people and for the field Host
};

// Reads "127.0.0.1:6669", "[::1]:6669", "localhost:6669", ":6669" or "6669", also as a URL with
// "http://" before and "/" behind it. All addresses of this machine ("*") are the loopback one.
bool target_parse(struct target *out, const char *text);

#endif
