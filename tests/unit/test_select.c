// SPDX-License-Identifier: MIT
//
// What a select does to its losers. Each operation loses once, at the worst moment: the event that
// it waits for has come and has been granted to it, but the other arm is polled first, and wins.
// Then nothing may be missing: what a total operation would have taken is still there, a partial
// one says how much it did, and of a terminal one that was lent everything is left. On both back
// ends.

#include <errno.h>
#include <rouse.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "claim.h"
#include "tcp_pair.h"

#define MS ROUSE_NS_PER_MS

// More than a socket takes while nobody reads.
enum { LARGE = 24 << 20 };

static uint8_t pattern(size_t place)
{
    return (uint8_t)((place * UINT64_C(0x9e3779b97f4a7c15)) >> 40);
}

// ---- Losing ----

struct event {
    void (*happen)(void *arg);  // on the same worker, while the select sleeps
    void *arg;
    int polls;
};

static int happen(void *arg)
{
    struct event *event = arg;

    event->happen(event->arg);
    return 0;
}

static rouse_poll win_at_once(void *arg, struct rouse_context *cx)
{
    struct event *event = arg;

    (void)cx;
    return event->polls++ == 0 ? ROUSE_PENDING : ROUSE_READY;
}

// True if `op` was pending, then lost.
static bool loses(struct rouse_future *op, void (*fn)(void *), void *arg)
{
    struct event event = {.happen = fn, .arg = arg};
    struct rouse_join_handle happening;
    struct rouse_poll_fn winner;
    struct rouse_select select;

    rouse_poll_fn_init(&winner, win_at_once, &event);
    rouse_select_init(&select, &winner.base, op, ROUSE_SELECT_BIASED);
    must(rouse_spawn(&happening, happen, &event), "spawn");
    must(rouse_await(&select.base), "select");
    must(rouse_join(&happening), "join");
    return select.output == 0 && event.polls == 2 && rouse_future_is_ended(op);
}

static bool is(const struct rouse_future *op, rouse_cancel_kind kind)
{
    return rouse_future_cancel_kind(op) == kind;
}

// ---- Total ----

static void write_some(void *conn)
{
    must(rouse_tcp_try_write(conn, "abc", 3), "write");
}

static void a_read(void)
{
    struct pair pair = pair_new();
    struct rouse_tcp_read op;
    char buf[8] = "";

    rouse_tcp_read_init(&op, pair.near, buf, sizeof buf);
    claim(is(&op.base, ROUSE_CANCEL_TOTAL) && loses(&op.base, write_some, pair.far) &&
              buf[0] == '\0',
          "a read that loses has taken nothing");
    claim(rouse_tcp_read(pair.near, buf, sizeof buf) == 3 && memcmp(buf, "abc", 3) == 0,
          "and the next one gets every byte");
    pair_free(&pair);
}

struct dial {
    struct rouse_addr address;
    struct rouse_tcp *conn;
};

static void dial(void *arg)
{
    struct dial *d = arg;

    must(rouse_tcp_connect(&d->conn, &d->address), "connect");
}

static void an_accept(void)
{
    struct dial d;
    struct rouse_tcp_listener *listener = listen_anywhere(&d.address);
    struct rouse_tcp_accept op;
    struct rouse_tcp *conn;
    struct rouse_addr near;
    struct rouse_addr far;

    rouse_tcp_accept_init(&op, listener);
    claim(is(&op.base, ROUSE_CANCEL_TOTAL) && loses(&op.base, dial, &d),
          "an accept that loses has accepted nothing");
    must(rouse_tcp_accept(listener, &conn), "accept");
    must(rouse_tcp_local_address(d.conn, &near), "address");
    must(rouse_tcp_peer_address(conn, &far), "address");
    claim(rouse_addr_port(&near) == rouse_addr_port(&far),
          "and the next one gets the connection that it would have got");
    rouse_tcp_unref(conn);
    rouse_tcp_unref(d.conn);
    rouse_tcp_listener_unref(listener);
}

