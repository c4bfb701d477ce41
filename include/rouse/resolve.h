// SPDX-License-Identifier: MIT
//
// From a name to addresses. Numbers are read at once; names are looked up by the C library, so
// /etc/hosts, name servers and whatever else the machine is told to ask decide. That call blocks,
// for half a minute if no name server answers; so it runs on threads of its own, which are few, and
// keeps no other blocking call from running.

#ifndef ROUSE_RESOLVE_H
#define ROUSE_RESOLVE_H

#include <rouse/addr.h>
#include <rouse/blocking.h>
#include <rouse/future.h>

ROUSE_EXTERN_C_BEGIN

// All zero means the default for each.
struct rouse_resolve_options {
    size_t size;  // sizeof(struct rouse_resolve_options)
    int family;   // AF_INET or AF_INET6: only those; 0: both
};

// Ends with the addresses of a name.
struct rouse_resolve {
    struct rouse_future base;
    struct rouse_blocking job;  // private
    void *lookup;               // private
    struct rouse_addr *out;     // borrowed
    size_t max;
    const char *host;     // borrowed
    const char *service;  // borrowed
    int family;
    size_t found;  // how many there are: more than `output` if `out` has no room for all
    int output;    // how many were written to `out`; or a negative errno
};

/// Looks up the addresses of `host` with the port of `service`, and writes up to `max` of them to
/// `out`, in the order in which they are to be tried. `service` is a number or a name, or NULL for
/// port 0. If both are numbers ("::1", "fe80::1%eth0", "80"), it ends at the first poll and no
/// thread is used. `options` may be NULL.
///
/// At most 16 names of a runtime are looked up at once, and 1024 wait for that; see its options.
/// A shutdown waits for those under way, as for blocking jobs.
///
/// Errors:  -ENOENT: no such name or service, or no address of the family; -EAGAIN: the resolver
///          cannot answer now, or too many names wait; -EIO: the resolver failed; -ENOMEM;
///          -ECANCELED when the runtime shuts down.
/// Owns:    `out`, `host` and `service` are borrowed until the future ends.
/// Threads: any, one at a time.
/// Cancel:  total, and at once: a look-up under way goes on, its answer is thrown away, and until
///          then it counts in rouse_stats' `lookups_abandoned`.
ROUSE_API void rouse_resolve_init(struct rouse_resolve *resolve, struct rouse_addr *out, size_t max,
                                  const char *host, const char *service,
                                  const struct rouse_resolve_options *options);

/// Looks up the addresses of a name. Returns how many were written to `out`.
///
/// Errors:  as rouse_resolve_init(), -ECANCELED.
/// Threads: a fiber or a plain thread.
/// Cancel:  total.
ROUSE_API ROUSE_NODISCARD int rouse_resolve(struct rouse_addr *out, size_t max, const char *host,
                                            const char *service,
                                            const struct rouse_resolve_options *options);

ROUSE_EXTERN_C_END

#endif
