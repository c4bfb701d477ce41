// SPDX-License-Identifier: MIT
//
// Records of jobs on paths. The pool runs them; whoever is last releases them.

#include "fs/path_job.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/sys.h"

void rs_path_job_release(struct rs_fs_job *base)
{
    struct rs_path_job *job = rs_path_job_of(base);

    rouse_file_unref(job->directory);
    if (job->fd >= 0) (void)rs_sys.close(job->fd);
}

struct rs_path_job *rs_path_job_new(const struct rs_fs_job_ops *ops, struct rouse_file *directory,
                                    const char *path, const char *to)
{
    size_t size = strlen(path) + 1;
    size_t to_size = to != NULL ? strlen(to) + 1 : 0;
    struct rs_path_job *job = rs_fs_job_new(ops, sizeof *job, size + to_size);

    if (job == NULL) return NULL;
    job->fd = -1;
    job->directory = directory != NULL ? rouse_file_ref(directory) : NULL;
    job->path = memcpy(job->names, path, size);
    if (to != NULL) job->to = memcpy(job->names + size, to, to_size);
    return job;
}

int rs_path_job_open(struct rs_path_job *job)
{
    int directory = rs_file_directory(job->directory);
    int fd;

    do {
        fd = rs_sys.openat(directory, job->path, job->flags | O_CLOEXEC, job->mode);
    } while (fd == -EINTR);
    if (fd < 0) return fd;
    int err = rs_sys.fstat(fd, &job->about);

    if (err < 0) {
        (void)rs_sys.close(fd);
        return err;
    }
    job->fd = fd;
    return 0;
}
