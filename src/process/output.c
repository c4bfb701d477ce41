// SPDX-License-Identifier: MIT
//
// A child from its start to its end: its input written, its output read, its status taken, all in
// one future. Polled by one thread at a time.
//
// 1. The child is ours alone and dies with us: until we have ended well, a drop kills it.
// 2. `busy` says which of the four arms are in progress; only those are polled and dropped.

#include <errno.h>
#include <rouse/await.h>
#include <stdio.h>
#include <unistd.h>

#include "process/process.h"

enum { BUSY_FEED = 1 << 0, BUSY_READ = 1 << 1, BUSY_WAIT = 1 << 3, CAPTURES = 2 };

static uint32_t busy_read(int index)
{
    return (uint32_t)BUSY_READ << index;
}

// ---- Reading ----

// What is over the limit goes to the scratch, which both readers may use: nobody looks at it.
static void read_begin(struct rouse_process_output *o, int index)
{
    struct rouse_process_capture *capture = o->capture[index];
    struct rouse_fd *pipe = rouse_process_pipe(o->process, STDOUT_FILENO + index);
    size_t room = capture->size - capture->length;

    if (room > 0) {
        rouse_fd_read_init(&o->read[index], pipe, (char *)capture->data + capture->length, room);
    } else {
        rouse_fd_read_init(&o->read[index], pipe, o->scratch, sizeof o->scratch);
    }
}

// Reads until nothing is there, or the end. A negative errno if it broke.
static int read_on(struct rouse_process_output *o, int index, struct rouse_context *cx)
{
    struct rouse_process_capture *capture = o->capture[index];

    while (rouse_future_poll(&o->read[index].base, cx) == ROUSE_READY) {
        ssize_t count = o->read[index].output;

        if (count <= 0) {
            o->busy &= ~busy_read(index);
            return (int)count;
        }
        if (capture->length < capture->size) {
            capture->length += (size_t)count;
        } else {
            capture->discarded += (uint64_t)count;
        }
        read_begin(o, index);
    }
    return 0;
}

// ---- The whole ----

static void pipe_drop(struct rouse_process_output *o, int index)
{
    rouse_fd_free(rouse_process_take_pipe(o->process, index));
}

static void begin_captures(struct rouse_process_output *o)
{
    for (int i = 0; i < CAPTURES; i++) {
        if (o->capture[i] == NULL) {
            pipe_drop(o, STDOUT_FILENO + i);
            continue;
        }
        o->capture[i]->length = 0;
        o->capture[i]->discarded = 0;
        o->busy |= busy_read(i);
        read_begin(o, i);
    }
}

static int begin(struct rouse_process_output *o)
{
    const struct rouse_stdio pipe = {.kind = ROUSE_STDIO_PIPE};

    if (o->input != NULL) o->options.stdio[STDIN_FILENO] = pipe;
    for (int i = 0; i < CAPTURES; i++) {
        if (o->capture[i] != NULL) o->options.stdio[STDOUT_FILENO + i] = pipe;
    }
    o->options.kill_on_free = true;
    int err = rouse_process_spawn(&o->process, &o->options);

    if (err < 0) return err;
    if (o->input != NULL) {
        o->busy |= BUSY_FEED;
        rouse_fd_write_all_init(&o->feed, rouse_process_pipe(o->process, STDIN_FILENO), o->input,
                                o->input_size);
    } else {
        pipe_drop(o, STDIN_FILENO);
    }
    begin_captures(o);
    o->busy |= BUSY_WAIT;
    rouse_process_wait_init(&o->wait, o->process);
    return 0;
}

// A child that reads no more has its reasons.
static int feed_on(struct rouse_process_output *o, struct rouse_context *cx)
{
    if (rouse_future_poll(&o->feed.base, cx) == ROUSE_PENDING) return 0;
    o->busy &= ~(uint32_t)BUSY_FEED;
    pipe_drop(o, STDIN_FILENO);
    return o->feed.output < 0 && o->feed.output != -EPIPE ? (int)o->feed.output : 0;
}

static int wait_on(struct rouse_process_output *o, struct rouse_context *cx)
{
    if (rouse_future_poll(&o->wait.base, cx) == ROUSE_PENDING) return 0;
    o->busy &= ~(uint32_t)BUSY_WAIT;
    o->status = o->wait.status;
    return o->wait.output;
}

static void drop_busy(struct rouse_process_output *o)
{
    if ((o->busy & BUSY_FEED) != 0) rouse_future_drop(&o->feed.base);
    for (int i = 0; i < CAPTURES; i++) {
        if ((o->busy & busy_read(i)) != 0) rouse_future_drop(&o->read[i].base);
    }
    if ((o->busy & BUSY_WAIT) != 0) rouse_future_drop(&o->wait.base);
    o->busy = 0;
    rouse_process_free(o->process);
    o->process = NULL;
}

static rouse_poll output_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_process_output *o = ROUSE_CONTAINER_OF(self, struct rouse_process_output, base);
    int err = o->process == NULL ? begin(o) : 0;

    if (err == 0 && (o->busy & BUSY_FEED) != 0) err = feed_on(o, cx);
    for (int i = 0; i < CAPTURES; i++) {
        if (err == 0 && (o->busy & busy_read(i)) != 0) err = read_on(o, i, cx);
    }
    if (err == 0 && (o->busy & BUSY_WAIT) != 0) err = wait_on(o, cx);
    if (err == 0 && o->busy != 0) return ROUSE_PENDING;
    o->output = err;
    drop_busy(o);
    return ROUSE_READY;
}

static void output_drop(struct rouse_future *self)
{
    drop_busy(ROUSE_CONTAINER_OF(self, struct rouse_process_output, base));
}

static int output_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rouse_process_output *o = (const struct rouse_process_output *)self;

    if (o->process == NULL) return snprintf(buf, size, "the output of a process to be started");
    return snprintf(buf, size, "the output of process %d", (int)o->process->pid);
}

static int64_t output_result(const struct rouse_future *self)
{
    return ((const struct rouse_process_output *)self)->output;
}

static const struct rouse_future_vtable output_ended = {.name = "process_output",
                                                        .result = output_result};
static const struct rouse_future_vtable output_vtable = {
    .poll = output_poll,
    .drop = output_drop,
    .name = "process_output",
    .describe = output_describe,
    .ended = &output_ended,
    .cancel_kind = rouse_cancel_kind_terminal};

void rouse_process_output_init(struct rouse_process_output *output,
                               const struct rouse_process_options *options, const void *input,
                               size_t input_size, struct rouse_process_capture *out,
                               struct rouse_process_capture *err)
{
    output->base.vtable = &output_vtable;
    output->options = *options;
    output->input = input;
    output->input_size = input_size;
    output->capture[0] = out;
    output->capture[1] = err;
    output->process = NULL;
    output->busy = 0;
    output->output = 0;
}

int rouse_process_output(const struct rouse_process_options *options, const void *input,
                         size_t input_size, struct rouse_process_capture *out,
                         struct rouse_process_capture *err, struct rouse_exit_status *status)
{
    struct rouse_process_output op;

    rouse_process_output_init(&op, options, input, input_size, out, err);
    int result = rouse_await(&op.base);

    if (result == 0) result = op.output;
    if (result == 0 && status != NULL) *status = op.status;
    return result;
}
