// SPDX-License-Identifier: MIT
//
// A job is work for the kernel that may block, in a record of its own on the heap. The record owns
// all that the kernel is told of, the memory, the paths and a share of the file, so that the future
// that wants the result may go at any time.
//
// 1. A record has two shares at most: the future's, and that of whoever executes it, the pool or a
//    ring. The last one releases what the record owns.
// 2. Whoever executes it writes the record; the future reads it only once the work has ended. What
//    the future wants to keep of it (a descriptor) it takes out, then.
// 3. A job that a ring turns down, or that comes back from it with an answer of the ring's own and
//    not of the file's, is given to the pool: its answer counts.

#ifndef RS_FS_JOB_H
#define RS_FS_JOB_H

#include <rouse/allocator.h>
#include <rouse/file_work.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "future/outcome.h"
#include "io/op.h"

struct rs_fs_job;

struct rs_fs_job_ops {
    // Does it, by ordinary system calls that may block. A thread of the pool.
    int64_t (*run)(struct rs_fs_job *job);
    // Gives back what the record owns, but for its memory. NULL: nothing.
    void (*release)(struct rs_fs_job *job);
    // Says in `job->op` what a ring is to do. False: nothing that a ring is good at. May be NULL.
    bool (*describe)(struct rs_fs_job *job);
};

// The head of every record.
struct rs_fs_job {
    const struct rs_fs_job_ops *ops;
    struct rouse_allocator allocator;  // a copy: the runtime may be gone before the record
    size_t size;
    _Atomic uint32_t shares;
    struct rs_op op;  // while a ring has it
    struct rs_outcome outcome;
    int32_t ring_result;  // once that has ended
};

// A zeroed record of `size` bytes that begins with a job, with one share; NULL without memory. What
// is in the `extra` bytes behind it is undefined.
void *rs_fs_job_new(const struct rs_fs_job_ops *ops, size_t size, size_t extra);
void rs_fs_job_unref(struct rs_fs_job *job);

// Begins work on `job`, and takes the caller's share of it.
void rs_fs_work_begin(struct rouse_file_work *work, struct rs_fs_job *job);

// True from the beginning until rs_fs_work_end().
static inline bool rs_fs_work_is_begun(const struct rouse_file_work *work)
{
    return work->job != NULL;
}

// READY: `work->result` is what the job gave, or why it never ran. The record is still there.
rouse_poll rs_fs_work_poll(struct rouse_file_work *work, struct rouse_context *cx);

// Gives up the work: also when it has not ended, and when there is none.
void rs_fs_work_end(struct rouse_file_work *work);

#endif
