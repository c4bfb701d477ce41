// SPDX-License-Identifier: MIT
//
// Conduits between two socket pairs, with system calls that fail by plan: which kind is used, what
// becomes of the bytes, and what is left in the pool of a driver. On the main thread; no runtime.

#include "io/conduit.h"

#include <errno.h>
#include <rouse.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/counters.h"
#include "base/sys.h"
#include "child.h"
#include "claim.h"
#include "io/driver.h"

// ---- Calls that fail by plan ----

static int splice_in_error;   // of every splice into a pipe; 0: none
static int splice_out_error;  // of every splice out of one
static int pipe_error;
static int read_error;
static bool splice_takes_nothing;
static size_t splice_out_max = SIZE_MAX;
static bool malloc_fails;
static int splices;
static int receives;
static int pipes;
static int lines;
static bool is_out;  // the next splice is one out of a pipe

static ssize_t planned_splice(int in_fd, int out_fd, size_t size, unsigned flags)
{
    int err = is_out ? splice_out_error : splice_in_error;

    splices++;
    if (splice_takes_nothing && is_out) return 0;
    if (is_out && size > splice_out_max) size = splice_out_max;
    return err < 0 ? err : rs_sys_real.splice(in_fd, out_fd, size, flags);
}

static ssize_t counting_recv(int fd, void *buf, size_t size, int flags)
{
    receives++;
    return rs_sys_real.recv(fd, buf, size, flags);
}

static int planned_pipe2(int fds[2], int flags)
{
    pipes++;
    return pipe_error < 0 ? pipe_error : rs_sys_real.pipe2(fds, flags);
}

// Interrupted once, and short: then as planned.
static ssize_t planned_read(int fd, void *buf, size_t size)
{
    static bool was_interrupted;

    if (read_error < 0) return read_error;
    was_interrupted = !was_interrupted;
    return was_interrupted ? -EINTR : rs_sys_real.read(fd, buf, size < 7 ? size : 7);
}

static void *planned_malloc(size_t size)
{
    return malloc_fails ? NULL : rs_sys_real.malloc(size);
}

static void count_lines(void *data, const struct rouse_log_record *record)
{
    (void)data;
    lines += strstr(record->message, "splice is refused") != NULL;
}

// ---- Two sockets and what is between them ----

static struct rouse_driver *driver;
static int in[2];   // we write to in[0]; a conduit receives from in[1]
static int out[2];  // a conduit sends to out[0]; we read from out[1]

static void pair_open(int fds[2])
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0) abort();
}

static void sockets_open(void)
{
    pair_open(in);
    pair_open(out);
}

static void sockets_close(void)
{
    for (int i = 0; i < 2; i++) {
        (void)close(in[i]);
        (void)close(out[i]);
    }
}

static ssize_t receive(struct rs_conduit **conduit, enum rs_conduit_kind kind)
{
    is_out = false;
    *conduit = NULL;
    return rs_conduit_receive(conduit, driver, kind, in[1], NULL);
}

static ssize_t transmit(struct rs_conduit **conduit)
{
    is_out = true;
    return rs_conduit_send(conduit, driver, out[0]);
}

static void put(const char *text)
{
    if (write(in[0], text, strlen(text)) != (ssize_t)strlen(text)) abort();
}

static bool got(const char *text)
{
    char buf[64] = "";

    return read(out[1], buf, sizeof buf) == (ssize_t)strlen(text) && strcmp(buf, text) == 0;
}

// Moves a text with conduits of a kind.
static bool moves(enum rs_conduit_kind kind)
{
    struct rs_conduit *conduit;

    put("hello");
    return receive(&conduit, kind) == 5 && transmit(&conduit) == 5 && conduit == NULL &&
           got("hello");
}

// ---- The tests ----

static void kinds(void)
{
    struct rs_conduit *conduit;

    sockets_open();
    splices = receives = pipes = 0;
    claim(moves(RS_CONDUIT_BUFFER) && splices == 0 && receives == 1, "a_buffer_moves_bytes");
    claim(moves(RS_CONDUIT_PIPE) && splices == 2 && receives == 1 && pipes == 1,
          "a_pipe_moves_bytes_without_a_receive");
    claim(moves(RS_CONDUIT_PIPE) && pipes == 1, "an_empty_pipe_is_used_again");
    claim(driver->conduits.count[RS_CONDUIT_PIPE] == 1 &&
              driver->conduits.count[RS_CONDUIT_BUFFER] == 1,
          "what_is_empty_lies_in_the_pool");
    claim(receive(&conduit, RS_CONDUIT_PIPE) == -EAGAIN && conduit == NULL &&
              receive(&conduit, RS_CONDUIT_BUFFER) == -EAGAIN && conduit == NULL &&
              driver->conduits.count[RS_CONDUIT_PIPE] == 1,
          "without_bytes_there_is_no_conduit");
    put("bye");
    (void)shutdown(in[0], SHUT_WR);
    claim(receive(&conduit, RS_CONDUIT_PIPE) == 3 && transmit(&conduit) == 3 && got("bye") &&
              receive(&conduit, RS_CONDUIT_PIPE) == 0 &&
              receive(&conduit, RS_CONDUIT_BUFFER) == 0 && conduit == NULL,
          "the_end_of_the_stream_comes_after_the_bytes");
    sockets_close();
}

