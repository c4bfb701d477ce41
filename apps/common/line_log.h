// SPDX-License-Identifier: MIT
//
// A log of lines. Each worker has one, and only its tasks use it; all write to the same file. Lines
// gather in memory, and a fiber hands them to the blocking pool, so that a slow disk holds up
// nobody. If more gathers than APP_LINE_LOG_SIZE_MAX, lines are left out, and a line on standard
// error says how many. The order of lines is that in which the worker added them.
#ifndef APP_LINE_LOG_H
#define APP_LINE_LOG_H

#include <rouse/waker.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { APP_LINE_LOG_SIZE_MAX = 8 << 20 };

struct app_line_log {
    const char *name;  // "access log"
    int fd;            // borrowed; -1: nothing is logged
    char *text;        // lines that nobody writes yet
    size_t size;
    size_t capacity;
    uint64_t left_out;
    bool is_being_written;         // a fiber sees to it
    struct rouse_waker_slot much;  // the fiber, while it waits for more lines
};

// A descriptor for the log: of a file, of standard output for "-", or -1 for NULL, which is no log.
// Returns 0 or a negative errno.
int app_line_log_open(int *out_fd, const char *path);

void app_line_log_init(struct app_line_log *log, const char *name, int fd);

// Writes out what is left, waiting for it. For a plain thread, when no worker runs any more.
void app_line_log_deinit(struct app_line_log *log);

// Room for a line of up to `size` bytes; NULL if it is to be left out.
char *app_line_log_room(struct app_line_log *log, size_t size);

// A line of `size` bytes has been put there. In a task of the worker; does not wait.
void app_line_log_add(struct app_line_log *log, size_t size);

// ---- Putting a line together. Each returns where to go on. ----

char *app_put(char *at, const char *text);
char *app_put_number(char *at, uint64_t number);

#endif
