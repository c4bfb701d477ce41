// SPDX-License-Identifier: MIT
//
// The object behind an adopted descriptor, as its operations see it.

#ifndef RS_IO_FD_H
#define RS_IO_FD_H

#include <rouse/fd.h>
#include <stdatomic.h>

#include "io/source.h"

struct rouse_fd {
    struct rs_source source;
    _Atomic uint32_t shares;
    const struct rouse_allocator *allocator;
};

// A share, which each wait has from its init to its end; the last one frees the object.
void rs_fd_ref(struct rouse_fd *fd);
void rs_fd_unref(struct rouse_fd *fd);

#endif
