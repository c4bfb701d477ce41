// SPDX-License-Identifier: MIT
//
// Addresses and their text form: each documented form is read, what is read is written back the
// same, everything else is refused and leaves the result alone.

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <rouse/addr.h>
#include <stdlib.h>
#include <string.h>

#include "claim.h"

// Texts that are their own canonical form.
static bool round_trips(const char *text, int family, unsigned port)
{
    char written[ROUSE_ADDR_TEXT_MAX];
    struct rouse_addr addr;

    if (rouse_addr_parse(&addr, text) != 0) return false;
    return addr.storage.ss_family == family && rouse_addr_port(&addr) == port &&
           rouse_addr_format(&addr, written, sizeof written) == (int)strlen(text) &&
           strcmp(written, text) == 0;
}

static bool is_refused(const char *text)
{
    struct rouse_addr addr = {.length = 7};

    return rouse_addr_parse(&addr, text) == -EINVAL && addr.length == 7;
}

static struct rouse_addr parsed(const char *text)
{
    struct rouse_addr addr;

    if (rouse_addr_parse(&addr, text) != 0) abort();
    return addr;
}

static void forms(void)
{
    claim(round_trips("127.0.0.1:80", AF_INET, 80), "an_ipv4_address_is_read_and_written");
    claim(round_trips("255.255.255.255:65535", AF_INET, 65535), "the_highest_ipv4_address_is_read");
    claim(round_trips("0.0.0.0:0", AF_INET, 0), "port_0_is_read");
    claim(round_trips("[::1]:80", AF_INET6, 80), "an_ipv6_address_is_read_and_written");
    claim(round_trips("[2001:db8::7:0:1]:443", AF_INET6, 443), "ipv6_is_written_in_its_short_form");
    claim(round_trips("[::ffff:10.0.0.1]:1", AF_INET6, 1), "a_mapped_ipv4_address_is_read");
    claim(round_trips("[fe80::1%7]:80", AF_INET6, 80), "a_numeric_scope_is_read_and_written");
}

static void wildcards(void)
{
    struct rouse_addr any = parsed("[::]:80");
    struct rouse_addr star = parsed("*:80");
    struct rouse_addr empty = parsed(":80");

    claim(rouse_addr_equal(&any, &star), "a_star_is_every_address");
    claim(rouse_addr_equal(&any, &empty), "no_host_is_every_address");
}

static void scopes(void)
{
    unsigned loopback = if_nametoindex("lo");
    struct rouse_addr named;
    struct sockaddr_in6 ipv6;

    if (loopback == 0) {
        claim(true, "a_scope_may_be_the_name_of_an_interface # SKIP there is no interface lo");
    } else {
        named = parsed("[fe80::1%lo]:80");
        memcpy(&ipv6, &named.storage, sizeof ipv6);
        claim(ipv6.sin6_scope_id == loopback, "a_scope_may_be_the_name_of_an_interface");
    }
    claim(is_refused("[fe80::1%no-such-interface]:80"), "an_unknown_interface_is_refused");
    claim(is_refused("[fe80::1%]:80") && is_refused("[fe80::1%0]:80") &&
              is_refused("[fe80::1%4294967296]:80"),
          "a_scope_that_is_none_is_refused");
}

static void refusals(void)
{
    static const char *const texts[] = {
        "",
        "80",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:65536",
        "127.0.0.1:080",
        "127.0.0.1:+80",
        "127.0.0.1:-1",
        "127.0.0.1: 80",
        "127.0.0.1:80 ",
        " 127.0.0.1:80",
        "127.0.0.1:8x",
        "127.0.0.1:99999999999999999999",
        "127.0.0.01:80",
        "127.0.0.256:80",
        "127.0.1:80",
        "127.0.0.1.1:80",
        "0x7f.0.0.1:80",
        "localhost:80",
        "::1:80",
        "[::1]",
        "[::1]80",
        "[::1:80",
        "::1]:80",
        "[]:80",
        "[:80",
        "]:80",
        "[127.0.0.1]:80",
        "[::1]]:80",
        "[[::1]]:80",
        "[::g]:80",
        "[*]:80",
        "**:80",
        "[1:2:3:4:5:6:7:8:9]:80"};
    char text[512];
    bool all = true;

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (is_refused(texts[i])) continue;
        printf("# \"%s\" was taken\n", texts[i]);
        all = false;
    }
    claim(all, "what_is_no_address_is_refused");

    memset(text, '1', sizeof text);
    memcpy(text + sizeof text - 4, ":80", 4);
    claim(is_refused(text), "a_text_that_is_too_long_is_refused");
}

