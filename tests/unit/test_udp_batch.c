// SPDX-License-Identifier: MIT
//
// Many datagrams at once: received, sent in part, cut into segments and joined. One root fiber
// drives the tests and makes the claims; system calls are replaced where the kernel would not do it
// by itself.

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/sys.h"
#include "claim.h"
#include "udp_pair.h"

enum { MANY = ROUSE_UDP_BATCH_MAX + 8, ROOM = 16 };

struct set {
    struct rouse_datagram messages[MANY];
    char bufs[MANY][ROOM];
};

// Each with room for ROOM bytes and, in them, its number.
static void set_init(struct set *set)
{
    for (int i = 0; i < MANY; i++) {
        set->messages[i] = (struct rouse_datagram){.buf = set->bufs[i], .size = ROOM};
        memset(set->bufs[i], i, ROOM);
    }
}

// ---- Receiving ----

static void receiving(void)
{
    struct rouse_addr far_address, near_address;
    struct rouse_udp *near = udp_new(&near_address);
    struct rouse_udp *far = udp_new(&far_address);
    static const char text[] = "twenty-one characters";
    struct set set;
    bool all = true;

    set_init(&set);
    claim(rouse_udp_try_recv_many(far, set.messages, MANY) == -EAGAIN,
          "a_try_to_receive_nothing_would_wait");
    must(rouse_udp_send_to(near, "abc", 3, &far_address), "send");
    must(rouse_udp_send_to(near, text, 21, &far_address), "send");
    must(rouse_udp_send_to(near, NULL, 0, &far_address), "send");
    claim(rouse_udp_recv_many(far, set.messages, MANY) == 3, "what_is_there_comes_at_once");
    for (int i = 0; i < 3; i++) {
        all = all && rouse_addr_equal(&set.messages[i].addr, &near_address) &&
              set.messages[i].segment_size == 0;
    }
    claim(all && set.messages[0].received == 3 && set.messages[0].length == 3 &&
              !set.messages[0].truncated && memcmp(set.bufs[0], "abc", 3) == 0,
          "each_says_from_where_and_how_long");
    claim(set.messages[1].received == ROOM && set.messages[1].length == 21 &&
              set.messages[1].truncated && memcmp(set.bufs[1], text, ROOM) == 0,
          "one_that_was_cut_says_so_and_the_others_are_whole");
    claim(set.messages[2].received == 0 && set.messages[2].length == 0 &&
              !set.messages[2].truncated,
          "an_empty_one_is_one");
    for (int i = 0; i < MANY; i++) must(rouse_udp_send_to(near, "x", 1, &far_address), "send");
    claim(rouse_udp_recv_many(far, set.messages, 5) == 5 &&
              rouse_udp_recv_many(far, set.messages, MANY) == ROUSE_UDP_BATCH_MAX &&
              rouse_udp_try_recv_many(far, set.messages, MANY) == MANY - 5 - ROUSE_UDP_BATCH_MAX,
          "no_more_than_there_is_room_for_and_no_more_than_the_most");
    rouse_udp_unref(near);
    rouse_udp_unref(far);
}

static int recv_many(void *arg)
{
    struct set set;

    set_init(&set);
    return rouse_udp_recv_many(arg, set.messages, MANY);
}

static void waiting(void)
{
    struct udp_pair pair = udp_pair_new();
    struct rouse_join_handle receiver;
    struct rouse_udp_recv_many recv;
    struct rouse_borrow lent;
    struct set set;

    must(rouse_spawn(&receiver, recv_many, pair.far), "spawn");
    rouse_sleep(2 * ROUSE_NS_PER_MS);
    must(rouse_udp_send(pair.near, "x", 1), "send");
    claim(rouse_join(&receiver) == 1, "a_waiting_receive_is_woken_by_the_first");

    set_init(&set);
    rouse_udp_recv_many_init(&recv, pair.far, set.messages, MANY);
    rouse_borrow_init(&lent, &recv.base);
    must(rouse_await_until(&lent.base, rouse_deadline_after(ROUSE_NS_PER_MS)) == -ETIMEDOUT
             ? 0
             : -1,
         "wait");
    must(rouse_udp_send(pair.near, "x", 1), "send");
    must(rouse_udp_send(pair.near, "y", 1), "send");
    rouse_future_drop(&recv.base);
    claim(rouse_udp_recv_many(pair.far, set.messages, MANY) == 2,
          "a_cancelled_receive_has_taken_no_datagram");

    must(rouse_spawn(&receiver, recv_many, pair.far), "spawn");
    rouse_sleep(2 * ROUSE_NS_PER_MS);
    rouse_udp_close(pair.far);
    claim(rouse_join(&receiver) == -EBADF, "a_close_ends_a_waiting_receive");
    claim(rouse_udp_try_recv_many(pair.far, set.messages, 1) == -EBADF &&
              rouse_udp_try_send_many(pair.far, set.messages, 1) == -EBADF &&
              rouse_udp_send_many(pair.far, set.messages, 1) == -EBADF,
          "and_a_closed_socket_says_so");
    udp_pair_free(&pair);
}

