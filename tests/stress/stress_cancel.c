// SPDX-License-Identifier: MIT
//
// Reads cancelled at random moments, a hundred thousand of them on each back end, with chaos on: by
// deadlines, as losers of selects and timeouts, with a scope, and by aborts of fibers and frames
// from tasks and from plain threads. What is read is a pattern that each byte's place tells: a byte
// that is lost or comes twice is seen.

#include <errno.h>

#include "harness/reactors.h"
#include "stress.h"

enum { STREAMS = 8, CANCELS = 100000, PIECE_MAX = 3000, PAUSE_MAX_NS = 60000 };

struct stream {
    struct rouse_tcp *near;  // written
    struct rouse_tcp *far;   // read
    uint32_t id;
    uint64_t random;  // of who cancels
    uint64_t sent;
    uint64_t place;  // of the next byte to be read
    uint64_t corrupt;
    int64_t cancelled;
    int64_t by_way[8];
    _Atomic int64_t enough;
    bool ended;
    uint8_t buf[PIECE_MAX];
};

static struct rouse_runtime *runtime;
static struct stream streams[STREAMS];

static uint8_t pattern(uint32_t id, uint64_t place)
{
    uint64_t mixed = (place + 1) * UINT64_C(0x9e3779b97f4a7c15) ^ id * UINT64_C(0xd1342543de82ef95);

    return (uint8_t)(mixed >> 29);
}

// ---- Written ----

static int write_stream(void *arg)
{
    struct stream *s = arg;
    uint64_t random = stress_stream(1000 + s->id);
    uint8_t piece[PIECE_MAX];

    while (stress_get(&s->enough) == 0) {
        size_t size = 1 + stress_below(&random, stress_below(&random, 8) == 0 ? PIECE_MAX : 20);

        for (size_t i = 0; i < size; i++) piece[i] = pattern(s->id, s->sent + i);
        stress_must(rouse_tcp_write_all(s->near, piece, size), "write");
        s->sent += size;
        (void)(stress_below(&random, 2) == 0 ? rouse_yield()
                                             : rouse_sleep(stress_below(&random, PAUSE_MAX_NS)));
    }
    return rouse_tcp_shutdown_write(s->near);
}

// ---- Read ----

static size_t any_size(struct stream *s)
{
    return 1 + stress_below(&s->random, stress_below(&s->random, 4) == 0 ? PIECE_MAX : 7);
}

static uint64_t any_time(struct stream *s)
{
    return rouse_deadline_after(stress_below(&s->random, PAUSE_MAX_NS));
}

// What a read has come to. Called by whoever reads now; the others wait for it.
static void note(struct stream *s, ssize_t result)
{
    for (ssize_t i = 0; i < result; i++) {
        s->corrupt += s->buf[i] != pattern(s->id, s->place + (uint64_t)i);
    }
    if (result > 0) s->place += (uint64_t)result;
    if (result == 0) s->ended = true;
    if (result == -ETIMEDOUT || result == -ECANCELED) {
        if (++s->cancelled == CANCELS / STREAMS) (void)stress_add(&s->enough, 1);
    } else {
        stress_must(result, "read");
    }
}

static void by_deadline(struct stream *s)
{
    struct rouse_deadline deadline;

    rouse_deadline_enter(&deadline, stress_below(&s->random, 8) == 0 ? 0 : any_time(s));
    note(s, rouse_tcp_read(s->far, s->buf, any_size(s)));
    (void)rouse_deadline_leave(&deadline);
}

static void by_select(struct stream *s)
{
    struct rouse_tcp_read read;
    struct rouse_sleep sleep;
    struct rouse_select select;

    rouse_tcp_read_init(&read, s->far, s->buf, any_size(s));
    rouse_sleep_until_init(&sleep, any_time(s));
    rouse_select_init(&select, &read.base, &sleep.base,
                      stress_below(&s->random, 2) == 0 ? ROUSE_SELECT_FAIR : ROUSE_SELECT_BIASED);
    stress_must(rouse_await(&select.base), "select");
    note(s, select.output == 0 ? read.output : -ECANCELED);
}

