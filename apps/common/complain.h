// SPDX-License-Identifier: MIT
//
// What a program says on standard error when something fails.
#ifndef APP_COMPLAIN_H
#define APP_COMPLAIN_H

// What the program is called in what it says. Each program defines it.
extern const char app_name[];

// Writes "NAME: WHAT OBJECT: reason CURE"; the cure begins with "; " or is empty. Returns `err`.
int app_complain(const char *what, const char *object, int err, const char *cure);

#endif