// The first ones fill the backlog; those after them are pending.
static void a_connect(void)
{
    enum { DIALS = 8 };
    struct rouse_addr any = rouse_addr_loopback(0);
    struct rouse_tcp_listen_options shallow = {.size = sizeof shallow, .backlog = 1};
    struct rouse_tcp_connect dials[DIALS];
    struct rouse_tcp_listener *listener;
    struct rouse_addr address;
    struct rouse_stats before;
    struct rouse_stats after;
    int64_t connected = 0;

    must(rouse_tcp_listen(&listener, &any, &shallow), "listen");
    must(rouse_tcp_listener_address(listener, &address), "address");
    rouse_stats_get(&before);
    for (int i = 0; i < DIALS; i++) {
        struct rouse_yield yield;
        struct rouse_select select;

        rouse_tcp_connect_init(&dials[i], &address);
        rouse_yield_init(&yield);
        rouse_select_init(&select, &yield.base, &dials[i].base, ROUSE_SELECT_BIASED);
        must(rouse_await(&select.base), "select");
        connected += select.output == 1;
    }
    rouse_stats_get(&after);
    claim(connected > 0 && connected < DIALS && after.sockets - before.sockets == connected,
          "a connect that loses leaves no socket behind");
    for (int i = 0; i < DIALS; i++) rouse_future_drop(&dials[i].base);
    rouse_tcp_connect_init(&dials[0], &address);
    claim(is(&dials[0].base, ROUSE_CANCEL_TOTAL), "it is total");
    rouse_tcp_listener_unref(listener);
}

// Fills the socket until it takes no more.
static size_t fill(struct rouse_tcp *conn)
{
    static const char block[1 << 16];
    size_t total = 0;
    ssize_t count;

    while ((count = rouse_tcp_try_write(conn, block, sizeof block)) > 0) total += (size_t)count;
    return total;
}

struct drain {
    struct rouse_tcp *conn;
    uint8_t *bytes;  // LARGE of them
    size_t count;
};

static void drain_now(void *arg)
{
    struct drain *d = arg;
    ssize_t count;

    while ((count = rouse_tcp_try_read(d->conn, d->bytes + d->count, LARGE - d->count)) > 0) {
        d->count += (size_t)count;
    }
}

static void drain_all(struct drain *d)
{
    ssize_t count;

    while ((count = rouse_tcp_read(d->conn, d->bytes + d->count, LARGE - d->count)) > 0) {
        d->count += (size_t)count;
    }
}

static void a_write(void)
{
    struct pair pair = pair_new();
    struct drain d = {.conn = pair.far, .bytes = malloc(LARGE)};
    struct rouse_tcp_write op;
    size_t sent = fill(pair.near);

    rouse_tcp_write_init(&op, pair.near, "WWWW", 4);
    claim(is(&op.base, ROUSE_CANCEL_TOTAL) && loses(&op.base, drain_now, &d),
          "a write loses when the socket takes bytes again");
    must(rouse_tcp_shutdown_write(pair.near), "shutdown");
    drain_all(&d);
    claim(d.count == sent && memchr(d.bytes, 'W', d.count) == NULL, "and has sent nothing");
    free(d.bytes);
    pair_free(&pair);
}

static void a_byte(void *arg)
{
    must(write(*(int *)arg, "x", 1), "write");
}

static void a_descriptor(void)
{
    struct rouse_fd_ready op;
    struct rouse_fd *in;
    int fds[2];

    must(pipe(fds), "pipe");
    must(rouse_fd_adopt(&in, fds[0]), "adopt");
    rouse_fd_ready_init(&op, in, ROUSE_READABLE);
    claim(is(&op.base, ROUSE_CANCEL_TOTAL) && loses(&op.base, a_byte, &fds[1]) &&
              rouse_fd_wait(in, ROUSE_READABLE) == 0,
          "a wait for a descriptor that loses leaves it ready for the next");
    rouse_fd_free(in);
    (void)close(fds[1]);
}

