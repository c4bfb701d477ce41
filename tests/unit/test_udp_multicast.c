// SPDX-License-Identifier: MIT
//
// Groups, on the loopback interface only: joined, heard, left.

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "child.h"
#include "claim.h"
#include "udp_pair.h"

static struct rouse_udp *bound_to(const char *text)
{
    struct rouse_addr address;
    struct rouse_udp *udp;

    must(rouse_addr_parse(&address, text), "address");
    must(rouse_udp_bind(&udp, &address, NULL), "bind");
    return udp;
}

static void group_ipv4(unsigned loopback)
{
    struct rouse_udp *listener = bound_to("0.0.0.0:0");
    struct rouse_udp *sender = bound_to("127.0.0.1:0");
    struct rouse_addr local, group;
    char text[40], buf[8];

    must(rouse_udp_local_address(listener, &local), "local address");
    snprintf(text, sizeof text, "239.255.12.34:%u", (unsigned)rouse_addr_port(&local));
    must(rouse_addr_parse(&group, text), "address");
    claim(rouse_udp_set_multicast_ttl(sender, 256) == -EINVAL &&
              rouse_udp_set_multicast_ttl(sender, 0) == 0,
          "a_ttl_is_a_byte");
    claim(rouse_udp_set_multicast_interface(sender, loopback) == 0 &&
              rouse_udp_set_multicast_interface(sender, INT32_MAX) < 0,
          "the_interface_to_send_by_is_one_that_there_is");
    claim(rouse_udp_join(listener, &group, loopback) == 0, "a_group_is_joined");
    claim(rouse_udp_join(listener, &group, loopback) == -EADDRINUSE, "once");
    claim(rouse_udp_send_to(sender, "all", 3, &group) == 3 &&
              rouse_udp_recv(listener, buf, sizeof buf) == 3 && memcmp(buf, "all", 3) == 0,
          "what_is_sent_to_it_is_heard");
    claim(rouse_udp_leave(listener, &group, loopback) == 0, "a_group_is_left");
    claim(rouse_udp_leave(listener, &group, loopback) == -EADDRNOTAVAIL, "once_only");
    claim(rouse_udp_join(listener, &local, loopback) == -EINVAL, "what_is_no_group_is_refused");
    rouse_udp_close(listener);
    claim(rouse_udp_join(listener, &group, loopback) == -EBADF, "and_so_is_a_closed_socket");
    rouse_udp_unref(listener);
    rouse_udp_unref(sender);
}

static void group_ipv6(unsigned loopback)
{
    struct rouse_addr any, group;
    struct rouse_udp *udp;

    must(rouse_addr_parse(&any, "[::1]:0"), "address");
    if (rouse_udp_bind(&udp, &any, NULL) < 0) {
        claim(true, "groups_of_ipv6 # SKIP there is no IPv6 here");
        return;
    }
    must(rouse_addr_parse(&group, "[ff12::1234]:0"), "address");
    claim(rouse_udp_join(udp, &group, loopback) == 0 &&
              rouse_udp_join(udp, &group, loopback) == -EADDRINUSE &&
              rouse_udp_leave(udp, &group, loopback) == 0 &&
              rouse_udp_leave(udp, &group, loopback) == -EADDRNOTAVAIL,
          "a_group_of_ipv6_is_joined_and_left");
    claim(rouse_udp_set_multicast_ttl(udp, 3) == 0 &&
              rouse_udp_set_multicast_interface(udp, loopback) == 0,
          "and_sent_to");
    rouse_udp_unref(udp);
}

static int run_all(void *arg)
{
    unsigned loopback = if_nametoindex("lo");

    (void)arg;
    group_ipv4(loopback);
    group_ipv6(loopback);
    return 0;
}

int main(void)
{
    alarm(50);
    if (if_nametoindex("lo") == 0 || child_is_emulated()) {
        printf("1..0 # SKIP there is no interface lo, or qemu-user, which knows no groups\n");
        return 77;
    }
    must(rouse_run(run_all, NULL), "run");
    return claims_end();
}
