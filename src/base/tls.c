// SPDX-License-Identifier: MIT
//
// The one definition of the thread-locals.

#include "base/tls.h"

_Thread_local struct rs_tls rs_tls __attribute__((tls_model("initial-exec")));
