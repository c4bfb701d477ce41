// SPDX-License-Identifier: MIT
//
// Both peers of a TCP proxy: the client, and the upstream behind it. A run plays one scene with
// blocking sockets, no part of which is rouse's:
//
//     peer SCENE PROXY_PORT UPSTREAM_PORT
//
// It succeeds, or says what is wrong. `peer port` prints a port that is free. Every scene has a
// limit of time, and none of them is about time.

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SCENE_LIMIT_S = 40, BULK = 6 << 20, MANY = 12, STILL_MS = 300 };

static int proxy_port;
static int upstream_port;
static int listener;

__attribute__((noreturn, format(printf, 1, 2))) static void fail(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vprintf(format, arguments);
    va_end(arguments);
    (void)printf("\n");
    exit(1);
}

// `result`, which is no error.
static ssize_t must(ssize_t result, const char *what)
{
    if (result < 0) fail("%s: %s", what, strerror(errno));
    return result;
}

// ---- Sockets ----

static struct sockaddr_in loopback(int port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int listen_on(int port)
{
    const struct sockaddr_in address = loopback(port);
    const int on = 1;
    int fd = (int)must(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");

    must(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), "SO_REUSEADDR");
    must(bind(fd, (const struct sockaddr *)&address, sizeof address), "bind");
    must(listen(fd, 64), "listen");
    return fd;
}

static int connect_to(int port)
{
    const struct sockaddr_in address = loopback(port);
    int fd = (int)must(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");

    must(connect(fd, (const struct sockaddr *)&address, sizeof address), "connect");
    return fd;
}

// A connection through the proxy: ends[0] is the client's, ends[1] the upstream's.
static void connect_through(int ends[2])
{
    ends[0] = connect_to(proxy_port);
    ends[1] = (int)must(accept(listener, NULL, NULL), "accept");
}

static void say(int fd, const char *text)
{
    if (send(fd, text, strlen(text), MSG_NOSIGNAL) != (ssize_t)strlen(text)) fail("send is short");
}

static void hear(int fd, const char *text)
{
    char buf[64];
    size_t size = strlen(text), done = 0;

    while (done < size) {
        ssize_t n = must(read(fd, buf + done, size - done), "read");

        if (n == 0) fail("the stream ended before '%s'", text);
        done += (size_t)n;
    }
    if (memcmp(buf, text, size) != 0) fail("it is not '%s'", text);
}

static void hear_end(int fd)
{
    char byte;
    ssize_t n = must(read(fd, &byte, 1), "read of the end");

    if (n != 0) fail("there is more before the end");
}

static void hear_reset(int fd)
{
    char byte;
    ssize_t n;

    while ((n = read(fd, &byte, 1)) > 0) {
    }
    if (n == 0) fail("the stream ended, and should have been reset");
    if (errno != ECONNRESET) fail("read: %s", strerror(errno));
}

static void reset(int fd)
{
    const struct linger at_once = {.l_onoff = 1};

    must(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), "SO_LINGER");
    must(close(fd), "close");
}

// ---- A pattern that knows its place ----

static unsigned char pattern(size_t place, unsigned seed)
{
    return (unsigned char)(place * 31 + place / 251 + place / 65521 * 7 + seed);
}

struct stream {
    int fd;
    unsigned seed;
    size_t size;
};

static void *stream_write(void *arg)
{
    const struct stream *s = arg;
    unsigned char block[16000];

    for (size_t done = 0; done < s->size;) {
        size_t count = s->size - done < sizeof block ? s->size - done : sizeof block;

        for (size_t i = 0; i < count; i++) block[i] = pattern(done + i, s->seed);
        for (size_t at = 0; at < count;) {
            at += (size_t)must(send(s->fd, block + at, count - at, MSG_NOSIGNAL), "send");
        }
        done += count;
    }
    must(shutdown(s->fd, SHUT_WR), "shutdown");
    return NULL;
}

static void *stream_read(void *arg)
{
    const struct stream *s = arg;
    unsigned char block[50000];
    size_t done = 0;
    ssize_t n;

    while ((n = must(read(s->fd, block, sizeof block), "read")) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            if (block[i] != pattern(done + (size_t)i, s->seed)) fail("byte %zu is wrong", done);
        }
        done += (size_t)n;
    }
    if (done != s->size) fail("%zu bytes came, not %zu", done, s->size);
    return NULL;
}

