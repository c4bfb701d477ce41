// SPDX-License-Identifier: MIT
//
// Copying, by the best way that works for these two files: within the file system, within the
// kernel, through a buffer. A thread of the pool. All of them move both positions, so a way that
// ends half-way is carried on by the next.

#include "fs/copy.h"

#include <errno.h>

#include "base/sys.h"

enum { PIECE_MAX = 4 << 20, BUFFER_SIZE = 64 << 10 };

// One step of a way: the bytes it moved, 0 at the end of the file, or a negative errno.
typedef ssize_t (*copy_step)(int from_fd, int to_fd);

static ssize_t step_in_file_system(int from_fd, int to_fd)
{
    return rs_sys.copy_file_range(from_fd, to_fd, PIECE_MAX);
}

static ssize_t step_in_kernel(int from_fd, int to_fd)
{
    return rs_sys.sendfile(to_fd, from_fd, NULL, PIECE_MAX);
}

static ssize_t write_whole(int fd, const char *bytes, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t count = rs_sys.write(fd, bytes + done, size - done);

        if (count == -EINTR) continue;
        if (count < 0) return count;
        done += (size_t)count;
    }
    return (ssize_t)size;
}

static ssize_t step_by_buffer(int from_fd, int to_fd)
{
    char buffer[BUFFER_SIZE];
    ssize_t count = rs_sys.read(from_fd, buffer, sizeof buffer);

    return count > 0 ? write_whole(to_fd, buffer, (size_t)count) : count;
}

// True if another way may do what this one does not: across file systems, on an old kernel, for
// files whose size the kernel does not know, in a sandbox.
static bool is_refused(ssize_t err)
{
    return err == -EXDEV || err == -EINVAL || err == -EOPNOTSUPP || err == -ENOSYS ||
           err == -EPERM || err == -EBADF;
}

// Goes on by one way until the end. Adds to `*total` what it moved.
static int copy_by(copy_step step, int from_fd, int to_fd, const atomic_bool *stop, int64_t *total)
{
    for (;;) {
        // Relaxed: it only spares work.
        if (atomic_load_explicit(stop, memory_order_relaxed)) return -ECANCELED;
        ssize_t count = step(from_fd, to_fd);

        if (count == -EINTR) continue;
        if (count <= 0) return (int)count;
        *total += count;
    }
}

int64_t rs_copy_bytes(int from_fd, int to_fd, const atomic_bool *stop)
{
    static const copy_step steps[] = {step_in_file_system, step_in_kernel, step_by_buffer};
    int64_t total = 0;
    int err = 0;

    // A file of /proc has bytes although its size is 0, and the first two ways see none: so who has
    // seen none is not believed before the last.
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        err = copy_by(steps[i], from_fd, to_fd, stop, &total);
        if (err < 0 ? !is_refused(err) : total > 0) break;
    }
    return err < 0 ? err : total;
}
