// SPDX-License-Identifier: MIT
//
// How long one who wants the other kind of lock looks before it waits.

#ifndef RS_SYNC_RWLOCK_H
#define RS_SYNC_RWLOCK_H

#ifndef RS_RWLOCK_LOOKS
#define RS_RWLOCK_LOOKS 16
#endif

#endif
