// SPDX-License-Identifier: MIT
//
// How many processors this process may use.

#ifndef RS_SCHED_CPUS_H
#define RS_SCHED_CPUS_H

// From the affinity mask and the cgroup's quota; at least 1.
unsigned rs_cpus_usable(void);

#endif