static void parts(void)
{
    struct rs_conduit *conduit;

    sockets_open();
    splice_out_max = 4;
    put("in parts");
    claim(receive(&conduit, RS_CONDUIT_PIPE) == 8 && transmit(&conduit) == 4 && conduit != NULL &&
              got("in p") && transmit(&conduit) == 4 && conduit == NULL && got("arts"),
          "a_pipe_goes_when_its_last_part_has_been_taken");
    splice_out_max = SIZE_MAX;
    sockets_close();
}

static void receiver_that_is_full(enum rs_conduit_kind kind, const char *text)
{
    static char block[4096];
    struct rs_conduit *conduit;
    ssize_t drained = 0, n;

    sockets_open();
    while (write(out[0], block, sizeof block) > 0) {
    }
    put("rest");
    bool waits = receive(&conduit, kind) == 4 && transmit(&conduit) == -EAGAIN && conduit != NULL;

    while ((n = read(out[1], block, sizeof block)) > 0) drained += n;
    claim(waits && drained > 0 && transmit(&conduit) == 4 && conduit == NULL && got("rest"), text);
    sockets_close();
}

static void receiver_that_is_gone(enum rs_conduit_kind kind, const char *text)
{
    struct rs_conduit *conduit;

    sockets_open();
    put("lost");
    (void)close(out[1]);
    // A SIGPIPE would end the program.
    bool fails = receive(&conduit, kind) == 4 && transmit(&conduit) == -EPIPE && conduit != NULL;

    rs_conduit_free(conduit);
    claim(fails, text);
    out[1] = dup(out[0]);
    sockets_close();
}

static void pools(void)
{
    struct rs_conduit *conduits[RS_CONDUITS_KEPT + 5];
    int64_t fds = rs_counter_sum(RS_COUNTER_FDS);
    bool ok = true;

    sockets_open();
    for (size_t i = 0; i < RS_CONDUITS_KEPT + 5; i++) {
        put("x");
        ok = ok && receive(&conduits[i], RS_CONDUIT_PIPE) == 1;
    }
    for (size_t i = 0; i < RS_CONDUITS_KEPT + 5; i++) ok = ok && transmit(&conduits[i]) == 1;
    claim(ok && driver->conduits.count[RS_CONDUIT_PIPE] == RS_CONDUITS_KEPT &&
              rs_counter_sum(RS_COUNTER_FDS) <= fds + 2 * RS_CONDUITS_KEPT,
          "a_pool_keeps_so_many_and_closes_the_rest");

    rs_conduit_pool_deinit(&driver->conduits);
    put("y");
    is_out = false;
    ok = rs_conduit_receive(&conduits[0], NULL, RS_CONDUIT_PIPE, in[1], NULL) == 1;
    is_out = true;
    ok = ok && rs_conduit_send(&conduits[0], NULL, out[0]) == 1;
    claim(ok && driver->conduits.count[RS_CONDUIT_PIPE] == 0, "without_a_driver_there_is_no_pool");
    rs_conduit_free(NULL);
    sockets_close();
}

static void limits(void)
{
    struct rs_conduit *conduit;

    sockets_open();
    pipe_error = -EMFILE;
    receives = 0;
    claim(moves(RS_CONDUIT_PIPE) && receives == 1, "at_the_limit_of_descriptors_a_buffer_serves");
    pipe_error = 0;
    claim(moves(RS_CONDUIT_PIPE) && receives == 1, "and_a_pipe_again_when_there_is_one");
    rs_conduit_pool_deinit(&driver->conduits);
    malloc_fails = true;
    put("kept");
    bool fails = receive(&conduit, RS_CONDUIT_PIPE) == -ENOMEM &&
                 receive(&conduit, RS_CONDUIT_BUFFER) == -ENOMEM && conduit == NULL;

    malloc_fails = false;
    claim(fails && receive(&conduit, RS_CONDUIT_BUFFER) == 4 && transmit(&conduit) == 4,
          "without_memory_the_bytes_stay_in_the_socket");
    sockets_close();
}

// ---- Refused, once and for all: each test is a process of its own ----

