// SPDX-License-Identifier: MIT
//
// What sockets ask about addresses, and addresses from what need not be looked up.

#ifndef RS_NET_ADDR_H
#define RS_NET_ADDR_H

#include <rouse/addr.h>

// AF_UNSPEC for no address.
sa_family_t rs_addr_family(const struct rouse_addr *addr);

// True, and the IPv4 form in `*out`, for the IPv6 address that means every address.
bool rs_addr_any_as_ipv4(const struct rouse_addr *addr, struct rouse_addr *out);

// The address of `host`, an IPv4 or IPv6 address without brackets ("fe80::1%eth0"), with the port
// `service`, a number; NULL is port 0. Asks no resolver.
//
// Errors: -EINVAL if one of them is no number.
int rs_addr_from_numbers(struct rouse_addr *out, const char *host, const char *service);

#endif
