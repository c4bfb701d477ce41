// SPDX-License-Identifier: MIT
//
// A console that is none: answers `GET /events` as the console of a program would, with a program
// that has two workers and a hundred tasks. No part of it is rouse's.
//
//     console_mock SCENE
//
// It prints "listening on 127.0.0.1:PORT", and ends by itself after a minute. The numbers grow by
// the same amount from one snapshot to the next, whatever time that takes: in a second of the
// program's time worker 0 is busy for half, polls 2000 tasks and steals 30. The first task waits
// for the request's own target, so that a reader's screen shows what it has asked for. The scenes:
//
//     good       a snapshot each period, for ever
//     ends       the first connection ends after two of them, those behind are good
//     hostile    names with control characters, and more of everything than anybody has room for
//     status     421, and no events
//     other      a web server without events
//     garbage    events that are no JSON
//     raw        no HTTP at all
//     silent     takes the request and says nothing

#include <arpa/inet.h>
#include <netinet/in.h>
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

enum { LIFE_S = 60, TASKS = 100, TEXT_SIZE = 4 << 20, SECOND = 1000000000 };

static const char *scene;
static int connections;

static bool is_scene(const char *name)
{
    return strcmp(scene, name) == 0;
}

// ---- The snapshot ----

struct text {
    char *at;
    char *end;
};

__attribute__((format(printf, 2, 3))) static void print(struct text *text, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    int size = vsnprintf(text->at, (size_t)(text->end - text->at), format, arguments);

    va_end(arguments);
    if (size < 0 || size >= text->end - text->at) abort();
    text->at += size;
}

static void print_workers(struct text *text, uint64_t turn, int workers)
{
    print(text, ",\"workers\":[");
    for (int i = 0; i < workers; i++) {
        bool is_first = i == 0;

        print(text,
              "%s{\"id\":%d,\"state\":\"%s\",\"task\":%s,\"poll_count\":%llu,\"park_count\":1,"
              "\"noop_count\":0,\"steal_count\":%llu,\"busy_ns\":%llu,\"queue\":%d,\"new\":[{}]}",
              is_first ? "" : ",", i, is_first ? "running" : "idle", is_first ? "\"17\"" : "null",
              is_first ? 2000ULL * turn : 0, is_first ? 30ULL * turn : 0,
              is_first ? 500000000ULL * turn : 0, is_first ? 3 : 0);
    }
    print(text, "]");
}

// Of a hundred polls in each turn one is long, and the very first of all took 2 s.
static void print_histograms(struct text *text, uint64_t turn)
{
    print(text, ",\"poll_time\":[[1024,%llu],[1048576,%llu],[2147483648,1]]", 99ULL * turn,
          1ULL * turn);
    print(text, ",\"schedule_latency\":[[5120,%llu],[0,1]]}", 100ULL * turn);
}

static void print_task(struct text *text, int i, const char *target)
{
    bool is_hostile = is_scene("hostile");
    const char *name = i % 10 == 9 ? "" : is_hostile ? "\\u001b[2Jgo\\u009b7m\\n" : "producer";

    print(text,
          "%s{\"id\":\"%d\",\"scheduler\":0,\"name\":\"%s\",\"site\":\"examples/some.c:%d\","
          "\"style\":\"fiber\",\"state\":\"waiting\",\"waits\":\"%s\",\"polls\":%d,\"wakes\":5,"
          "\"busy_ns\":%d,\"scheduled_ns\":1500,\"idle_ns\":2500000000,\"since_ns\":1,"
          "\"lints\":[%s]}",
          i == 0 ? "" : ",", 17 + i, name, 10 + i, i == 0 ? target : "a place in channel", 3 * i,
          1000 * i, i == 1 ? "\"never yields\",\"lost waker\"" : "");
}

static void print_snapshot(struct text *text, uint64_t turn, const char *target)
{
    int workers = is_scene("hostile") ? 400 : 2;
    int tasks = is_scene("hostile") ? 1500 : TASKS;

    print(text,
          "{\"time_ns\":%llu,\"program\":\"mock\",\"pid\":4711,\"uptime_ns\":%llu,"
          "\"rss_bytes\":12900000,\"version\":\"0.1.0\",\"control\":false,\"actions\":[],"
          "\"schedulers\":[{\"name\":\"runtime 1\",\"kind\":\"runtime\",\"reactor\":\"epoll\","
          "\"metrics\":{\"num_workers\":%d,\"num_idle_workers\":1,\"num_alive_tasks\":%d,"
          "\"global_queue_depth\":7,\"num_blocking_threads\":3,\"num_idle_blocking_threads\":2,"
          "\"blocking_queue_depth\":4}",
          50ULL * SECOND + turn * SECOND, 3720ULL * SECOND + turn * SECOND, workers, tasks);
    print_workers(text, turn, workers);
    print_histograms(text, turn);
    print(text,
          "],\"process\":{\"num_timers\":12,\"num_sources\":34,\"task_bytes\":262144,"
          "\"stack_bytes\":8388608,\"buffer_bytes\":0},\"lanes\":{\"runs\":[[0,0,\"17\",1,2]]},"
          "\"tasks\":{\"alive\":%d,\"looked_at\":20000,\"matched\":%d,\"is_sample\":true,"
          "\"rows\":[",
          tasks, tasks);
    for (int i = 0; i < tasks; i++) print_task(text, i, target);
    print(text, "]}}");
}

