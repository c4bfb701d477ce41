// SPDX-License-Identifier: MIT
//
// A folder of a test's own for its files, on whatever file system the build lies.

#ifndef TESTS_API_FOLDER_H
#define TESTS_API_FOLDER_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/check.h"

static char folder[64];

static inline void folder_make(void)
{
    snprintf(folder, sizeof folder, "test_folder_XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
}

// The path of a file in it. The last eight stay valid.
static inline const char *in_folder(const char *name)
{
    static char paths[8][160];
    static unsigned next;
    char *path = paths[next++ % 8];

    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

// It is to be empty again.
static inline void folder_remove(void)
{
    CHECK_EQ(rmdir(folder), 0);
}

// Makes a file by plain calls.
static inline const char *file_make(const char *name, const char *bytes, size_t size)
{
    const char *path = in_folder(name);
    int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);

    CHECK(fd >= 0);
    CHECK_EQ(write(fd, bytes, size), size);
    CHECK_EQ(close(fd), 0);
    return path;
}

// Its bytes by plain calls, as a string.
static inline const char *file_text(const char *name)
{
    static char text[256];
    int fd = open(in_folder(name), O_RDONLY | O_CLOEXEC);
    ssize_t count = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;

    CHECK(count >= 0);
    text[count] = '\0';
    CHECK_EQ(close(fd), 0);
    return text;
}

static inline void file_remove(const char *name)
{
    CHECK_EQ(unlink(in_folder(name)), 0);
}

#endif
