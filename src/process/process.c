// SPDX-License-Identifier: MIT
//
// Children: started, signalled, given up. Any thread.

#include "process/process.h"

#include <errno.h>
#include <fcntl.h>
#include <rouse/assert.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/sys.h"
#include "process/child.h"

enum { STREAMS = 3 };

// ---- Where the program may be ----

// The directories that are searched where the environment names none.
static const char path_default[] = "/bin:/usr/bin";

// Room for `file` in each of the directories of `path`, with slash and zero, and the last zero.
static size_t paths_size(const char *path, const char *file)
{
    size_t directories = 1;

    for (const char *at = path; *at != '\0'; at++) directories += *at == ':';
    return strlen(path) + directories * (strlen(file) + sizeof "./") + 1;
}

static char *append(char *out, const char *text, size_t length)
{
    memcpy(out, text, length);
    return out + length;
}

// An empty directory is the current one.
static void paths_write(char *out, const char *path, const char *file)
{
    for (bool last = false; !last; path++) {
        size_t length = strcspn(path, ":");

        out = length > 0 ? append(out, path, length) : append(out, ".", 1);
        out = append(out, "/", 1);
        out = append(out, file, strlen(file) + 1);
        path += length;
        last = *path == '\0';
    }
    *out = '\0';
}

struct paths {
    char *text;  // as struct rs_child has it
    size_t size;
};

// -ENOENT for a name that is none.
static int paths_make(struct paths *paths, const char *file)
{
    const char *path = getenv("PATH");

    if (*file == '\0') return -ENOENT;
    if (path == NULL) path = path_default;
    bool is_path = strchr(file, '/') != NULL;

    paths->size = is_path ? strlen(file) + 2 : paths_size(path, file);
    paths->text = rs_alloc(rs_allocator_current(), paths->size);
    if (paths->text == NULL) return -ENOMEM;
    if (is_path) {
        memcpy(paths->text, file, strlen(file));  // the zeros are there
    } else {
        paths_write(paths->text, path, file);
    }
    return 0;
}

// ---- The streams ----

// The child's end of each stream, and ours.
struct streams {
    int child[STREAMS];   // -1: what is there already
    bool owned[STREAMS];  // the child's end was opened here, and is closed here
    struct rouse_fd *ours[STREAMS];
};

static int stream_pipe(struct streams *streams, int index)
{
    int ends[2];
    int err = rs_child_pipe(ends);
    int mine = index == STDIN_FILENO ? 1 : 0;

    if (err < 0) return err;
    err = rouse_fd_adopt(&streams->ours[index], ends[mine]);
    if (err < 0) (void)rs_sys.close(ends[mine]);
    streams->child[index] = ends[1 - mine];
    streams->owned[index] = true;
    return err;
}

static int stream_null(struct streams *streams, int index)
{
    int fd;

    do {
        fd = rs_sys.openat(AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC, 0);
    } while (fd == -EINTR);
    fd = rs_child_above_streams(fd);
    if (fd < 0) return fd;
    streams->child[index] = fd;
    streams->owned[index] = true;
    return 0;
}

static int stream_open(struct streams *streams, int index, const struct rouse_stdio *stdio)
{
    streams->child[index] = -1;
    if (stdio->kind == ROUSE_STDIO_NULL) return stream_null(streams, index);
    if (stdio->kind == ROUSE_STDIO_PIPE) return stream_pipe(streams, index);
    if (stdio->kind != ROUSE_STDIO_FD) return 0;
    streams->child[index] = stdio->fd;
    return stdio->fd >= 0 ? 0 : -EBADF;
}

static void streams_close_child(struct streams *streams)
{
    for (int i = 0; i < STREAMS; i++) {
        if (streams->owned[i]) (void)rs_sys.close(streams->child[i]);
    }
}

static void pipes_free(struct rouse_fd **pipes)
{
    for (int i = 0; i < STREAMS; i++) {
        rouse_fd_free(pipes[i]);
        pipes[i] = NULL;
    }
}

// ---- Started ----

static pid_t start(struct streams *streams, const struct rouse_process_options *options)
{
    struct rs_child child = {.argv = options->argv,
                             .env = options->env != NULL ? options->env : environ,
                             .cwd = options->cwd,
                             .new_group = options->new_group,
                             .new_session = options->new_session,
                             .keep_descriptors = options->keep_descriptors};
    struct paths paths = {0};
    int result = paths_make(&paths, options->program != NULL ? options->program : options->argv[0]);

    for (int i = 0; i < STREAMS && result == 0; i++) {
        result = stream_open(streams, i, &options->stdio[i]);
        child.fds[i] = streams->child[i];
    }
    child.paths = paths.text;
    if (result == 0) result = rs_child_start(&child);
    streams_close_child(streams);
    rs_free(rs_allocator_current(), paths.text, paths.size);
    return result;
}

