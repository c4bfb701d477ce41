// SPDX-License-Identifier: MIT
//
// Errors are negative errno values, returned; `errno` itself is never set on purpose. Codes with
// one meaning everywhere:
//
//   -ECANCELED  the task was aborted, or what was waited for was cancelled
//   -ETIMEDOUT  a deadline passed
//   -EBADF      the object was closed while, or before, somebody waited on it
//   -EPIPE      the other end of a stream or channel is gone
//   -EAGAIN     a `try_` form would have to wait, or a limit on tasks or jobs is reached

#ifndef ROUSE_ERROR_H
#define ROUSE_ERROR_H

#include <errno.h>
#include <rouse/compiler.h>

ROUSE_EXTERN_C_BEGIN

/// Returns a sentence for an error code, negative as rouse returns it or positive as `errno` has
/// it: "connection reset by peer". The string lives for ever; no allocation, no lock, no locale.
///
/// Threads: any; also in a signal handler.
ROUSE_API const char *rouse_strerror(int error);

ROUSE_EXTERN_C_END

#endif
