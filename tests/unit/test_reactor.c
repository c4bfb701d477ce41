// SPDX-License-Identifier: MIT
//
// A back end that is refused while it is in use, under all that stands on it: a driver turned by
// hand, a foreign loop, a poller, a runtime with connections under way. The refusal is played by
// the table of system calls, or made by a filter in the kernel.

#include "io/reactor.h"

#include <errno.h>
#include <poll.h>
#include <rouse.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>

#include "child.h"
#include "claim.h"
#include "hand_waker.h"
#include "harness/filter.h"
#include "live.h"
#include "source_wait.h"
#include "tcp_pair.h"

#define LONG_NS (20 * ROUSE_NS_PER_S)

enum { READERS = 300, STREAMS = 16, MESSAGES = 300 };

// ---- The refusal ----

static atomic_int enter_error;

static int play_enter(int fd, unsigned to_submit, unsigned wait_for, unsigned flags,
                      const struct timespec *timeout)
{
    // Relaxed: nothing else depends on it.
    int err = atomic_load_explicit(&enter_error, memory_order_relaxed);

    if (err < 0) return err;
    return rs_sys_real.io_uring_enter(fd, to_submit, wait_for, flags, timeout);
}

static void refuse(int err)
{
    // Relaxed: as above.
    atomic_store_explicit(&enter_error, err, memory_order_relaxed);
}

static int log_lines;
static char log_line[256];

static void keep_line(void *data, const struct rouse_log_record *record)
{
    (void)data;
    log_lines++;
    (void)snprintf(log_line, sizeof log_line, "%s", record->message);
}

static bool runs_on(const char *name, const char *actual)
{
    return strcmp(name, actual) == 0;
}

// ---- A driver turned by hand ----

struct reader {
    struct source_wait op;
    struct rs_source source;
    int writer;
};

static struct reader readers[READERS];

static void reader_open(struct reader *reader)
{
    int fds[2];

    source_pipe(fds);
    *reader = (struct reader){.writer = fds[1]};
    rs_source_init(&reader->source, fds[0]);
    reader->op.source = &reader->source;
}

static void reader_close(struct reader *reader)
{
    rs_source_close(&reader->source);
    (void)close(reader->writer);
}

// Until all have read a byte, or nothing was woken for seconds. Returns how many have.
static int read_all(struct rouse_driver *driver)
{
    int done = 0;

    do {
        done = 0;
        for (int i = 0; i < READERS; i++) {
            struct source_wait *op = &readers[i].op;

            if (op->result != 1) (void)source_wait_poll(op, driver);
            done += op->result == 1;
        }
    } while (done < READERS && source_turn(driver) > 0);
    return done;
}

static void each_waits(struct rouse_driver *driver)
{
    for (int i = 0; i < READERS; i++) {
        readers[i].op.result = 0;
        source_need(source_wait_poll(&readers[i].op, driver) == ROUSE_PENDING, "an empty pipe");
    }
}

static void driver_by_hand(int err)
{
    struct rouse_driver *driver = source_driver("io_uring");

    for (int i = 0; i < READERS; i++) reader_open(&readers[i]);
    claim(runs_on("io_uring", rouse_driver_reactor(driver)), "a driver runs on a ring");
    each_waits(driver);
    (void)rouse_driver_turn(driver, 0);
    // A third is ready before the refusal, a third after it, and the others after the replacement.
    for (int i = 0; i < READERS; i += 3) source_write(readers[i].writer);
    refuse(err);
    log_lines = 0;
    for (int i = 1; i < READERS; i += 3) source_write(readers[i].writer);
    // Events still come without a call; the first sleep finds the refusal.
    for (int i = 0; i < 100 && !runs_on("epoll", rouse_driver_reactor(driver)); i++) {
        (void)rouse_driver_turn(driver, rouse_deadline_after(ROUSE_NS_PER_MS));
    }
    for (int i = 2; i < READERS; i += 3) source_write(readers[i].writer);
    claim(read_all(driver) == READERS, "no event is lost when it is refused");
    claim(runs_on("epoll", rouse_driver_reactor(driver)), "it goes on with epoll");
    claim(log_lines == 1 && strstr(log_line, "epoll") != NULL &&
              strstr(log_line, "io_uring was refused") != NULL &&
              strstr(log_line, rouse_strerror(err)) != NULL,
          "one line in the log names the cause and the effect");
    each_waits(driver);
    for (int i = 0; i < READERS; i++) source_write(readers[i].writer);
    claim(read_all(driver) == READERS, "and later events come as ever");
    for (int i = 0; i < READERS; i++) reader_close(&readers[i]);
    rouse_driver_free(driver);
    refuse(0);
}

static int no_memory_for_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event)
{
    // The notifier is the first; a third of what follows fails.
    static int calls;

    if (operation == EPOLL_CTL_ADD && ++calls % 3 == 2) return -ENOMEM;
    return rs_sys_real.epoll_ctl(epoll_fd, operation, fd, event);
}

