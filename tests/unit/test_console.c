// SPDX-License-Identifier: MIT
//
// The console from its clients' side: what it answers to whom; what it says of a task that nobody
// can wake, and while every worker is inside a poll; control; streams, and that nothing is measured
// any more when nobody watches; traces; too many clients, too few descriptors, no memory; a fork. A
// case that waits in vain ends by an alarm.

#include <errno.h>
#include <rouse.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "base/sys.h"
#include "child.h"
#include "claim.h"
#include "console_client.h"
#include "insight/console_server.h"
#include "json_text.h"
#include "sched/observe.h"
#include "sched/runtime.h"

static struct rouse_addr addr;
static struct rouse_runtime *runtime;

static void must(bool holds)
{
    if (!holds) abort();
}

static void start(bool control)
{
    const struct rouse_console_options options = {
        .size = sizeof options, .listen = "127.0.0.1:0", .allow_control = control};

    must(rouse_console_start(&options) == 0);
    must(rouse_console_address(&addr) == 0);
}

static void runtime_begin(void)
{
    const struct rouse_runtime_options options = {.size = sizeof options, .workers = 2};

    must(rouse_runtime_new(&runtime, &options) == 0);
}

// Whether the answer to a request has that status.
static bool status_is(const char *what, const char *headers, int status)
{
    char *answer = client_ask(&addr, what, headers);
    bool is_it = client_status(answer) == status && client_body(answer) != NULL;

    if (!is_it) printf("# %.300s\n", answer);
    free(answer);
    return is_it;
}

// Whether the answer is whole, and has all of the words in it; NULL ends them.
static bool says(const char *what, const char *headers, const char *const *words)
{
    char *answer = client_ask(&addr, what, headers);
    bool has_all = client_status(answer) == 200 && client_body(answer) != NULL;

    for (; has_all && *words != NULL; words++) has_all = strstr(answer, *words) != NULL;
    if (!has_all) printf("# %.3000s\n", answer);
    free(answer);
    return has_all;
}

#define SAYS(what, headers, ...) says((what), (headers), (const char *const[]){__VA_ARGS__, NULL})

static bool is_json(const char *what)
{
    char *answer = client_ask(&addr, what, "");
    const char *body = client_body(answer);
    bool is_it = client_status(answer) == 200 && body != NULL && json_is_valid(body);

    if (!is_it) printf("# %s\n", answer);
    free(answer);
    return is_it;
}

// ---- Started and stopped ----

static int start_at(const char *listen, bool allow_remote)
{
    const struct rouse_console_options options = {
        .size = sizeof options, .listen = listen, .allow_remote = allow_remote};
    int err = rouse_console_start(&options);

    rouse_console_stop();
    return err;
}

static void starts(void)
{
    struct rouse_addr other;

    claim(rouse_console_address(&addr) == -ENOENT, "without a console there is no address");
    rouse_console_stop();
    claim(start_at("nowhere", false) == -EINVAL && start_at("99999", false) == -EINVAL,
          "an address that is none");
    claim(start_at("0.0.0.0:0", false) == -EACCES && start_at("[::]:0", false) == -EACCES,
          "one that others can reach is refused");
    claim(start_at("0.0.0.0:0", true) == 0, "unless they may");
    claim(start_at("0", false) == 0, "a port alone is this machine's");
    start(false);
    claim(rouse_addr_port(&addr) != 0, "the port that was given is told");
    claim(rouse_console_start(NULL) == -EALREADY, "there is one console");
    claim(rouse_console_address(&other) == 0 && rouse_addr_equal(&other, &addr), "at one place");
}

static bool has_policy(void)
{
    char *answer = client_ask(&addr, "GET /", "Accept: text/html\r\n");
    const char *nonce = strstr(answer, "script-src 'nonce-");
    char tag[64] = "";
    bool has = false;

    if (nonce != NULL) (void)snprintf(tag, sizeof tag, "<script nonce=\"%.32s\">", nonce + 18);
    has = nonce != NULL && strstr(answer, tag) != NULL && strstr(answer, "@NONCE@") == NULL &&
          strstr(answer, "default-src 'none'") != NULL && client_body(answer) != NULL;
    free(answer);
    return has;
}

