// SPDX-License-Identifier: MIT
//
// Socket addresses and their text form. Pure functions of their arguments, but for the name of an
// interface in a text, which is looked up. A scope is written as the interface's number, so that
// writing an address asks nobody, and what is written can be read back. Unix addresses are written
// for people only.

#include "net/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "net/addr.h"

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

// Reads a whole decimal number without sign, blanks or needless zeros, up to `max`.
static bool parse_number(const char *text, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;

    if (text[0] == '\0' || (text[0] == '0' && text[1] != '\0')) return false;
    for (; *text != '\0'; text++) {
        if (!is_digit(*text)) return false;
        value = value * 10 + (uint64_t)(*text - '0');
        if (value > max) return false;
    }
    *out = value;
    return true;
}

// What stands behind the percent sign: the number of an interface, or its name.
static bool parse_scope(const char *text, uint32_t *out)
{
    uint64_t number;

    if (parse_number(text, UINT32_MAX, &number)) {
        *out = (uint32_t)number;
    } else {
        *out = text[0] != '\0' ? if_nametoindex(text) : 0;
    }
    return *out != 0;
}

// Between a value and the kernel's structs by copy, so that no object is seen under two types.
static struct rouse_addr from_ipv4(const struct sockaddr_in *ipv4)
{
    struct rouse_addr addr = {.length = sizeof *ipv4};

    memcpy(&addr.storage, ipv4, sizeof *ipv4);
    return addr;
}

static struct rouse_addr from_ipv6(const struct sockaddr_in6 *ipv6)
{
    struct rouse_addr addr = {.length = sizeof *ipv6};

    memcpy(&addr.storage, ipv6, sizeof *ipv6);
    return addr;
}

static struct sockaddr_in as_ipv4(const struct rouse_addr *addr)
{
    struct sockaddr_in ipv4;

    memcpy(&ipv4, &addr->storage, sizeof ipv4);
    return ipv4;
}

static struct sockaddr_in6 as_ipv6(const struct rouse_addr *addr)
{
    struct sockaddr_in6 ipv6;

    memcpy(&ipv6, &addr->storage, sizeof ipv6);
    return ipv6;
}

// `host` without its brackets.
static int parse_ipv6(struct sockaddr_in6 *out, char *host)
{
    char *percent = strchr(host, '%');

    if (percent != NULL) {
        *percent = '\0';
        if (!parse_scope(percent + 1, &out->sin6_scope_id)) return -EINVAL;
    }
    return inet_pton(AF_INET6, host, &out->sin6_addr) == 1 ? 0 : -EINVAL;
}

int rs_addr_from_numbers(struct rouse_addr *out, const char *host, const char *service)
{
    struct sockaddr_in ipv4 = {.sin_family = AF_INET};
    struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6};
    char text[ROUSE_ADDR_TEXT_MAX];
    uint64_t port = 0;

    if (service != NULL && !parse_number(service, UINT16_MAX, &port)) return -EINVAL;
    ipv4.sin_port = htons((uint16_t)port);
    ipv6.sin6_port = ipv4.sin_port;
    if (inet_pton(AF_INET, host, &ipv4.sin_addr) == 1) {
        *out = from_ipv4(&ipv4);
        return 0;
    }
    if (strlen(host) >= sizeof text) return -EINVAL;
    (void)memcpy(text, host, strlen(host) + 1);
    if (parse_ipv6(&ipv6, text) < 0) return -EINVAL;
    *out = from_ipv6(&ipv6);
    return 0;
}

static int parse_host(struct rouse_addr *out, char *host, uint16_t port)
{
    size_t length = strlen(host);
    struct sockaddr_in ipv4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

    if (length == 0 || strcmp(host, "*") == 0) {
        ipv6.sin6_addr = in6addr_any;
        *out = from_ipv6(&ipv6);
        return 0;
    }
    if (host[0] != '[') {
        if (inet_pton(AF_INET, host, &ipv4.sin_addr) != 1) return -EINVAL;
        *out = from_ipv4(&ipv4);
        return 0;
    }
    if (host[length - 1] != ']') return -EINVAL;
    host[length - 1] = '\0';
    if (parse_ipv6(&ipv6, host + 1) < 0) return -EINVAL;
    *out = from_ipv6(&ipv6);
    return 0;
}

int rouse_addr_parse(struct rouse_addr *out, const char *text)
{
    const char *colon = strrchr(text, ':');
    size_t length = colon != NULL ? (size_t)(colon - text) : 0;
    char host[ROUSE_ADDR_TEXT_MAX];
    uint64_t port;

    if (colon == NULL || length >= sizeof host) return -EINVAL;
    if (!parse_number(colon + 1, UINT16_MAX, &port)) return -EINVAL;
    memcpy(host, text, length);
    host[length] = '\0';
    return parse_host(out, host, (uint16_t)port);
}

struct rouse_addr rouse_addr_loopback(uint16_t port)
{
    return from_ipv4(&(struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)});
}

