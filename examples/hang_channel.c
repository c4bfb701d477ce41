// SPDX-License-Identifier: MIT
//
// A program that hangs, to try the task dump on: producers fill a channel of four places whose
// consumer has gone to wait for something else. Run it, press Ctrl-\ and read. docs/debugging.md
// does so line by line.

#include <rouse.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PRODUCERS = 10, PLACES = 4, LIFE_S = 300 };  // then SIGALRM ends it

struct ends {
    struct rouse_channel_sender *sender;
    struct rouse_channel_receiver *receiver;
    struct rouse_notify begin;
};

static int producer(void *arg)
{
    struct ends *ends = arg;
    int err = 0;

    for (int i = 0; err == 0; i++) err = rouse_channel_send(ends->sender, &i);
    return err;
}

static int consumer(void *arg)
{
    struct ends *ends = arg;
    int err = rouse_notify_wait(&ends->begin);  // the fault: nobody says so
    int item;

    while (err == 0) err = rouse_channel_receive(ends->receiver, &item);
    return err;
}

static int root(void *arg)
{
    const struct rouse_task_attrs attrs = {
        .size = sizeof attrs, .name = "consumer", .site = ROUSE_SITE};
    struct ends ends = {.sender = NULL};
    struct rouse_join_handle handle;
    int err = rouse_channel_new(&ends.sender, &ends.receiver, sizeof(int), PLACES);

    (void)arg;
    if (err < 0) return err;
    rouse_notify_init(&ends.begin);
    for (int i = 0; err == 0 && i < PRODUCERS; i++) err = rouse_spawn(NULL, producer, &ends);
    if (err == 0) err = rouse_spawn_at(&handle, consumer, &ends, &attrs);
    if (err == 0) err = (int)rouse_join(&handle);
    rouse_channel_receiver_unref(ends.receiver);
    rouse_channel_sender_unref(ends.sender);
    return err;
}

int main(int argc, char **argv)
{
    bool wants_help = argc == 2 && strcmp(argv[1], "--help") == 0;

    if (argc > 1) {
        fputs("Usage: hang_channel [--help]\n"
              "Hangs: producers wait for a channel that is full, and nobody takes anything out.\n"
              "Ctrl-\\ shows where each task is; after five minutes it ends.\n",
              wants_help ? stdout : stderr);
        return wants_help ? 0 : 2;
    }
    (void)alarm(LIFE_S);
    int err = rouse_run(root, NULL);

    printf("done: %s\n", rouse_strerror(err));
    return err < 0;
}
