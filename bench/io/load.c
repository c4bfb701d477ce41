// SPDX-License-Identifier: MIT
//
// The load generator: one thread, one level-triggered epoll, a closed loop. Each connection keeps
// `depth` requests in flight; whatever has been answered is sent again at once. Replies are counted
// by bytes and checked by memcmp (traffic.h), so that a server is slower than this in all but the
// most extreme cases; `load_busy` in the output says how near it came to be the limit itself. Where
// it sleeps, a server that sends a reply pays for its wake: one that is slow for more of them than
// one that keeps it busy.
//
// A connection's life: opened with one request; when that is answered, by `depth` requests; at the
// end no more are sent, and what is in flight must still come. In churn a connection ends with its
// first reply and another takes its slot; the server may close it first.

#include "common.h"
#include "histogram.h"
#include "process.h"
#include "traffic.h"

#include <getopt.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>

enum {
    EVENTS_MAX = 256,
    CONNECTIONS_MAX = 1000000,
    DEPTH_MAX = 1024,
    BYTES_MAX = 65536,
    BYTES_IN_FLIGHT_MAX = 1 << 24,  // of requests, on one connection
    OPENED_AT_ONCE = 64,            // well below the backlog of any server
    PER_SOURCE_MAX = 20000,         // ports of one source address that idle connections may use
    CHURN_SOURCES = 50,             // closed connections hold their ports for a minute
    COMPLAINTS_MAX = 5,
    OPEN_FILES_MAX = CONNECTIONS_MAX + 64,
    WATCHDOG_SECONDS = 60,  // beyond what the options ask for
};

#define ANSWER_PATIENCE_NS UINT64_C(5000000000)

enum mode { MODE_STEADY, MODE_IDLE, MODE_CHURN };

struct plan {
    enum mode mode;
    const char *mode_name;
    bool echo;
    struct sockaddr_in target;
    const char *path;
    size_t connections;
    size_t depth;
    size_t bytes;
    uint64_t warmup_ns;
    uint64_t duration_ns;
    uint64_t hold_ns;
    int cpu;           // -1: not pinned
    bool spins;        // never sleeps
    pid_t server_pid;  // 0: not measured
};

struct conn {
    int fd;  // -1: broken, and out of the game
    bool watches_room;
    size_t in_flight;
    size_t unsent;       // bytes owed to the socket
    size_t sent_to;      // where in a request the next byte to send stands
    size_t received_to;  // where in a reply the next byte to come stands
    size_t oldest;       // index of the oldest of in_flight times
    uint64_t *sent_at;   // a ring of `depth` times
};

struct load {
    const struct plan *plan;
    struct traffic traffic;
    struct conn *conns;
    size_t alive;
    size_t waiting;  // requests in flight on all connections
    size_t opened;
    bool refill;  // answered requests are sent again
    uint64_t errors;
    struct histogram latencies;
    struct histogram measured;  // a copy of those of the measured stretch
    int epoll;
    uint64_t vain_ns;  // spent on looks that found nothing, while it spins
    char input[TRAFFIC_RECV_SIZE];
};

// --- one connection ------------------------------------------------------------------------------

static void conn_close(struct load *l, struct conn *c)
{
    close(c->fd);  // which also takes it out of the epoll
    c->fd = -1;
    l->waiting -= c->in_flight;
    l->alive--;
}

static void conn_break(struct load *l, struct conn *c, const char *why, int err)
{
    if (l->errors++ < COMPLAINTS_MAX) {
        fprintf(stderr, "load: connection %zu: %s%s%s\n", (size_t)(c - l->conns), why,
                err != 0 ? ": " : "", err != 0 ? strerror(err) : "");
    }
    conn_close(l, c);
}

static void conn_watch_room(struct load *l, struct conn *c, bool room)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};

    if (c->watches_room == room) return;
    if (room) event.events |= EPOLLOUT;
    if (epoll_ctl(l->epoll, EPOLL_CTL_MOD, c->fd, &event) < 0) net_fail("epoll_ctl", errno);
    c->watches_room = room;
}

static void conn_flush(struct load *l, struct conn *c)
{
    ssize_t n = send(c->fd, l->traffic.requests + c->sent_to, c->unsent, MSG_NOSIGNAL);

    // A socket that is still connecting says EAGAIN, too.
    if (n < 0 && errno != EAGAIN) {
        conn_break(l, c, "send", errno);
        return;
    }
    if (n > 0) {
        c->unsent -= (size_t)n;
        c->sent_to = (c->sent_to + (size_t)n) % l->traffic.request_len;
    }
    conn_watch_room(l, c, c->unsent > 0);
}

