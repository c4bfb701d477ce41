// SPDX-License-Identifier: MIT
//
// Stands in front of libc's calls that a program around rouse makes by itself, so that they can
// fail too. The linker puts these functions in place (--wrap). What rouse asks of the system, and
// so comes here from inside the seam, is let pass: it was asked there.

#include <errno.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include "seam.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
int __real_openat(int directory_fd, const char *path, int flags, ...);
int __real_fstat(int fd, struct stat *out);
ssize_t __real_pread(int fd, void *buf, size_t size, off_t offset);
ssize_t __real_write(int fd, const void *buf, size_t size);
long __real_syscall(long number, ...);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
int __wrap_openat(int directory_fd, const char *path, int flags, ...);
int __wrap_fstat(int fd, struct stat *out);
ssize_t __wrap_pread(int fd, void *buf, size_t size, off_t offset);
ssize_t __wrap_write(int fd, const void *buf, size_t size);
long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f);

// True if the call is to fail; errno is set then.
static bool fails(enum fault_call call)
{
    int err = seam_is_inside() ? 0 : seam_ask(call);

    if (err < 0) errno = -err;
    return err < 0;
}

void *__wrap_malloc(size_t size)
{
    return fails(CALL_MALLOC_LIBC) ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails(CALL_MALLOC_LIBC) ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return fails(CALL_MALLOC_LIBC) ? NULL : __real_realloc(memory, size);
}

// None of the program's creates a file, so there is no mode.
int __wrap_openat(int directory_fd, const char *path, int flags, ...)
{
    return fails(CALL_OPENAT_LIBC) ? -1 : __real_openat(directory_fd, path, flags, 0);
}

int __wrap_fstat(int fd, struct stat *out)
{
    return fails(CALL_FSTAT_LIBC) ? -1 : __real_fstat(fd, out);
}

ssize_t __wrap_pread(int fd, void *buf, size_t size, off_t offset)
{
    return fails(CALL_PREAD_LIBC) ? -1 : __real_pread(fd, buf, seam_share(size), offset);
}

ssize_t __wrap_write(int fd, const void *buf, size_t size)
{
    if (seam_is_inside()) return __real_write(fd, buf, size);
    return fails(CALL_WRITE_LIBC) ? -1 : __real_write(fd, buf, seam_share(size));
}

// Every system call has six arguments at most; those that it does not use may be anything. They are
// named, as in libc's own, since a variable argument that was not passed must not be read.
long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f)
{
    if (number == SYS_openat2 && fails(CALL_OPENAT_LIBC)) return -1;
    return __real_syscall(number, a, b, c, d, e, f);
}
