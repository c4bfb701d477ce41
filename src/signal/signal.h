// SPDX-License-Identifier: MIT
//
// The thread that takes the process's signals, as seen from the layers that need one.

#ifndef RS_SIGNAL_SIGNAL_H
#define RS_SIGNAL_SIGNAL_H

// Calls `action` on the signal thread whenever signal `number` comes: also when every worker is
// stuck. NULL: no longer; the signal stays caught. One action per signal. Any thread.
//
// Errors: as rouse_signal_init().
int rs_signal_set_action(int number, void (*action)(void));

// Ends the signal thread and gives every signal back to whoever handled it before. Waiting futures
// stay, and go on when a later use starts the thread anew. For tests that count threads and
// descriptors: a program keeps the thread for its life. Not from an action or a waker.
void rs_signal_thread_stop(void);

#endif
