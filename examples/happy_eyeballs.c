// SPDX-License-Identifier: MIT
//
// Connects as RFC 8305 ("Happy Eyeballs") says: addresses of both families in turn, the next
// attempt 250 ms after the last one or as soon as one has failed, and the first success ends the
// rest. Attempts are made by fibers in a scope, all on one worker, so they share plain variables.
//
// By itself the program connects to four addresses of its own machine: two that refuse, one that
// never answers, and a good one. `happy_eyeballs HOST PORT` connects to that.

#include <errno.h>
#include <getopt.h>
#include <rouse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// ---- The algorithm ----

struct race {
    struct rouse_scope scope;
    const struct rouse_addr *addresses;
    size_t count;
    size_t next;        // the address that is tried next
    uint64_t begun_ns;  // when the last attempt began
    struct rouse_tcp *winner;
    int error;  // of the last attempt that failed
    void (*report)(const struct rouse_addr *address, const char *what);
};

// A runner: tries the next address, and when that fails the one after it, while others run too.
static int run(void *arg)
{
    struct race *race = arg;
    struct rouse_tcp *conn;

    while (race->winner == NULL && race->next < race->count) {
        const struct rouse_addr *address = &race->addresses[race->next++];

        race->begun_ns = rouse_now_ns();
        race->report(address, "trying");
        int err = rouse_tcp_connect(&conn, address);
        bool late = err == 0 && race->winner != NULL;

        race->report(address, late ? "too late" : err < 0 ? rouse_strerror(err) : "connected");
        if (err == -ECANCELED) return err;
        if (err < 0) {
            race->error = err;
        } else if (late) {
            rouse_tcp_unref(conn);
        } else {
            race->winner = conn;
            rouse_scope_cancel(&race->scope, "connected");
        }
    }
    return 0;
}

// Puts the families in turn, and leaves the order within each.
static void interleave(struct rouse_addr *addresses, size_t count)
{
    for (size_t i = 1, j; i < count; i++) {
        for (j = i; addresses[j].storage.ss_family == addresses[i - 1].storage.ss_family;) {
            if (++j == count) return;
        }
        struct rouse_addr other = addresses[j];

        memmove(&addresses[i + 1], &addresses[i], (j - i) * sizeof other);
        addresses[i] = other;
    }
}

// Sets race->winner, or returns a negative errno. The caller is a fiber.
static int happy_connect(struct race *race, uint64_t delay_ns, uint64_t deadline_ns)
{
    struct rouse_task_attrs here = {.size = sizeof here,
                                    .name = "attempt",
                                    .worker = (unsigned)rouse_worker_index() + 1,
                                    .site = ROUSE_SITE};
    int err = 0;

    rouse_scope_open(&race->scope, deadline_ns);
    for (size_t runners = 0; runners < race->count && race->next < race->count; runners++) {
        err = rouse_scope_spawn_at(&race->scope, NULL, run, race, &here);
        race->begun_ns = rouse_now_ns();
        for (uint64_t due; err == 0 && (due = race->begun_ns + delay_ns) > rouse_now_ns();) {
            err = rouse_sleep_until(due);
        }
        if (err < 0) break;
    }
    int ended = rouse_scope_wait(&race->scope, NULL);

    if (race->winner != NULL) return 0;
    return ended < 0 ? ended : err < 0 ? err : race->error;
}

// ---- Where to connect ----

enum { ADDRESSES_MAX = 16, FILL_MAX = 8 };

struct target {
    char *host;  // NULL: addresses of this machine
    char *port;
    uint64_t delay_ns;
    uint64_t timeout_ns;
    struct rouse_addr addresses[ADDRESSES_MAX];
    size_t count;
};

static int look_up(struct target *target)
{
    int found = rouse_resolve(target->addresses, ADDRESSES_MAX, target->host, target->port, NULL);

    if (found > 0) target->count = (size_t)found;
    return found < 0 ? found : 0;
}

// The machine's own: a listener that nobody accepts from lets as many connect as it has room for.
struct local {
    struct rouse_tcp_listener *full;
    struct rouse_tcp_listener *good[2];
    struct rouse_tcp *fill[FILL_MAX];
};

static int listen_on(struct rouse_tcp_listener **out, struct rouse_addr *address, const char *text,
                     int backlog)
{
    int err = rouse_addr_parse(address, text);

    if (err == 0) {
        err = rouse_tcp_listen(out, address,
                               &(struct rouse_tcp_listen_options){.backlog = backlog});
    }
    return err < 0 ? err : rouse_tcp_listener_address(*out, address);
}