// The read goes on where the select left it, and is dropped there if it still has not ended.
static void by_lent_select(struct stream *s)
{
    struct rouse_tcp_read read;
    struct rouse_borrow lent;
    struct rouse_sleep sleep;
    struct rouse_select select;

    rouse_tcp_read_init(&read, s->far, s->buf, any_size(s));
    for (int i = 0; i < 3 && !rouse_future_is_ended(&read.base); i++) {
        rouse_borrow_init(&lent, &read.base);
        rouse_sleep_until_init(&sleep, any_time(s));
        rouse_select_init(&select, &sleep.base, &lent.base, ROUSE_SELECT_FAIR);
        stress_must(rouse_await(&select.base), "select");
    }
    bool ended = rouse_future_is_ended(&read.base);

    rouse_future_drop(&read.base);
    note(s, ended ? read.output : -ECANCELED);
}

static void by_timeout(struct stream *s)
{
    struct rouse_tcp_read read;

    rouse_tcp_read_init(&read, s->far, s->buf, any_size(s));
    int err = rouse_await_until(&read.base, any_time(s));

    note(s, err < 0 ? err : read.output);
}

static int read_on(void *arg)
{
    struct stream *s = arg;

    for (;;) {
        ssize_t result = rouse_tcp_read(s->far, s->buf, 1 + (size_t)s->place % 100);

        note(s, result);
        if (result <= 0) return 0;
    }
}

struct read_frame {
    struct rouse_async async;
    struct stream *stream;
    struct rouse_tcp_read read;
};

static rouse_poll frame_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct read_frame *f = ROUSE_CONTAINER_OF(self, struct read_frame, async.base);
    struct stream *s = f->stream;

    ROUSE_ASYNC_BEGIN(&f->async, cx);
    do {
        rouse_tcp_read_init(&f->read, s->far, s->buf, 1 + (size_t)s->place % 100);
        ROUSE_AWAIT(&f->read.base);
        note(s, f->read.output);
    } while (f->read.output > 0);
    ROUSE_ASYNC_END();
}

static void frame_drop(struct rouse_future *self)
{
    struct read_frame *f = ROUSE_CONTAINER_OF(self, struct read_frame, async.base);

    if (f->async.awaiting == NULL) return;  // it had not begun
    rouse_async_cancel(&f->async);
    note(f->stream, -ECANCELED);
}

static const struct rouse_future_vtable frame_vtable = {
    .poll = frame_poll, .drop = frame_drop, .name = "read_frame"};

static void frame_init(struct rouse_future *storage, void *arg)
{
    struct read_frame *f = ROUSE_CONTAINER_OF(storage, struct read_frame, async.base);

    rouse_async_init(&f->async, &frame_vtable);
    f->stream = arg;
}

static void by_abort(struct stream *s, bool frame)
{
    struct rouse_future_spec spec = {
        .size = sizeof(struct read_frame), .init = frame_init, .arg = s};
    struct rouse_join_handle handle;
    uint64_t until = any_time(s);

    stress_must(frame ? rouse_spawn_future(&handle, &spec) : rouse_spawn(&handle, read_on, s),
                "spawn");
    (void)rouse_sleep_until(until);
    (void)rouse_abort_and_wait(&handle);
}

static void by_scope(struct stream *s)
{
    bool in_time = stress_below(&s->random, 2) == 0;
    struct rouse_scope scope;
    int error;

    rouse_scope_open(&scope, in_time ? ROUSE_NEVER : any_time(s));
    error = rouse_scope_spawn(&scope, NULL, read_on, s);
    // The deadline may have passed by now.
    if (in_time || error != -ECANCELED) stress_must(error, "spawn");
    if (in_time) {
        (void)rouse_sleep_until(any_time(s));
        rouse_scope_cancel(&scope, "enough");
    }
    (void)rouse_scope_wait(&scope, NULL);
}

static int read_in_task(void *arg)
{
    struct stream *s = arg;

    while (!s->ended) {
        int64_t before = s->cancelled;
        uint64_t way = stress_below(&s->random, 7);

        if (way == 0) by_deadline(s);
        if (way == 1) by_select(s);
        if (way == 2) by_lent_select(s);
        if (way == 3) by_timeout(s);
        if (way == 4 || way == 5) by_abort(s, way == 4);
        if (way == 6) by_scope(s);
        s->by_way[way] += s->cancelled - before;
    }
    return 0;
}

// The one who aborts is no task.
static void *read_from_thread(void *arg)
{
    struct stream *s = arg;
    struct rouse_future_spec spec = {
        .size = sizeof(struct read_frame), .init = frame_init, .arg = s};

    while (!s->ended) {
        int64_t before = s->cancelled;
        struct rouse_join_handle handle;

        stress_must(stress_below(&s->random, 2) == 0
                        ? rouse_runtime_spawn(runtime, &handle, read_on, s, NULL)
                        : rouse_runtime_spawn_future(runtime, &handle, &spec, NULL),
                    "spawn");
        stress_busy(stress_below(&s->random, PAUSE_MAX_NS / 2));
        rouse_abort(&handle);
        stress_must(rouse_block_on(runtime, &handle.base), "join");
        rouse_future_drop(&handle.base);
        s->by_way[7] += s->cancelled - before;
    }
    return NULL;
}

