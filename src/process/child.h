// SPDX-License-Identifier: MIT
//
// From us to a running program: what the child is to be, and the steps that make it so.
//
// 1. The child shares our memory until it runs the program, and the calling thread stands still
//    meanwhile (as after vfork). Nothing is copied, however large the process is, and no memory is
//    promised that would not be there.
// 2. Other threads run on, and may hold any lock. So the child takes none: it allocates nothing,
//    calls no function of libc, and works on what was made for it before.
// 3. It has all signals blocked until no handler of ours is left: one that ran in it would run in
//    our memory.

#ifndef RS_PROCESS_CHILD_H
#define RS_PROCESS_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

struct rs_child {
    char *const *argv;
    char *const *env;
    const char *paths;  // to be tried in order: each with its zero, and an empty one at the end
    const char *cwd;    // or NULL
    int fds[3];         // what becomes descriptor 0, 1, 2; -1: what is there already
    bool new_group;
    bool new_session;
    bool keep_descriptors;
    // Written by the child.
    int report_fd;
    int error;  // of the step that failed; 0: none
    bool is_shared;
};

// Starts the child, which runs the program when this returns: its process id. Or the error of the
// step that failed; then no child is left. Any thread.
pid_t rs_child_start(struct rs_child *child);

// Moves a descriptor of ours above the standard streams, where it is in nobody's way: a process may
// have closed its own. Takes `fd`, or passes an error on.
int rs_child_above_streams(int fd);

// pipe2() with O_CLOEXEC, with both ends above the standard streams.
int rs_child_pipe(int ends[2]);

#endif
