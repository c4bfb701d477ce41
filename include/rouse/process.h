// SPDX-License-Identifier: MIT
//
// Child processes: started, fed, read from, waited for, and never left behind as zombies.
//
// A child begins with every signal at its default action and none blocked, and has no descriptors
// but its three standard streams, unless asked otherwise.

#ifndef ROUSE_PROCESS_H
#define ROUSE_PROCESS_H

#include <rouse/fd.h>
#include <rouse/future.h>
#include <rouse/io_wait.h>
#include <rouse/signal.h>
#include <stdbool.h>
#include <sys/types.h>

ROUSE_EXTERN_C_BEGIN

struct rouse_process;

// What a standard stream of the child is.
enum rouse_stdio_kind {
    ROUSE_STDIO_INHERIT = 0,  // ours; with its flags, so one that we made non-blocking stays so
    ROUSE_STDIO_NULL = 1,     // /dev/null
    ROUSE_STDIO_PIPE = 2,     // a pipe, whose other end is rouse_process_pipe()
    ROUSE_STDIO_FD = 3,       // a descriptor of the caller's, which stays open here
};

struct rouse_stdio {
    enum rouse_stdio_kind kind;
    int fd;  // for ROUSE_STDIO_FD
};

// All zero but `argv` means: same environment, directory and streams, and left to run when freed.
// Everything it points to is borrowed during the call that starts the child.
struct rouse_process_options {
    size_t size;          // sizeof(struct rouse_process_options)
    char *const *argv;    // up to a NULL; not empty
    const char *program;  // what to run; NULL: argv[0]. Without a slash it is looked for in PATH
    char *const *env;     // "NAME=value", up to a NULL; NULL: ours
    const char *cwd;      // where the child runs, and where a relative `program` is; NULL: here
    struct rouse_stdio stdio[3];  // standard input, output and error
    bool new_group;               // the child leads a process group of its own
    bool new_session;             // a session too, without a controlling terminal
    bool keep_descriptors;        // pass on what is not marked close-on-exec, too
    bool kill_on_free;            // rouse_process_free() ends it, and the group that it leads
};

/// Starts a child. It runs the program when this returns: what fails before is reported here. The
/// call takes as long as the kernel needs to load the program, and waits for nothing else.
///
/// Errors:  of the step that failed: -ENOENT or -EACCES of the program or of `cwd`, -ENOEXEC,
///          -E2BIG, -EBADF for a descriptor, -EMFILE, -EAGAIN at the limit of processes, -ENOMEM.
///          Nothing is left behind then.
/// Owns:    `*out` is the caller's until rouse_process_free().
/// Threads: any.
ROUSE_API ROUSE_NODISCARD int rouse_process_spawn(struct rouse_process **out,
                                                  const struct rouse_process_options *options);

/// Gives the child up. One that runs is killed if it was started with `kill_on_free`, and else goes
/// on; in both cases rouse reaps it when it ends, also after the runtime is gone, so no zombie is
/// left. Waits that were begun go on. NULL is allowed.
///
/// Owns:    frees the pipes that were not taken.
/// Threads: any.
ROUSE_API void rouse_process_free(struct rouse_process *process);

/// The child's process id. When the child has been waited for, the number may be another's.
///
/// Threads: any.
ROUSE_API pid_t rouse_process_pid(const struct rouse_process *process);

/// Our end of stream `index` (0: standard input, 1: output, 2: error); NULL if it is no pipe, or
/// was taken.
///
/// Owns:    stays the process's.
/// Threads: any, but not while it is taken.
ROUSE_API struct rouse_fd *rouse_process_pipe(struct rouse_process *process, int index);

/// Moves our end of stream `index` out. To end the child's input, free it.
///
/// Owns:    the caller's then, also after rouse_process_free(); NULL as rouse_process_pipe().
/// Threads: any, one at a time.
ROUSE_API struct rouse_fd *rouse_process_take_pipe(struct rouse_process *process, int index);

/// Sends a signal to the child, and to no other process, even if its number has been given away.
///
/// Errors:  -ESRCH when it has ended and was waited for; -EINVAL, -EPERM as kill(2).
/// Threads: any.
ROUSE_API int rouse_process_kill(struct rouse_process *process, int signal);

/// Sends a signal to the group that the child leads: to what it has started, too.
///
/// Errors:  as rouse_process_kill(); -EINVAL if it was started without `new_group` or
///          `new_session`.
/// Threads: any.
ROUSE_API int rouse_process_kill_group(struct rouse_process *process, int signal);