static void answers(void)
{
    char *answer = client_ask(&addr, "HEAD /", "");

    claim(client_status(answer) == 200 && strstr(answer, "\r\n\r\n")[4] == '\0',
          "a HEAD has no body");
    free(answer);
    claim(SAYS("GET /", "", "text/plain", "rouse dump:"),
          "text for people who ask without a browser");
    claim(has_policy(), "a browser gets a page, whose scripts are allowed by a number");
    claim(SAYS("GET /metrics", "", "rouse_workers"), "metrics");
    claim(SAYS("GET /dump", "", "rouse dump:"), "a dump");
    claim(is_json("GET /snapshot"), "a snapshot is JSON, without a runtime too");
    claim(SAYS("GET /snapshot", "", "\"lanes\":") && is_json("GET /snapshot?lanes=0") &&
              !SAYS("GET /snapshot?lanes=0", "", "\"lanes\":"),
          "lanes can be left out");
    claim(status_is("GET /nothing", "", 404), "what is not there");
    claim(status_is("GET /task/x", "", 404) && status_is("GET /task/", "", 404) &&
              status_is("GET /task/18446744073709551615", "", 404) &&
              status_is("GET /task/99999999999999999999", "", 404),
          "a task that is not there, whatever number is asked for");
    claim(status_is("GET /", "Host: x\r\n", 400), "what is no request");
    claim(status_is("PUT /", "", 501), "a method that it does not know");
    claim(status_is("GET /", "Origin: http://evil.example\r\n", 403), "pages from elsewhere");
    claim(status_is("POST /action/x", "X-Rouse-Console: 1\r\n", 403), "control is not allowed");
}

static int ask_raw(const char *text)
{
    int fd = client_connect(&addr);

    must(fd >= 0);
    client_send(fd, text);
    char *answer = client_receive(fd, NULL);
    int status = client_status(answer);

    free(answer);
    return status;
}

static void strange_requests(void)
{
    static char huge[RS_REQUEST_MAX + 1];

    memset(huge, 'a', sizeof huge - 1);
    claim(ask_raw(huge) == 431, "a head that is too long");
    claim(ask_raw("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n") == 421, "another host");
    claim(ask_raw("GET / HTTP/1.1\r\n\r\n") == 400, "none");
}

// ---- What it says of tasks ----

static _Atomic bool may_end;
static _Atomic int spinning;

static int spin(void *arg)
{
    volatile unsigned steps = 0;

    (void)arg;
    // Relaxed, both: nothing depends on it.
    atomic_fetch_add_explicit(&spinning, 1, memory_order_relaxed);
    while (!atomic_load_explicit(&may_end, memory_order_relaxed)) steps++;
    return 0;
}

static struct rouse_join_handle spawn(const char *name, rouse_fiber_function fn, unsigned worker)
{
    const struct rouse_task_attrs attrs = {
        .size = sizeof attrs, .name = name, .site = "here", .worker = worker};
    struct rouse_join_handle handle;

    must(rouse_runtime_spawn(runtime, &handle, fn, NULL, &attrs) == 0);
    return handle;
}

static rouse_poll forget_poll(struct rouse_future *self, struct rouse_context *cx)
{
    (void)self;
    (void)cx;
    return ROUSE_PENDING;
}

static const struct rouse_future_vtable forget_vtable = {.poll = forget_poll, .name = "forgotten"};

// Large enough for a lint.
struct forgotten {
    struct rouse_future base;
    char room[8192];
};

static void forget_init(struct rouse_future *storage, void *arg)
{
    (void)arg;
    storage->vtable = &forget_vtable;
}

// A new snapshot after another, until one has the words.
static bool comes_to_say(const char *what, const char *words)
{
    for (;;) {
        char *answer = client_ask(&addr, what, "");
        bool has = strstr(answer, words) != NULL;
        bool is_answer = client_status(answer) == 200;

        free(answer);
        if (has || !is_answer) return has;
        (void)usleep(10000);
    }
}