static void conn_request(struct load *l, struct conn *c, size_t requests, uint64_t now)
{
    const size_t depth = l->plan->depth;
    size_t slot = c->oldest + c->in_flight;

    for (size_t i = 0; i < requests; i++, slot++) {
        c->sent_at[slot < depth ? slot : slot - depth] = now;
    }
    c->in_flight += requests;
    l->waiting += requests;
    c->unsent += requests * l->traffic.request_len;
    conn_flush(l, c);
}

// A source address of its own for each so many connections, so that ports do not run out.
static void conn_bind(const struct load *l, int fd)
{
    struct sockaddr_in source = {.sin_family = AF_INET};
    uint32_t turn;
    int on = 1;

    if (l->plan->mode == MODE_CHURN) {
        turn = (uint32_t)(l->opened % CHURN_SOURCES);
    } else {
        if (l->plan->connections <= PER_SOURCE_MAX) return;
        turn = (uint32_t)(l->opened / PER_SOURCE_MAX);
    }
    source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + turn);
    // Else the port would be chosen here, from those free for any target.
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (bind(fd, (const struct sockaddr *)&source, sizeof source) < 0) net_fail("bind", errno);
}

// Connects and sends the first request. On loopback the connection is usually made at once.
static void conn_open(struct load *l, struct conn *c)
{
    const struct sockaddr_in *target = &l->plan->target;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    uint64_t now = net_clock_ns();
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0) net_fail("socket", errno);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    conn_bind(l, fd);
    *c = (struct conn){.fd = fd, .sent_at = c->sent_at};
    l->alive++;
    l->opened++;
    if (connect(fd, (const struct sockaddr *)target, sizeof *target) < 0 && errno != EINPROGRESS) {
        conn_break(l, c, "connect", errno);
        return;
    }
    if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &event) < 0) net_fail("epoll_ctl", errno);
    conn_request(l, c, 1, now);
}

static void conn_answered(struct load *l, struct conn *c, size_t replies, uint64_t now)
{
    const size_t depth = l->plan->depth;

    for (size_t i = 0; i < replies; i++) {
        histogram_record(&l->latencies, now - c->sent_at[c->oldest]);
        if (++c->oldest == depth) c->oldest = 0;
    }
    c->in_flight -= replies;
    l->waiting -= replies;
    if (!l->refill) return;
    if (l->plan->mode == MODE_CHURN) {
        conn_close(l, c);
        conn_open(l, c);
    } else {
        conn_request(l, c, replies, now);
    }
}

static void conn_receive(struct load *l, struct conn *c)
{
    size_t replies;
    ssize_t n = recv(c->fd, l->input, sizeof l->input, 0);

    if (n < 0 && errno == EAGAIN) return;
    if (n == 0 && l->plan->mode == MODE_CHURN && c->in_flight == 0) {
        conn_close(l, c);  // the reply was complete: whoever closes first
        return;
    }
    if (n <= 0) {
        conn_break(l, c, n < 0 ? "recv" : "closed by the server", n < 0 ? errno : 0);
        return;
    }
    if (!traffic_check(&l->traffic, c->received_to, l->input, (size_t)n)) {
        conn_break(l, c, "a wrong reply", 0);
        return;
    }
    c->received_to += (size_t)n;
    replies = c->received_to / l->traffic.reply_len;
    c->received_to -= replies * l->traffic.reply_len;
    if (replies + (c->received_to > 0) > c->in_flight) {
        conn_break(l, c, "more replies than requests", 0);
        return;
    }
    if (replies > 0) conn_answered(l, c, replies, net_clock_ns());
}

// --- all of them ---------------------------------------------------------------------------------

static void load_turn(struct load *l, uint64_t deadline_ns)
{
    struct epoll_event events[EVENTS_MAX];
    uint64_t now = net_clock_ns();
    bool sleeps = now < deadline_ns && !l->plan->spins;
    int timeout_ms = sleeps ? (int)((deadline_ns - now) / 1000000) + 1 : 0;
    int n = epoll_wait(l->epoll, events, EVENTS_MAX, timeout_ms);

    if (n < 0 && errno != EINTR) net_fail("epoll_wait", errno);
    if (n == 0 && !sleeps) l->vain_ns += net_clock_ns() - now;
    for (int i = 0; i < n; i++) {
        struct conn *c = events[i].data.ptr;

        if ((events[i].events & EPOLLOUT) != 0) conn_flush(l, c);
        if ((events[i].events & ~(uint32_t)EPOLLOUT) != 0 && c->fd >= 0) conn_receive(l, c);
    }
}

