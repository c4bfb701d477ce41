// SPDX-License-Identifier: MIT
//
// Descriptors over a Unix stream: one task opens files by name, and another, which opens none, gets
// them as descriptors. As two processes, only the first needs the right to open.

#include <errno.h>
#include <fcntl.h>
#include <rouse.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

// Answers a name with a descriptor and the byte 0, or with an errno in a byte.
static int opener(void *arg)
{
    struct rouse_tcp *conn = arg;
    struct rouse_unix_credentials peer;
    char name[4096];
    ssize_t size;

    if (rouse_unix_peer(conn, &peer) == 0) printf("user %u asks\n", (unsigned)peer.uid);
    while ((size = rouse_tcp_read(conn, name, sizeof name - 1)) > 0) {
        name[size] = '\0';
        int fd = open(name, O_RDONLY | O_CLOEXEC);
        char error = fd < 0 ? (char)errno : 0;

        size = rouse_unix_send_fds(conn, &error, 1, &fd, fd < 0 ? 0 : 1);
        if (fd >= 0) close(fd);  // the other side has its own
        if (size < 0) break;
    }
    rouse_tcp_unref(conn);
    return (int)size;
}

static int ask(struct rouse_tcp *conn, const char *name)
{
    unsigned count = 1;
    char error, text[80];
    int fd;
    ssize_t size = rouse_tcp_write_all(conn, name, strlen(name));

    if (size > 0) size = rouse_unix_recv_fds(conn, &error, 1, &fd, &count, NULL);
    if (size <= 0) return size < 0 ? (int)size : -EPIPE;
    if (count == 0) return error != 0 ? -error : -EMFILE;
    // Files are read at once; for what may wait there is rouse_fd.
    size = read(fd, text, sizeof text);
    close(fd);
    if (size > 0) printf("%s: %.*s\n", name, (int)strcspn(text, "\n"), text);
    return 0;
}

int main(int argc, char **argv)
{
    struct rouse_join_handle handle;
    struct rouse_tcp *ends[2];
    int failed = 0;

    if (argc < 2 || argv[1][0] == '-') {
        printf("Usage: fd_passing FILE...\n");
        return argc == 2 && strcmp(argv[1], "--help") == 0 ? 0 : 2;
    }
    if (rouse_unix_pair(ends) < 0 || rouse_spawn(&handle, opener, ends[1]) < 0) return 1;
    for (int i = 1; i < argc; i++) {
        int err = ask(ends[0], argv[i]);

        if (err < 0) printf("%s: %s\n", argv[i], rouse_strerror(err));
        failed |= err < 0;
    }
    rouse_tcp_unref(ends[0]);
    (void)rouse_join(&handle);
    return failed;
}