static void comparison(void)
{
    struct rouse_addr a = parsed("127.0.0.1:80");
    struct rouse_addr b = rouse_addr_loopback(80);
    struct rouse_addr port = parsed("127.0.0.1:81");
    struct rouse_addr host = parsed("127.0.0.2:80");
    struct rouse_addr mapped = parsed("[::ffff:127.0.0.1]:80");
    struct rouse_addr first_link = parsed("[fe80::1%1]:80");
    struct rouse_addr second_link = parsed("[fe80::1%2]:80");
    struct rouse_addr labelled = first_link;
    struct rouse_addr none = {0};
    struct sockaddr_in6 ipv6;

    // What lies behind the address, and a flow label, are no part of it.
    memset((char *)&a.storage + sizeof(struct sockaddr_in), 0xff, 8);
    memcpy(&ipv6, &labelled.storage, sizeof ipv6);
    ipv6.sin6_flowinfo = 5;
    memcpy(&labelled.storage, &ipv6, sizeof ipv6);

    claim(rouse_addr_equal(&a, &b), "the_loopback_address_is_127_0_0_1");
    claim(!rouse_addr_equal(&a, &port) && !rouse_addr_equal(&a, &host),
          "another_port_or_host_is_another_address");
    claim(!rouse_addr_equal(&a, &mapped), "another_family_is_another_address");
    claim(!rouse_addr_equal(&first_link, &second_link), "another_link_is_another_address");
    claim(rouse_addr_equal(&first_link, &labelled), "a_flow_label_is_no_part_of_an_address");
    claim(rouse_addr_equal(&none, &none) && !rouse_addr_equal(&none, &a),
          "no_address_equals_no_address_only");
}

static void writing(void)
{
    struct sockaddr_in6 longest = {.sin6_family = AF_INET6,
                                   .sin6_port = htons(65535),
                                   .sin6_scope_id = UINT32_MAX};
    struct rouse_addr addr = {.length = sizeof longest};
    struct rouse_addr none = {0};
    struct rouse_addr other = {.storage.ss_family = AF_APPLETALK, .length = 2};
    char text[ROUSE_ADDR_TEXT_MAX];
    char small[6];

    memset(&longest.sin6_addr, 0xff, sizeof longest.sin6_addr);
    memcpy(&addr.storage, &longest, sizeof longest);
    claim(rouse_addr_format(&addr, text, sizeof text) < (int)sizeof text,
          "the_longest_text_fits_the_promised_room");

    addr = rouse_addr_loopback(80);
    claim(rouse_addr_format(&addr, small, sizeof small) == 12 && strcmp(small, "127.0") == 0,
          "a_text_that_does_not_fit_is_cut_and_its_length_told");
    claim(rouse_addr_format(&addr, NULL, 0) == 12, "the_length_alone_may_be_asked_for");
    claim(rouse_addr_format(&none, text, sizeof text) > 0 &&
              rouse_addr_format(&other, text, sizeof text) > 0 && rouse_addr_port(&none) == 0 &&
              rouse_addr_port(&other) == 0,
          "an_address_of_no_known_family_has_a_text_and_no_port");
}

static void unix_addresses(void)
{
    const struct rouse_addr before = rouse_addr_loopback(80);
    struct rouse_addr a = before;
    struct rouse_addr b;
    char longest[ROUSE_ADDR_UNIX_MAX + 2];
    char text[ROUSE_ADDR_UNIX_TEXT_MAX];

    memset(longest, 'p', sizeof longest);
    longest[ROUSE_ADDR_UNIX_MAX + 1] = '\0';
    claim(rouse_addr_unix(&a, longest) == -ENAMETOOLONG &&
              rouse_addr_unix_abstract(&a, longest, ROUSE_ADDR_UNIX_MAX + 1) == -ENAMETOOLONG &&
              rouse_addr_equal(&a, &before),
          "a_path_that_is_too_long_is_refused_before_it_is_cut");
    claim(rouse_addr_unix(&a, "") == -EINVAL && rouse_addr_unix_abstract(&a, "x", 0) == -EINVAL,
          "no_path_is_no_address");
    longest[ROUSE_ADDR_UNIX_MAX] = '\0';
    claim(rouse_addr_unix(&a, longest) == 0 &&
              rouse_addr_format(&a, text, sizeof text) == ROUSE_ADDR_UNIX_MAX + 5 &&
              memcmp(text, "unix:ppp", 8) == 0,
          "the_longest_path_is_taken_and_its_text_fits_the_promised_room");
    memset(longest, '\0', sizeof longest);
    claim(rouse_addr_unix_abstract(&a, longest, ROUSE_ADDR_UNIX_MAX) == 0 &&
              rouse_addr_format(&a, text, sizeof text) == ROUSE_ADDR_UNIX_MAX + 6,
          "the_longest_abstract_name_fits_too");
    claim(rouse_addr_unix_abstract(&a, "a\0b\n", 4) == 0 &&
              rouse_addr_format(&a, text, sizeof text) == 10 && strcmp(text, "unix:@a@b?") == 0,
          "what_cannot_be_shown_is_not");
    claim(rouse_addr_unix_abstract(&b, "a\0c\n", 4) == 0 && !rouse_addr_equal(&a, &b) &&
              rouse_addr_unix_abstract(&b, "a\0b\n", 4) == 0 && rouse_addr_equal(&a, &b),
          "bytes_behind_a_zero_count");
    claim(rouse_addr_unix(&a, "/x") == 0 && rouse_addr_unix_abstract(&b, "/x", 2) == 0 &&
              !rouse_addr_equal(&a, &b),
          "a_path_and_an_abstract_name_are_two_addresses");
}

int main(void)
{
    forms();
    wildcards();
    scopes();
    refusals();
    comparison();
    writing();
    unix_addresses();
    return claims_end();
}
