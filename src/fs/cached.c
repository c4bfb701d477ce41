// SPDX-License-Identifier: MIT
//
// Opening from the cache of names, by RESOLVE_CACHED of openat2(2). Any thread; some microseconds.
//
// Opening a pipe waits for its other end, and opening a device may do anything. So the name is
// opened as a mere place first, which does nothing to what is there, and only a regular file or
// directory is then opened in earnest. Should another file come to stand there in between,
// O_NONBLOCK keeps the open from waiting for it.

#include "fs/cached.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>

#include "base/sys.h"

// True if the pool would be told the same. Everything else it may better find out by itself.
static bool is_final(int err)
{
    return err == -ENOENT || err == -ENOTDIR || err == -EMFILE || err == -ENFILE ||
           err == -ENAMETOOLONG;
}

static int answer(int err)
{
    return err >= 0 || is_final(err) ? err : -EAGAIN;
}

int rs_cached_stat(int directory_fd, const char *path, int flags, struct stat *about)
{
    int fd = rs_sys.openat2(directory_fd, path, O_PATH | O_CLOEXEC | (flags & O_NOFOLLOW), 0,
                            RESOLVE_CACHED);

    if (fd < 0) return answer(fd);
    int err = rs_sys.fstat(fd, about);

    (void)rs_sys.close(fd);
    return err < 0 ? -EAGAIN : 0;
}

int rs_cached_open(int directory_fd, const char *path, int flags, struct stat *about)
{
    // The kernel refuses these from the cache as well.
    if ((flags & (O_CREAT | O_TRUNC | O_TMPFILE | O_PATH)) != (flags & O_DIRECTORY)) return -EAGAIN;
    int err = rs_cached_stat(directory_fd, path, flags, about);

    if (err < 0) return err;
    if (!S_ISREG(about->st_mode) && !S_ISDIR(about->st_mode)) return -EAGAIN;
    int fd = rs_sys.openat2(directory_fd, path, flags | O_CLOEXEC | O_NONBLOCK, 0, RESOLVE_CACHED);

    if (fd < 0) return answer(fd);
    if ((flags & O_NONBLOCK) == 0 && rs_sys.fcntl(fd, F_SETFL, flags) < 0) {
        (void)rs_sys.close(fd);
        return -EAGAIN;
    }
    return fd;
}
