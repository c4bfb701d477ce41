// SPDX-License-Identifier: MIT
//
// Copying the bytes of one descriptor to another, on a thread that may block.

#ifndef RS_FS_COPY_H
#define RS_FS_COPY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

// Copies from the one's position to the other's until the end of the file, or until `*stop` is set,
// by anyone. The number of bytes, or a negative errno: -ECANCELED if it was stopped.
int64_t rs_copy_bytes(int from_fd, int to_fd, const atomic_bool *stop);

#endif
