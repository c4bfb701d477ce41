// SPDX-License-Identifier: MIT
//
// The checks of Host, Origin and the rest: see console_guard.h. Pure functions: any thread.

#include "insight/console_guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

bool rs_guard_is_loopback(const struct rouse_addr *addr)
{
    if (addr->storage.ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)&addr->storage;

        return ntohl(in->sin_addr.s_addr) >> 24 == 127;
    }
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&addr->storage;

    return addr->storage.ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
}

// What a Host says without its port, and without the brackets. False if it is no host.
static bool cut_port(const char *host, char *out, size_t size, bool *is_v6)
{
    *is_v6 = host[0] == '[';
    const char *begin = *is_v6 ? host + 1 : host;
    size_t length = strcspn(begin, *is_v6 ? "]" : ":");
    const char *port = begin + length + (*is_v6 ? 1 : 0);

    if (length == 0 || length >= size || (*is_v6 && begin[length] != ']')) return false;
    if (*port != '\0' && (*port != ':' || strspn(port + 1, "0123456789") != strlen(port + 1))) {
        return false;
    }
    memcpy(out, begin, length);
    out[length] = '\0';
    return true;
}

// A name that is an address stays what it is, so nobody can make it point elsewhere.
static bool is_address(const char *name, bool is_v6, bool *is_loopback)
{
    struct in6_addr in6;
    struct in_addr in;

    if (is_v6) {
        if (inet_pton(AF_INET6, name, &in6) != 1) return false;
        *is_loopback = IN6_IS_ADDR_LOOPBACK(&in6);
        return true;
    }
    if (inet_pton(AF_INET, name, &in) != 1) return false;
    *is_loopback = ntohl(in.s_addr) >> 24 == 127;
    return true;
}

static bool is_host_allowed(const struct rs_guard *guard, const char *host)
{
    char name[RS_GUARD_HOST_MAX];
    bool is_loopback;
    bool is_v6;

    if (!cut_port(host, name, sizeof name, &is_v6)) return false;
    if (is_address(name, is_v6, &is_loopback)) return is_loopback || guard->allow_remote;
    if (is_v6) return false;
    return strcasecmp(name, "localhost") == 0 ||
           (guard->host[0] != '\0' && strcasecmp(name, guard->host) == 0);
}

static bool is_own_origin(const char *origin, const char *host)
{
    static const char scheme[] = "http://";
    size_t length = sizeof scheme - 1;

    return strncmp(origin, scheme, length) == 0 && strcasecmp(origin + length, host) == 0;
}

// "none" is a user who has typed the address.
static bool is_from_elsewhere(const char *fetch_site)
{
    return strcmp(fetch_site, "same-origin") != 0 && strcmp(fetch_site, "none") != 0;
}

int rs_guard_check(const struct rs_guard *guard, const struct rs_request *request)
{
    if (!is_host_allowed(guard, request->host)) return 421;
    if (request->origin != NULL && !is_own_origin(request->origin, request->host)) return 403;
    if (request->fetch_site != NULL && is_from_elsewhere(request->fetch_site)) return 403;
    return 0;
}

int rs_guard_check_control(const struct rs_guard *guard, const struct rs_request *request)
{
    bool has_token = request->token != NULL && strcmp(request->token, "1") == 0;

    return guard->allow_control && has_token ? 0 : 403;
}
