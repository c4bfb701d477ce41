// SPDX-License-Identifier: MIT
//
// A crowd of connections, opened, echoed on, held and closed, again and again: after each round
// everything that is counted is where it was, and memory grows no more once each style had its
// round. The client is a process of its own that knows nothing of rouse; it calls from many
// addresses of the loopback range, so that ports do not run out, and resets every other connection.
// With ROUSE_TEST_FULL=1 they are 19,000 at a time, which takes 20,000 descriptors in each process.

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "stress.h"

enum { MESSAGE = 64, SPARE_DESCRIPTORS = 200, ROUNDS_MAX = 10, PATIENCE_MS = 60000 };

static int count = 500;
static int rounds = 3;

static bool send_all(int fd, const void *data, size_t size)
{
    return send(fd, data, size, MSG_NOSIGNAL) == (ssize_t)size;
}

// ---- The client ----

// What the server tells the client: a round, and where to call. No port: it is over.
struct order {
    uint32_t round;
    uint32_t port;
};

static void message_fill(char *message, uint32_t round, int i)
{
    memset(message, 'x', MESSAGE);
    (void)snprintf(message, MESSAGE, "%u/%d", round, i);
}

// A source address for so few connections that its ports last, also while closed ones hold theirs.
static bool call_from(int fd, uint32_t round, int i)
{
    const uint32_t host = (uint32_t)i % 200 + 1;
    const struct sockaddr_in source = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(UINT32_C(127) << 24 | (round + 1) << 8 | host)};
    const int on = 1;

    return setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) == 0 &&
           bind(fd, (const struct sockaddr *)&source, sizeof source) == 0;
}