// How a child ended.
struct rouse_exit_status {
    int code;          // what it exited with, 0 to 255; -1 if a signal ended it
    int signal;        // that ended it; 0 if it exited
    bool core_dumped;  // by that signal
};

/// How the child ended, without waiting.
///
/// Errors:  -EAGAIN while it runs; -ECHILD as rouse_process_wait_init().
/// Threads: any.
ROUSE_API ROUSE_NODISCARD int rouse_process_try_wait(struct rouse_process *process,
                                                     struct rouse_exit_status *status);

// Ends when the child has ended.
struct rouse_process_wait {
    struct rouse_future base;
    struct rouse_io_wait wait;
    struct rouse_signal signal;     // private: where the kernel has no pidfd for us
    bool listens;                   // private
    struct rouse_process *process;  // a share of its own until it ends
    struct rouse_exit_status status;
    int output;  // 0: `status` is set; or a negative errno
};

/// Completes when the child has ended. Any number of waits may be made, at once and one after the
/// other; all get the status.
///
/// Errors:  -ECHILD when somebody else has taken the status: the program ignores SIGCHLD, or calls
///          wait(2) for any child. Where pidfds are refused (before Linux 5.3, or by a filter),
///          SIGCHLD is caught from the first wait on, and its errors are rouse_signal_init()'s.
/// Owns:    `process` must be alive at init; a rouse_process_free() after that does not matter.
/// Threads: any, one at a time.
/// Cancel:  total: the child is not touched, and the status is there for the next wait.
ROUSE_API void rouse_process_wait_init(struct rouse_process_wait *wait,
                                       struct rouse_process *process);

/// Waits until the child has ended. `status` may be NULL.
///
/// Errors:  0, -ECANCELED, or as rouse_process_wait_init().
/// Threads: a fiber or a plain thread.
/// Cancel:  total.
ROUSE_API ROUSE_NODISCARD int rouse_process_wait(struct rouse_process *process,
                                                 struct rouse_exit_status *status);

// Where an output stream of a child is collected: the first `size` bytes of it. The rest is read
// and thrown away, so that a child that says too much is not held up.
struct rouse_process_capture {
    void *data;
    size_t size;
    size_t length;       // bytes collected
    uint64_t discarded;  // bytes thrown away
};

enum { ROUSE_PROCESS_SCRATCH = 2048 };

// Ends when a child has ended and all that it wrote has been read.
struct rouse_process_output {
    struct rouse_future base;
    struct rouse_process_options options;      // private from here on
    const void *input;                         // borrowed
    size_t input_size;                         //
    struct rouse_process_capture *capture[2];  // borrowed
    struct rouse_process *process;             // once started
    struct rouse_fd_write_all feed;
    struct rouse_fd_read read[2];
    struct rouse_process_wait wait;
    uint32_t busy;  // which of these four are in progress
    char scratch[ROUSE_PROCESS_SCRATCH];
    struct rouse_exit_status status;  // public: how it ended
    int output;                       // public: 0, or a negative errno
};

/// Runs a child at the first poll: feeds it `input`, collects its standard output in `out` and its
/// standard error in `err`, and waits for its end. All at once, so no full pipe holds it up. A
/// child that does not read its input is no error. What inherits its pipes keeps them open, and is
/// waited for. NULL for `input`, `out` or `err`: that stream is as `options` say, but a pipe there
/// is closed at once.
///
/// Units:   bytes.
/// Errors:  as rouse_process_spawn() and rouse_process_wait_init(); read(2)'s and write(2)'s.
/// Owns:    `options` is copied; what it points to, `input`, `out` and `err` are borrowed until the
///          future ends.
/// Threads: any, one at a time.
/// Cancel:  terminal: the child is killed, with the group that it leads; what was collected so far
///          is in `out` and `err`.
ROUSE_API void rouse_process_output_init(
    struct rouse_process_output *output, const struct rouse_process_options *options,
    const void *input, size_t input_size, struct rouse_process_capture *out,
    struct rouse_process_capture *err);

/// Runs a child to its end, as rouse_process_output_init(). `status` may be NULL.
///
/// Errors:  0, -ECANCELED, or as rouse_process_output_init().
/// Threads: a fiber or a plain thread.
/// Cancel:  terminal, as rouse_process_output_init().
ROUSE_API ROUSE_NODISCARD int rouse_process_output(
    const struct rouse_process_options *options, const void *input, size_t input_size,
    struct rouse_process_capture *out, struct rouse_process_capture *err,
    struct rouse_exit_status *status);

ROUSE_EXTERN_C_END

#endif
