// SPDX-License-Identifier: MIT
//
// The portable poller, without futures or tasks: one wait for two sockets with different
// interests. Socket 1 wants to read; socket 2 wants to write, but is full. Their peers, on another
// thread, send to the one, drain the other, and at last close both.

#include <errno.h>
#include <pthread.h>
#include <rouse.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static void pause_a_moment(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 100 * 1000 * 1000}, NULL);
}

static void *peers(void *arg)
{
    const int *fds = arg;
    char buf[65536];

    pause_a_moment();
    if (write(fds[0], "howdy", 5) != 5) perror("write");
    pause_a_moment();
    while (recv(fds[1], buf, sizeof buf, MSG_DONTWAIT) > 0) {
    }
    pause_a_moment();
    close(fds[0]);
    pause_a_moment();
    close(fds[1]);
    return NULL;
}

// Writes until the socket takes no more.
static void fill(int fd)
{
    static const char zeros[65536];

    while (send(fd, zeros, sizeof zeros, MSG_DONTWAIT) > 0) {
    }
}

// Reacts to one event. The poller is level-triggered: what is not dealt with is reported again.
static int handle(struct rouse_poller *poller, const struct rouse_poller_event *event, int fd)
{
    char buf[64];

    printf("Socket %d is now%s%s%s%s\n", (int)event->key,
           (event->ready & ROUSE_READABLE) != 0 ? " READABLE" : "",
           (event->ready & ROUSE_WRITABLE) != 0 ? " WRITABLE" : "",
           (event->ready & ROUSE_HANGUP) != 0 ? " HANGUP" : "",
           (event->ready & ROUSE_ERROR) != 0 ? " ERROR" : "");
    if ((event->ready & ROUSE_HANGUP) != 0) return rouse_poller_remove(poller, fd);
    if ((event->ready & ROUSE_WRITABLE) != 0) {
        return rouse_poller_modify(poller, fd, event->key, ROUSE_READABLE);
    }
    return read(fd, buf, sizeof buf) < 0 ? -errno : 0;
}

// Until both peers have hung up.
static int serve(struct rouse_poller *poller, const int fds[2])
{
    struct rouse_poller_event events[8];

    for (int open = 2; open > 0;) {
        int count = rouse_poller_wait(poller, events, 8, ROUSE_NEVER);

        if (count < 0) return count;
        for (int i = 0; i < count; i++) {
            int err = handle(poller, &events[i], fds[events[i].key - 1]);

            if (err < 0) return err;
            if ((events[i].ready & ROUSE_HANGUP) != 0) open--;
        }
    }
    return 0;
}

int main(void)
{
    struct rouse_poller *poller = NULL;
    pthread_t thread;
    int one[2], two[2];

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, one) < 0 ||
        socketpair(AF_UNIX, SOCK_STREAM, 0, two) < 0) {
        perror("poller_demo");
        return 1;
    }
    int ours[2] = {one[0], two[0]};
    int theirs[2] = {one[1], two[1]};

    fill(ours[1]);
    int err = rouse_poller_new(&poller, NULL);

    if (err == 0) err = rouse_poller_add(poller, ours[0], 1, ROUSE_READABLE);
    if (err == 0) err = rouse_poller_add(poller, ours[1], 2, ROUSE_WRITABLE);
    if (err == 0) err = -pthread_create(&thread, NULL, peers, theirs);
    if (err == 0) {
        err = serve(poller, ours);
        pthread_join(thread, NULL);
    }
    if (err < 0) fprintf(stderr, "poller_demo: %s\n", rouse_strerror(err));
    rouse_poller_free(poller);
    close(ours[0]);
    close(ours[1]);
    return err < 0;
}
