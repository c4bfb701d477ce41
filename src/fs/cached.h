// SPDX-License-Identifier: MIT
//
// Opening without waiting: what the kernel's cache of names can answer.

#ifndef RS_FS_CACHED_H
#define RS_FS_CACHED_H

#include <sys/stat.h>

// What is at `path`, if every name on the way is in the cache. `flags`: O_NOFOLLOW or 0.
//
// Errors: -EAGAIN: it cannot be told without waiting, or not on this kernel; others: it is so.
int rs_cached_stat(int directory_fd, const char *path, int flags, struct stat *about);

// Opens the regular file or directory at `path`, close-on-exec, and says what it is: the
// descriptor, or as rs_cached_stat(). What may have to wait otherwise, a pipe say, is not opened.
int rs_cached_open(int directory_fd, const char *path, int flags, struct stat *about);

#endif