// ---- All of it ----

static int connect_all(void *arg)
{
    struct rouse_addr any = rouse_addr_loopback(0);
    struct rouse_tcp_listener *listener;
    struct rouse_addr address;

    (void)arg;
    stress_must(rouse_tcp_listen(&listener, &any, NULL), "listen");
    stress_must(rouse_tcp_listener_address(listener, &address), "address");
    for (uint32_t i = 0; i < STREAMS; i++) {
        streams[i] = (struct stream){.id = i, .random = stress_stream(i)};
        stress_must(rouse_tcp_connect(&streams[i].near, &address), "connect");
        stress_must(rouse_tcp_accept(listener, &streams[i].far), "accept");
    }
    rouse_tcp_listener_unref(listener);
    return 0;
}

static void join(struct rouse_join_handle *handle)
{
    stress_must(rouse_block_on(runtime, &handle->base), "join");
    stress_must(handle->output, "a task");
    rouse_future_drop(&handle->base);
}

static void read_all(void)
{
    struct rouse_join_handle writers[STREAMS];
    struct rouse_join_handle readers[STREAMS];
    pthread_t thread;

    for (int i = 0; i < STREAMS; i++) {
        struct stream *s = &streams[i];

        stress_must(rouse_runtime_spawn(runtime, &writers[i], write_stream, s, NULL), "spawn");
        if (i == 0) {
            thread = stress_thread(read_from_thread, s);
        } else {
            stress_must(rouse_runtime_spawn(runtime, &readers[i], read_in_task, s, NULL), "spawn");
        }
    }
    for (int i = 0; i < STREAMS; i++) {
        join(&writers[i]);
        if (i > 0) join(&readers[i]);
    }
    pthread_join(thread, NULL);
}

static void judge(const char *reactor)
{
    static const char *const ways[] = {"deadline", "select", "lent",  "timeout",
                                       "frame",    "fiber",  "scope", "thread"};
    uint64_t corrupt = 0;
    uint64_t sent = 0;
    uint64_t missing = 0;
    int64_t cancelled = 0;
    int64_t by_way[8] = {0};
    bool every_way = true;

    for (int i = 0; i < STREAMS; i++) {
        corrupt += streams[i].corrupt;
        sent += streams[i].sent;
        missing += streams[i].sent - streams[i].place;
        cancelled += streams[i].cancelled;
        for (int way = 0; way < 8; way++) by_way[way] += streams[i].by_way[way];
        rouse_tcp_unref(streams[i].near);
        rouse_tcp_unref(streams[i].far);
    }
    for (int way = 0; way < 8; way++) {
        printf("# %s: %lld reads cancelled by %s\n", reactor, (long long)by_way[way], ways[way]);
        every_way = every_way && by_way[way] > 0;
    }
    printf("# %s: %llu bytes sent, %lld reads cancelled\n", reactor, (unsigned long long)sent,
           (long long)cancelled);
    claim(cancelled >= CANCELS && every_way, "so many reads were cancelled, in each way");
    claim(corrupt == 0, "every byte came in its place");
    claim(missing == 0, "and none is missing or came twice");
}

static void on_back_end(const char *reactor)
{
    struct rouse_runtime_options options = {
        .size = sizeof options, .workers = 2, .reactor = reactor};
    struct rouse_join_handle handle;

    stress_must(rouse_runtime_new(&runtime, &options), "runtime");
    stress_must(rouse_runtime_spawn(runtime, &handle, connect_all, NULL, NULL), "spawn");
    join(&handle);
    read_all();
    judge(reactor);
    rouse_runtime_free(runtime);
}

int main(int argc, char **argv)
{
    const struct reactors reactors = reactors_to_test();
    struct rouse_stats before;
    char seed[32];

    stress_begin(argc, argv);
    (void)snprintf(seed, sizeof seed, "%llu", (unsigned long long)stress_seed);
    (void)setenv("ROUSE_CHAOS", seed, 0);
    rouse_stats_get(&before);
    for (int i = 0; i < reactors.count; i++) on_back_end(reactors.names[i]);
    claim(stress_is_clean(&before), "nothing is left");
    return claims_end();
}