static void load_run_until(struct load *l, uint64_t deadline_ns)
{
    while (l->alive > 0 && net_clock_ns() < deadline_ns) {
        load_turn(l, deadline_ns);
    }
}

// Waits for every answer that is due. One that does not come counts as an error.
static void load_settle(struct load *l)
{
    uint64_t deadline_ns = net_clock_ns() + ANSWER_PATIENCE_NS;

    while (l->waiting > 0 && net_clock_ns() < deadline_ns) {
        load_turn(l, deadline_ns);
    }
    if (l->waiting == 0) return;
    for (size_t i = 0; i < l->plan->connections; i++) {
        struct conn *c = &l->conns[i];

        if (c->fd >= 0 && c->in_flight > 0) conn_break(l, c, "no reply", ETIMEDOUT);
    }
}

static void load_open(struct load *l, const struct plan *plan)
{
    uint64_t *times = calloc(plan->connections * plan->depth, sizeof *times);

    l->plan = plan;
    l->conns = calloc(plan->connections, sizeof *l->conns);
    if (times == NULL || l->conns == NULL) net_fail("calloc", ENOMEM);
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (l->epoll < 0) net_fail("epoll_create1", errno);
    for (size_t i = 0; i < plan->connections; i++) {
        l->conns[i] = (struct conn){.fd = -1, .sent_at = times + i * plan->depth};
    }
    if (plan->echo) {
        traffic_init_echo(&l->traffic, plan->bytes, plan->depth);
    } else {
        traffic_init_http(&l->traffic, &plan->target, plan->path, plan->depth);
    }
}

// Opens all connections, some at a time, and gets one reply on each. Gives up at the first error.
static void load_connect(struct load *l)
{
    for (size_t i = 0; i < l->plan->connections && l->errors == 0; i++) {
        conn_open(l, &l->conns[i]);
        if ((i + 1) % OPENED_AT_ONCE == 0) load_settle(l);
    }
    load_settle(l);
}

static void load_start(struct load *l)
{
    l->refill = true;
    for (size_t i = 0; i < l->plan->connections; i++) {
        struct conn *c = &l->conns[i];

        if (l->plan->mode == MODE_CHURN) {
            if (c->fd >= 0) conn_close(l, c);
            conn_open(l, c);
        } else if (c->fd >= 0) {
            conn_request(l, c, l->plan->depth, net_clock_ns());
        }
    }
}

static void load_close(struct load *l)
{
    free(l->conns[0].sent_at);  // the first ring is where all of them begin
    free(l->conns);
    traffic_deinit(&l->traffic);
    close(l->epoll);
}

// --- measuring -----------------------------------------------------------------------------------

struct moment {
    uint64_t clock_ns;
    uint64_t own_cpu_ns;  // without what was in vain
    uint64_t server_cpu_ns;
};

static struct moment moment_now(const struct load *l)
{
    const struct plan *plan = l->plan;

    return (struct moment){
        .clock_ns = net_clock_ns(),
        .own_cpu_ns = process_cpu_ns(0) - l->vain_ns,
        .server_cpu_ns = plan->server_pid != 0 ? process_cpu_ns(plan->server_pid) : 0,
    };
}

// A member of the output's object, or null where there is nothing to divide by.
static void print_ratio(const char *name, int digits, double value, double by)
{
    if (by > 0) {
        printf(", \"%s\": %.*f", name, digits, value / by);
    } else {
        printf(", \"%s\": null", name);
    }
}

static void print_quantile(const struct load *l, const char *name, uint64_t parts, uint64_t whole)
{
    print_ratio(name, 1, (double)histogram_quantile(&l->measured, parts, whole), 1e3);
}

static void print_flow(const struct load *l, struct moment from, struct moment to)
{
    const struct plan *plan = l->plan;
    double ns = (double)(to.clock_ns - from.clock_ns);
    double requests = (double)l->measured.count;
    double server_ns = (double)(to.server_cpu_ns - from.server_cpu_ns);
    bool measured = plan->server_pid != 0;
    uint64_t resident = measured ? process_resident_bytes(plan->server_pid) : 0;

    printf("{\"mode\": \"%s\", \"connections\": %zu, \"depth\": %zu", plan->mode_name,
           plan->connections, plan->depth);
    printf(", \"requests\": %" PRIu64, l->measured.count);
    print_ratio("seconds", 3, ns, 1e9);
    print_ratio("req_per_s", 0, requests * 1e9, ns);
    print_ratio("server_cpu_us_per_req", 3, server_ns / 1e3, measured ? requests : 0);
    print_quantile(l, "p50_us", 50, 100);
    print_quantile(l, "p99_us", 99, 100);
    print_quantile(l, "p99_9_us", 999, 1000);
    print_ratio("max_us", 1, (double)l->measured.max, 1e3);
    print_ratio("server_busy", 3, server_ns, measured ? ns : 0);
    print_ratio("load_busy", 3, (double)(to.own_cpu_ns - from.own_cpu_ns), ns);
    print_ratio("server_rss_kib", 0, (double)resident, measured ? 1024 : 0);
    printf(", \"errors\": %" PRIu64 "}\n", l->errors);
}

