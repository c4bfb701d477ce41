// SPDX-License-Identifier: MIT
//
// The console, as the environment asks for it.

#ifndef RS_INSIGHT_CONSOLE_H
#define RS_INSIGHT_CONSOLE_H

// Switches it on at `listen` for as long as something is attached, and says so in the log; and why
// not, if it cannot. Does nothing if it is on already.
void rs_console_attach(const char *listen);

// What was attached is about to go. The last one ends the console, if an attach has begun it.
void rs_console_detach(void);

#endif