static void until(void *arg)
{
    (void)rouse_sleep_until(*(uint64_t *)arg + 2 * MS);
}

static void timers(void)
{
    uint64_t deadline = rouse_deadline_after(2 * MS);
    struct rouse_interval interval;
    struct rouse_interval_tick tick;
    struct rouse_sleep sleep;
    struct rouse_stats before;
    struct rouse_stats after;
    uint64_t due = 0;

    rouse_stats_get(&before);
    rouse_sleep_until_init(&sleep, deadline);
    claim(is(&sleep.base, ROUSE_CANCEL_TOTAL) && loses(&sleep.base, until, &deadline),
          "a sleep may lose when it is due");
    deadline = rouse_deadline_after(2 * MS);
    rouse_interval_init(&interval, deadline, MS, ROUSE_MISSED_BURST);
    rouse_interval_tick_init(&tick, &interval);
    claim(is(&tick.base, ROUSE_CANCEL_TOTAL) && loses(&tick.base, until, &deadline) &&
              rouse_interval_tick(&interval, &due) == 0 && due == deadline,
          "a tick that loses comes again");
    rouse_stats_get(&after);
    claim(before.timers == after.timers, "and no timer is left");
}

// ---- What a loser held ----

// Another task, which reads behind the one that is to lose.
struct reader {
    struct pair pair;
    struct rouse_join_handle task;
};

static int read_behind(void *arg)
{
    struct reader *reader = arg;
    char buf[8];

    return (int)rouse_tcp_read(reader->pair.near, buf, sizeof buf);
}

static void queue_and_write(void *arg)
{
    struct reader *reader = arg;

    must(rouse_spawn(&reader->task, read_behind, reader), "spawn");
    must(rouse_yield(), "yield");  // it is queued now
    write_some(reader->pair.far);
}

// The body of a branch waits for a task that waits for what the losing branch was granted. It must
// be withdrawn before the body runs, or nobody goes on.
static void what_the_loser_held(void)
{
    struct reader reader = {.pair = pair_new()};
    struct rouse_tcp_read op;
    struct rouse_borrow lent;
    char buf[8];

    rouse_tcp_read_init(&op, reader.pair.near, buf, sizeof buf);
    claim(loses(&op.base, queue_and_write, &reader) && rouse_join(&reader.task) == 3,
          "the branch that wins may wait for what the loser was granted");
    rouse_tcp_read_init(&op, reader.pair.near, buf, sizeof buf);
    rouse_borrow_init(&lent, &op.base);
    claim(loses(&lent.base, queue_and_write, &reader) && !rouse_future_is_ended(&op.base),
          "a loser that was lent stands in its queue still");
    rouse_future_drop(&op.base);
    claim(rouse_join(&reader.task) == 3, "and lets others pass when it is dropped");
    pair_free(&reader.pair);
}

// ---- Channels ----

static void send_answer(void *tx)
{
    must(rouse_oneshot_send(tx, &(int){7}), "send");
}

static void a_oneshot(void)
{
    struct rouse_oneshot_sender *tx;
    struct rouse_oneshot_receiver *rx;
    struct rouse_oneshot_receive op;
    int value = 0;

    must(rouse_oneshot_new(&tx, &rx, sizeof value, NULL), "oneshot");
    rouse_oneshot_receive_init(&op, rx);
    claim(is(&op.base, ROUSE_CANCEL_TOTAL) && loses(&op.base, send_answer, tx) &&
              rouse_oneshot_receive(rx, &value) == 0 && value == 7,
          "a receive from a oneshot that loses leaves the value");
    rouse_oneshot_receiver_free(rx);
}

static void send_message(void *tx)
{
    must(rouse_broadcast_send(tx, &(int){8}), "send");
}

