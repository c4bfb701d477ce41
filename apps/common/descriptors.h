// SPDX-License-Identifier: MIT
//
// How many connections the limit of open files has room for.
#ifndef APP_DESCRIPTORS_H
#define APP_DESCRIPTORS_H

// Raises the limit as far as it goes. Returns `wanted`, or what there is room for if that is less
// or `wanted` is 0; in the first case standard error says so. A connection takes `each` of them.
unsigned app_descriptors_room(unsigned wanted, unsigned each, unsigned workers);

#endif