// Without a pidfd waits listen to SIGCHLD instead.
static void pidfd_open(struct rouse_process *process)
{
    int fd = rs_sys.pidfd_open(process->pid);

    if (fd < 0) return;
    process->has_pidfd = true;
    rs_source_init(&process->source, fd);
}

int rouse_process_spawn(struct rouse_process **out, const struct rouse_process_options *options)
{
    struct streams streams = {0};
    struct rouse_process *process;

    rouse_assert(options->argv != NULL && options->argv[0] != NULL,
                 "a program needs arguments; argv[0] is its name");
    rs_process_sweep();
    process = rs_alloc(rouse_allocator_default(), sizeof *process);
    if (process == NULL) return -ENOMEM;
    pid_t pid = start(&streams, options);

    if (pid < 0) {
        pipes_free(streams.ours);
        rs_free(rouse_allocator_default(), process, sizeof *process);
        return pid;
    }
    // Relaxed: published with the pointer.
    atomic_store_explicit(&process->shares, 1, memory_order_relaxed);
    process->pid = pid;
    process->leads_group = options->new_group || options->new_session;
    process->kill_on_free = options->kill_on_free;
    memcpy(process->pipes, streams.ours, sizeof process->pipes);
    pidfd_open(process);
    *out = process;
    return 0;
}

// ---- Used ----

pid_t rouse_process_pid(const struct rouse_process *process)
{
    return process->pid;
}

static struct rouse_fd **pipe_at(struct rouse_process *process, int index)
{
    rouse_assert(index >= 0 && index < STREAMS, "a stream is 0, 1 or 2");
    return &process->pipes[index];
}

struct rouse_fd *rouse_process_pipe(struct rouse_process *process, int index)
{
    return *pipe_at(process, index);
}

struct rouse_fd *rouse_process_take_pipe(struct rouse_process *process, int index)
{
    struct rouse_fd **place = pipe_at(process, index);
    struct rouse_fd *pipe = *place;

    *place = NULL;
    return pipe;
}

// Call with the lock held. The child may have been reaped by somebody else all the same: then the
// pidfd tells.
static int kill_locked(struct rouse_process *process, int signal)
{
    if (process->state != RS_PROCESS_RUNNING) return -ESRCH;
    if (!process->has_pidfd) return rs_sys.kill(process->pid, signal);
    int err = rs_sys.pidfd_send_signal(process->source.fd, signal);

    return err == -ENOSYS ? rs_sys.kill(process->pid, signal) : err;
}

int rouse_process_kill(struct rouse_process *process, int signal)
{
    rs_lock(&process->lock);
    int err = kill_locked(process, signal);

    rs_unlock(&process->lock);
    return err;
}

// While the leader is not reaped, its number is that of no other group.
int rouse_process_kill_group(struct rouse_process *process, int signal)
{
    int err = -ESRCH;

    if (!process->leads_group) return -EINVAL;
    rs_lock(&process->lock);
    if (process->state == RS_PROCESS_RUNNING) err = rs_sys.kill(-process->pid, signal);
    rs_unlock(&process->lock);
    return err;
}

// ---- Given up ----

void rs_process_ref(struct rouse_process *process)
{
    // Relaxed: the caller has a share, so the count cannot reach zero meanwhile.
    atomic_fetch_add_explicit(&process->shares, 1, memory_order_relaxed);
}

void rs_process_discard(struct rouse_process *process)
{
    rs_free(rouse_allocator_default(), process, sizeof *process);
}

void rs_process_unref(struct rouse_process *process)
{
    struct rouse_exit_status status;

    // Acq_rel: the last one comes after everything that the others did.
    if (atomic_fetch_sub_explicit(&process->shares, 1, memory_order_acq_rel) != 1) return;
    if (process->has_pidfd) rs_source_close(&process->source);
    int err = rs_process_reap(process, &status);

    if (err == 0 || err == -ECHILD) {
        rs_process_discard(process);
    } else {
        rs_process_leave(process);
    }
}

void rouse_process_free(struct rouse_process *process)
{
    if (process == NULL) return;
    pipes_free(process->pipes);
    if (process->kill_on_free && process->leads_group) {
        (void)rouse_process_kill_group(process, SIGKILL);
    } else if (process->kill_on_free) {
        (void)rouse_process_kill(process, SIGKILL);
    }
    rs_process_unref(process);
}
