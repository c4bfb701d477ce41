// SPDX-License-Identifier: MIT
//
// Pipes with many readers: fibers on every worker, frames that migrate, plain threads, and waits
// that wander between drivers which come and go. Writers write numbered bytes; readers give up,
// are aborted, and queue up again. No byte is lost or read twice, and no reader sleeps through one;
// when a pipe is freed under its waiters, they say -EBADF.

#include <errno.h>
#include <fcntl.h>

#include "sched/runtime.h"
#include "stress.h"
#include "unit/hand_waker.h"

enum { PIPES = 4, FIBERS = 4, FRAMES = 4, THREADS = 2 };

struct channel {
    struct rouse_fd *in;
    int out;
    _Atomic int64_t written;  // bytes, and their sum
    _Atomic int64_t written_sum;
    _Atomic int64_t read;
    _Atomic int64_t read_sum;
};

static struct channel channels[PIPES];
static struct rouse_runtime *runtime;
static _Atomic bool over;
static _Atomic int64_t wrong;
static _Atomic int64_t ready_futures;

static bool is_over(void)
{
    return atomic_load_explicit(&over, memory_order_acquire);
}

struct piece {
    struct channel *channel;
    uint8_t bytes[64];
};

// Reads a little, so that others get some too.
static ssize_t read_piece(int fd, void *arg)
{
    struct piece *piece = arg;
    ssize_t count = read(fd, piece->bytes, sizeof piece->bytes);
    int64_t sum = 0;

    if (count < 0) return -errno;
    for (ssize_t i = 0; i < count; i++) sum += piece->bytes[i];
    (void)stress_add(&piece->channel->read_sum, sum);
    (void)stress_add(&piece->channel->read, count);
    return count;
}

// ---- Readers ----

struct reader {
    struct channel *channel;
    uint64_t random;
};

// True to go on.
static bool check_ready(int err)
{
    if (err == -EBADF) return false;
    if (err != 0 && err != -ECANCELED && err != -ETIMEDOUT) (void)stress_add(&wrong, 1);
    return err != -ECANCELED;
}

static bool read_when_ready(struct reader *reader)
{
    struct piece piece = {.channel = reader->channel};
    ssize_t count;

    if (stress_below(&reader->random, 3) == 0) {
        struct rouse_fd_ready ready;

        rouse_fd_ready_init(&ready, reader->channel->in, ROUSE_READABLE);
        int err = rouse_await_until(&ready.base,
                                    rouse_deadline_after(stress_below(&reader->random, 500000)));
        if (err == 0) err = ready.output;
        if (!check_ready(err)) return false;
    }
    count = rouse_fd_try_io(reader->channel->in, ROUSE_READABLE, read_piece, &piece);
    if (count == 0 || count == -EBADF || count == -ECANCELED) return false;
    if (count < 0) (void)stress_add(&wrong, 1);
    return true;
}

static int fiber_reader(void *arg)
{
    struct reader *reader = arg;

    while (read_when_ready(reader)) {
        if (stress_below(&reader->random, 8) == 0) (void)rouse_yield();
    }
    free(reader);
    return 0;
}

static void *thread_reader(void *arg)
{
    (void)fiber_reader(arg);
    return NULL;
}

static struct reader *reader_new(uint64_t *random)
{
    struct reader *reader = malloc(sizeof *reader);

    if (reader == NULL) exit(1);
    *reader = (struct reader){.channel = &channels[stress_below(random, PIPES)],
                              .random = stress_stream(claim_random(random))};
    return reader;
}

// A frame waits until a pipe is ready, reads without waiting, and forgets what came meanwhile.
struct frame {
    struct rouse_async async;
    struct rouse_fd_ready ready;
    struct rouse_timeout timeout;
    struct rouse_yield yield;
    struct piece piece;
    uint64_t tick;
    uint64_t random;
    ssize_t count;
};