static void lost_waker(void)
{
    const struct rouse_future_spec spec = {.size = sizeof(struct forgotten), .init = forget_init};
    const struct rouse_task_attrs attrs = {
        .size = sizeof attrs, .name = "lo\"st\xff", .site = "here"};
    struct rouse_join_handle handle;

    must(rouse_runtime_spawn_future(runtime, &handle, &spec, &attrs) == 0);
    claim(comes_to_say("GET /snapshot",
                       "\"state\":\"lost\",\"cancelled\":false,\"waits\":\"forgotten\""),
          "a task that nobody can wake is lost");
    claim(SAYS("GET /snapshot", "", "\"lints\":[\"lost waker\",\"oversized frame\"]"),
          "and has its lints");
    claim(SAYS("GET /snapshot", "", "\"name\":\"lo\\\"st\\ufffd\""), "whatever its name is");
    claim(is_json("GET /snapshot?filter=LO%22ST"), "in JSON");
    claim(SAYS("GET /snapshot?filter=LO%22ST", "", "\"matched\":1"), "a filter finds it");
    claim(SAYS("GET /snapshot?filter=nothing", "", "\"matched\":0,\"is_sample\":false,\"rows\":[]"),
          "or does not");
    (void)rouse_abort_and_wait(&handle);
}

// The id of the first task of a snapshot.
static void first_id(const char *what, char *id, size_t size)
{
    char *answer = client_ask(&addr, what, "");
    const char *at = strstr(answer, "\"rows\":[{\"id\":\"");

    must(at != NULL);
    at += strlen("\"rows\":[{\"id\":\"");
    (void)snprintf(id, size, "%.*s", (int)strcspn(at, "\""), at);
    free(answer);
}

static void every_worker_spins(void)
{
    struct rouse_join_handle a = spawn("spinner", spin, 1);
    struct rouse_join_handle b = spawn("spinner", spin, 2);
    char id[32];
    char what[64];

    while (atomic_load_explicit(&spinning, memory_order_relaxed) < 2) (void)usleep(1000);
    claim(comes_to_say("GET /snapshot", "\"state\":\"stalled\""),
          "while every worker is inside a poll it answers, and says so");
    claim(SAYS("GET /snapshot?filter=running", "", "\"matched\":2", "\"state\":\"running\""),
          "both tasks run");
    claim(comes_to_say("GET /snapshot", "never yields"), "and never yield");
    first_id("GET /snapshot", id, sizeof id);
    (void)snprintf(what, sizeof what, "GET /task/%s", id);
    claim(is_json(what), "what they do is told");
    atomic_store_explicit(&may_end, true, memory_order_relaxed);
    claim(rouse_join(&a) == 0 && rouse_join(&b) == 0, "and nobody was stopped");
}

static int wait_for_other(void *arg)
{
    // No tail call: it is to be seen among the calls.
    volatile int result = (int)rouse_join(arg);

    return result;
}

static int sleep_long(void *arg)
{
    (void)arg;
    return rouse_sleep(3600 * ROUSE_NS_PER_S);
}

static void one_task(void)
{
    struct rouse_join_handle sleeper = spawn("sleeper", sleep_long, 0);
    const struct rouse_task_attrs attrs = {.size = sizeof attrs, .name = "waiter", .site = "there"};
    struct rouse_join_handle waiter;
    char id[32];
    char what[64];

    must(rouse_runtime_spawn(runtime, &waiter, wait_for_other, &sleeper, &attrs) == 0);
    claim(comes_to_say("GET /snapshot?filter=waiter", "\"waits\":\"join of sleeper\""),
          "what a task waits for");
    first_id("GET /snapshot?sort=-name", id, sizeof id);
    (void)snprintf(what, sizeof what, "GET /task/%s", id);
    claim(SAYS(what, "", "\"name\":\"waiter\"", "\"why\":\"it ends with\"", "\"name\":\"sleeper\"",
               "wait_for_other"),
          "whom it needs, and where it is");
    claim(is_json(what), "in JSON");
    first_id("GET /snapshot?sort=name", id, sizeof id);
    (void)snprintf(what, sizeof what, "POST /task/%s/abort", id);
    claim(status_is(what, "X-Rouse-Console: 1\r\n", 403), "which does not end by itself");
    rouse_console_stop();
    start(true);
    claim(status_is(what, "X-Rouse-Console: 1\r\n", 202), "but where control is allowed");
    claim(rouse_join(&waiter) == -ECANCELED, "as it was asked to");
    claim(status_is(what, "X-Rouse-Console: 1\r\n", 404), "once");
}

// ---- Many tasks ----

enum { MANY = 50 * 1000 };