static int call(const struct order *order, int i)
{
    const struct sockaddr_in target = {.sin_family = AF_INET,
                                       .sin_port = htons((uint16_t)order->port),
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char message[MESSAGE];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    message_fill(message, order->round, i);
    if (fd >= 0 && call_from(fd, order->round, i) &&
        connect(fd, (const struct sockaddr *)&target, sizeof target) == 0 &&
        send_all(fd, message, sizeof message)) {
        return fd;
    }
    (void)fprintf(stderr, "# connection %d: %s\n", i, strerror(errno));
    exit(1);
}

static void hear(const struct order *order, int fd, int i)
{
    char expected[MESSAGE], got[MESSAGE];

    message_fill(expected, order->round, i);
    if (recv(fd, got, sizeof got, MSG_WAITALL) == MESSAGE && memcmp(got, expected, MESSAGE) == 0) {
        return;
    }
    (void)fprintf(stderr, "# connection %d: no echo, or not its own\n", i);
    exit(1);
}

static void hang_up(int fd, bool by_reset)
{
    const struct linger linger = {.l_onoff = 1, .l_linger = 0};

    if (by_reset) (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    (void)close(fd);
}

// Talks to the server by `line`: gets orders; says a byte when all connections are held, and hangs
// them up when it gets one.
static void client(int line)
{
    int *fds = calloc((size_t)count, sizeof *fds);
    struct order order;
    char byte = 0;

    if (fds == NULL) exit(1);
    while (recv(line, &order, sizeof order, MSG_WAITALL) == (ssize_t)sizeof order &&
           order.port != 0) {
        for (int i = 0; i < count; i++) fds[i] = call(&order, i);
        for (int i = 0; i < count; i++) hear(&order, fds[i], i);
        if (!send_all(line, &byte, 1) || recv(line, &byte, 1, 0) != 1) exit(1);
        for (int i = 0; i < count; i++) hang_up(fds[i], i % 2 == 0);
    }
    free(fds);
    exit(0);
}

// ---- The server ----

static struct rouse_tcp_listener *listener;
static atomic_bool with_frames;  // written while nobody calls

static int serve_fiber(void *arg)
{
    struct rouse_tcp *conn = arg;
    void *data;
    ssize_t n;

    while ((n = rouse_tcp_read_pooled(conn, &data)) > 0) {
        n = rouse_tcp_write_all(conn, data, (size_t)n);
        rouse_buffer_free(data);
        if (n < 0) break;
    }
    rouse_tcp_unref(conn);
    return 0;
}

struct serve {
    struct rouse_async async;
    struct rouse_tcp *conn;
    struct rouse_tcp_readable readable;
};

static rouse_poll serve_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct serve *s = ROUSE_CONTAINER_OF(self, struct serve, async.base);
    char buf[MESSAGE];
    ssize_t n;

    ROUSE_ASYNC_BEGIN(&s->async, cx);
    for (;;) {
        rouse_tcp_readable_init(&s->readable, s->conn);
        ROUSE_AWAIT(&s->readable.base);
        n = rouse_tcp_try_read(s->conn, buf, sizeof buf);
        if (n == -EAGAIN) continue;
        // So little always finds room.
        if (n <= 0 || rouse_tcp_try_write(s->conn, buf, (size_t)n) != n) break;
    }
    rouse_tcp_unref(s->conn);
    ROUSE_ASYNC_END();
}

static void serve_drop(struct rouse_future *self)
{
    struct serve *s = ROUSE_CONTAINER_OF(self, struct serve, async.base);

    rouse_async_cancel(&s->async);
    rouse_tcp_unref(s->conn);
}

static const struct rouse_future_vtable serve_vtable = {
    .poll = serve_poll, .drop = serve_drop, .name = "serve", .describe = rouse_async_describe};

static void serve_init(struct rouse_future *storage, void *conn)
{
    struct serve *s = ROUSE_CONTAINER_OF(storage, struct serve, async.base);

    rouse_async_init(&s->async, &serve_vtable);
    s->conn = conn;
}

// Until the listener is closed.
static int accept_all(void *arg)
{
    struct rouse_tcp *conn;
    int err;

    (void)arg;
    while ((err = rouse_tcp_accept(listener, &conn)) == 0) {
        const struct rouse_future_spec frame = {
            .size = sizeof(struct serve), .init = serve_init, .arg = conn};

        err = atomic_load(&with_frames) ? rouse_spawn_future(NULL, &frame)
                                        : rouse_spawn(NULL, serve_fiber, conn);
        if (err < 0) rouse_tcp_unref(conn);
    }
    return err;
}

// ---- Rounds ----

static struct rouse_stats stats_now(void)
{
    struct rouse_stats stats;

    rouse_stats_get(&stats);
    return stats;
}

// Everything that lives, in one number for each kind.
static bool are_alive(const struct rouse_stats *before, int64_t conns)
{
    const struct rouse_stats now = stats_now();

    return now.sockets == before->sockets + conns && now.tasks == before->tasks + conns &&
           now.sources == before->sources + conns && now.buffers == before->buffers &&
           now.stacks == before->stacks + (with_frames ? 0 : conns) &&
           now.timers == before->timers && now.fds == before->fds;
}

static bool are_soon_alive(const struct rouse_stats *before, int64_t conns)
{
    const struct timespec moment = {0, 2000000};

    for (int ms = 0; ms < PATIENCE_MS; ms += 2) {
        if (are_alive(before, conns)) return true;
        (void)nanosleep(&moment, NULL);
    }
    const struct rouse_stats now = stats_now();

    printf("# sockets %lld, tasks %lld, sources %lld, stacks %lld, buffers %lld, timers %lld\n",
           (long long)now.sockets, (long long)now.tasks, (long long)now.sources,
           (long long)now.stacks, (long long)now.buffers, (long long)now.timers);
    return false;
}

static long resident_kib(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    long pages = 0;

    if (file == NULL || fscanf(file, "%*d %ld", &pages) != 1) pages = 0;
    if (file != NULL) (void)fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

// What memory is left in use after a round.
struct held {
    int64_t bytes;
    int64_t pages;
    long resident;
};

static struct held round_run(int line, uint32_t round)
{
    const struct rouse_stats before = stats_now();
    struct rouse_addr address;
    char byte = 0;

    atomic_store(&with_frames, round % 2 == 1);
    bool held = rouse_tcp_listener_address(listener, &address) == 0;
    const struct order order = {.round = round, .port = rouse_addr_port(&address)};

    held = held && send_all(line, &order, sizeof order) && recv(line, &byte, 1, 0) == 1;
    claim(held && are_soon_alive(&before, count), "all_connections_are_held_and_counted");
    long resident = resident_kib();

    claim(send_all(line, &byte, 1) && are_soon_alive(&before, 0),
          "all_counters_are_back_when_they_are_closed");
    const struct rouse_stats after = stats_now();
    const struct held result = {after.allocated_bytes, after.page_bytes, resident_kib()};

    printf("# round %u, %s: resident %ld KiB held, %ld KiB closed; %lld bytes, %lld of pages\n",
           round, round % 2 == 1 ? "frames" : "fibers", resident, result.resident,
           (long long)result.bytes, (long long)result.pages);
    return result;
}

static void server_start(struct rouse_runtime **runtime, struct rouse_join_handle *acceptor)
{
    const struct rouse_runtime_options options = {.size = sizeof options, .workers = 2};
    const struct rouse_tcp_listen_options listening = {.size = sizeof listening, .backlog = 4096};
    const struct rouse_addr any = rouse_addr_loopback(0);
    const struct timespec moment = {0, 1000000};

    if (rouse_runtime_new(runtime, &options) < 0 ||
        rouse_tcp_listen(&listener, &any, &listening) < 0 ||
        rouse_runtime_spawn(*runtime, acceptor, accept_all, NULL, NULL) < 0) {
        printf("Bail out! no server\n");
        exit(1);
    }
    // It accepts when its listener is watched.
    while (stats_now().sources == 0) (void)nanosleep(&moment, NULL);
}

static void rounds_run(int line)
{
    const struct order over = {0};
    struct held held[ROUNDS_MAX];
    struct rouse_join_handle acceptor;
    struct rouse_runtime *runtime;

    server_start(&runtime, &acceptor);
    for (int i = 0; i < rounds; i++) held[i] = round_run(line, (uint32_t)i);
    // The first two rounds make tables and slabs for one style each. How connections are spread
    // over the workers changes from round to round, so there is some room.
    claim(held[rounds - 1].resident <= held[1].resident + held[1].resident / 2 + 4096 || RS_ASAN ||
              RS_TSAN,
          "memory_grows_no_more_after_a_round_of_each_style");
    (void)send_all(line, &over, sizeof over);
    rouse_tcp_listener_close(listener);
    claim(rouse_block_on(runtime, &acceptor.base) == 0 && acceptor.output == -EBADF,
          "the_acceptor_ends_with_its_listener");
    rouse_future_drop(&acceptor.base);
    rouse_tcp_listener_unref(listener);
    rouse_runtime_free(runtime);
}

// False if the limit of descriptors is too low.
static bool descriptors_suffice(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return false;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur >= (rlim_t)(count + SPARE_DESCRIPTORS);
}

int main(int argc, char **argv)
{
    int line[2];
    int status = -1;

    stress_begin(argc, argv);
    if (getenv("ROUSE_TEST_FULL") != NULL) {
        count = 19000;
        rounds = ROUNDS_MAX;
    }
    if (!descriptors_suffice() || socketpair(AF_UNIX, SOCK_STREAM, 0, line) < 0) {
        printf("1..0 # SKIP the limit of open files\n");
        return 77;
    }
    const struct rouse_stats before = stats_now();
    (void)fflush(stdout);
    pid_t child = fork();

    if (child == 0) {
        (void)close(line[0]);
        client(line[1]);
    }
    (void)close(line[1]);
    rounds_run(line[0]);
    (void)waitpid(child, &status, 0);
    claim(status == 0, "the_client_got_its_echoes");
    const struct rouse_stats after = stats_now();

    claim(after.sockets == before.sockets && after.tasks == before.tasks &&
              after.task_records == before.task_records && after.fds == before.fds &&
              after.allocations == before.allocations && after.page_bytes == before.page_bytes,
          "nothing_is_left_of_the_runtime");
    return claims_end();
}
