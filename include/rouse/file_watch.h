// SPDX-License-Identifier: MIT
//
// Watching files and directories for changes, by inotify(7). Changes are told in order. If there
// were so many that the kernel threw some away, that is told too: then look again at everything.

#ifndef ROUSE_FILE_WATCH_H
#define ROUSE_FILE_WATCH_H

#include <rouse/file_work.h>
#include <rouse/io_wait.h>

ROUSE_EXTERN_C_BEGIN

struct rouse_file_watch;

enum {
    ROUSE_CHANGE_MODIFIED = 1 << 0,    // its bytes, or its size
    ROUSE_CHANGE_ATTRIBUTES = 1 << 1,  // permissions, times, owner, number of links
    ROUSE_CHANGE_CREATED = 1 << 2,     // an entry of a watched directory came
    ROUSE_CHANGE_DELETED = 1 << 3,     // one went, or the watched file itself
    ROUSE_CHANGE_MOVED_FROM = 1 << 4,  // one was renamed: its old name,
    ROUSE_CHANGE_MOVED_TO = 1 << 5,    // and its new one; `pair` is the same
    ROUSE_CHANGE_MOVED = 1 << 6,       // the watched file itself was renamed
    ROUSE_CHANGE_WRITTEN = 1 << 7,     // one that was open for writing was closed
    ROUSE_CHANGE_ANY = (1 << 8) - 1,
    // Told without being asked for.
    ROUSE_CHANGE_OVERFLOW = 1 << 8,       // changes were lost; `id` is -1
    ROUSE_CHANGE_ENDED = 1 << 9,          // `id` is watched no longer: it was removed, or is gone
    ROUSE_CHANGE_IS_DIRECTORY = 1 << 10,  // what has changed is a directory
};

struct rouse_change {
    int id;            // what rouse_file_watch_add() returned
    uint32_t changes;  // ROUSE_CHANGE_*
    uint32_t pair;     // joins the two names of a rename; 0: none
    const char *name;  // in the watched directory, valid until the next change is asked for;
                       // "": the watched file itself
};

/// Makes a watch over nothing.
///
/// Errors:  -EMFILE, -ENFILE, -ENOMEM; -ENOSYS where there is no inotify.
/// Threads: any. Does not wait.
ROUSE_API ROUSE_NODISCARD int rouse_file_watch_new(struct rouse_file_watch **out);
/// Frees it. NULL is allowed.
///
/// Threads: any, when nobody uses it.
ROUSE_API void rouse_file_watch_free(struct rouse_file_watch *watch);

// Ends when something is watched.
struct rouse_file_watch_add {
    struct rouse_future base;
    struct rouse_file_work work;
    struct rouse_file_watch *watch;  // borrowed
    const char *path;                // borrowed
    uint32_t changes;
    int output;  // the id, or a negative errno
};

/// Watches what is at `path` for `changes`, ROUSE_CHANGE_ANY or some of it. The output is its id;
/// of something that is watched already, it is the same as before, and `changes` replaces what was
/// asked for.
///
/// Errors:  inotify_add_watch(2)'s: -ENOENT, -EACCES, -ENOSPC at the user's limit; -EAGAIN when the
///          pool's queue is full; -ENOMEM.
/// Owns:    `watch` and `path` are borrowed until the future ends.
/// Threads: any, one at a time.
/// Cancel:  terminal: it may be watched, or will be.
ROUSE_API void rouse_file_watch_add_init(struct rouse_file_watch_add *add,
                                         struct rouse_file_watch *watch, const char *path,
                                         uint32_t changes);
/// Watches what is at `path`.
///
/// Errors:  the id, -ECANCELED, or as rouse_file_watch_add_init().
/// Threads: a fiber or a plain thread.
/// Cancel:  terminal.
ROUSE_API ROUSE_NODISCARD int rouse_file_watch_add(struct rouse_file_watch *watch, const char *path,
                                                   uint32_t changes);
/// Watches `id` no longer; ROUSE_CHANGE_ENDED follows.
///
/// Errors:  -EINVAL if it is not watched.
/// Threads: any. Does not wait.
ROUSE_API int rouse_file_watch_remove(struct rouse_file_watch *watch, int id);

// Ends with the next change.
struct rouse_file_watch_next {
    struct rouse_future base;
    struct rouse_io_wait wait;
    struct rouse_file_watch *watch;  // borrowed
    struct rouse_change change;
    int output;  // 0, or a negative errno
};

/// Waits for the next change.
///
/// Errors:  read(2)'s; -ENOMEM.
/// Owns:    `watch` is borrowed until the future ends. One asks at a time.
/// Threads: any, one at a time.
/// Cancel:  total: the change is there for the next one.
ROUSE_API void rouse_file_watch_next_init(struct rouse_file_watch_next *next,
                                          struct rouse_file_watch *watch);
/// Waits for the next change.
///
/// Errors:  0, -ECANCELED, or as rouse_file_watch_next_init().
/// Threads: a fiber or a plain thread.
/// Cancel:  total.
ROUSE_API ROUSE_NODISCARD int rouse_file_watch_next(struct rouse_file_watch *watch,
                                                    struct rouse_change *change);

ROUSE_EXTERN_C_END

#endif