static pthread_t start(void *(*fn)(void *), struct stream *stream)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, fn, stream) != 0) fail("no thread");
    return thread;
}

// ---- Scenes ----

static void echo(void)
{
    int ends[2];

    connect_through(ends);
    say(ends[0], "question");
    hear(ends[1], "question");
    say(ends[1], "answer");
    hear(ends[0], "answer");
}

// Who ends its stream first still gets an answer.
static void half_close(void)
{
    for (int first = 0; first < 2; first++) {
        int ends[2];

        connect_through(ends);
        say(ends[first], "question");
        must(shutdown(ends[first], SHUT_WR), "shutdown");
        hear(ends[!first], "question");
        hear_end(ends[!first]);
        say(ends[!first], "answer");
        must(close(ends[!first]), "close");
        hear(ends[first], "answer");
        hear_end(ends[first]);
        must(close(ends[first]), "close");
    }
}

static void resets(void)
{
    for (int first = 0; first < 2; first++) {
        int ends[2];

        connect_through(ends);
        say(ends[first], "part");
        hear(ends[!first], "part");
        reset(ends[first]);
        hear_reset(ends[!first]);
        must(close(ends[!first]), "close");
    }
}

// Goes away without having read what was sent to it.
static void vanishing(void)
{
    for (int first = 0; first < 2; first++) {
        int ends[2];

        connect_through(ends);
        say(ends[!first], "unheard");
        must(poll(&(struct pollfd){.fd = ends[first], .events = POLLIN}, 1, -1), "poll");
        must(close(ends[first]), "close");
        hear_reset(ends[!first]);
        must(close(ends[!first]), "close");
    }
}

static void bulk(void)
{
    struct stream streams[4];
    pthread_t threads[4];
    int ends[2];

    connect_through(ends);
    for (int i = 0; i < 4; i++) {
        streams[i] =
            (struct stream){.fd = ends[i % 2], .seed = (unsigned)(i == 0 || i == 3), .size = BULK};
        threads[i] = start(i < 2 ? stream_write : stream_read, &streams[i]);
    }
    for (int i = 0; i < 4; i++) (void)pthread_join(threads[i], NULL);
}

// Sends until nothing more goes in for a while; returns how much it was.
static size_t fill(int fd, unsigned seed, size_t size_max)
{
    unsigned char block[16000];
    size_t done = 0;

    while (done < size_max &&
           poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, STILL_MS) > 0) {
        for (size_t i = 0; i < sizeof block; i++) block[i] = pattern(done + i, seed);
        ssize_t n = send(fd, block, sizeof block, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno != EAGAIN) fail("send: %s", strerror(errno));
        if (n > 0) done += (size_t)n;
    }
    return done;
}

// The upstream reads nothing: the client is held up, however much it has. Then all of it arrives.
static void slow_reader(void)
{
    const size_t much = (size_t)256 << 20;
    int ends[2];

    connect_through(ends);
    struct stream stream = {.fd = ends[1], .seed = 3, .size = fill(ends[0], 3, much)};

    if (stream.size >= much) fail("nothing held up the sender");
    must(shutdown(ends[0], SHUT_WR), "shutdown");
    (void)stream_read(&stream);
}

// Many at once are held up, each with bytes on their way.
static void many_slow_readers(void)
{
    struct stream streams[MANY];
    int ends[MANY][2];

    for (int i = 0; i < MANY; i++) {
        const int small = 256 << 10;

        connect_through(ends[i]);
        must(setsockopt(ends[i][1], SOL_SOCKET, SO_RCVBUF, &small, sizeof small), "SO_RCVBUF");
    }
    for (int i = 0; i < MANY; i++) {
        streams[i] = (struct stream){.fd = ends[i][1],
                                     .seed = (unsigned)i,
                                     .size = fill(ends[i][0], (unsigned)i, BULK)};
        must(shutdown(ends[i][0], SHUT_WR), "shutdown");
    }
    for (int i = 0; i < MANY; i++) (void)stream_read(&streams[i]);
}

