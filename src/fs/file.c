// SPDX-License-Identifier: MIT
//
// Files as objects, and the system calls that move their bytes. Any thread.

#include "fs/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <rouse/assert.h>

#include "base/alloc.h"
#include "base/rmw.h"
#include "base/sigpipe.h"
#include "base/sys.h"
#include "base/tls.h"

// ---- The object ----

int rs_file_new(struct rouse_file **out, int fd, const struct stat *about, int flags)
{
    const struct rouse_allocator *allocator = rs_allocator_current();
    struct rouse_file *file = rs_alloc(allocator, sizeof *file);

    if (file == NULL) return -ENOMEM;
    file->allocator = *allocator;
    file->is_stream = !S_ISREG(about->st_mode) && !S_ISDIR(about->st_mode) &&
                      !S_ISBLK(about->st_mode);
    file->is_direct = (flags & O_DIRECT) != 0;
    file->access = flags & O_ACCMODE;
    rs_source_init(&file->source, fd);
    // Relaxed, both: published with the pointer.
    atomic_store_explicit(&file->shares, 1, memory_order_relaxed);
    // Direct I/O always goes to the disk: RWF_NOWAIT would not keep it from waiting for that.
    atomic_store_explicit(&file->traits,
                          file->is_direct ? RS_FILE_NO_TRY_READ | RS_FILE_NO_TRY_WRITE : 0,
                          memory_order_relaxed);
    *out = file;
    return 0;
}

int rouse_file_adopt(struct rouse_file **out, int fd)
{
    int flags = rs_sys.fcntl(fd, F_GETFL, 0);
    struct stat about;

    if (flags < 0) return flags;
    int err = rs_sys.fstat(fd, &about);

    return err < 0 ? err : rs_file_new(out, fd, &about, flags);
}

int rouse_file_standard(struct rouse_file **out, int number)
{
    rouse_assert(number >= 0 && number <= 2, "the standard streams are 0, 1 and 2");
    // Not below 3: a program that has closed a stream may count on what it opens there next.
    int fd = rs_sys.fcntl(number, F_DUPFD_CLOEXEC, 3);

    if (fd < 0) return fd;
    int err = rouse_file_adopt(out, fd);

    if (err < 0) (void)rs_sys.close(fd);
    return err;
}

struct rouse_file *rouse_file_ref(struct rouse_file *file)
{
    // Relaxed: the caller has a share, so the count cannot reach zero meanwhile.
    rs_fetch_add_32(&file->shares, 1, memory_order_relaxed);
    return file;
}

void rouse_file_unref(struct rouse_file *file)
{
    if (file == NULL) return;
    // Acq_rel: the last one comes after everything that the others did.
    if (rs_fetch_sub_32(&file->shares, 1, memory_order_acq_rel) != 1) return;
    struct rouse_allocator allocator = file->allocator;

    rs_source_close(&file->source);
    rs_free(&allocator, file, sizeof *file);
}

int rouse_file_number(const struct rouse_file *file)
{
    return file->source.fd;
}

int rs_file_directory(const struct rouse_file *directory)
{
    return directory != NULL ? directory->source.fd : AT_FDCWD;
}

bool rs_file_has(const struct rouse_file *file, enum rs_file_trait trait)
{
    // Relaxed: a thread that does not know yet finds out by itself.
    return (atomic_load_explicit(&file->traits, memory_order_relaxed) & trait) != 0;
}

void rs_file_learn(struct rouse_file *file, enum rs_file_trait trait)
{
    if (rs_file_has(file, trait)) return;
    // Relaxed: as above.
    rs_fetch_or_32(&file->traits, trait, memory_order_relaxed);
}

bool rs_file_may_block(void)
{
    if (rs_tls.fiber != NULL) return false;
    rouse_assert(rs_tls.poll_depth == 0,
                 "a poll must not block; poll the future form of the operation instead");
    return true;
}

// ---- Bytes ----

static ssize_t transfer_now(int fd, const struct rs_file_transfer *t, int flags)
{
    ssize_t result;

    do {
        result = t->is_write ? rs_sys.pwritev2(fd, t->iov, t->count, t->offset, flags)
                             : rs_sys.preadv2(fd, t->iov, t->count, t->offset, flags);
    } while (result == -EINTR);
    return result;
}

// A write to a pipe or socket raises a signal if nobody reads.
static ssize_t transfer_guarded(const struct rouse_file *file, const struct rs_file_transfer *t,
                                ssize_t (*fn)(int fd, const struct rs_file_transfer *t, int flags),
                                int flags)
{
    struct rs_sigpipe_guard guard;

    if (!file->is_stream || !t->is_write) return fn(file->source.fd, t, flags);
    rs_sigpipe_hold(&guard);
    ssize_t result = fn(file->source.fd, t, flags);

    rs_sigpipe_release(&guard, result == -EPIPE);
    return result;
}

bool rs_file_is_in_memory(int fd)
{
    int64_t type;

    if (rs_sys.fstatfs_type(fd, &type) < 0) return false;
    return type == TMPFS_MAGIC || type == RAMFS_MAGIC;
}

// What a first refusal has taught. -EOPNOTSUPP unless there is nothing to wait for.
static ssize_t try_refused(struct rouse_file *file, const struct rs_file_transfer *t, ssize_t err)
{
    // A sandbox that knows the call not, or a file that may not be written: the pool will tell.
    if (err == -EPERM) return -EOPNOTSUPP;
    rs_file_learn(file, t->is_write ? RS_FILE_NO_TRY_WRITE : RS_FILE_NO_TRY_READ);
    if (err != -EOPNOTSUPP || file->is_stream || !rs_file_is_in_memory(file->source.fd)) {
        return -EOPNOTSUPP;
    }
    rs_file_learn(file, RS_FILE_IN_MEMORY);
    return transfer_now(file->source.fd, t, 0);
}

ssize_t rs_file_try(struct rouse_file *file, const struct rs_file_transfer *t)
{
    if (rs_file_has(file, RS_FILE_IN_MEMORY)) return transfer_now(file->source.fd, t, 0);
    if (rs_file_has(file, t->is_write ? RS_FILE_NO_TRY_WRITE : RS_FILE_NO_TRY_READ)) {
        return -EOPNOTSUPP;
    }
    ssize_t result = transfer_guarded(file, t, transfer_now, RWF_NOWAIT);

    if (result == -EOPNOTSUPP || result == -ENOSYS || result == -EPERM) {
        return try_refused(file, t, result);
    }
    if (result >= 0 && !file->is_stream) rs_file_learn(file, RS_FILE_AT_HAND);
    return result;
}

// The calls that each kernel and sandbox knows.
static ssize_t transfer_plainly(int fd, const struct rs_file_transfer *t, int flags)
{
    ssize_t result;

    (void)flags;
    do {
        if (t->offset == ROUSE_FILE_POSITION) {
            result = t->is_write ? rs_sys.writev(fd, t->iov, t->count)
                                 : rs_sys.readv(fd, t->iov, t->count);
        } else {
            result = t->is_write ? rs_sys.pwritev(fd, t->iov, t->count, t->offset)
                                 : rs_sys.preadv(fd, t->iov, t->count, t->offset);
        }
    } while (result == -EINTR);
    return result;
}

ssize_t rs_file_block(struct rouse_file *file, const struct rs_file_transfer *t)
{
    return transfer_guarded(file, t, transfer_plainly, 0);
}