// ---- Sending ----

static void sending(void)
{
    struct rouse_addr far_address;
    struct rouse_udp *near = udp_new(NULL);
    struct rouse_udp *far = udp_new(&far_address);
    struct set out, in;
    bool all = true;

    set_init(&out);
    set_init(&in);
    for (int i = 0; i < MANY; i++) {
        out.messages[i].addr = far_address;
        out.messages[i].size = (size_t)i % ROOM;
    }
    claim(rouse_udp_send_many(near, out.messages, MANY) == ROUSE_UDP_BATCH_MAX &&
              rouse_udp_try_send_many(near, out.messages + ROUSE_UDP_BATCH_MAX, 8) == 8,
          "no_more_than_the_most_are_sent_at_once");
    must(rouse_udp_recv_many(far, in.messages, MANY), "receive");
    must(rouse_udp_recv_many(far, in.messages + ROUSE_UDP_BATCH_MAX, 8), "receive");
    for (int i = 0; i < MANY; i++) {
        all = all && in.messages[i].received == (size_t)i % ROOM &&
              memcmp(in.bufs[i], out.bufs[i], in.messages[i].received) == 0;
    }
    claim(all, "each_arrives_whole_and_in_order");
    out.messages[0].addr.length = 0;
    claim(rouse_udp_send_many(near, out.messages, 2) == -EDESTADDRREQ,
          "the_error_of_the_first_is_told");
    static char large[70000];

    out.messages[2].buf = large;
    out.messages[2].size = sizeof large;
    claim(rouse_udp_send_many(near, out.messages + 1, 3) == 1 &&
              rouse_udp_send_many(near, out.messages + 2, 2) == -EMSGSIZE &&
              rouse_udp_send_many(near, out.messages + 3, 1) == 1,
          "an_error_behind_the_first_is_told_by_the_next_call");
    rouse_udp_unref(near);
    rouse_udp_unref(far);
}

static atomic_int calls_to_fail;
static atomic_int most_at_once;

// Sends up to `most_at_once` of them, as a socket does whose buffer fills up.
static int partial_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    unsigned most = (unsigned)atomic_load(&most_at_once);

    if (atomic_fetch_sub(&calls_to_fail, 1) == 1) return -ENOBUFS;
    return rs_sys_real.sendmmsg(fd, messages, count < most ? count : most, flags);
}

static int failing_recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    if (atomic_fetch_sub(&calls_to_fail, 1) == 1) return -ENOMEM;
    return rs_sys_real.recvmmsg(fd, messages, count, flags);
}

static void sending_in_part(void)
{
    struct udp_pair pair = udp_pair_new();
    struct set out, in;
    int sent = 0;
    int calls = 0;
    bool all = true;

    set_init(&out);
    set_init(&in);
    atomic_store(&most_at_once, 7);
    rs_sys.sendmmsg = partial_sendmmsg;
    while (sent < MANY) {
        int result = rouse_udp_send_many(pair.near, out.messages + sent, (unsigned)(MANY - sent));

        must(result, "send");
        sent += result;
        calls++;
    }
    for (int received = 0; received < MANY;) {
        int result =
            rouse_udp_recv_many(pair.far, in.messages + received, (unsigned)(MANY - received));

        must(result, "receive");
        received += result;
    }
    for (int i = 0; i < MANY; i++) all = all && memcmp(in.bufs[i], out.bufs[i], ROOM) == 0;
    claim(all && calls == (MANY + 6) / 7, "a_batch_that_is_sent_in_parts_arrives_whole");

    rs_sys.recvmmsg = failing_recvmmsg;
    for (int n = 1; n <= 3; n++) {
        atomic_store(&calls_to_fail, n);
        int errors = 0;

        for (int i = 0; i < 3; i++) errors += rouse_udp_send_many(pair.near, out.messages, 1) < 0;
        all = all && errors == 1;
        atomic_store(&calls_to_fail, n);
        for (int i = 0; i < 3; i++) errors += rouse_udp_recv_many(pair.far, in.messages, 1) < 0;
        all = all && errors == 2;
    }
    claim(all, "a_call_that_fails_is_told_once_and_the_next_goes_on");
    rs_sys.sendmmsg = rs_sys_real.sendmmsg;
    rs_sys.recvmmsg = rs_sys_real.recvmmsg;
    udp_pair_free(&pair);
}

// ---- Segments ----