static bool holds_in_a_child(bool (*test)(void))
{
    int status;
    pid_t child = fork();

    if (child == 0) child_exit(test() ? 0 : 1);
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

static const char text[] = "a text that is longer than one read";
static const ssize_t text_size = sizeof text - 1;

static bool in_is_refused(int error)
{
    sockets_open();
    splice_in_error = error;
    if (!moves(RS_CONDUIT_PIPE) || lines != 1) return false;
    splices = 0;
    splice_in_error = 0;
    return moves(RS_CONDUIT_PIPE) && splices == 0 && lines == 1;
}

static bool in_is_invalid(void)
{
    return in_is_refused(-EINVAL);
}

static bool in_is_unknown(void)
{
    return in_is_refused(-ENOSYS);
}

static bool in_is_forbidden(void)
{
    return in_is_refused(-EPERM);
}

// Lets the text into a pipe, and refuses to let it out.
static bool enters(struct rs_conduit **conduit, int error)
{
    sockets_open();
    put(text);
    bool ok = receive(conduit, RS_CONDUIT_PIPE) == text_size;

    splice_out_error = error;
    return ok;
}

static bool out_is_refused(void)
{
    struct rs_conduit *conduit;

    return enters(&conduit, -ENOSYS) && transmit(&conduit) == text_size && conduit == NULL &&
           got(text) && lines == 1 && moves(RS_CONDUIT_PIPE) &&
           driver->conduits.count[RS_CONDUIT_BUFFER] == 1;
}

static bool out_is_refused_without_memory(void)
{
    struct rs_conduit *conduit;
    bool ok = enters(&conduit, -EPERM);

    malloc_fails = true;
    ok = ok && transmit(&conduit) == -ENOMEM && conduit != NULL;
    malloc_fails = false;
    return ok && transmit(&conduit) == text_size && got(text);
}

static bool out_cannot_be_read_back(void)
{
    struct rs_conduit *conduit;
    bool ok = enters(&conduit, -EINVAL);

    read_error = -EIO;
    ok = ok && transmit(&conduit) == -EIO && conduit != NULL;
    rs_conduit_free(conduit);
    return ok;
}

static bool out_takes_nothing(void)
{
    struct rs_conduit *conduit;
    bool ok = enters(&conduit, 0);

    splice_takes_nothing = true;
    ok = ok && transmit(&conduit) == -EIO && conduit != NULL;
    rs_conduit_free(conduit);
    return ok;
}

static void refusals(void)
{
    claim(holds_in_a_child(in_is_invalid), "what_splice_finds_invalid_is_copied_from_then_on");
    claim(holds_in_a_child(in_is_unknown), "where_there_is_no_splice_bytes_are_copied");
    claim(holds_in_a_child(in_is_forbidden), "where_splice_is_forbidden_bytes_are_copied");
    claim(holds_in_a_child(out_is_refused), "what_a_pipe_does_not_let_out_goes_on_in_a_buffer");
    claim(holds_in_a_child(out_is_refused_without_memory),
          "without_memory_for_that_it_stays_in_the_pipe");
    claim(holds_in_a_child(out_cannot_be_read_back), "what_cannot_be_read_back_is_an_error");
    claim(holds_in_a_child(out_takes_nothing), "a_call_that_takes_nothing_is_an_error");
}

int main(void)
{
    alarm(30);
    if (rouse_driver_new(&driver, NULL) < 0) return 1;
    int64_t fds = rs_counter_sum(RS_COUNTER_FDS);
    int64_t allocations = rs_counter_sum(RS_COUNTER_ALLOCATIONS);

    rs_sys.splice = planned_splice;
    rs_sys.recv = counting_recv;
    rs_sys.pipe2 = planned_pipe2;
    rs_sys.read = planned_read;
    rs_sys.malloc = planned_malloc;
    rouse_log_set_hook(count_lines, NULL, ROUSE_LOG_WARN);
    kinds();
    parts();
    receiver_that_is_full(RS_CONDUIT_PIPE, "a_pipe_keeps_what_the_receiver_does_not_take");
    receiver_that_is_full(RS_CONDUIT_BUFFER, "so_does_a_buffer");
    receiver_that_is_gone(RS_CONDUIT_PIPE, "a_receiver_that_is_gone_is_an_error_of_a_pipe");
    receiver_that_is_gone(RS_CONDUIT_BUFFER, "and_of_a_buffer");
    pools();
    limits();
    refusals();
    sockets_open();
    claim(moves(RS_CONDUIT_PIPE) && rs_counter_sum(RS_COUNTER_FDS) > fds, "a_pool_is_not_empty");
    rouse_driver_free(driver);
    claim(rs_counter_sum(RS_COUNTER_FDS) < fds &&
              rs_counter_sum(RS_COUNTER_ALLOCATIONS) < allocations,
          "a_driver_takes_its_pool_with_it");
    return claims_end();
}