// `lead` bytes, 0 or 1, stand before the name: the zero that makes it abstract.
static int from_unix(struct rouse_addr *out, const void *name, size_t size, size_t lead)
{
    struct sockaddr_un local = {.sun_family = AF_UNIX};

    if (size == 0) return -EINVAL;
    if (size > ROUSE_ADDR_UNIX_MAX) return -ENAMETOOLONG;
    memcpy(local.sun_path + lead, name, size);
    // With the zero before it or behind it.
    *out = (struct rouse_addr){
        .length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size + 1)};
    memcpy(&out->storage, &local, sizeof local);
    return 0;
}

int rouse_addr_unix(struct rouse_addr *out, const char *path)
{
    return from_unix(out, path, strlen(path), 0);
}

int rouse_addr_unix_abstract(struct rouse_addr *out, const void *name, size_t size)
{
    return from_unix(out, name, size, 1);
}

sa_family_t rs_addr_family(const struct rouse_addr *addr)
{
    return addr->length > 0 ? addr->storage.ss_family : AF_UNSPEC;
}

bool rs_addr_any_as_ipv4(const struct rouse_addr *addr, struct rouse_addr *out)
{
    struct sockaddr_in6 ipv6 = as_ipv6(addr);

    if (addr->length < sizeof ipv6 || rs_addr_family(addr) != AF_INET6) return false;
    if (memcmp(&ipv6.sin6_addr, &in6addr_any, sizeof in6addr_any) != 0) return false;
    *out = from_ipv4(&(struct sockaddr_in){.sin_family = AF_INET, .sin_port = ipv6.sin6_port});
    return true;
}

uint16_t rouse_addr_port(const struct rouse_addr *addr)
{
    if (rs_addr_family(addr) == AF_INET) return ntohs(as_ipv4(addr).sin_port);
    if (rs_addr_family(addr) == AF_INET6) return ntohs(as_ipv6(addr).sin6_port);
    return 0;
}

static int format_ipv4(struct sockaddr_in ipv4, char *buf, size_t size)
{
    char host[INET_ADDRSTRLEN];

    // It cannot fail, here and below: the family is known and the room is enough.
    (void)inet_ntop(AF_INET, &ipv4.sin_addr, host, sizeof host);
    return snprintf(buf, size, "%s:%u", host, (unsigned)ntohs(ipv4.sin_port));
}

static int format_ipv6(struct sockaddr_in6 ipv6, char *buf, size_t size)
{
    unsigned port = ntohs(ipv6.sin6_port);
    char host[INET6_ADDRSTRLEN];

    (void)inet_ntop(AF_INET6, &ipv6.sin6_addr, host, sizeof host);
    if (ipv6.sin6_scope_id == 0) return snprintf(buf, size, "[%s]:%u", host, port);
    return snprintf(buf, size, "[%s%%%u]:%u", host, ipv6.sin6_scope_id, port);
}

static int format_unix(const struct rouse_addr *addr, char *buf, size_t size)
{
    const size_t start = offsetof(struct sockaddr_un, sun_path);
    struct sockaddr_un local = {0};
    char text[sizeof local.sun_path + 1] = "";

    memcpy(&local, &addr->storage, sizeof local);
    size_t length = addr->length > start ? addr->length - start : 0;

    if (length > sizeof local.sun_path) length = sizeof local.sun_path;
    if (length > 0 && local.sun_path[0] != '\0') length = strnlen(local.sun_path, length);
    for (size_t i = 0; i < length; i++) {
        char byte = local.sun_path[i];

        text[i] = byte == '\0' ? '@' : '?';
        if (byte >= ' ' && byte <= '~') text[i] = byte;
    }
    return snprintf(buf, size, "unix:%s", text);
}

int rouse_addr_format(const struct rouse_addr *addr, char *buf, size_t size)
{
    sa_family_t family = rs_addr_family(addr);

    if (family == AF_INET) return format_ipv4(as_ipv4(addr), buf, size);
    if (family == AF_INET6) return format_ipv6(as_ipv6(addr), buf, size);
    if (family == AF_UNIX) return format_unix(addr, buf, size);
    if (family == AF_UNSPEC) return snprintf(buf, size, "no address");
    return snprintf(buf, size, "an address of family %u", (unsigned)family);
}

static bool ipv4_equal(struct sockaddr_in a, struct sockaddr_in b)
{
    return a.sin_port == b.sin_port && a.sin_addr.s_addr == b.sin_addr.s_addr;
}

// The same link-local address on two links is two addresses. The flow label is no part of it.
static bool ipv6_equal(struct sockaddr_in6 a, struct sockaddr_in6 b)
{
    return a.sin6_port == b.sin6_port && a.sin6_scope_id == b.sin6_scope_id &&
           memcmp(&a.sin6_addr, &b.sin6_addr, sizeof a.sin6_addr) == 0;
}

bool rouse_addr_equal(const struct rouse_addr *a, const struct rouse_addr *b)
{
    if (rs_addr_family(a) != rs_addr_family(b)) return false;
    if (rs_addr_family(a) == AF_INET) return ipv4_equal(as_ipv4(a), as_ipv4(b));
    if (rs_addr_family(a) == AF_INET6) return ipv6_equal(as_ipv6(a), as_ipv6(b));
    return a->length == b->length && memcmp(&a->storage, &b->storage, a->length) == 0;
}
