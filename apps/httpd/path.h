// SPDX-License-Identifier: MIT
//
// From the path of a request to an open file below a root folder.
//
// Two walls stand between a target and the rest of the file system. The text is normalised first,
// so that no `..` is left in it. Then the kernel opens it, but only if no step, symbolic links
// included, leaves the root; where that call is missing, no symbolic link is followed.
#ifndef HTTPD_PATH_H
#define HTTPD_PATH_H

#include "slice.h"

enum { HTTP_PATH_SIZE = 4096 };  // enough for any normalised path and its zero

// Decodes the escapes of an absolute path and normalises it to a path relative to the root: no
// leading slash, no empty, `.` or `..` segment, terminated by a zero. A trailing slash is kept, for
// it says that the path names a folder; the root is "". Reading stops at a question mark.
//
// Returns the length, or the negative of a status:
// 400  a malformed escape, a control byte (NUL among them), `..` above the root, no leading slash
// 404  an escaped slash, or a segment longer than any file name: no file can have that name
// 414  the result does not fit into `size`
int http_path_normalize(char *out, size_t size, struct http_slice path);

// The inverse, for a Location field: a slash, then `path` with all but unreserved characters and
// slashes escaped. Returns the length (no zero is written), or -ENOSPC.
int http_path_encode(char *out, size_t size, struct http_slice path);

// True if a segment of a normalised path begins with a dot, save for ".well-known" at the top.
bool http_path_is_hidden(const char *path);

// A folder; files are opened below it. Never changes after init, so threads may share it.
struct httpd_root {
    int fd;
    bool has_openat2;
};

// Opens the folder. Returns 0 or a negative errno.
int httpd_root_init(struct httpd_root *root, const char *folder);
void httpd_root_deinit(struct httpd_root *root);

// Opens a normalised path for reading; never blocks on a FIFO. Returns a descriptor the caller
// closes, or a negative errno; -EXDEV and -ELOOP mean that a symbolic link was in the way.
int httpd_root_open(const struct httpd_root *root, const char *path);

// The status that tells a client about an error of httpd_root_open(): 403, 404, 500 or 503.
int httpd_status_of_error(int err);

#endif
