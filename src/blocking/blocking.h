// SPDX-License-Identifier: MIT
//
// Blocking calls that must not take the threads of the others: look-ups of names, of which every
// one may wait for half a minute when a name server does not answer.

#ifndef RS_BLOCKING_BLOCKING_H
#define RS_BLOCKING_BLOCKING_H

#include <rouse/blocking.h>

// As rouse_blocking_init(), on the runtime's pool for look-ups.
void rs_blocking_lookup_init(struct rouse_blocking *blocking, rouse_blocking_function fn, void *arg,
                             void (*free_arg)(void *arg));

#endif