static void a_broadcast(void)
{
    struct rouse_broadcast_sender *tx;
    struct rouse_broadcast_receiver *rx;
    struct rouse_broadcast_receive op;
    int value = 0;

    must(rouse_broadcast_new(&tx, 1, sizeof value), "broadcast");
    must(rouse_broadcast_subscribe(tx, &rx), "subscribe");
    rouse_broadcast_receive_init(&op, rx, &value);
    claim(is(&op.base, ROUSE_CANCEL_TOTAL) && loses(&op.base, send_message, tx) && value == 0 &&
              rouse_broadcast_receive(rx, &value, NULL) == 0 && value == 8,
          "a receive from a broadcast that loses leaves the message");
    rouse_broadcast_receiver_free(rx);
    rouse_broadcast_sender_unref(tx);
}

static void send_value(void *tx)
{
    (void)rouse_watch_send(tx, &(int){9});
}

static void a_watch(void)
{
    struct rouse_watch_sender *tx;
    struct rouse_watch_receiver *rx;
    struct rouse_watch_changed op;
    int value = 0;

    must(rouse_watch_new(&tx, sizeof value, &value), "watch");
    must(rouse_watch_subscribe(tx, &rx), "subscribe");
    rouse_watch_changed_init(&op, rx);
    bool lost = is(&op.base, ROUSE_CANCEL_TOTAL) && loses(&op.base, send_value, tx);
    bool left = rouse_watch_changed(rx) == 0;

    rouse_watch_read(rx, &value);
    claim(lost && left && value == 9, "a wait for a change that loses leaves the value unseen");
    rouse_watch_receiver_free(rx);
    rouse_watch_sender_unref(tx);
}

// ---- Partial ----

static void the_first_bytes(void *conn)
{
    must(rouse_tcp_try_write(conn, "defg", 4), "write");
}

static void a_read_exact(void)
{
    struct pair pair = pair_new();
    struct rouse_tcp_read_exact op;
    char buf[8] = "";
    char rest[8] = "";

    write_some(pair.far);
    rouse_tcp_read_exact_init(&op, pair.near, buf, sizeof buf);
    claim(is(&op.base, ROUSE_CANCEL_PARTIAL) && loses(&op.base, the_first_bytes, pair.far) &&
              op.done == 3 && memcmp(buf, "abc", 4) == 0,
          "a read_exact that loses says how much it has");
    claim(rouse_tcp_read(pair.near, rest, sizeof rest) == 4 && memcmp(rest, "defg", 4) == 0,
          "and has taken no more");
    pair_free(&pair);
}

// `op` writes a pattern from its first byte on, and counts in `done`.
static void a_long_write(struct pair *pair, struct rouse_future *op, const size_t *done,
                         const char *text)
{
    struct drain d = {.conn = pair->far, .bytes = malloc(LARGE)};
    bool partial = is(op, ROUSE_CANCEL_PARTIAL) && loses(op, drain_now, &d);
    size_t wrong = 0;

    must(rouse_tcp_shutdown_write(pair->near), "shutdown");
    drain_all(&d);
    for (size_t i = 0; i < d.count; i++) wrong += d.bytes[i] != pattern(i);
    claim(partial && *done > 0 && *done < LARGE && *done == d.count && wrong == 0, text);
    free(d.bytes);
    pair_free(pair);
}

