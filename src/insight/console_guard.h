// SPDX-License-Identifier: MIT
//
// Whom the console answers. A page of somebody else's, in the browser of whoever looks at the
// console, must not read it or make it do anything: such a page may have its own name point here
// (DNS rebinding), which the Host tells; or ask from its own place, which the Origin tells.

#ifndef RS_INSIGHT_CONSOLE_GUARD_H
#define RS_INSIGHT_CONSOLE_GUARD_H

#include <rouse/addr.h>

#include "insight/console_request.h"

enum { RS_GUARD_HOST_MAX = 256 };

struct rs_guard {
    bool allow_remote;
    bool allow_control;
    char host[RS_GUARD_HOST_MAX];  // a name that is allowed beside the addresses; "": none
};

// Whether only this machine can reach it.
bool rs_guard_is_loopback(const struct rouse_addr *addr);

// 0, or the status of the refusal.
int rs_guard_check(const struct rs_guard *guard, const struct rs_request *request);

// The same for one that is to change something. 0 or 403.
int rs_guard_check_control(const struct rs_guard *guard, const struct rs_request *request);

#endif