// ---- Connections ----

static bool send_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(fd, bytes, size, MSG_NOSIGNAL);

        if (sent <= 0) return false;
        bytes += sent;
        size -= (size_t)sent;
    }
    return true;
}

static bool say(int fd, const char *text)
{
    return send_all(fd, text, strlen(text));
}

static void send_snapshots(int fd, const char *target, int number)
{
    const char *period = strstr(target, "period=");
    unsigned period_ms = period == NULL ? 500 : (unsigned)strtoul(period + 7, NULL, 10);
    char *memory = malloc(TEXT_SIZE);
    bool is_open = memory != NULL;

    for (uint64_t turn = 1; is_open; turn++) {
        struct text text = {memory, memory + TEXT_SIZE};

        if (is_scene("ends") && number == 0 && turn > 2) break;
        print(&text, ": a comment\nevent: snapshot\ndata: ");
        print_snapshot(&text, turn, target);
        print(&text, "\n\nevent: other\ndata: no snapshot\n\n");
        is_open = send_all(fd, memory, (size_t)(text.at - memory));
        (void)usleep(period_ms * 1000);
    }
    free(memory);
}

static void answer(int fd, const char *target, int number)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";

    if (is_scene("status")) {
        (void)say(fd, "HTTP/1.1 421 Misdirected Request\r\nContent-Length: 0\r\n\r\n");
    } else if (is_scene("other")) {
        (void)say(fd, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<p>");
    } else if (is_scene("raw")) {
        (void)say(fd, "220 mail.example ESMTP\r\n");
    } else if (is_scene("garbage")) {
        (void)(say(fd, head) && say(fd, "event: snapshot\ndata: {\"pid\":}\n\n"));
    } else if (is_scene("silent")) {
        (void)sleep(LIFE_S);
    } else if (say(fd, head)) {
        send_snapshots(fd, target, number);
    }
}

// Reads a head, and takes the target out of its first line.
static bool read_target(int fd, char *target, size_t size)
{
    char head[8192];
    size_t used = 0;

    do {
        ssize_t got = recv(fd, head + used, sizeof head - 1 - used, 0);

        if (got <= 0) return false;
        used += (size_t)got;
        head[used] = '\0';
    } while (strstr(head, "\r\n\r\n") == NULL);
    char *begin = strchr(head, ' ');
    char *end = begin == NULL ? NULL : strchr(begin + 1, ' ');

    if (end == NULL || strncmp(head, "GET /events?", 12) != 0) return false;
    *end = '\0';
    (void)snprintf(target, size, "%s", begin + 1);
    return strstr(end + 1, "\r\nHost: 127.0.0.1:") != NULL;
}

struct connection {
    int fd;
    int number;
};

static void *serve(void *arg)
{
    struct connection *connection = arg;
    char target[1024];

    if (read_target(connection->fd, target, sizeof target)) {
        answer(connection->fd, target, connection->number);
    }
    (void)close(connection->fd);
    free(connection);
    return NULL;
}

static int listen_anywhere(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) < 0 || listen(fd, 16) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) < 0) {
        perror("console_mock");
        exit(2);
    }
    (void)printf("listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
    (void)fflush(stdout);
    return fd;
}

int main(int argc, char **argv)
{
    pthread_t thread;
    int listener;

    if (argc != 2) return 2;
    scene = argv[1];
    (void)alarm(LIFE_S);
    listener = listen_anywhere();
    for (;;) {
        struct connection *connection = malloc(sizeof *connection);

        if (connection == NULL) return 2;
        connection->fd = accept(listener, NULL, NULL);
        connection->number = connections++;
        if (connection->fd < 0) return 2;
        if (pthread_create(&thread, NULL, serve, connection) != 0) return 2;
        (void)pthread_detach(thread);
    }
}
