// SPDX-License-Identifier: MIT
//
// An executor of one's own, on the public task and driver interfaces, and an HTTP server that runs
// on it. The executor is the first part: one queue of runnable tasks for all threads. A wake pushes
// the task back; a thread takes the oldest, and when there is none it turns its own driver, which
// sleeps until a timer or a socket is ready. The rest is the same code as on rouse's own executors,
// except that tasks are futures (async frames, here): fibers need an executor that knows stacks.

#include <getopt.h>
#include <pthread.h>
#include <rouse.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

// ---- The executor ----

enum { THREADS = 2, TASKS_PER_TURN = 64 };

static void schedule(struct rouse_scheduler *self, struct rouse_task *task);

static struct executor {
    struct rouse_scheduler scheduler;
    pthread_mutex_t lock;
    struct rouse_task *head;  // the runnable tasks, oldest first; all this under the lock
    struct rouse_task **tail;
    struct rouse_driver *idle[THREADS];  // of the threads that found no task
    int live;                            // tasks that have not ended
} executor = {.scheduler = {schedule}, .lock = PTHREAD_MUTEX_INITIALIZER, .tail = &executor.head};

static void notify_idle(int count)
{
    for (int i = 0; i < THREADS && count > 0; i++) {
        if (executor.idle[i] == NULL) continue;
        rouse_driver_notify(executor.idle[i]);
        executor.idle[i] = NULL;
        count--;
    }
}

// Called by any thread, when a task has become runnable.
static void schedule(struct rouse_scheduler *self, struct rouse_task *task)
{
    (void)self;
    pthread_mutex_lock(&executor.lock);
    *rouse_task_link(task) = NULL;
    *executor.tail = task;
    executor.tail = rouse_task_link(task);
    notify_idle(1);
    pthread_mutex_unlock(&executor.lock);
}

// After the last task has ended every thread is to see that.
static void count_tasks(int change)
{
    pthread_mutex_lock(&executor.lock);
    executor.live += change;
    if (executor.live == 0) notify_idle(THREADS);
    pthread_mutex_unlock(&executor.lock);
}

static int spawn(const struct rouse_future_spec *spec)
{
    count_tasks(+1);
    int err = rouse_task_spawn(&executor.scheduler, NULL, spec, NULL);

    if (err < 0) count_tasks(-1);
    return err;
}

// Sets `task` to the oldest runnable one, or to NULL; then thread `i` is idle until it is notified.
// Returns false when every task has ended.
static bool next_task(int i, struct rouse_driver *driver, struct rouse_task **task)
{
    pthread_mutex_lock(&executor.lock);
    *task = executor.head;
    executor.idle[i] = *task == NULL ? driver : NULL;
    if (*task != NULL) executor.head = *rouse_task_link(*task);
    if (executor.head == NULL) executor.tail = &executor.head;
    bool live = executor.live > 0;
    pthread_mutex_unlock(&executor.lock);
    return live;
}

static void run(int i, struct rouse_driver *driver)
{
    struct rouse_task *task;

    for (unsigned tick = 1; next_task(i, driver, &task); tick++) {
        if (task != NULL && rouse_task_run(task, driver) == ROUSE_TASK_ENDED) count_tasks(-1);
        // A full queue must not keep timers and sockets waiting for ever.
        if (task == NULL) (void)rouse_driver_turn(driver, ROUSE_NEVER);
        if (tick % TASKS_PER_TURN == 0) (void)rouse_driver_turn(driver, 0);
    }
}

// ---- A connection: reads one request, answers it, closes ----

#define REQUEST_TIME_NS (5 * ROUSE_NS_PER_S)

static const char reply[] =
    "HTTP/1.1 200 OK\r\n"
    "Content-Type: text/plain\r\n"
    "Content-Length: 7\r\n"
    "Connection: close\r\n"
    "\r\n"
    "howdy!\n";

struct exchange {
    struct rouse_async async;
    struct rouse_tcp *conn;  // owned
    struct rouse_tcp_read read;
    struct rouse_tcp_write_all write;
    struct rouse_timeout timeout;
    uint64_t deadline_ns;
    size_t length;
    char request[4096];  // a string, always
};

// The head of a request ends with an empty line.
static bool request_is_complete(const struct exchange *x)
{
    return strstr(x->request, "\r\n\r\n") != NULL;
}

static rouse_poll exchange_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct exchange *x = ROUSE_CONTAINER_OF(self, struct exchange, async.base);

    ROUSE_ASYNC_BEGIN(&x->async, cx);
    do {
        rouse_tcp_read_init(&x->read, x->conn, x->request + x->length,
                            sizeof x->request - 1 - x->length);
        rouse_timeout_init(&x->timeout, &x->read.base, x->deadline_ns);
        ROUSE_AWAIT(&x->timeout.base);
        if (x->timeout.output < 0 || x->read.output <= 0) goto close;
        x->length += (size_t)x->read.output;
        x->request[x->length] = '\0';
    } while (!request_is_complete(x) && x->length < sizeof x->request - 1);

    if (!request_is_complete(x)) goto close;
    rouse_tcp_write_all_init(&x->write, x->conn, reply, sizeof reply - 1);
    rouse_timeout_init(&x->timeout, &x->write.base, x->deadline_ns);
    ROUSE_AWAIT(&x->timeout.base);
close:
    rouse_tcp_unref(x->conn);
    ROUSE_ASYNC_END();
}

static void exchange_drop(struct rouse_future *self)
{
    struct exchange *x = ROUSE_CONTAINER_OF(self, struct exchange, async.base);

    rouse_async_cancel(&x->async);
    rouse_tcp_unref(x->conn);
}