static void pending_init(struct rouse_future *storage, void *arg)
{
    (void)arg;
    rouse_pending_init(ROUSE_CONTAINER_OF(storage, struct rouse_pending, base));
}

static struct rouse_join_handle spawn_pending(const char *name)
{
    const struct rouse_future_spec spec = {.size = sizeof(struct rouse_pending),
                                           .init = pending_init};
    const struct rouse_task_attrs attrs = {.size = sizeof attrs, .name = name, .site = "here"};
    struct rouse_join_handle handle;

    must(rouse_runtime_spawn_future(runtime, &handle, &spec, &attrs) == 0);
    return handle;
}

// More than a snapshot of a short period looks at: the next one goes on where it ended, and so all
// of them come to be seen.
static void many_tasks(void)
{
    static struct rouse_join_handle handles[MANY];

    for (int i = 0; i < MANY; i++) {
        handles[i] = spawn_pending(i == 0 ? "the first" : i == MANY - 1 ? "the last" : "between");
    }
    claim(is_json("GET /snapshot?tasks=1000&period=100"), "of many tasks some are shown");
    claim(comes_to_say("GET /snapshot?period=100&filter=the%20first", "\"matched\":1"),
          "each comes to be looked at: the first");
    claim(comes_to_say("GET /snapshot?period=100&filter=the%20last", "\"matched\":1"),
          "and the last");
    for (int i = 0; i < MANY; i++) (void)rouse_abort_and_wait(&handles[i]);
}

// ---- Actions ----

static _Atomic int acted;

static int act(void *arg)
{
    atomic_fetch_add_explicit(&acted, 1, memory_order_relaxed);
    return *(const int *)arg;
}

// Makes a runtime and frees it, on the console's own thread.
static int make_runtime(void *arg)
{
    const struct rouse_runtime_options options = {.size = sizeof options, .workers = 1};
    struct rouse_runtime *made;
    int err = rouse_runtime_new(&made, &options);

    (void)arg;
    if (err == 0) rouse_runtime_free(made);
    return err;
}

// The console is the environment's, and the action's runtime comes and goes with it.
static void action_with_runtime(void)
{
    const struct rouse_console_action action = {
        .size = sizeof action, .name = "good", .label = "runtime", .run = make_runtime};

    must(setenv("ROUSE_CONSOLE", "127.0.0.1:0", 1) == 0);
    must(setenv("ROUSE_CONSOLE_CONTROL", "1", 1) == 0);
    runtime_begin();
    must(rouse_console_address(&addr) == 0 && rouse_console_add_action(&action) == 0);
    claim(status_is("POST /action/good", "X-Rouse-Console: 1\r\n", 202),
          "an action may make a runtime, and free it");
    rouse_runtime_free(runtime);
    claim(rouse_console_address(&addr) == -ENOENT,
          "what the environment has begun ends with the last runtime");
    must(unsetenv("ROUSE_CONSOLE") == 0 && unsetenv("ROUSE_CONSOLE_CONTROL") == 0);
}

static int add_action(const char *name, const char *label, int *result)
{
    const struct rouse_console_action action = {
        .size = sizeof action,
        .name = name,
        .label = label,
        .help = "Helps.",
        .run = act,
        .arg = result};

    return rouse_console_add_action(&action);
}

static void actions(void)
{
    static int good = 0;
    static int bad = -ENOSPC;
    char name[3] = "a0";

    claim(add_action("", "x", &good) == -EINVAL && add_action("a/b", "x", &good) == -EINVAL &&
              add_action("a", "", &good) == -EINVAL &&
              add_action("0123456789012345678901234567890123456789", "x", &good) == -EINVAL,
          "names that cannot stand in a path");
    must(add_action("good", "a \"good\" one", &bad) == 0);
    claim(add_action("good", "a \"good\" one", &good) == 0 && add_action("bad", "b", &bad) == 0,
          "actions can be added, and replaced");
    claim(SAYS("GET /snapshot", "", "{\"name\":\"good\",\"label\":\"a \\\"good\\\" one\"",
               "\"control\":true"),
          "a snapshot names them");
    claim(status_is("POST /action/good", "X-Rouse-Console: 1\r\n", 202) &&
              atomic_load_explicit(&acted, memory_order_relaxed) == 1,
          "they are run");
    claim(status_is("POST /action/good", "", 403) &&
              status_is("POST /action/good", "X-Rouse-Console: 0\r\n", 403) &&
              atomic_load_explicit(&acted, memory_order_relaxed) == 1,
          "but not without the header");
    claim(status_is("POST /action/bad", "X-Rouse-Console: 1\r\n", 500), "one that fails says so");
    claim(status_is("POST /action/none", "X-Rouse-Console: 1\r\n", 404), "one that is not there");
    int err = 0;

    for (int i = 0; i < 40 && err == 0; i++) {
        name[0] = (char)('a' + i % 26);
        name[1] = (char)('0' + i / 26);
        err = add_action(name, "x", &good);
    }
    claim(err == -ENOSPC, "there is room for so many");
}