// Connects until there is no answer any more.
static int fill_up(struct local *local, const struct rouse_addr *address)
{
    for (int i = 0; i < FILL_MAX; i++) {
        struct rouse_tcp_connect connect;

        rouse_tcp_connect_init(&connect, address);
        int err = rouse_await_until(&connect.base, rouse_deadline_after(50 * ROUSE_NS_PER_MS));

        if (err == -ETIMEDOUT) return 0;
        if (err == 0) err = connect.output;
        if (err < 0) return err;
        local->fill[i] = rouse_tcp_connect_take(&connect);
    }
    return -EOPNOTSUPP;
}

// Two that refuse, one of them IPv6, one that never answers, and two good ones.
static int local_open(struct local *local, struct target *target)
{
    struct rouse_addr *a = target->addresses;
    struct rouse_tcp_listener *closed = NULL;
    char text[ROUSE_ADDR_TEXT_MAX];
    int err = listen_on(&closed, &a[0], "127.0.0.2:0", 1);

    rouse_tcp_listener_unref(closed);
    (void)snprintf(text, sizeof text, "[::1]:%u", rouse_addr_port(&a[0]));
    if (err == 0) err = listen_on(&local->full, &a[1], "127.0.0.1:0", 1);
    if (err == 0) err = fill_up(local, &a[1]);
    if (err == 0) err = listen_on(&local->good[0], &a[2], "127.0.0.1:0", 8);
    if (err == 0) err = listen_on(&local->good[1], &a[3], "127.0.0.1:0", 8);
    if (err == 0) err = rouse_addr_parse(&a[4], text);
    target->count = 5;
    return err;
}

static void local_close(struct local *local)
{
    for (int i = 0; i < FILL_MAX; i++) rouse_tcp_unref(local->fill[i]);
    rouse_tcp_listener_unref(local->full);
    rouse_tcp_listener_unref(local->good[0]);
    rouse_tcp_listener_unref(local->good[1]);
}

// ---- The program ----

static uint64_t start_ns;

static void report(const struct rouse_addr *address, const char *what)
{
    char text[ROUSE_ADDR_TEXT_MAX];

    (void)rouse_addr_format(address, text, sizeof text);
    printf("%4u ms  %s: %s\n", (unsigned)((rouse_now_ns() - start_ns) / ROUSE_NS_PER_MS), text,
           what);
}

static int connect_to(void *arg)
{
    struct target *target = arg;
    struct local local = {0};
    int err = target->host != NULL ? look_up(target) : local_open(&local, target);

    if (err == 0) {
        struct race race = {.addresses = target->addresses,
                            .count = target->count,
                            .report = report};

        interleave(target->addresses, target->count);
        start_ns = rouse_now_ns();
        err = happy_connect(&race, target->delay_ns, rouse_deadline_after(target->timeout_ns));
        rouse_tcp_unref(race.winner);
    }
    local_close(&local);
    return err;
}

static void usage(FILE *to)
{
    fputs("Usage: happy_eyeballs [--delay MS] [--timeout MS] [HOST PORT]\n"
          "Connects to the first address that answers; without HOST, to some of this machine.\n"
          "\n"
          "  --delay MS     between attempts; default 250\n"
          "  --timeout MS   for all of it; default 10000\n"
          "  --help         this text\n",
          to);
}

// False if `text` is no number of milliseconds.
static bool parse_ms(uint64_t *out_ns, const char *text)
{
    char *end;

    *out_ns = strtoul(text, &end, 10) * ROUSE_NS_PER_MS;
    return *text >= '0' && *text <= '9' && *end == '\0';
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"delay", required_argument, NULL, 'd'},
                                            {"timeout", required_argument, NULL, 't'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    struct target target = {.delay_ns = 250 * ROUSE_NS_PER_MS, .timeout_ns = 10 * ROUSE_NS_PER_S};
    bool bad = false;

    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 'h') return usage(stdout), 0;
        if (option == 'd') bad |= !parse_ms(&target.delay_ns, optarg);
        if (option == 't') bad |= !parse_ms(&target.timeout_ns, optarg);
        bad |= option == '?';
    }
    if (bad || (optind != argc && optind + 2 != argc)) return usage(stderr), 2;
    if (optind < argc) {
        target.host = argv[optind];
        target.port = argv[optind + 1];
    }
    int err = rouse_run(connect_to, &target);

    if (err < 0) fprintf(stderr, "happy_eyeballs: %s\n", rouse_strerror(err));
    return err < 0;
}
