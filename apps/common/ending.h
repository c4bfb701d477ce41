// SPDX-License-Identifier: MIT
//
// How a server ends: in order at the first SIGINT or SIGTERM, at once at the second.
#ifndef APP_ENDING_H
#define APP_ENDING_H

// Waits, in the root fiber, for one of the two; from then on another one ends the program, whatever
// its threads are doing. Returns its number, or a negative errno.
int app_ending_wait(void);

#endif
