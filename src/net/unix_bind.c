// SPDX-License-Identifier: MIT
//
// Descriptors of Unix sockets: opened, bound, in pairs. Any thread; nothing here waits, but for the
// file system.
//
// A socket file outlives its socket. It is stale when a connect is refused; but a file that is no
// socket refuses too, so the kind of the file is looked at first.

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/sys.h"
#include "net/unix.h"

int rs_unix_check(const struct rouse_addr *address)
{
    return address->length > 0 && address->storage.ss_family == AF_UNIX ? 0 : -EAFNOSUPPORT;
}

int rs_unix_open(int type)
{
    return rs_sys.socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

int rs_unix_open_pair(int type, int fds[2])
{
    return rs_sys.socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds);
}

static bool is_socket_file(const char *path)
{
    int fd = rs_sys.openat(AT_FDCWD, path, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
    struct stat about;

    if (fd < 0) return false;
    int err = rs_sys.fstat(fd, &about);

    (void)rs_sys.close(fd);
    return err == 0 && S_ISSOCK(about.st_mode);
}

static bool is_refused(int type, const struct rouse_addr *address)
{
    int fd = rs_unix_open(type);

    if (fd < 0) return false;
    int err = rs_sys.connect(fd, (const struct sockaddr *)&address->storage, address->length);

    (void)rs_sys.close(fd);
    return err == -ECONNREFUSED;
}

// 0 if there was a stale file and it is gone.
static int stale_remove(int type, const struct rouse_addr *address)
{
    struct sockaddr_un local = {0};

    // One byte is kept for the zero behind a path that fills its place.
    if (address->length >= sizeof local) return -EADDRINUSE;
    memcpy(&local, &address->storage, address->length);
    if (local.sun_path[0] == '\0' || !is_socket_file(local.sun_path)) return -EADDRINUSE;
    if (!is_refused(type, address)) return -EADDRINUSE;
    return rs_sys.unlinkat(AT_FDCWD, local.sun_path, 0);
}

int rs_unix_open_bound(int type, const struct rouse_addr *address, bool remove_stale)
{
    const struct sockaddr *name = (const struct sockaddr *)&address->storage;
    int err = rs_unix_check(address);

    if (err < 0) return err;
    int fd = rs_unix_open(type);

    if (fd < 0) return fd;
    err = rs_sys.bind(fd, name, address->length);
    if (err == -EADDRINUSE && remove_stale) {
        err = stale_remove(type, address);
        if (err == 0) err = rs_sys.bind(fd, name, address->length);
    }
    if (err == 0) return fd;
    (void)rs_sys.close(fd);
    return err;
}