enum { SEGMENT = 1000, SEGMENTS = 20 };

static char large[SEGMENT * SEGMENTS - 10];
static char joined_up[1 << 16];

static void large_fill(void)
{
    for (size_t i = 0; i < sizeof large; i++) large[i] = (char)(i * 7 + i / 255);
}

static void segments(void)
{
    struct udp_pair pair = udp_pair_new();
    struct rouse_datagram out = {.buf = large, .size = sizeof large, .segment_size = SEGMENT};
    size_t done = 0;
    int count = 0;

    if (!rouse_udp_can_segment(pair.near)) {
        claim(true, "segments # SKIP the kernel cuts none");
        udp_pair_free(&pair);
        return;
    }
    large_fill();
    claim(rouse_udp_send_many(pair.near, &out, 1) == 1, "a_long_one_is_sent_in_segments");
    while (done < sizeof large) {
        ssize_t size = rouse_udp_recv(pair.far, joined_up + done, sizeof joined_up - done);

        must(size, "receive");
        if (size != SEGMENT && done + (size_t)size != sizeof large) break;
        done += (size_t)size;
        count++;
    }
    claim(count == SEGMENTS && memcmp(joined_up, large, sizeof large) == 0,
          "which_arrive_as_datagrams");
    out.segment_size = 1 << 16;
    claim(rouse_udp_send_many(pair.near, &out, 1) == -EINVAL, "no_segment_is_longer_than_64_k");

    const struct rouse_datagram parts[2] = {{.buf = large, .size = 5}, out};

    claim(rouse_udp_send_many(pair.near, parts, 2) == 1, "what_is_right_before_it_is_sent");
    udp_pair_free(&pair);
}

// Joining is up to the kernel: all segments, some, or none come together. But the sizes told must
// give the segments back.
static void joining(void)
{
    struct udp_pair pair = udp_pair_new();
    const struct rouse_datagram out = {.buf = large, .size = sizeof large, .segment_size = SEGMENT};
    size_t done = 0;
    int segment_count = 0;

    if (rouse_udp_set_gro(pair.far, true) < 0 || !rouse_udp_can_segment(pair.near)) {
        claim(true, "joining # SKIP the kernel joins none");
        udp_pair_free(&pair);
        return;
    }
    must(rouse_udp_send_many(pair.near, &out, 1), "send");
    while (done < sizeof large) {
        struct rouse_datagram in = {.buf = joined_up + done, .size = sizeof joined_up - done};

        must(rouse_udp_recv_many(pair.far, &in, 1), "receive");
        size_t size = in.segment_size > 0 ? in.segment_size : in.received;

        segment_count += (int)((in.received + size - 1) / size);
        if (in.truncated || (in.segment_size != 0 && in.segment_size != SEGMENT)) break;
        done += in.received;
    }
    claim(segment_count == SEGMENTS && memcmp(joined_up, large, sizeof large) == 0,
          "what_was_joined_says_where_to_cut");
    claim(rouse_udp_set_gro(pair.far, false) == 0, "joining_can_be_turned_off");
    udp_pair_free(&pair);
}

static void descriptions(void)
{
    struct udp_pair pair = udp_pair_new();
    struct rouse_udp_recv_many recv;
    struct rouse_udp_send_many send;
    struct rouse_datagram message = {0};
    char expected[40], text[40];

    rouse_udp_recv_many_init(&recv, pair.near, &message, 1);
    rouse_udp_send_many_init(&send, pair.near, &message, 1);
    snprintf(expected, sizeof expected, "receive on fd %d", udp_number(pair.near));
    recv.base.vtable->describe(&recv.base, text, sizeof text);
    bool same = strncmp(text, expected, strlen(expected)) == 0;

    snprintf(expected, sizeof expected, "send on fd %d", udp_number(pair.near));
    send.base.vtable->describe(&send.base, text, sizeof text);
    claim(same && strncmp(text, expected, strlen(expected)) == 0, "each_says_what_it_waits_for");
    rouse_future_drop(&recv.base);
    must(rouse_await(&send.base), "await");
    claim(send.output == 1 && rouse_future_result(&send.base) == 1, "and_how_it_ended");
    udp_pair_free(&pair);
}

static int run_all(void *arg)
{
    (void)arg;
    receiving();
    waiting();
    sending();
    sending_in_part();
    segments();
    joining();
    descriptions();
    return 0;
}

int main(void)
{
    struct rouse_stats stats;

    alarm(50);
    must(rouse_run(run_all, NULL), "run");
    rouse_stats_get(&stats);
    claim(stats.sockets == 0, "no_socket_is_left");
    claim(stats.allocations == 0 && stats.allocated_bytes == 0, "no_memory_is_left");
    return claims_end();
}
