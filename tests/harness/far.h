// SPDX-License-Identifier: MIT
//
// A second network, across which tests talk to themselves where there is one: ROUSE_TEST_FAR is the
// file of a network namespace, a blank, and an address of its own there. A socket stays in the
// network of the thread that made it, so a thread goes there to make one, and comes back. How long
// the way between the two is, and what gets lost on it, is up to who made them:
// tests/blackbox/shaped_networks.sh.

#ifndef TESTS_HARNESS_FAR_H
#define TESTS_HARNESS_FAR_H

#include <rouse/addr.h>
#include <stdbool.h>

bool far_is_there(void);

// The address there, with a port; the loopback's where there is no far network.
struct rouse_addr far_address(unsigned port);

// Takes the calling thread there; nothing where there is no far network. The result is for
// far_leave(), which takes it back, on the same thread and without a wait between.
int far_enter(void);
void far_leave(int home);

// Under this mark (SO_MARK) what a socket sends gets lost on its way.
enum { FAR_MARK_LOST = 7 };

#endif
