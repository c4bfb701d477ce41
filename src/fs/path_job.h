// SPDX-License-Identifier: MIT
//
// The record of a job on one or two paths. It has copies of them: the caller's may be gone.

#ifndef RS_FS_PATH_JOB_H
#define RS_FS_PATH_JOB_H

#include <sys/stat.h>

#include "fs/file.h"
#include "fs/job.h"

struct rs_path_job {
    struct rs_fs_job job;
    struct rouse_file *directory;  // a share; NULL: the working directory
    const char *path;
    const char *to;  // NULL: there is but one
    int flags;
    unsigned mode;
    int fd;             // opened, and closed with the record unless it is taken out; -1: none
    struct stat about;  // what `fd` or `path` is
    atomic_bool stop;   // set by the future that goes: what takes long may end early
    // Of a read of the whole file.
    size_t size_max;
    struct rouse_file_data *data;
    char names[];
};

// The release of every path job.
void rs_path_job_release(struct rs_fs_job *job);

// A record with one share; NULL without memory. `to` and `directory` may be NULL.
struct rs_path_job *rs_path_job_new(const struct rs_fs_job_ops *ops, struct rouse_file *directory,
                                    const char *path, const char *to);

static inline struct rs_path_job *rs_path_job_of(struct rs_fs_job *job)
{
    return ROUSE_CONTAINER_OF(job, struct rs_path_job, job);
}

// Opens with what the record says, and says in it what was opened. On a thread that may block.
int rs_path_job_open(struct rs_path_job *job);

#endif
