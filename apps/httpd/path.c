// SPDX-License-Identifier: MIT
//
// Escapes are decoded exactly once, before segments are looked at, so `%2e%2e` is `..` and `%252e`
// is the three characters `%2e`. Decoding and normalising are one pass, writing never overtakes
// reading, and the text before `out_at` is a valid normalised path at every step.
#include "path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "chars.h"

// One character of the path, decoded, into `c`. Returns how many bytes it took, or -status.
static int char_decode(struct http_slice path, size_t at, char *c)
{
    int used = 1;

    *c = path.data[at];
    if (*c == '%') {
        if (path.size - at < 3) return -400;

        char high = path.data[at + 1];
        char low = path.data[at + 2];

        if (!http_char_is(high, HTTP_CHAR_HEX) || !http_char_is(low, HTTP_CHAR_HEX)) return -400;
        *c = (char)(http_hex_value(high) << 4 | http_hex_value(low));
        if (*c == '/') return -404;
        used = 3;
    }
    return (unsigned char)*c < 0x20 || *c == 0x7f ? -400 : used;
}

// The segment out[start..end) is complete. Returns where the next one begins, or -status.
static int segment_end(const char *out, size_t start, size_t end)
{
    size_t size = end - start;

    if (size == 0 || (size == 1 && out[start] == '.')) return (int)start;
    if (size == 2 && out[start] == '.' && out[start + 1] == '.') {
        if (start == 0) return -400;
        start--;  // the slash before the segment
        while (start > 0 && out[start - 1] != '/') {
            start--;
        }
        return (int)start;
    }
    return size > NAME_MAX ? -404 : (int)end;
}

// Ends the segment that begins at `start` and adds its slash. Returns the next start, or -status.
static int segment_close(char *out, size_t start, size_t end)
{
    int next = segment_end(out, start, end);

    if (next != (int)end || end == start) return next;  // it vanished: so does its slash
    out[next] = '/';
    return next + 1;
}

int http_path_normalize(char *out, size_t size, struct http_slice path)
{
    size_t start = 0;  // of the segment being written
    size_t end = 0;
    size_t at = 1;

    if (path.size == 0 || path.data[0] != '/') return -400;
    while (at < path.size && path.data[at] != '?') {
        if (end + 2 > size) return -414;
        if (path.data[at] == '/') {
            int next = segment_close(out, start, end);

            if (next < 0) return next;
            start = end = (size_t)next;
            at++;
            continue;
        }
        int used = char_decode(path, at, &out[end]);

        if (used < 0) return used;
        end++;
        at += (size_t)used;
    }
    int last = segment_end(out, start, end);

    if (last >= 0) out[last] = '\0';
    return last;
}

int http_path_encode(char *out, size_t size, struct http_slice path)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t end = 0;

    if (size == 0) return -ENOSPC;
    out[end++] = '/';
    for (size_t i = 0; i < path.size; i++) {
        unsigned char c = (unsigned char)path.data[i];

        if (size - end < 3) return -ENOSPC;
        if (http_char_is((char)c, HTTP_CHAR_HOST) || c == '/' || c == '~') {
            out[end++] = (char)c;
            continue;
        }
        out[end++] = '%';
        out[end++] = digits[c >> 4];
        out[end++] = digits[c & 15];
    }
    return (int)end;
}

bool http_path_is_hidden(const char *path)
{
    static const char exempt[] = ".well-known/";

    if (strncmp(path, exempt, sizeof exempt - 1) == 0) path += sizeof exempt - 1;
    return path[0] == '.' || strstr(path, "/.") != NULL;
}

// O_NONBLOCK: opening a FIFO must not wait for its writer. O_NOCTTY: nor may a terminal be taken.
static const int OPEN_FLAGS = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;

static int beneath_open(int root, const char *path, int flags)
{
    struct open_how how = {
        .flags = (unsigned)flags,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    // EAGAIN: a rename elsewhere raced with a `..` in a symbolic link; trying again is the cure.
    for (int tries = 0; tries < 8; tries++) {
        long fd = syscall(SYS_openat2, root, path, &how, sizeof how);

        if (fd >= 0) return (int)fd;
        if (errno != EAGAIN && errno != EINTR) return -errno;
    }
    return -EAGAIN;
}

int httpd_root_init(struct httpd_root *root, const char *folder)
{
    root->fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root->fd < 0) return -errno;

    // Asked by doing: old kernels answer ENOSYS, some sandboxes EPERM.
    int fd = beneath_open(root->fd, ".", O_PATH | O_CLOEXEC);

    root->has_openat2 = fd >= 0;
    if (fd >= 0) close(fd);
    return 0;
}

void httpd_root_deinit(struct httpd_root *root)
{
    if (root->fd >= 0) close(root->fd);
    root->fd = -1;
}

// Steps from folder `*at` (closed unless it is the root) into one of its folders.
static int step_into(int root, int *at, const char *name)
{
    int next = openat(*at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int err = next < 0 ? -errno : 0;

    if (*at != root) close(*at);
    *at = next;
    return err;
}

// One segment as a string; an empty one names the folder itself.
static int segment_copy(char name[NAME_MAX + 1], const char *segment, size_t size)
{
    if (size > NAME_MAX) return -ENAMETOOLONG;
    if (size == 0) segment = ".";
    if (size == 0) size = 1;
    memcpy(name, segment, size);
    name[size] = '\0';
    return strcmp(name, "..") == 0 ? -EXDEV : 0;
}

// Without openat2: one segment at a time, following no symbolic link.
static int stepwise_open(int root, const char *path)
{
    char name[NAME_MAX + 1];
    int at = root;
    int result = 0;
    const char *slash;

    while (result == 0 && (slash = strchr(path, '/')) != NULL) {
        result = segment_copy(name, path, (size_t)(slash - path));
        if (result == 0) result = step_into(root, &at, name);
        path = slash + 1;
    }
    if (result == 0) result = segment_copy(name, path, strlen(path));
    if (result == 0) {
        result = openat(at, name, OPEN_FLAGS | O_NOFOLLOW);
        if (result < 0) result = -errno;
    }
    if (at >= 0 && at != root) close(at);
    return result;
}

int httpd_root_open(const struct httpd_root *root, const char *path)
{
    if (*path == '\0') path = ".";
    if (!root->has_openat2) return stepwise_open(root->fd, path);
    return beneath_open(root->fd, path, OPEN_FLAGS);
}

int httpd_status_of_error(int err)
{
    switch (-err) {
    case ENOENT:
    case ENOTDIR:
    case ENAMETOOLONG:
    case ELOOP:
    case EXDEV:
        return 404;
    case EACCES:
    case EPERM:
        return 403;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EAGAIN:
    case ESTALE:
        return 503;
    default:
        return 500;
    }
}
