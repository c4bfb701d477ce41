// SPDX-License-Identifier: MIT
//
// Memory for the bytes of a file that is read as a whole: it grows while the file turns out larger
// than it said.

#ifndef RS_FS_CONTENTS_H
#define RS_FS_CONTENTS_H

#include <rouse/allocator.h>
#include <rouse/path.h>

// Reads from `fd` to its end: by preadv2() with `flags`, or, if they are 0, by what each kernel
// knows. `size` is what the file says its size is.
//
// Errors: -EAGAIN, -EOPNOTSUPP: with RWF_NOWAIT, not all of it is at hand; -EFBIG for more than
//         `size_max`; -ENOMEM; what reading gave.
int rs_contents_read(struct rouse_file_data **out, const struct rouse_allocator *allocator, int fd,
                     size_t size, size_t size_max, int flags);

#endif