// ---- Streams and traces ----

static int tick(void *arg)
{
    (void)arg;
    // Relaxed: nothing depends on it.
    while (!atomic_load_explicit(&may_end, memory_order_relaxed)) {
        if (rouse_sleep(ROUSE_NS_PER_MS / 2) < 0 || rouse_yield() < 0) break;
    }
    return 0;
}

// Opens a stream and reads up to words in it.
static char *stream_until(const char *words)
{
    int fd = client_connect(&addr);

    must(fd >= 0);
    client_send(fd, "GET /events?period=100&filter=ticker HTTP/1.1\r\nHost: localhost\r\n\r\n");
    return client_receive(fd, words);
}

static bool first_event_is_json(const char *stream)
{
    const char *data = strstr(stream, "\ndata: ");
    char *line = data != NULL ? strndup(data + 7, strcspn(data + 7, "\n")) : NULL;
    bool is_it = line != NULL && json_is_valid(line);

    free(line);
    return is_it;
}

static void streams(void)
{
    struct rouse_join_handle ticker;

    atomic_store_explicit(&may_end, false, memory_order_relaxed);
    ticker = spawn("ticker", tick, 0);
    char *stream = stream_until("\"polls\":2");

    claim(strstr(stream, "text/event-stream") != NULL && first_event_is_json(stream),
          "a stream of events, each with a snapshot");
    claim(strstr(stream, "\"polls\":2") != NULL, "polls are counted while somebody watches");
    claim(strstr(stream, "\"runs\":[[0,") != NULL && strstr(stream, "\"poll_time\":[[") != NULL,
          "and drawn, and their times added up");
    free(stream);
    while (rs_observed(&runtime->sched) != 0) (void)usleep(1000);
    claim(true, "when nobody watches any more nothing is measured");
    stream = stream_until("\"polls\":2");
    claim(strstr(stream, "\"polls\":2") != NULL, "until somebody does again");
    free(stream);
    claim(is_json("GET /trace?ms=50"), "a trace is JSON");
    claim(SAYS("GET /trace?ms=50", "", "Content-Disposition: attachment", "\"name\":\"ticker\"",
               "runtime-1 worker 0", "\"dropped\""),
          "with the names of tasks and workers");
    atomic_store_explicit(&may_end, true, memory_order_relaxed);
    must(rouse_join(&ticker) == 0);
}

