// SPDX-License-Identifier: MIT
//
// Many datagrams in one system call, both ways, and the sizes of segments that the kernel cuts or
// joins. Any thread; these queue with the other receivers and senders of the socket.
//
// The arrays that the kernel reads lie on the stack for the time of the call. So a call is bounded,
// and what it has not done is for the next one.

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <rouse/assert.h>
#include <rouse/await.h>
#include <string.h>

#include "base/sys.h"
#include "net/udp.h"
#include "time/backoff.h"

// Room for the size of segments, aligned for its header.
struct control {
    _Alignas(struct cmsghdr) char bytes[CMSG_SPACE(sizeof(int))];
};

struct batch {
    struct mmsghdr headers[ROUSE_UDP_BATCH_MAX];
    struct iovec iovs[ROUSE_UDP_BATCH_MAX];
    struct control controls[ROUSE_UDP_BATCH_MAX];
};

static unsigned batch_size(unsigned count)
{
    return count < ROUSE_UDP_BATCH_MAX ? count : ROUSE_UDP_BATCH_MAX;
}

// ---- Receiving ----

static void recv_fill(struct batch *batch, struct rouse_datagram *messages, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        batch->iovs[i] = (struct iovec){messages[i].buf, messages[i].size};
        batch->headers[i].msg_hdr =
            (struct msghdr){.msg_name = &messages[i].addr.storage,
                            .msg_namelen = sizeof messages[i].addr.storage,
                            .msg_iov = &batch->iovs[i],
                            .msg_iovlen = 1,
                            .msg_control = &batch->controls[i],
                            .msg_controllen = sizeof batch->controls[i]};
    }
}

static size_t segment_size_of(struct msghdr *message)
{
    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part != NULL;
         part = CMSG_NXTHDR(message, part)) {
        if (part->cmsg_level == SOL_UDP && part->cmsg_type == UDP_GRO) {
            int size;

            memcpy(&size, CMSG_DATA(part), sizeof size);
            return (size_t)size;
        }
    }
    return 0;
}

static void recv_tell(struct batch *batch, struct rouse_datagram *messages, int count)
{
    for (int i = 0; i < count; i++) {
        struct rouse_datagram *message = &messages[i];
        struct mmsghdr *header = &batch->headers[i];

        message->addr.length = header->msg_hdr.msg_namelen;
        message->length = header->msg_len;
        message->truncated = message->length > message->size;
        message->received = message->truncated ? message->size : message->length;
        message->segment_size = segment_size_of(&header->msg_hdr);
    }
}

static ssize_t recv_try(int fd, void *arg)
{
    const struct rouse_udp_recv_many *r = arg;
    unsigned count = batch_size(r->count);
    struct batch batch;

    recv_fill(&batch, r->messages, count);
    // With the flag it returns whole lengths.
    int result = rs_sys.recvmmsg(fd, batch.headers, count, MSG_TRUNC);

    if (result > 0) recv_tell(&batch, r->messages, result);
    return result;
}

static rouse_poll recv_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_udp_recv_many *r = ROUSE_CONTAINER_OF(self, struct rouse_udp_recv_many, base);
    ssize_t result;

    if (rs_udp_recv_poll(r->udp, &r->wait, cx, recv_try, r, &result) == ROUSE_PENDING) {
        return ROUSE_PENDING;
    }
    r->output = (int)result;
    return ROUSE_READY;
}

static void recv_drop(struct rouse_future *self)
{
    rs_source_unwait(&ROUSE_CONTAINER_OF(self, struct rouse_udp_recv_many, base)->wait);
}

static int recv_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rouse_udp_recv_many *r = (const struct rouse_udp_recv_many *)self;

    return rs_socket_describe(&r->udp->socket, "receive on", buf, size);
}

static int64_t recv_result(const struct rouse_future *self)
{
    return ((const struct rouse_udp_recv_many *)self)->output;
}

static const struct rouse_future_vtable recv_ended = {.name = "udp_recv_many",
                                                      .result = recv_result};
static const struct rouse_future_vtable recv_vtable = {
    .poll = recv_poll,
    .drop = recv_drop,
    .name = "udp_recv_many",
    .describe = recv_describe,
    .ended = &recv_ended,
    .cancel_kind = rouse_cancel_kind_total};

void rouse_udp_recv_many_init(struct rouse_udp_recv_many *recv, struct rouse_udp *udp,
                              struct rouse_datagram *messages, unsigned count)
{
    rouse_assert(count > 0, "there is nothing to receive into; give it one message at least");
    *recv = (struct rouse_udp_recv_many){
        .base.vtable = &recv_vtable, .udp = udp, .messages = messages, .count = count};
}

int rouse_udp_recv_many(struct rouse_udp *udp, struct rouse_datagram *messages, unsigned count)
{
    struct rouse_udp_recv_many op;

    rouse_udp_recv_many_init(&op, udp, messages, count);
    int err = rouse_await(&op.base);

    return err < 0 ? err : op.output;
}