static rouse_poll frame_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct frame *f = ROUSE_CONTAINER_OF(self, struct frame, async.base);

    ROUSE_ASYNC_BEGIN(&f->async, cx);
    for (;;) {
        f->piece.channel = &channels[stress_below(&f->random, PIPES)];
        rouse_fd_ready_init(&f->ready, f->piece.channel->in, ROUSE_READABLE);
        rouse_timeout_init(&f->timeout, &f->ready.base,
                           rouse_deadline_after(stress_below(&f->random, 2 * ROUSE_NS_PER_MS)));
        ROUSE_AWAIT(&f->timeout.base);
        if (f->timeout.output == -ETIMEDOUT) {
            if (is_over()) break;
            continue;
        }
        if (!check_ready(f->ready.output)) break;
        (void)stress_add(&ready_futures, 1);
        f->tick = rouse_fd_tick(f->piece.channel->in, ROUSE_READABLE);
        f->count = read_piece(rouse_fd_number(f->piece.channel->in), &f->piece);
        if (f->count == 0) break;
        if (f->count == -EAGAIN) {
            rouse_fd_clear(f->piece.channel->in, ROUSE_READABLE, f->tick);
        } else if (f->count < 0) {
            (void)stress_add(&wrong, 1);
        }
        rouse_yield_init(&f->yield);
        ROUSE_AWAIT(&f->yield.base);
    }
    ROUSE_ASYNC_END();
}

static const struct rouse_future_vtable frame_vtable = {
    .poll = frame_poll, .drop = rouse_async_drop, .name = "frame"};

static void frame_init(struct rouse_future *storage, void *arg)
{
    struct frame *f = ROUSE_CONTAINER_OF(storage, struct frame, async.base);

    rouse_async_init(&f->async, &frame_vtable);
    f->random = stress_stream(claim_random(arg));
}

// Spawns readers again that have been aborted.
static void *keeper_main(void *arg)
{
    uint64_t random = stress_stream((uint64_t)(uintptr_t)arg);
    struct rouse_join_handle handles[FIBERS + FRAMES];

    for (int i = 0; i < FIBERS + FRAMES; i++) handles[i].task = NULL;
    while (!is_over()) {
        size_t i = stress_below(&random, FIBERS + FRAMES);

        if (handles[i].task != NULL) {
            rouse_abort(&handles[i]);
            stress_must(rouse_block_on(runtime, &handles[i].base), "block_on");
            rouse_future_drop(&handles[i].base);
        }
        if (i < FIBERS) {
            stress_must(rouse_runtime_spawn(runtime, &handles[i], fiber_reader, reader_new(&random),
                                            NULL),
                        "spawn");
        } else {
            stress_must(rouse_runtime_spawn_future(
                            runtime, &handles[i],
                            &(struct rouse_future_spec){
                                .size = sizeof(struct frame), .init = frame_init, .arg = &random},
                            NULL),
                        "spawn");
        }
        stress_nap(200 * ROUSE_NS_PER_US);
    }
    for (int i = 0; i < FIBERS + FRAMES; i++) {
        if (handles[i].task != NULL) rouse_detach(&handles[i]);
    }
    return NULL;
}

// Polls a wait under one driver after another, its own among them, which it frees.
static void *wanderer_main(void *arg)
{
    // A driver may be about to wake it when the wait is long over.
    static struct hand_waker hand;
    uint64_t random = stress_stream((uint64_t)(uintptr_t)arg);

    while (!is_over()) {
        struct rouse_driver *own;
        struct rouse_fd_ready ready;
        struct rouse_waker waker = {.vtable = &hand_waker_vtable, .data = &hand};
        int moves = 1 + (int)stress_below(&random, 8);

        stress_must(rouse_driver_new(&own, NULL), "driver");
        rouse_fd_ready_init(&ready, channels[stress_below(&random, PIPES)].in, ROUSE_READABLE);
        for (int i = 0; i < moves && !rouse_future_is_ended(&ready.base); i++) {
            struct rouse_context cx;

            rouse_context_init(
                &cx, &waker, stress_below(&random, 2) == 0 ? own : rs_runtime_any_driver(runtime));
            (void)rouse_future_poll(&ready.base, &cx);
            (void)rouse_driver_turn(own, rouse_deadline_after(50 * ROUSE_NS_PER_US));
        }
        if (stress_below(&random, 2) == 0) {
            rouse_driver_free(own);
            own = NULL;
        }
        rouse_future_drop(&ready.base);
        rouse_driver_free(own);
    }
    while (hand_waker_shares(&hand) != 0) hand_pause();
    return NULL;
}

// ---- Writers ----

