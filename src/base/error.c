// SPDX-License-Identifier: MIT
//
// Error sentences: ours for the codes that mean one thing in rouse, the C library's for the rest.

#include <rouse/error.h>
#include <string.h>

const char *rouse_strerror(int error)
{
    if (error == 0) return "success";

    int code = error < 0 ? -error : error;

    if (code == ECANCELED) return "cancelled";
    if (code == ETIMEDOUT) return "deadline passed";
    if (code == EBADF) return "object closed";
    if (code == EPIPE) return "the other end is gone";
    if (code == EAGAIN) return "would have to wait, or a limit is reached";

    const char *text = strerrordesc_np(code);

    return text != NULL ? text : "unknown error";
}
