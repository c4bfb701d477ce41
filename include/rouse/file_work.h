// SPDX-License-Identifier: MIT
//
// A piece of file work that may block, and where it stands: with the pool, or with the driver's
// ring. Part of the futures over files; the words are private.

#ifndef ROUSE_FILE_WORK_H
#define ROUSE_FILE_WORK_H

#include <rouse/blocking.h>

ROUSE_EXTERN_C_BEGIN

struct rouse_file_work {
    struct rouse_blocking blocking;  // while the pool has it
    void *job;                       // one share of the record; NULL: there is no work
    int64_t result;
    uint32_t state;
};

ROUSE_EXTERN_C_END

#endif