// What the successor could not watch is woken, tries again, and is watched then.
static void successor_without_memory(void)
{
    struct rouse_driver *driver = source_driver("io_uring");

    for (int i = 0; i < READERS; i++) reader_open(&readers[i]);
    each_waits(driver);
    (void)rouse_driver_turn(driver, 0);
    refuse(-EPERM);
    rs_sys.epoll_ctl = no_memory_for_ctl;
    (void)rouse_driver_turn(driver, 0);
    (void)rouse_driver_turn(driver, rouse_deadline_after(ROUSE_NS_PER_MS));
    rs_sys.epoll_ctl = rs_sys_real.epoll_ctl;
    (void)read_all(driver);
    for (int i = 0; i < READERS; i++) source_write(readers[i].writer);
    claim(read_all(driver) == READERS, "who could not be watched is told, and waits again");
    for (int i = 0; i < READERS; i++) reader_close(&readers[i]);
    rouse_driver_free(driver);
    refuse(0);
}

static void *turn_once(void *driver)
{
    (void)rouse_driver_turn(driver, ROUSE_NEVER);
    return NULL;
}

// Another thread finds the refusal while the owner sleeps in the ring.
static void found_by_a_helper(void)
{
    struct rouse_driver *driver = source_driver("io_uring");

    for (int i = 0; i < 50; i++) {
        pthread_t owner = live_thread(turn_once, driver);

        if (i == 25) {
            (void)usleep(5000);
            refuse(-EPERM);
            reader_open(&readers[0]);
            (void)source_wait_poll(&readers[0].op, driver);
            (void)rs_driver_poll(driver);
        }
        rouse_driver_notify(driver);
        (void)pthread_join(owner, NULL);
    }
    claim(runs_on("epoll", rouse_driver_reactor(driver)),
          "the owner is woken, whichever thread replaces its back end");
    reader_close(&readers[0]);
    rouse_driver_free(driver);
    refuse(0);
}

// ---- A foreign loop ----

static bool is_readable(int fd, int timeout_ms)
{
    struct pollfd entry = {.fd = fd, .events = POLLIN};

    return poll(&entry, 1, timeout_ms) == 1;
}

static void descriptor_of_a_loop(void)
{
    struct rouse_driver *driver = source_driver("io_uring");
    int fd = rs_driver_fd(driver);

    reader_open(&readers[0]);
    (void)source_wait_poll(&readers[0].op, driver);
    (void)rouse_driver_turn(driver, 0);
    claim(fd >= 0 && !is_readable(fd, 0), "a foreign loop has a descriptor");
    refuse(-EPERM);
    reader_open(&readers[1]);
    (void)source_wait_poll(&readers[1].op, driver);
    claim(is_readable(fd, 20000), "it becomes readable when the ring is refused");
    (void)rouse_driver_turn(driver, 0);
    (void)rouse_driver_turn(driver, 0);
    claim(runs_on("epoll", rouse_driver_reactor(driver)) && rs_driver_fd(driver) == fd &&
              !is_readable(fd, 0),
          "the successor has the same one");
    source_write(readers[0].writer);
    claim(is_readable(fd, 20000) && rouse_driver_turn(driver, 0) == 1 &&
              source_wait_poll(&readers[0].op, driver) == ROUSE_READY,
          "which tells of its events");
    rouse_driver_notify(driver);
    rs_driver_set_alarm(driver, false);
    claim(is_readable(fd, 20000), "and of notifications");
    reader_close(&readers[0]);
    reader_close(&readers[1]);
    rouse_driver_free(driver);
    refuse(0);
}

// ---- A poller ----

static void poller(void)
{
    struct rouse_poller_event event;
    struct rouse_poller *poller;
    int first = eventfd(1, EFD_CLOEXEC);
    int second = eventfd(0, EFD_CLOEXEC);

    must(rouse_poller_new(&poller, "io_uring"), "poller");
    must(rouse_poller_add(poller, first, 1, ROUSE_READABLE), "add");
    must(rouse_poller_add(poller, second, 2, ROUSE_READABLE), "add");
    claim(rouse_poller_wait(poller, &event, 1, ROUSE_NEVER) == 1 && event.key == 1,
          "a poller runs on a ring");
    refuse(-ENOSYS);
    claim(rouse_poller_wait(poller, &event, 1, ROUSE_NEVER) == 1 && event.key == 1,
          "the wait in which it is refused goes on with another back end");
    must(rouse_poller_remove(poller, first), "remove");
    must(eventfd_write(second, 1), "write");
    claim(rouse_poller_wait(poller, &event, 1, 0) == 1 && event.key == 2,
          "what was added before is still watched");
    rouse_poller_free(poller);
    (void)close(first);
    (void)close(second);
    refuse(0);
}

// ---- A runtime ----

static atomic_int messages_done;
static void (*refuse_now)(void);

