// SPDX-License-Identifier: MIT
//
// A live page about the program in a browser: its workers, tasks, times and memory, as it runs. It
// is served by a thread of its own, which answers also when every worker hangs. ROUSE_CONSOLE in
// the environment of any program switches it on as well: docs/console.md.

#ifndef ROUSE_CONSOLE_H
#define ROUSE_CONSOLE_H

#include <rouse/addr.h>

ROUSE_EXTERN_C_BEGIN

// All zero: only for this machine, and only to look.
struct rouse_console_options {
    size_t size;         // sizeof(struct rouse_console_options)
    const char *listen;  // "127.0.0.1:6669"; a port of 0 is any; NULL: that address
    const char *host;    // a name by which browsers may ask for it, beside addresses; NULL: none
    bool allow_remote;   // `listen` may be an address that others can reach
    bool allow_control;  // its actions may be run, and tasks be aborted
};

/// Starts the console. There is one in a process.
///
/// Errors:  -EALREADY if it runs; -EINVAL for an address that is none; -EACCES for one that others
///          can reach without `allow_remote`; -EADDRINUSE and what else listening gives; -EAGAIN
///          without a thread; -ENOMEM.
/// Threads: any, but for the console's own.
ROUSE_API ROUSE_NODISCARD int rouse_console_start(const struct rouse_console_options *options);

/// Ends the console, and returns when it serves nobody any more. Does nothing if it does not run.
///
/// Threads: any, but for the console's own.
ROUSE_API void rouse_console_stop(void);

/// Where the console listens, with the port that was given to it.
///
/// Errors:  -ENOENT if it does not run.
/// Threads: any.
ROUSE_API ROUSE_NODISCARD int rouse_console_address(struct rouse_addr *out);

// A button of the page.
struct rouse_console_action {
    size_t size;        // sizeof(struct rouse_console_action)
    const char *name;   // letters, digits and '-': it stands in a path
    const char *label;  // what the button says
    const char *help;   // in a sentence, what it does; NULL: nothing
    // Called on the console's thread, so it must not wait: it may spawn a task, or set a flag. 0,
    // or a negative errno, which the page shows.
    int (*run)(void *arg);
    void *arg;
};

/// Adds a button, or replaces the one with its name, whether the console runs or not. It works
/// where control is allowed.
///
/// Errors:  -EINVAL for a name or label that is empty or too long (31 and 63 bytes), or has other
///          characters; -ENOSPC above 32.
/// Owns:    texts are copied; `run` may be called with `arg` until rouse_console_stop() returns.
/// Threads: any.
ROUSE_API ROUSE_NODISCARD int rouse_console_add_action(const struct rouse_console_action *action);

ROUSE_EXTERN_C_END

#endif