static void measure_flow(struct load *l)
{
    struct moment from, to;

    load_start(l);
    load_run_until(l, net_clock_ns() + l->plan->warmup_ns);
    histogram_reset(&l->latencies);
    from = moment_now(l);
    load_run_until(l, from.clock_ns + l->plan->duration_ns);
    to = moment_now(l);

    // What is still in flight must come, but does not count as measured.
    l->measured = l->latencies;
    l->refill = false;
    load_settle(l);
    if (l->measured.count == 0) l->errors++;
    print_flow(l, from, to);
}

// The server's memory before and after the connections, and what they cost it while nothing moves.
static void measure_idle(struct load *l, uint64_t resident_before)
{
    const struct plan *plan = l->plan;
    struct moment from = moment_now(l), to;
    double grown;

    load_run_until(l, from.clock_ns + plan->hold_ns);
    to = moment_now(l);
    grown = (double)process_resident_bytes(plan->server_pid) - (double)resident_before;

    printf("{\"mode\": \"idle\", \"connections\": %zu", l->alive);
    print_ratio("rss_before_kib", 0, (double)resident_before, 1024);
    print_ratio("rss_grown_kib", 0, grown, 1024);
    print_ratio("rss_bytes_per_connection", 1, grown, (double)l->alive);
    print_ratio("hold_seconds", 3, (double)(to.clock_ns - from.clock_ns), 1e9);
    print_ratio("server_cpu_us_while_idle", 1, (double)(to.server_cpu_ns - from.server_cpu_ns),
                1e3);
    printf(", \"errors\": %" PRIu64 "}\n", l->errors);
}

// --- the program ---------------------------------------------------------------------------------

static void print_help(void)
{
    printf("Measures a server on loopback and prints one line of JSON.\n\n"
           "  --mode MODE         http, echo: `depth` requests in flight on each connection\n"
           "                      churn: connect, one request, close\n"
           "                      idle: one request on each connection, then the server's memory\n"
           "  --protocol P        of churn and idle: http (default) or echo\n"
           "  --target ADDR:PORT  a loopback address\n"
           "  --path /X           of http (default /)\n"
           "  --bytes N           of an echo message (default 64)\n"
           "  --connections N     default 64\n"
           "  --depth N           requests in flight per connection (default 1)\n"
           "  --warmup SECONDS    not measured (default 0.3)\n"
           "  --duration SECONDS  measured (default 1)\n"
           "  --hold SECONDS      of idle (default 1)\n"
           "  --cpu N             run on this core only\n"
           "  --spin              look for replies all the time instead of sleeping: then no\n"
           "                      server pays for waking this program, be it fast or slow\n"
           "  --server-pid PID    measure the CPU time and memory of this process\n"
           "  --help              this text\n\n"
           "The exit status is 1 if a reply was wrong, late or missing or a connection broke.\n");
}

static void plan_set_mode(struct plan *plan, const char *name)
{
    plan->mode_name = name;
    if (strcmp(name, "http") == 0 || strcmp(name, "echo") == 0) {
        plan->mode = MODE_STEADY;
        plan->echo = name[0] == 'e';
    } else if (strcmp(name, "churn") == 0) {
        plan->mode = MODE_CHURN;
    } else if (strcmp(name, "idle") == 0) {
        plan->mode = MODE_IDLE;
    } else {
        net_misuse("--mode", name);
    }
}

static bool protocol_is_echo(const char *name)
{
    if (strcmp(name, "echo") == 0) return true;
    if (strcmp(name, "http") != 0) net_misuse("--protocol", name);
    return false;
}

static const char *path_check(const char *path)
{
    if (path[0] != '/' || strlen(path) > TRAFFIC_PATH_MAX || strpbrk(path, " \r\n") != NULL) {
        net_misuse("--path", path);
    }
    return path;
}