static void one_trace_at_a_time(void)
{
    int fd = client_connect(&addr);
    int status;

    client_send(fd, "GET /trace?ms=10000 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    // Whichever of the two comes first records, and the other one is told so.
    do {
        char *answer = client_ask(&addr, "GET /trace?ms=1", "");

        status = client_status(answer);
        free(answer);
    } while (status == 200);
    claim(status == 503, "there is one trace at a time");
    (void)close(fd);
    do {
        char *answer = client_ask(&addr, "GET /trace?ms=1", "");

        status = client_status(answer);
        free(answer);
    } while (status == 503);
    claim(status == 200, "one that nobody waits for any more ends");
}

// ---- Too much, and too little ----

static void too_many_clients(void)
{
    int fds[RS_SERVER_CONNS];
    int fd;

    for (int i = 0; i < RS_SERVER_CONNS; i++) {
        fds[i] = client_connect(&addr);
        must(fds[i] >= 0);
        client_send(fds[i], "GET / HT");
    }
    fd = client_connect(&addr);
    must(fd >= 0);
    char *answer = client_receive(fd, NULL);

    claim(client_status(answer) == 503, "a client too many is told so");
    free(answer);
    for (int i = 0; i < RS_SERVER_CONNS; i++) (void)close(fds[i]);
    int status;

    do {
        answer = client_ask(&addr, "GET /metrics", "");
        status = client_status(answer);
        free(answer);
    } while (status != 200);
    claim(true, "and clients that go in the middle of a request make room");
}

static _Atomic int descriptors_missing;
static _Atomic bool memory_is_missing;

static int few_descriptors(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
    // Relaxed: a count.
    int missing = atomic_fetch_sub_explicit(&descriptors_missing, 1, memory_order_relaxed);

    if (missing > 0) return -EMFILE;
    return rs_sys_real.accept4(fd, address, length, flags);
}

static int no_memory(void **out, size_t size, int protection, int flags)
{
    if (atomic_load_explicit(&memory_is_missing, memory_order_relaxed)) return -ENOMEM;
    return rs_sys_real.mmap(out, size, protection, flags);
}

static int no_random(void *buf, size_t size)
{
    (void)buf;
    (void)size;
    return -ENOSYS;
}

// No console runs, and no runtime: the table of system calls may change.
static void shortages(void)
{
    rs_sys.accept4 = few_descriptors;
    rs_sys.mmap = no_memory;
    rs_sys.getrandom = no_random;
    start(false);
    atomic_store_explicit(&descriptors_missing, 2, memory_order_relaxed);
    claim(status_is("GET /metrics", "", 200), "without a descriptor a client waits, for a while");
    atomic_store_explicit(&memory_is_missing, true, memory_order_relaxed);
    claim(status_is("GET /snapshot", "", 503), "without memory an answer says so");
    atomic_store_explicit(&memory_is_missing, false, memory_order_relaxed);
    claim(is_json("GET /snapshot"), "and the next one does not");
    claim(status_is("GET /", "Accept: text/html\r\n", 503), "without random numbers no page");
    rouse_console_stop();
    rs_sys.accept4 = rs_sys_real.accept4;
    rs_sys.mmap = rs_sys_real.mmap;
    rs_sys.getrandom = rs_sys_real.getrandom;
}

// ---- A fork ----

// Ends when the parent says so, by closing the pipe.
ROUSE_NORETURN static void child(int fd)
{
    struct rouse_addr none;
    bool has_none = rouse_console_address(&none) == -ENOENT;
    char byte;

    while (read(fd, &byte, 1) > 0) continue;
    child_exit(has_none ? 0 : 1);
}

static void fork_beside(void)
{
    const struct rouse_console_options again = {.size = sizeof again, .listen = "127.0.0.1:0"};
    int fds[2];
    int status = 1;
    char listen[ROUSE_ADDR_TEXT_MAX];
    struct rouse_console_options same = again;

    start(false);
    int open_fd = client_connect(&addr);

    must(open_fd >= 0 && pipe(fds) == 0);
    client_send(open_fd, "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
    pid_t pid = fork();

    if (pid == 0) {
        (void)close(fds[1]);
        (void)close(open_fd);
        child(fds[0]);
    }
    must(pid > 0 && close(fds[0]) == 0);
    rouse_console_stop();
    free(client_receive(open_fd, NULL));
    claim(true, "a stream ends with the console, although there is a child");
    (void)rouse_addr_format(&addr, listen, sizeof listen);
    same.listen = listen;
    claim(rouse_console_start(&same) == 0, "whose port is free again");
    rouse_console_stop();
    (void)close(fds[1]);
    must(waitpid(pid, &status, 0) == pid);
    claim(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child has no console");
}

int main(void)
{
    struct rouse_stats before;
    struct rouse_stats after;

    (void)alarm(240);
    rouse_stats_get(&before);
    starts();
    answers();
    strange_requests();
    runtime_begin();
    lost_waker();
    every_worker_spins();
    one_task();
    many_tasks();
    actions();
    streams();
    one_trace_at_a_time();
    too_many_clients();
    rouse_runtime_free(runtime);
    claim(is_json("GET /snapshot"), "a runtime may go while the console runs");
    rouse_console_stop();
    action_with_runtime();
    shortages();
    if (child_can_make_threads()) fork_beside();
    rouse_stats_get(&after);
    claim(before.fds == after.fds && before.threads == after.threads &&
              before.allocated_bytes == after.allocated_bytes,
          "nothing is left of it");
    return claims_end();
}
