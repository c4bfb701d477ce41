// SPDX-License-Identifier: MIT
//
// The terminal, taken and given back. While it is taken, keys come one by one and unechoed, and we
// write to a screen of our own, beside that which the user had. There is one terminal.
//
// It is given back when the program ends, also by a fault or an abort; not by SIGKILL.
#ifndef TOP_TERMINAL_H
#define TOP_TERMINAL_H

#include <rouse/fd.h>

struct terminal {
    int fd;               // opened for us alone, so that nobody else finds it non-blocking
    struct rouse_fd *io;  // the same
};

// From here on a fault gives the terminal back. Called before there is a runtime: its own handlers
// come first, and go on to ours.
void terminal_catch_faults(void);

// Opens the terminal that standard output is. Returns 0 or a negative errno; -ENOTTY if it is none.
int terminal_open(struct terminal *terminal);
void terminal_close(struct terminal *terminal);

int terminal_enter(struct terminal *terminal);
// Does nothing if it is not taken. Waits for a terminal that takes no output, for a second.
void terminal_leave(struct terminal *terminal);

// Gives it back, stops the process as Ctrl-Z does, and takes it again when the process goes on.
int terminal_suspend(struct terminal *terminal);

// 80 and 24 if it does not know.
void terminal_size(const struct terminal *terminal, unsigned *columns, unsigned *rows);

#endif
