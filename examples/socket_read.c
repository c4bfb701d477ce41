// SPDX-License-Identifier: MIT
//
// A leaf future written by hand: a read from any descriptor. Its poll asks whether data is there;
// if so it is ready, else it registers the waker and returns pending. rouse_block_on() drives it,
// first on a pipe, then on a TCP connection; another thread writes a little later.

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <rouse.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

// Ends with some bytes.
struct socket_read {
    struct rouse_future base;
    struct rouse_fd *fd;          // borrowed
    struct rouse_fd_ready ready;  // wakes us; never ended between two polls
    void *buf;                    // borrowed
    size_t size;
    int polls;
    ssize_t output;  // bytes read; 0: end of the stream; or a negative errno
};

// What read() would return, with its error as a negative errno.
static ssize_t try_read(struct socket_read *r)
{
    ssize_t n = read(rouse_fd_number(r->fd), r->buf, r->size);

    return n >= 0 ? n : -errno;
}

static rouse_poll socket_read_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct socket_read *r = ROUSE_CONTAINER_OF(self, struct socket_read, base);

    r->polls++;
    for (;;) {
        // Counts what we do: a task whose every read is ready at once must let others run.
        if (!rouse_context_spend(cx)) return ROUSE_PENDING;

        uint64_t tick = rouse_fd_tick(r->fd, ROUSE_READABLE);

        r->output = try_read(r);
        if (r->output != -EAGAIN && r->output != -EINTR) {
            rouse_future_drop(&r->ready.base);
            return ROUSE_READY;
        }
        // No data. Registers the waker of this poll in place of an earlier one's: the last one is
        // woken. Data that came after our read, and so after `tick`, makes it ready at once.
        if (r->output == -EAGAIN) rouse_fd_clear(r->fd, ROUSE_READABLE, tick);
        if (rouse_future_poll(&r->ready.base, cx) == ROUSE_PENDING) return ROUSE_PENDING;
        if (r->ready.output < 0) {
            r->output = r->ready.output;
            return ROUSE_READY;
        }
        rouse_fd_ready_init(&r->ready, r->fd, ROUSE_READABLE);
    }
}

// The caller no longer wants to know: after this nobody has our waker.
static void socket_read_drop(struct rouse_future *self)
{
    struct socket_read *r = ROUSE_CONTAINER_OF(self, struct socket_read, base);

    rouse_future_drop(&r->ready.base);
}

static const struct rouse_future_vtable socket_read_vtable = {
    .poll = socket_read_poll, .drop = socket_read_drop, .name = "socket_read"};

static void socket_read_init(struct socket_read *read, struct rouse_fd *fd, void *buf, size_t size)
{
    *read = (struct socket_read){
        .base.vtable = &socket_read_vtable, .fd = fd, .buf = buf, .size = size};
    rouse_fd_ready_init(&read->ready, fd, ROUSE_READABLE);
}

// ---- The program ----

static void *write_later(void *arg)
{
    const int *fd = arg;

    nanosleep(&(struct timespec){.tv_nsec = 100 * 1000 * 1000}, NULL);
    if (write(*fd, "howdy", 5) != 5) perror("write");
    close(*fd);
    return NULL;
}

// Prints what comes out of `fds[0]` after it went into `fds[1]`; closes both.
static int demonstrate(const char *name, int fds[2])
{
    struct socket_read read;
    struct rouse_fd *fd;
    pthread_t writer;
    char buf[64];
    int err = rouse_fd_adopt(&fd, fds[0]);

    if (err < 0) return err;
    err = -pthread_create(&writer, NULL, write_later, &fds[1]);
    if (err < 0) goto no_writer;
    uint64_t start_ns = rouse_now_ns();

    socket_read_init(&read, fd, buf, sizeof buf);
    err = rouse_block_on(NULL, &read.base);
    if (err == 0 && read.output < 0) err = (int)read.output;
    if (err == 0) {
        printf("%s: read \"%.*s\" after %.2f s, %d polls\n", name, (int)read.output, buf,
               (double)(rouse_now_ns() - start_ns) / (double)ROUSE_NS_PER_S, read.polls);
    }
    pthread_join(writer, NULL);
no_writer:
    rouse_fd_free(fd);
    return err;
}

// Two connected TCP sockets.
static int tcp_pair(int fds[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr *any = (struct sockaddr *)&address;
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    fds[0] = -1;
    fds[1] = socket(AF_INET, SOCK_STREAM, 0);
    if (listener >= 0 && bind(listener, any, length) == 0 && listen(listener, 1) == 0 &&
        getsockname(listener, any, &length) == 0 && connect(fds[1], any, length) == 0) {
        fds[0] = accept(listener, NULL, NULL);
    }
    int err = fds[0] >= 0 ? 0 : -errno;

    if (listener >= 0) close(listener);
    if (err < 0 && fds[1] >= 0) close(fds[1]);
    return err;
}

int main(void)
{
    int fds[2];
    int err = pipe(fds) == 0 ? 0 : -errno;

    if (err == 0) err = demonstrate("pipe", fds);
    if (err == 0) err = tcp_pair(fds);
    if (err == 0) err = demonstrate("tcp", fds);
    if (err < 0) fprintf(stderr, "socket_read: %s\n", rouse_strerror(err));
    return err < 0;
}
