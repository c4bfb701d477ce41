// SPDX-License-Identifier: MIT
//
// What the buttons of the demo do: each of these is the body of a fiber, which ends when all that
// it has started has ended. When it is cancelled, that is at once. They return 0 or a negative
// errno.
#ifndef HTTPD_DEMO_SHOW_H
#define HTTPD_DEMO_SHOW_H

// 100,000 tasks that sleep for five to ten seconds.
int httpd_demo_sleepers(void *unused);
// Primes are counted by tasks that split their range until it is small.
int httpd_demo_fork_join(void *unused);
// A poll that takes 200 ms.
int httpd_demo_block(void *unused);
// A task that nothing can wake, for 20 seconds.
int httpd_demo_leak(void *unused);
// A tree of 1,110 tasks, cancelled at its root after two seconds.
int httpd_demo_tree(void *unused);

#endif