static int serve(void *arg)
{
    struct rouse_tcp *conn = arg;
    char buf[64];
    ssize_t n;

    while ((n = rouse_tcp_read(conn, buf, sizeof buf)) > 0) {
        if (rouse_tcp_write_all(conn, buf, (size_t)n) < 0) break;
    }
    rouse_tcp_unref(conn);
    return (int)n;
}

static int ask(void *arg)
{
    struct rouse_tcp *conn = arg;
    char out[32];
    char in[32];
    size_t done;
    int err = 0;

    for (int i = 0; i < MESSAGES && err == 0; i++) {
        memset(out, i, sizeof out);
        err = (int)rouse_tcp_write_all(conn, out, sizeof out);
        if (err >= 0) err = (int)rouse_tcp_read_exact(conn, in, sizeof in, &done);
        err = err < 0 ? err : -(memcmp(in, out, sizeof in) != 0);
        // Relaxed: a count.
        if (atomic_fetch_add_explicit(&messages_done, 1, memory_order_relaxed) ==
            STREAMS * MESSAGES / 3) {
            refuse_now();
        }
    }
    (void)rouse_tcp_shutdown_write(conn);
    rouse_tcp_unref(conn);
    return err;
}

static int echo_all(void *unused)
{
    struct rouse_join_handle servers[STREAMS];
    struct rouse_join_handle clients[STREAMS];
    int failures = 0;

    (void)unused;
    atomic_store_explicit(&messages_done, 0, memory_order_relaxed);
    for (int i = 0; i < STREAMS; i++) {
        struct pair pair = pair_new();

        must(rouse_spawn(&servers[i], serve, pair.far), "spawn");
        must(rouse_spawn(&clients[i], ask, pair.near), "spawn");
    }
    for (int i = 0; i < STREAMS; i++) {
        failures += rouse_join(&clients[i]) != 0;
        failures += rouse_join(&servers[i]) != 0;
    }
    return failures;
}

static int echo_on_a_ring(unsigned workers)
{
    const struct rouse_runtime_options options = {
        .size = sizeof options, .workers = workers, .reactor = "io_uring"};

    return rouse_run_with(echo_all, NULL, &options);
}

static void refuse_by_the_table(void)
{
    refuse(-EPERM);
}

static void runtimes(void)
{
    refuse_now = refuse_by_the_table;
    claim(echo_on_a_ring(1) == 0, "one worker loses no byte when its ring is refused");
    refuse(0);
    claim(echo_on_a_ring(4) == 0, "nor do four");
    refuse(0);
}

// ---- A filter in the kernel ----

static void filter_enter(void)
{
    static const int calls[] = {SYS_io_uring_enter};

    if (!filter_install(calls, 1, EPERM)) child_exit(77);
}

static int status_of(void (*child)(void))
{
    int status = 1;

    (void)fflush(stdout);
    pid_t pid = fork();

    if (pid == 0) {
        (void)alarm(50);
        child();
        child_exit(1);
    }
    (void)waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void no_setup(void)
{
    static const int calls[] = {SYS_io_uring_setup};

    if (!filter_install(calls, 1, EPERM)) child_exit(77);
    struct rouse_driver *driver = source_driver("io_uring");

    child_exit(!runs_on("epoll", rouse_driver_reactor(driver)) || log_lines != 1 ||
               strstr(log_line, "io_uring was refused") == NULL);
}

static void enter_forbidden_later(void)
{
    refuse_now = filter_enter;
    child_exit(echo_on_a_ring(2) == 0 ? 0 : 2);
}

static void filters(void)
{
    if (RS_ASAN || RS_TSAN || child_is_emulated()) {
        printf("# no filters under a sanitizer or an emulator\n");
        return;
    }
    log_lines = 0;
    int setup = status_of(no_setup);
    int later = status_of(enter_forbidden_later);

    claim(setup == 0 || setup == 77,
          "where a filter denies the ring, epoll is used from the start");
    claim(later == 0 || later == 77, "a filter that comes later costs no byte either");
}

int main(void)
{
    struct rs_backend *out;
    int64_t allocations = live_allocations();

    if (rs_backend_io_uring.open(&out, rouse_allocator_default()) < 0) {
        printf("1..0 # SKIP no io_uring here\n");
        return 77;
    }
    out->ops->close(out);
    (void)alarm(50);
    rouse_log_set_hook(keep_line, NULL, ROUSE_LOG_INFO);
    filters();
    rs_sys.io_uring_enter = play_enter;
    driver_by_hand(-EPERM);
    driver_by_hand(-EACCES);
    driver_by_hand(-ENOSYS);
    driver_by_hand(-EINVAL);
    successor_without_memory();
    found_by_a_helper();
    descriptor_of_a_loop();
    poller();
    runtimes();
    rouse_log_set_hook(NULL, NULL, ROUSE_LOG_WARN);
    claim(live_allocations() == allocations, "nothing is left behind");
    return claims_end();
}