static void plan_set(struct plan *plan, const char *option, const char *value)
{
    char name[32];

    snprintf(name, sizeof name, "--%s", option);
    if (strcmp(option, "mode") == 0) plan_set_mode(plan, value);
    if (strcmp(option, "protocol") == 0) plan->echo = protocol_is_echo(value);
    if (strcmp(option, "target") == 0) plan->target = net_parse_loopback(name, value);
    if (strcmp(option, "path") == 0) plan->path = path_check(value);
    if (strcmp(option, "bytes") == 0) plan->bytes = net_parse_count(name, value, 1, BYTES_MAX);
    if (strcmp(option, "connections") == 0) {
        plan->connections = net_parse_count(name, value, 1, CONNECTIONS_MAX);
    }
    if (strcmp(option, "depth") == 0) plan->depth = net_parse_count(name, value, 1, DEPTH_MAX);
    if (strcmp(option, "warmup") == 0) plan->warmup_ns = net_parse_seconds_ns(name, value);
    if (strcmp(option, "duration") == 0) plan->duration_ns = net_parse_seconds_ns(name, value);
    if (strcmp(option, "hold") == 0) plan->hold_ns = net_parse_seconds_ns(name, value);
    if (strcmp(option, "cpu") == 0) plan->cpu = (int)net_parse_count(name, value, 0, 1023);
    if (strcmp(option, "spin") == 0) plan->spins = true;
    if (strcmp(option, "server-pid") == 0) {
        plan->server_pid = (pid_t)net_parse_count(name, value, 1, INT32_MAX);
    }
}

static void plan_check(const struct plan *plan)
{
    if (plan->mode_name == NULL) net_misuse("--mode", "");
    if (plan->target.sin_port == 0) net_misuse("--target", "");
    if (plan->mode == MODE_IDLE && plan->server_pid == 0) net_misuse("--server-pid", "");
    if (plan->mode != MODE_STEADY && plan->depth != 1) net_misuse("--depth", "other than 1");
    if (plan->echo && plan->bytes * plan->depth > BYTES_IN_FLIGHT_MAX) {
        net_misuse("--bytes", "times --depth is over 16 MiB");
    }
}

static struct plan plan_parse(int argc, char **argv)
{
    static const struct option names[] = {
        {"mode", required_argument, NULL, 'o'},
        {"protocol", required_argument, NULL, 'o'},
        {"target", required_argument, NULL, 'o'},
        {"path", required_argument, NULL, 'o'},
        {"bytes", required_argument, NULL, 'o'},
        {"connections", required_argument, NULL, 'o'},
        {"depth", required_argument, NULL, 'o'},
        {"warmup", required_argument, NULL, 'o'},
        {"duration", required_argument, NULL, 'o'},
        {"hold", required_argument, NULL, 'o'},
        {"cpu", required_argument, NULL, 'o'},
        {"help", no_argument, NULL, 'h'},
        {"server-pid", required_argument, NULL, 'o'},
        {"spin", no_argument, NULL, 'o'},
        {0}};
    struct plan plan = {.path = "/",
                        .connections = 64,
                        .depth = 1,
                        .bytes = 64,
                        .warmup_ns = 300000000,
                        .duration_ns = 1000000000,
                        .hold_ns = 1000000000,
                        .cpu = -1};
    int kind, which;

    while ((kind = getopt_long(argc, argv, "", names, &which)) != -1) {
        if (kind == 'h') {
            print_help();
            exit(EXIT_SUCCESS);
        }
        if (kind != 'o') exit(EXIT_USAGE);
        plan_set(&plan, names[which].name, optarg);
    }
    if (optind < argc) net_misuse("a command that takes options only", argv[optind]);
    plan_check(&plan);
    return plan;
}

int main(int argc, char **argv)
{
    static struct load load;
    struct plan plan = plan_parse(argc, argv);
    uint64_t resident_before = 0;

    // Whatever happens, this ends.
    alarm(WATCHDOG_SECONDS +
          (unsigned)((plan.warmup_ns + plan.duration_ns + plan.hold_ns) / 1000000000));
    if (plan.cpu >= 0) net_pin((unsigned)plan.cpu);
    net_raise_open_files(OPEN_FILES_MAX);
    load_open(&load, &plan);
    if (plan.mode == MODE_IDLE) resident_before = process_resident_bytes(plan.server_pid);
    load_connect(&load);
    if (load.errors > 0) return EXIT_BROKEN;
    if (plan.mode == MODE_IDLE) {
        measure_idle(&load, resident_before);
    } else {
        measure_flow(&load);
    }
    load_close(&load);
    return load.errors == 0 ? EXIT_SUCCESS : EXIT_BROKEN;
}
