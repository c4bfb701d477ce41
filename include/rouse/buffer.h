// SPDX-License-Identifier: MIT
//
// Buffers that rouse lends: a pooled read gives one to its caller when there is data to put into
// it, so that who waits for data holds none. All are of one size. Each worker keeps a few that were
// given back, for its next read.

#ifndef ROUSE_BUFFER_H
#define ROUSE_BUFFER_H

#include <rouse/compiler.h>

ROUSE_EXTERN_C_BEGIN

// What a lent buffer holds, in bytes.
enum { ROUSE_BUFFER_SIZE = 16384 };

/// Gives back a buffer that was lent. NULL is allowed.
///
/// Owns:    takes `data`, the address that was lent.
/// Threads: any; it need not be given back where it was lent.
ROUSE_API void rouse_buffer_free(void *data);

ROUSE_EXTERN_C_END

#endif
