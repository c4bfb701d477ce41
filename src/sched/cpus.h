// SPDX-License-Identifier: MIT
//
// How many processors this process may use, and whether threads without work may keep one busy.

#ifndef RS_SCHED_CPUS_H
#define RS_SCHED_CPUS_H

#include <stdbool.h>
#include <stdint.h>

// From the affinity mask and the cgroup's quota; at least 1.
unsigned rs_cpus_usable(void);

// From the affinity mask alone, which takes one system call; at least 1.
unsigned rs_cpus_allowed(void);

// How many threads of the machine run, or wait for a processor, at this moment, by a file that
// rs_cpus_running_open() opened; 0 if that is not known. Some microseconds. The file stays open, so
// that whoever is short of descriptors does not lack one at times.
int rs_cpus_running_open(void);
unsigned rs_cpus_running(int fd);

// Whether a use of processors that a variable of the environment stands for is not wanted: it is 0.
bool rs_cpus_is_switched_off(const char *variable);

// For how long at most a thread looks around for work before it sleeps; 0: not at all. That is so
// if `no_spin`, if ROUSE_SPIN is 0, and where it would keep those that it waits for from running.
uint64_t rs_cpus_spin_max_ns(bool no_spin);

#endif
