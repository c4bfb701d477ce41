// SPDX-License-Identifier: MIT
//
// Groups: joining and leaving them, and how far and by which interface datagrams go to them. Any
// thread; nothing here waits.

#include <errno.h>
#include <netinet/in.h>

#include "net/udp.h"

static int level_of(const struct rouse_udp *udp)
{
    return udp->family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP;
}

static int membership_set(struct rouse_udp *udp, int name, const struct rouse_addr *group,
                          unsigned interface_index)
{
    const struct group_req request = {.gr_interface = interface_index, .gr_group = group->storage};

    return rs_socket_set_bytes(&udp->socket, level_of(udp), name, &request, sizeof request);
}

int rouse_udp_join(struct rouse_udp *udp, const struct rouse_addr *group, unsigned interface_index)
{
    return membership_set(udp, MCAST_JOIN_GROUP, group, interface_index);
}

int rouse_udp_leave(struct rouse_udp *udp, const struct rouse_addr *group, unsigned interface_index)
{
    return membership_set(udp, MCAST_LEAVE_GROUP, group, interface_index);
}

int rouse_udp_set_multicast_ttl(struct rouse_udp *udp, unsigned ttl)
{
    int name = udp->family == AF_INET6 ? IPV6_MULTICAST_HOPS : IP_MULTICAST_TTL;

    return ttl <= UINT8_MAX ? rs_socket_set(&udp->socket, level_of(udp), name, (int)ttl) : -EINVAL;
}

int rouse_udp_set_multicast_interface(struct rouse_udp *udp, unsigned interface_index)
{
    const struct ip_mreqn request = {.imr_ifindex = (int)interface_index};

    if (udp->family == AF_INET6) {
        return rs_socket_set(&udp->socket, IPPROTO_IPV6, IPV6_MULTICAST_IF, (int)interface_index);
    }
    return rs_socket_set_bytes(&udp->socket, IPPROTO_IP, IP_MULTICAST_IF, &request, sizeof request);
}