// The upstream takes its time: what the client has said meanwhile is there.
static void late(void)
{
    int client = connect_to(proxy_port);
    int upstream;

    say(client, "early");
    must(shutdown(client, SHUT_WR), "shutdown");
    (void)poll(NULL, 0, 100);
    upstream = (int)must(accept(listener, NULL, NULL), "accept");
    hear(upstream, "early");
    hear_end(upstream);
    must(close(upstream), "close");
    hear_end(client);
}

// Nobody is there behind the proxy.
static void unanswered(void)
{
    int client = connect_to(proxy_port);

    hear_reset(client);
}

// Connects once. False if the proxy resets the connection.
static bool gets_through(void)
{
    int client = connect_to(proxy_port);
    struct pollfd entries[2] = {{.fd = listener, .events = POLLIN},
                                {.fd = client, .events = POLLIN}};

    must(poll(entries, 2, -1), "poll");
    if (entries[0].revents == 0) {
        must(close(client), "close");
        return false;
    }
    int upstream = (int)must(accept(listener, NULL, NULL), "accept");

    say(client, "again");
    hear(upstream, "again");
    return true;
}

// With --max-connections 4.
static void limit(void)
{
    int held[4][2];

    for (int i = 0; i < 4; i++) {
        connect_through(held[i]);
        say(held[i][0], "in");
        hear(held[i][1], "in");
    }
    hear_reset(connect_to(proxy_port));
    must(close(held[0][0]), "close");
    hear_end(held[0][1]);
    must(close(held[0][1]), "close");
    // The place is free a moment later.
    while (!gets_through()) (void)poll(NULL, 0, 20);
}

// With a short --idle-timeout.
static void idle(void)
{
    int ends[2];

    connect_through(ends);
    say(ends[0], "before");
    hear(ends[1], "before");
    hear_reset(ends[0]);
    hear_reset(ends[1]);
}

// Holds a connection open until its standard input ends, answers once more, and ends in order.
static void hold(void)
{
    int ends[2];
    char byte;

    connect_through(ends);
    say(ends[0], "one");
    hear(ends[1], "one");
    (void)printf("held\n");
    (void)fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0) {
    }
    say(ends[0], "two");
    hear(ends[1], "two");
    must(close(ends[0]), "close");
    hear_end(ends[1]);
}

// Holds one until the proxy resets it.
static void held_until_cut(void)
{
    int ends[2];

    connect_through(ends);
    say(ends[0], "one");
    hear(ends[1], "one");
    (void)printf("held\n");
    (void)fflush(stdout);
    hear_reset(ends[0]);
    hear_reset(ends[1]);
}

static const struct {
    const char *name;
    void (*play)(void);
    bool is_alone;  // nobody listens
} scenes[] = {
    {"echo", echo, false},
    {"half_close", half_close, false},
    {"resets", resets, false},
    {"vanishing", vanishing, false},
    {"bulk", bulk, false},
    {"slow_reader", slow_reader, false},
    {"many_slow_readers", many_slow_readers, false},
    {"late", late, false},
    {"unanswered", unanswered, true},
    {"limit", limit, false},
    {"idle", idle, false},
    {"hold", hold, false},
    {"held_until_cut", held_until_cut, false},
};

static int free_port(void)
{
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    int fd = listen_on(0);

    must(getsockname(fd, (struct sockaddr *)&address, &length), "getsockname");
    (void)printf("%d\n", ntohs(address.sin_port));
    return 0;
}

int main(int argc, char **argv)
{
    (void)alarm(SCENE_LIMIT_S);
    if (argc == 2 && strcmp(argv[1], "port") == 0) return free_port();
    if (argc != 4) fail("usage: peer SCENE PROXY_PORT UPSTREAM_PORT");
    proxy_port = atoi(argv[2]);
    upstream_port = atoi(argv[3]);
    for (size_t i = 0; i < sizeof scenes / sizeof scenes[0]; i++) {
        if (strcmp(scenes[i].name, argv[1]) != 0) continue;
        if (!scenes[i].is_alone) listener = listen_on(upstream_port);
        scenes[i].play();
        return 0;
    }
    fail("there is no scene '%s'", argv[1]);
}