static void *writer_main(void *arg)
{
    uint64_t random = stress_stream((uint64_t)(uintptr_t)arg);

    while (!is_over()) {
        struct channel *channel = &channels[stress_below(&random, PIPES)];
        uint8_t bytes[256];
        size_t size = 1 + stress_below(&random, sizeof bytes);

        for (size_t i = 0; i < size; i++) bytes[i] = (uint8_t)claim_random(&random);
        ssize_t count = write(channel->out, bytes, size);
        for (ssize_t i = 0; i < count; i++) (void)stress_add(&channel->written_sum, bytes[i]);
        if (count > 0) (void)stress_add(&channel->written, count);
        if (stress_below(&random, 4) == 0) stress_nap(stress_below(&random, 300000));
    }
    return NULL;
}

static void channels_open(void)
{
    for (int i = 0; i < PIPES; i++) {
        int fds[2];

        stress_must(pipe2(fds, O_CLOEXEC | O_NONBLOCK), "pipe");
        channels[i] = (struct channel){.out = fds[1]};
        stress_must(rouse_fd_adopt(&channels[i].in, fds[0]), "adopt");
    }
}

static bool channels_are_read(void)
{
    uint64_t deadline = rouse_deadline_after(20 * ROUSE_NS_PER_S);

    for (int i = 0; i < PIPES; i++) {
        while (stress_get(&channels[i].read) != stress_get(&channels[i].written)) {
            if (rouse_now_ns() > deadline) return false;
            stress_nap(ROUSE_NS_PER_MS);
        }
        if (stress_get(&channels[i].read_sum) != stress_get(&channels[i].written_sum)) return false;
    }
    return true;
}

static void round_of(unsigned workers, double share)
{
    struct rouse_stats before;
    struct rouse_join_handle last[PIPES];
    pthread_t threads[THREADS];
    uint64_t random = stress_stream(workers);
    int64_t read = 0;
    char text[96];

    rouse_stats_get(&before);
    atomic_store_explicit(&over, false, memory_order_release);
    runtime = stress_runtime(workers);
    channels_open();
    pthread_t writer = stress_thread(writer_main, (void *)(uintptr_t)(workers + 10));
    pthread_t keeper = stress_thread(keeper_main, (void *)(uintptr_t)(workers + 20));
    pthread_t wanderer = stress_thread(wanderer_main, (void *)(uintptr_t)(workers + 30));
    for (int i = 0; i < THREADS; i++) {
        threads[i] = stress_thread(thread_reader, reader_new(&random));
    }
    // One reader of each that nobody aborts: what is there must be read.
    for (int i = 0; i < PIPES; i++) {
        struct reader *reader = reader_new(&random);

        reader->channel = &channels[i];
        stress_must(rouse_runtime_spawn(runtime, &last[i], fiber_reader, reader, NULL), "spawn");
    }
    stress_nap((uint64_t)(stress_seconds * share * 1e9));
    atomic_store_explicit(&over, true, memory_order_release);
    (void)pthread_join(writer, NULL);
    (void)pthread_join(keeper, NULL);
    (void)pthread_join(wanderer, NULL);
    bool complete = channels_are_read();
    for (int i = 0; i < PIPES; i++) {
        read += stress_get(&channels[i].read);
        // One way or the other, every reader comes to its end. The object goes last: it is in use.
        (void)close(channels[i].out);
    }
    for (int i = 0; i < THREADS; i++) (void)pthread_join(threads[i], NULL);
    for (int i = 0; i < PIPES; i++) {
        stress_must(rouse_block_on(runtime, &last[i].base), "block_on");
        rouse_future_drop(&last[i].base);
    }
    rouse_runtime_free(runtime);
    rouse_runtime_free(rouse_runtime_default());  // that of the threads that read
    for (int i = 0; i < PIPES; i++) rouse_fd_free(channels[i].in);
    (void)snprintf(text, sizeof text, "%u workers: %lld bytes were written, and read once", workers,
                   (long long)read);
    claim(complete, text);
    claim(stress_get(&wrong) == 0, "nothing else went wrong");
    claim(stress_is_clean(&before), "nothing is left");
}

int main(int argc, char **argv)
{
    stress_begin(argc, argv);
    round_of(1, 0.3);
    round_of(2, 0.4);
    round_of(4, 0.3);
    return claims_end();
}