static const struct rouse_future_vtable exchange_vtable = {
    .poll = exchange_poll, .drop = exchange_drop, .name = "exchange"};

static void exchange_init(struct rouse_future *storage, void *conn)
{
    struct exchange *x = ROUSE_CONTAINER_OF(storage, struct exchange, async.base);

    rouse_async_init(&x->async, &exchange_vtable);
    x->conn = conn;
    x->deadline_ns = rouse_deadline_after(REQUEST_TIME_NS);
    x->length = 0;
}

// ---- The server: accepts until a signal comes ----

struct server {
    struct rouse_async async;
    struct rouse_tcp_listener *listener;  // borrowed
    struct rouse_signal interrupt, terminate;
    struct rouse_select stop;  // either signal; it goes on from one accept to the next
    struct rouse_tcp_accept accept;
    struct rouse_borrow stop_borrow;
    struct rouse_select either;
};

static void serve(struct rouse_tcp *conn)
{
    struct rouse_future_spec spec = {
        .size = sizeof(struct exchange), .init = exchange_init, .arg = conn};

    if (spawn(&spec) < 0) rouse_tcp_unref(conn);
}

static rouse_poll server_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct server *s = ROUSE_CONTAINER_OF(self, struct server, async.base);

    ROUSE_ASYNC_BEGIN(&s->async, cx);
    for (;;) {
        rouse_tcp_accept_init(&s->accept, s->listener);
        rouse_borrow_init(&s->stop_borrow, &s->stop.base);
        rouse_select_init(&s->either, &s->stop_borrow.base, &s->accept.base, ROUSE_SELECT_FAIR);
        ROUSE_AWAIT(&s->either.base);
        if (s->either.output == 0 || s->accept.output < 0) break;
        serve(rouse_tcp_accept_take(&s->accept));
    }
    rouse_future_drop(&s->stop.base);
    ROUSE_ASYNC_END();
}

static void server_drop(struct rouse_future *self)
{
    struct server *s = ROUSE_CONTAINER_OF(self, struct server, async.base);

    rouse_async_cancel(&s->async);
    rouse_future_drop(&s->stop.base);
}

static const struct rouse_future_vtable server_vtable = {
    .poll = server_poll, .drop = server_drop, .name = "server"};

static void server_init(struct rouse_future *storage, void *listener)
{
    struct server *s = ROUSE_CONTAINER_OF(storage, struct server, async.base);

    rouse_async_init(&s->async, &server_vtable);
    s->listener = listener;
    rouse_signal_init(&s->interrupt, SIGINT);
    rouse_signal_init(&s->terminate, SIGTERM);
    rouse_select_init(&s->stop, &s->interrupt.base, &s->terminate.base, ROUSE_SELECT_FAIR);
}

// ---- The program ----

static int listen_on(const char *text, struct rouse_tcp_listener **listener)
{
    struct rouse_addr address;
    char buf[ROUSE_ADDR_TEXT_MAX];
    int err = rouse_addr_parse(&address, text);

    if (err == 0) err = rouse_tcp_listen(listener, &address, NULL);
    if (err < 0) return err;
    err = rouse_tcp_listener_address(*listener, &address);
    if (err < 0) {
        rouse_tcp_listener_unref(*listener);
        return err;
    }
    rouse_addr_format(&address, buf, sizeof buf);
    printf("listening on %s\n", buf);
    fflush(stdout);
    return 0;
}

static struct rouse_driver *drivers[THREADS];

static void *run_thread(void *arg)
{
    struct rouse_driver **driver = arg;

    run((int)(driver - drivers), *driver);
    return NULL;
}

// Runs the executor on all its threads, this one among them, until every task has ended.
static int run_all(void)
{
    pthread_t threads[THREADS];
    int started = 1;
    int err = 0;

    for (int i = 0; i < THREADS && err == 0; i++) {
        err = rouse_driver_new(&drivers[i], NULL);
    }
    if (err == 0) {
        // Fewer threads than drivers will do.
        while (started < THREADS &&
               pthread_create(&threads[started], NULL, run_thread, &drivers[started]) == 0) {
            started++;
        }
        run(0, drivers[0]);
    }
    for (int i = 1; i < started; i++) {
        pthread_join(threads[i], NULL);
    }
    for (int i = 0; i < THREADS && drivers[i] != NULL; i++) {
        rouse_driver_free(drivers[i]);
    }
    return err;
}

static void usage(FILE *to)
{
    fputs("Usage: own_executor [--listen ADDRESS:PORT]\n"
          "Answers every HTTP request with \"howdy!\", on an executor of its own, until SIGINT or\n"
          "SIGTERM; then it finishes what it has begun.\n"
          "\n"
          "  --listen ADDRESS:PORT  default 127.0.0.1:8080; port 0 takes a free one\n"
          "  --help                 this text\n",
          to);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"listen", required_argument, NULL, 'l'}, {"help", no_argument, NULL, 'h'}, {0}};
    const char *address = "127.0.0.1:8080";
    struct rouse_tcp_listener *listener;

    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 'h') return usage(stdout), 0;
        if (option == '?') return usage(stderr), 2;
        address = optarg;
    }
    if (optind != argc) return usage(stderr), 2;
    int err = listen_on(address, &listener);

    if (err == 0) {
        struct rouse_future_spec spec = {
            .size = sizeof(struct server), .init = server_init, .arg = listener};

        err = spawn(&spec);
        if (err == 0) err = run_all();
        rouse_tcp_listener_unref(listener);
    }
    if (err < 0) fprintf(stderr, "own_executor: %s\n", rouse_strerror(err));
    return err < 0;
}