static void long_writes(void)
{
    struct rouse_tcp_write_all all;
    struct rouse_tcp_sendfile file;
    struct pair pair = pair_new();
    int fd = memfd_create("pattern", MFD_CLOEXEC);
    uint8_t *bytes = MAP_FAILED;

    if (fd >= 0 && ftruncate(fd, LARGE) == 0) {
        bytes = mmap(NULL, LARGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    }
    must(bytes != MAP_FAILED ? 0 : -errno, "a file in memory");
    for (size_t i = 0; i < LARGE; i++) bytes[i] = pattern(i);
    rouse_tcp_write_all_init(&all, pair.near, bytes, LARGE);
    a_long_write(&pair, &all.base, &all.done, "a write_all that loses says how much it has sent");
    pair = pair_new();
    rouse_tcp_sendfile_init(&file, pair.near, fd, 0, LARGE);
    a_long_write(&pair, &file.base, &file.done, "so does a sendfile");
    (void)munmap(bytes, LARGE);
    (void)close(fd);
}

// ---- Terminal ----

static atomic_bool may_end;

static int end_when_told(void *arg)
{
    (void)arg;
    // Relaxed, here and below: sooner or later.
    while (!atomic_load_explicit(&may_end, memory_order_relaxed)) (void)rouse_sleep(MS);
    return 7;
}

static void tell(void *arg)
{
    (void)arg;
    atomic_store_explicit(&may_end, true, memory_order_relaxed);
}

static void a_join(void)
{
    struct rouse_join_handle handle;
    struct rouse_borrow lent;

    atomic_store_explicit(&may_end, false, memory_order_relaxed);
    must(rouse_spawn(&handle, end_when_told, NULL), "spawn");
    rouse_borrow_init(&lent, &handle.base);
    claim(is(&handle.base, ROUSE_CANCEL_TERMINAL) && is(&lent.base, ROUSE_CANCEL_TOTAL) &&
              loses(&lent.base, tell, NULL) && rouse_join(&handle) == 7,
          "a join that was lent and loses still has its result");
}

static atomic_int frees;

static int64_t job(void *arg)
{
    (void)arg;
    while (!atomic_load_explicit(&may_end, memory_order_relaxed)) (void)usleep(100);
    return 5;
}

static void free_arg(void *arg)
{
    (void)arg;
    atomic_fetch_add_explicit(&frees, 1, memory_order_relaxed);
}

static void a_job(void)
{
    struct rouse_blocking op;
    struct rouse_borrow lent;

    atomic_store_explicit(&frees, 0, memory_order_relaxed);
    atomic_store_explicit(&may_end, false, memory_order_relaxed);
    rouse_blocking_init(&op, job, &op, free_arg);
    rouse_borrow_init(&lent, &op.base);
    claim(is(&op.base, ROUSE_CANCEL_TERMINAL) && loses(&lent.base, tell, NULL) &&
              rouse_await(&op.base) == 0 && op.result == 5,
          "a job that was lent and loses still has its result");
    rouse_blocking_init(&op, job, &op, free_arg);
    atomic_store_explicit(&may_end, false, memory_order_relaxed);
    bool lost = loses(&op.base, tell, NULL);
    for (int i = 0; i < 5000 && atomic_load_explicit(&frees, memory_order_relaxed) < 2; i++) {
        (void)rouse_sleep(MS);
    }
    claim(lost && atomic_load_explicit(&frees, memory_order_relaxed) == 2,
          "one that loses releases what it was given, once");
}

static void raise_it(void *arg)
{
    (void)arg;
    (void)kill(getpid(), SIGUSR1);
}

static void a_signal(void)
{
    struct rouse_signal op;
    struct rouse_signal other;
    struct rouse_borrow lent;

    rouse_signal_init(&op, SIGUSR1);
    rouse_signal_init(&other, SIGUSR1);
    rouse_borrow_init(&lent, &op.base);
    claim(is(&op.base, ROUSE_CANCEL_TERMINAL) && loses(&lent.base, raise_it, NULL) &&
              rouse_await(&op.base) == 0 && op.output == SIGUSR1,
          "a wait for a signal that was lent and loses still gets it");
    claim(rouse_await(&other.base) == 0 && other.output == SIGUSR1, "and so do the others");
}

// ---- Combinators ----

static rouse_poll never(void *arg, struct rouse_context *cx)
{
    (void)arg;
    (void)cx;
    return ROUSE_PENDING;
}

static struct rouse_future *no_second(void *arg, struct rouse_future *first)
{
    (void)arg;
    (void)first;
    return NULL;
}

static int64_t one(void *arg, struct rouse_future *inner)
{
    (void)arg;
    (void)inner;
    return 1;
}

static void combinators(void)
{
    struct pair pair = pair_new();
    struct rouse_tcp_write_all partial;
    struct rouse_signal terminal;
    struct rouse_poll_fn unstated;
    struct rouse_pending total;
    struct rouse_pending other;
    struct rouse_future *totals[] = {&total.base, &other.base};
    struct rouse_future *all[] = {&total.base, &partial.base, &terminal.base};
    struct rouse_select select;
    struct rouse_race race;
    struct rouse_join join;
    struct rouse_try_join_all try_join;
    struct rouse_timeout timeout;
    struct rouse_then then;
    struct rouse_map map;

    rouse_pending_init(&total);
    rouse_pending_init(&other);
    rouse_tcp_write_all_init(&partial, pair.near, "", 0);
    rouse_signal_init(&terminal, SIGUSR1);
    rouse_poll_fn_init(&unstated, never, NULL);
    rouse_select_init(&select, &total.base, &partial.base, ROUSE_SELECT_FAIR);
    claim(is(&select.base, ROUSE_CANCEL_PARTIAL), "a select is as bad as its worse arm");
    rouse_select_init(&select, &terminal.base, &unstated.base, ROUSE_SELECT_FAIR);
    claim(is(&select.base, ROUSE_CANCEL_UNSTATED), "nothing is worse than not to say");
    rouse_race_init(&race, totals, 2);
    claim(is(&race.base, ROUSE_CANCEL_TOTAL), "a race of total arms is total");
    rouse_race_init(&race, all, 3);
    claim(is(&race.base, ROUSE_CANCEL_TERMINAL), "and else as bad as the worst");
    rouse_join_init(&join, &total.base, &other.base);
    claim(is(&join.base, ROUSE_CANCEL_PARTIAL), "a join is partial at best");
    rouse_try_join_all_init(&try_join, all, 3);
    claim(is(&try_join.base, ROUSE_CANCEL_TERMINAL), "and else as bad as the worst");
    rouse_timeout_init(&timeout, &partial.base, ROUSE_NEVER);
    claim(is(&timeout.base, ROUSE_CANCEL_PARTIAL), "a timeout is what its inner future is");
    rouse_then_init(&then, &total.base, no_second, NULL);
    claim(is(&then.base, ROUSE_CANCEL_PARTIAL), "what has two parts may have done one");
    rouse_map_init(&map, &total.base, one, NULL);
    claim(is(&map.base, ROUSE_CANCEL_TOTAL), "a map is what its inner future is");
    rouse_future_drop(&total.base);
    claim(is(&total.base, ROUSE_CANCEL_TOTAL), "of what has ended nothing is lost");
    rouse_future_drop(&partial.base);
    rouse_future_drop(&terminal.base);
    pair_free(&pair);
}

static int losers(void *arg)
{
    (void)arg;
    a_read();
    an_accept();
    a_connect();
    a_write();
    a_descriptor();
    timers();
    what_the_loser_held();
    a_oneshot();
    a_broadcast();
    a_watch();
    a_read_exact();
    long_writes();
    a_join();
    a_job();
    a_signal();
    combinators();
    return 0;
}

int main(void)
{
    static const char *const back_ends[] = {"epoll", "poll", "io_uring"};

    (void)alarm(50);
    for (size_t i = 0; i < sizeof back_ends / sizeof back_ends[0]; i++) {
        struct rouse_runtime_options options = {
            .size = sizeof options, .workers = 1, .reactor = back_ends[i]};

        printf("# %s\n", back_ends[i]);
        claim(rouse_run_with(losers, NULL, &options) == 0, "all have lost");
    }
    return claims_end();
}