int rouse_udp_try_recv_many(struct rouse_udp *udp, struct rouse_datagram *messages, unsigned count)
{
    struct rouse_udp_recv_many op;

    rouse_udp_recv_many_init(&op, udp, messages, count);
    return (int)rs_socket_try(&udp->socket, RS_READ, recv_try, &op);
}

// ---- Sending ----

static void segment_size_put(struct msghdr *message, struct control *control, size_t segment_size)
{
    uint16_t size = (uint16_t)segment_size;

    *control = (struct control){0};
    message->msg_control = control;
    message->msg_controllen = CMSG_SPACE(sizeof size);
    struct cmsghdr *part = CMSG_FIRSTHDR(message);

    part->cmsg_len = CMSG_LEN(sizeof size);
    part->cmsg_level = SOL_UDP;
    part->cmsg_type = UDP_SEGMENT;
    memcpy(CMSG_DATA(part), &size, sizeof size);
}

// 0, or why a message cannot be cut into segments of its size.
static int segment_check(const struct rouse_udp *udp, const struct rouse_datagram *message)
{
    if (message->segment_size == 0) return 0;
    if (udp->family == AF_UNIX) return -EOPNOTSUPP;
    return message->segment_size <= UINT16_MAX ? 0 : -EINVAL;
}

// How many of them are ready to be sent; or why not even the first one is.
static int send_fill(struct batch *batch, const struct rouse_udp *udp,
                     const struct rouse_datagram *messages, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        const struct rouse_datagram *message = &messages[i];
        bool is_addressed = message->addr.length > 0;
        int err = segment_check(udp, message);

        if (err < 0) return i > 0 ? (int)i : err;
        batch->iovs[i] = (struct iovec){message->buf, message->size};
        batch->headers[i].msg_hdr =
            (struct msghdr){.msg_name = is_addressed ? (void *)&message->addr.storage : NULL,
                            .msg_namelen = message->addr.length,
                            .msg_iov = &batch->iovs[i],
                            .msg_iovlen = 1};
        if (message->segment_size > 0) {
            segment_size_put(&batch->headers[i].msg_hdr, &batch->controls[i],
                             message->segment_size);
        }
    }
    return (int)count;
}

static ssize_t send_try(int fd, void *arg)
{
    const struct rouse_udp_send_many *s = arg;
    struct batch batch;
    int count = send_fill(&batch, s->udp, s->messages, batch_size(s->count));

    if (count < 0) return count;
    return rs_sys.sendmmsg(fd, batch.headers, (unsigned)count, MSG_NOSIGNAL);
}

// The first one decides whether the call waits: behind it, one that would have to is left.
static rouse_poll send_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_udp_send_many *s = ROUSE_CONTAINER_OF(self, struct rouse_udp_send_many, base);
    ssize_t result;

    if (rs_udp_send_poll(s->udp, &s->messages[0].addr, &s->wait, &s->backoff, cx, send_try, s,
                         &result) == ROUSE_PENDING) {
        return ROUSE_PENDING;
    }
    s->output = (int)result;
    return ROUSE_READY;
}

static void send_drop(struct rouse_future *self)
{
    struct rouse_udp_send_many *s = ROUSE_CONTAINER_OF(self, struct rouse_udp_send_many, base);

    rs_backoff_drop(&s->backoff);
    rs_source_unwait(&s->wait);
}

static int send_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rouse_udp_send_many *s = (const struct rouse_udp_send_many *)self;
    const char *what = s->backoff.is_pausing ? "pause before a full socket, on" : "send on";

    return rs_socket_describe(&s->udp->socket, what, buf, size);
}

static int64_t send_result(const struct rouse_future *self)
{
    return ((const struct rouse_udp_send_many *)self)->output;
}

static const struct rouse_future_vtable send_ended = {.name = "udp_send_many",
                                                      .result = send_result};
static const struct rouse_future_vtable send_vtable = {
    .poll = send_poll,
    .drop = send_drop,
    .name = "udp_send_many",
    .describe = send_describe,
    .ended = &send_ended,
    .cancel_kind = rouse_cancel_kind_total};

void rouse_udp_send_many_init(struct rouse_udp_send_many *send, struct rouse_udp *udp,
                              const struct rouse_datagram *messages, unsigned count)
{
    rouse_assert(count > 0, "there is nothing to send; give it one message at least");
    *send = (struct rouse_udp_send_many){
        .base.vtable = &send_vtable, .udp = udp, .messages = messages, .count = count};
}

int rouse_udp_send_many(struct rouse_udp *udp, const struct rouse_datagram *messages,
                        unsigned count)
{
    struct rouse_udp_send_many op;

    rouse_udp_send_many_init(&op, udp, messages, count);
    int err = rouse_await(&op.base);

    return err < 0 ? err : op.output;
}

int rouse_udp_try_send_many(struct rouse_udp *udp, const struct rouse_datagram *messages,
                            unsigned count)
{
    struct rouse_udp_send_many op;

    rouse_udp_send_many_init(&op, udp, messages, count);
    return (int)rs_socket_try(&udp->socket, RS_WRITE, send_try, &op);
}
