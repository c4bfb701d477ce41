// SPDX-License-Identifier: MIT
//
// The lifecycle matrix: every way in which a task ends, with every kind of handle, in every style,
// whatever its destructor does, on every kind of runtime. Each cell asserts that the task was
// destroyed once and its output released once, that a join gives the one result that it may give,
// and that nothing is left.
//
//     matrix [--cell N] [--list]

#include <errno.h>
#include <pthread.h>
#include <rouse.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "harness/reactors.h"

// ---- The dimensions ----

enum ending {
    AT_ONCE,
    AFTER_A_WAIT,
    BEFORE_FIRST_POLL,
    PENDING,
    RUNNING,
    BY_ITSELF,
    AFTER_THE_END
};
enum holder { JOINED, DROPPED, NONE, JOINED_BY_THREAD, JOINED_LATE };
enum style { FIBER, FUTURE, FRAME };
enum destructor { NOTHING, WAKES, SENDS, SPAWNS, LOCKS, UNLOCKS };
enum kind { EXECUTOR, WORKERS_1, WORKERS_2, WORKERS_4 };
enum place { INSIDE, OUTSIDE };
enum wait { FOR_TIME, FOR_LOCK };

static const char *const ending_names[] = {
    "ends at once",          "ends after a wait",     "aborted before its first poll",
    "aborted while pending", "aborted while running", "aborts itself",
    "aborted after its end"};
static const char *const holder_names[] = {"joined", "handle dropped", "no handle",
                                           "joined by a thread", "joined after its end"};
static const char *const style_names[] = {"fiber", "future", "async frame"};
static const char *const destructor_names[] = {"nothing", "wakes", "sends",
                                               "spawns",  "locks", "unlocks"};
static const char *const kind_names[] = {"executor", "1 worker", "2 workers", "4 workers"};
static struct reactors reactors;
static const char *const place_names[] = {"a task", "a thread"};
static const char *const wait_names[] = {"time", "a lock"};

#define COUNT(names) ((int)(sizeof(names) / sizeof((names)[0])))

struct cell {
    enum ending ending;
    enum holder holder;
    enum style style;
    enum destructor destructor;
    enum kind kind;
    int reactor;
    enum place place;  // who spawns it
    enum wait wait;    // what it waits for
};

static const char no_unlock[] = "one that waits for the lock does so until it is aborted";

// Until it is aborted.
static bool waits_for_ever(const struct cell *c)
{
    return c->ending == BEFORE_FIRST_POLL || c->ending == PENDING || c->ending == RUNNING ||
           c->ending == BY_ITSELF;
}

// Why a combination cannot be; NULL if it can.
static const char *excluded(const struct cell *c)
{
    if (c->holder == NONE && c->ending != AT_ONCE && c->ending != AFTER_A_WAIT) {
        return "without a handle nobody can abort it";
    }
    if (c->ending == BEFORE_FIRST_POLL && c->place == OUTSIDE) {
        return "a thread cannot keep a worker from the first poll";
    }
    if (c->wait == FOR_LOCK && !waits_for_ever(c)) return no_unlock;
    return NULL;
}

// ---- What a cell shares ----

enum { RESULT = 7, MESSAGE = 42, NO_RESULT = 99999 };

struct host {
    struct rouse_runtime *runtime;  // or else
    struct rouse_spawner *spawner;
    struct rouse_executor *executor;
    pthread_t thread;  // that runs the executor
};

struct run {
    struct cell cell;
    struct host *host;
    struct rouse_join_handle handle;
    struct rouse_abort_handle abort;
    pthread_mutex_t mutex;
    struct rouse_mutex held;  // all the time; the subject may wait for it
    struct rouse_mutex own;   // the subject's, until its destructor unlocks it
    struct rouse_waker_slot slot;
    struct rouse_channel_sender *tx;  // the listener has the other end
    struct rouse_channel_receiver *rx;
    int message;
    int64_t result;
    atomic_int has_abort;   // `abort` is there
    atomic_int spawned;     // so is `handle`
    atomic_int began;       // the subject was polled
    atomic_int aborted;     // it may go on
    atomic_int returned;    // the fiber's function, or the future was ended or dropped
    atomic_int destructed;  // what is done then
    atomic_int woken;
    atomic_int children;
};

static struct rouse_runtime *aux;  // whose timers the controlling thread's waits use

static int get(atomic_int *value)
{
    return atomic_load_explicit(value, memory_order_acquire);  // with the release in bump()
}

static void bump(atomic_int *value)
{
    atomic_fetch_add_explicit(value, 1, memory_order_acq_rel);  // with the acquire in get()
}

_Noreturn static void fail(const struct run *run, const char *what)
{
    const struct cell *c = &run->cell;

    printf("not ok 1 - %s\n# %s, %s, %s, destructor: %s, %s, %s, spawned by %s, waits for %s\n",
           what, ending_names[c->ending], holder_names[c->holder], style_names[c->style],
           destructor_names[c->destructor], kind_names[c->kind], reactors.names[c->reactor],
           place_names[c->place], wait_names[c->wait]);
    (void)fflush(stdout);
    (void)rouse_dump(STDERR_FILENO);
    _exit(1);
}

static void pause_a_moment(void)
{
    const struct timespec moment = {.tv_nsec = 20000};

    (void)nanosleep(&moment, NULL);
}

static void spin_until(atomic_int *value)
{
    while (get(value) == 0) pause_a_moment();
}

// ---- Spawning on any host ----

static int spawn_fiber(const struct host *host, struct rouse_join_handle *handle,
                       rouse_fiber_function fn, void *arg, const struct rouse_task_attrs *attrs)
{
    return host->runtime != NULL ? rouse_runtime_spawn(host->runtime, handle, fn, arg, attrs)
                                 : rouse_spawner_spawn_at(host->spawner, handle, fn, arg, attrs);
}

static int spawn_future(const struct host *host, struct rouse_join_handle *handle,
                        const struct rouse_future_spec *spec, const struct rouse_task_attrs *attrs)
{
    return host->runtime != NULL
               ? rouse_runtime_spawn_future(host->runtime, handle, spec, attrs)
               : rouse_spawner_spawn_future_at(host->spawner, handle, spec, attrs);
}

// ---- The destructor ----

static int child(void *arg)
{
    bump(&((struct run *)arg)->children);
    return 0;
}

static void destruct(struct run *run)
{
    switch (run->cell.destructor) {
    case NOTHING:
        break;
    case SENDS:
        if (rouse_channel_try_send(run->tx, &(const int){MESSAGE}) < 0) fail(run, "it is sent");
        rouse_channel_sender_unref(run->tx);
        break;
    case WAKES:
        bump(&run->woken);
        rouse_waker_slot_wake(&run->slot);
        break;
    case SPAWNS:
        if (spawn_fiber(run->host, NULL, child, run, NULL) < 0) fail(run, "the child is spawned");
        break;
    case LOCKS:
        (void)pthread_mutex_lock(&run->mutex);
        run->message++;
        (void)pthread_mutex_unlock(&run->mutex);
        break;
    case UNLOCKS:
        run->message = MESSAGE;
        rouse_mutex_unlock(&run->own);
        break;
    }
    bump(&run->destructed);
}

static rouse_poll listen_poll(void *arg, struct rouse_context *cx)
{
    struct run *run = arg;

    rouse_waker_slot_register(&run->slot, rouse_context_waker(cx));
    return get(&run->woken) > 0 ? ROUSE_READY : ROUSE_PENDING;
}

// Waits for what the destructor wakes or sends.
static int hear(void *arg)
{
    struct run *run = arg;
    struct rouse_poll_fn wait;
    int twice;

    if (run->cell.destructor == SENDS) {
        int err = rouse_channel_receive(run->rx, &run->message);

        if (err == 0 && rouse_channel_receive(run->rx, &twice) != -EPIPE) {
            fail(run, "it was sent once");
        }
        rouse_channel_receiver_unref(run->rx);
        return err;
    }
    rouse_poll_fn_init(&wait, listen_poll, run);
    return rouse_await(&wait.base);
}

// Waits for what the destructor unlocks.
static int wait_for_unlock(void *arg)
{
    struct run *run = arg;
    int err = rouse_mutex_lock(&run->own);

    if (err < 0 || run->message != MESSAGE) fail(run, "who is unlocked for sees what came before");
    rouse_mutex_unlock(&run->own);
    return 0;
}

// ---- The subject ----

// Before its wait: what it does in its first poll. False: again, later.
static bool begin(struct run *run)
{
    bump(&run->began);
    if (run->cell.ending == RUNNING) {
        while (get(&run->aborted) == 0) continue;
    }
    if (run->cell.ending == BY_ITSELF) {
        if (get(&run->has_abort) == 0) return false;
        rouse_abort_handle_abort(&run->abort);
    }
    return true;
}

struct subject_wait {
    struct rouse_sleep sleep;
    struct rouse_mutex_lock lock;
};

// What the subject waits for; NULL: nothing.
static struct rouse_future *wait_init(struct subject_wait *wait, struct run *run)
{
    if (run->cell.ending == AT_ONCE || run->cell.ending == AFTER_THE_END) return NULL;
    if (run->cell.wait == FOR_LOCK) {
        rouse_mutex_lock_init(&wait->lock, &run->held);
        return &wait->lock.base;
    }
    rouse_sleep_init(&wait->sleep, waits_for_ever(&run->cell) ? ROUSE_NEVER : 200000);
    return &wait->sleep.base;
}

static int fiber_subject(void *arg)
{
    struct run *run = arg;
    int err = 0;

    while (!begin(run) && err == 0) err = rouse_yield();
    struct subject_wait wait;
    struct rouse_future *future = err == 0 ? wait_init(&wait, run) : NULL;

    if (future != NULL) err = rouse_await(future);
    destruct(run);
    bump(&run->returned);
    return err < 0 ? err : RESULT;
}

struct future_subject {
    struct rouse_future base;
    struct run *run;
    struct subject_wait wait;
    struct rouse_future *waiting;  // NULL: not yet
};

static rouse_poll future_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct future_subject *f = ROUSE_CONTAINER_OF(self, struct future_subject, base);

    if (f->waiting == NULL) {
        if (!begin(f->run)) {
            rouse_waker_wake_by_ref(rouse_context_waker(cx));
            return ROUSE_PENDING;
        }
        f->waiting = wait_init(&f->wait, f->run);
        if (f->waiting == NULL) return ROUSE_READY;
    }
    return rouse_future_poll(f->waiting, cx);
}

static void future_drop(struct rouse_future *self)
{
    struct future_subject *f = ROUSE_CONTAINER_OF(self, struct future_subject, base);

    if (f->waiting != NULL) rouse_future_drop(f->waiting);
    destruct(f->run);
    bump(&f->run->returned);
}

static void future_release(struct rouse_future *self)
{
    struct run *run = ROUSE_CONTAINER_OF(self, struct future_subject, base)->run;

    destruct(run);
    bump(&run->returned);
}

static int64_t subject_result(const struct rouse_future *self)
{
    (void)self;
    return RESULT;
}

static const struct rouse_future_vtable future_ended = {.drop = future_release,
                                                        .result = subject_result};
static const struct rouse_future_vtable future_vtable = {
    .poll = future_poll, .drop = future_drop, .ended = &future_ended};

static void future_init(struct rouse_future *storage, void *arg)
{
    struct future_subject *f = ROUSE_CONTAINER_OF(storage, struct future_subject, base);

    f->base.vtable = &future_vtable;
    f->run = arg;
    f->waiting = NULL;
}

struct frame_subject {
    struct rouse_async async;
    struct run *run;
    struct rouse_yield yield;
    struct subject_wait wait;
    struct rouse_future *waiting;
};

static rouse_poll frame_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct frame_subject *f = ROUSE_CONTAINER_OF(self, struct frame_subject, async.base);

    ROUSE_ASYNC_BEGIN(&f->async, cx);
    while (!begin(f->run)) {
        rouse_yield_init(&f->yield);
        ROUSE_AWAIT(&f->yield.base);
    }
    f->waiting = wait_init(&f->wait, f->run);
    if (f->waiting != NULL) ROUSE_AWAIT(f->waiting);
    ROUSE_ASYNC_END();
}

static void frame_drop(struct rouse_future *self)
{
    struct frame_subject *f = ROUSE_CONTAINER_OF(self, struct frame_subject, async.base);

    rouse_async_cancel(&f->async);
    destruct(f->run);
    bump(&f->run->returned);
}

static void frame_release(struct rouse_future *self)
{
    struct run *run = ROUSE_CONTAINER_OF(self, struct frame_subject, async.base)->run;

    destruct(run);
    bump(&run->returned);
}

static const struct rouse_future_vtable frame_ended = {.drop = frame_release,
                                                       .result = subject_result};
static const struct rouse_future_vtable frame_vtable = {
    .poll = frame_poll, .drop = frame_drop, .ended = &frame_ended};

static void frame_init(struct rouse_future *storage, void *arg)
{
    struct frame_subject *f = ROUSE_CONTAINER_OF(storage, struct frame_subject, async.base);

    rouse_async_init(&f->async, &frame_vtable);
    f->run = arg;
}

static void spawn_subject(struct run *run, unsigned worker)
{
    struct rouse_task_attrs attrs = {
        .size = sizeof attrs, .name = "subject", .site = ROUSE_SITE, .worker = worker};
    struct rouse_join_handle *handle = run->cell.holder == NONE ? NULL : &run->handle;
    struct rouse_future_spec future = {
        .size = sizeof(struct future_subject), .init = future_init, .arg = run};
    struct rouse_future_spec frame = {
        .size = sizeof(struct frame_subject), .init = frame_init, .arg = run};
    int err = run->cell.style == FIBER ? spawn_fiber(run->host, handle, fiber_subject, run, &attrs)
              : run->cell.style == FUTURE ? spawn_future(run->host, handle, &future, &attrs)
                                          : spawn_future(run->host, handle, &frame, &attrs);

    if (err < 0) fail(run, "the subject is spawned");
    if (handle != NULL) {
        run->abort = rouse_abort_handle(handle);
        bump(&run->has_abort);
    }
    if (run->cell.ending == BEFORE_FIRST_POLL) rouse_abort_handle_abort(&run->abort);
    if (run->cell.holder == DROPPED) rouse_future_drop(&run->handle.base);
    bump(&run->spawned);
}

// ---- The conductor: a task of the host ----

static void wait_ended(struct run *run)
{
    while (run->cell.holder == NONE ? get(&run->returned) == 0
                                    : !rouse_abort_handle_is_ended(&run->abort)) {
        (void)rouse_sleep(20000);
    }
}

static int conduct(void *arg)
{
    struct run *run = arg;
    const struct cell *c = &run->cell;

    // On its own worker, so that it is not polled before this fiber waits.
    if (c->place == INSIDE) {
        spawn_subject(run, c->ending == BEFORE_FIRST_POLL ? (unsigned)rouse_worker_index() + 1 : 0);
    }
    if (c->ending == PENDING) {
        while (get(&run->began) == 0) (void)rouse_yield();
        rouse_abort_handle_abort(&run->abort);
    }
    if (c->holder == JOINED) run->result = rouse_join(&run->handle);
    if (c->holder != JOINED) wait_ended(run);
    if (c->ending == AFTER_THE_END) rouse_abort_handle_abort(&run->abort);
    if (c->holder == JOINED_LATE) run->result = rouse_join(&run->handle);
    return 0;
}

// ---- One cell ----

static int64_t expected(const struct cell *c)
{
    if (c->holder == DROPPED || c->holder == NONE) return NO_RESULT;
    return c->ending == AT_ONCE || c->ending == AFTER_A_WAIT || c->ending == AFTER_THE_END
               ? RESULT
               : -ECANCELED;
}

static void check(struct run *run)
{
    const struct cell *c = &run->cell;

    spin_until(&run->returned);
    if (get(&run->returned) != 1) fail(run, "the subject was destroyed once");
    if (get(&run->destructed) != 1) fail(run, "the destructor ran once");
    if (run->result != expected(c)) fail(run, "a join gives what it has to");
    if (c->destructor == SENDS && run->message != MESSAGE) fail(run, "what was sent arrived");
    if (c->destructor == LOCKS && run->message != 1) fail(run, "the lock was taken");
    if (c->destructor == SPAWNS) spin_until(&run->children);
    rouse_mutex_unlock(&run->held);
    if (run->held.word != 0 || run->own.word != 0) fail(run, "nobody holds or waits for a lock");
}

// Records go home a moment after a join; nothing may stay.
static void check_leaks(const struct run *run, const struct rouse_stats *before)
{
    struct rouse_stats now;

    for (int i = 0; i < 50000; i++) {
        rouse_stats_get(&now);
        if (now.tasks == before->tasks && now.task_records == before->task_records &&
            now.timers == before->timers && now.stacks == before->stacks &&
            now.allocations == before->allocations) {
            return;
        }
        pause_a_moment();
    }
    fail(run, "nothing is left");
}

static void join_on_thread(struct rouse_join_handle *handle, int64_t *result)
{
    if (rouse_block_on(aux, &handle->base) < 0) abort();
    if (result != NULL) *result = handle->output;
    rouse_future_drop(&handle->base);
}

static void run_cell(const struct cell *cell, struct host *host)
{
    struct run run = {.cell = *cell, .host = host, .result = NO_RESULT};
    struct rouse_join_handle conductor;
    struct rouse_join_handle listener;
    struct rouse_stats before;
    bool waits = cell->destructor == UNLOCKS;
    bool listens = cell->destructor == WAKES || cell->destructor == SENDS || waits;

    (void)pthread_mutex_init(&run.mutex, NULL);
    rouse_stats_get(&before);
    if (rouse_mutex_try_lock(&run.held) < 0 || (waits && rouse_mutex_try_lock(&run.own) < 0)) {
        fail(&run, "a new mutex is free");
    }
    if (cell->destructor == SENDS && rouse_channel_new(&run.tx, &run.rx, sizeof(int), 1) < 0) {
        fail(&run, "there is a channel");
    }
    if (listens && spawn_fiber(host, &listener, waits ? wait_for_unlock : hear, &run, NULL) < 0) {
        fail(&run, "it listens");
    }
    if (cell->place == OUTSIDE) spawn_subject(&run, 0);
    if (spawn_fiber(host, &conductor, conduct, &run, NULL) < 0) fail(&run, "it is conducted");
    if (cell->ending == RUNNING) {
        spin_until(&run.spawned);
        spin_until(&run.began);
        rouse_abort_handle_abort(&run.abort);
        bump(&run.aborted);
    }
    if (cell->holder == JOINED_BY_THREAD) {
        spin_until(&run.spawned);
        join_on_thread(&run.handle, &run.result);
    }
    join_on_thread(&conductor, NULL);
    if (listens) join_on_thread(&listener, NULL);
    if (cell->holder != NONE) rouse_abort_handle_drop(&run.abort);
    check(&run);
    rouse_waker_slot_deinit(&run.slot);
    check_leaks(&run, &before);
    (void)pthread_mutex_destroy(&run.mutex);
}

// ---- All of them ----

static void *run_executor(void *arg)
{
    rouse_executor_run(arg);
    return NULL;
}

static void host_open(struct host *host, enum kind kind, const char *reactor)
{
    static const unsigned workers[] = {0, 1, 2, 4};
    struct rouse_runtime_options options = {
        .size = sizeof options, .workers = workers[kind], .reactor = reactor};
    struct rouse_executor_options executor = {.size = sizeof executor, .reactor = reactor};

    *host = (struct host){.runtime = NULL};
    if (kind != EXECUTOR) {
        if (rouse_runtime_new(&host->runtime, &options) < 0) abort();
        return;
    }
    if (rouse_executor_new(&host->executor, &host->spawner, &executor) < 0 ||
        pthread_create(&host->thread, NULL, run_executor, host->executor) != 0) {
        abort();
    }
}

static void host_close(struct host *host)
{
    rouse_runtime_free(host->runtime);
    if (host->executor == NULL) return;
    rouse_spawner_drop(host->spawner);
    (void)pthread_join(host->thread, NULL);
    rouse_executor_free(host->executor);
}

struct totals {
    int number;
    int ran;
    int excluded[3];
    int wanted;  // one cell only; -1: all
};

static void visit(const struct cell *cell, struct host *host, struct totals *totals)
{
    const char *why = excluded(cell);
    int number = totals->number++;

    if (why != NULL) {
        totals->excluded[why == no_unlock ? 2 : cell->holder == NONE ? 0 : 1]++;
        return;
    }
    if (totals->wanted >= 0 && totals->wanted != number) return;
    run_cell(cell, host);
    totals->ran++;
}

// The dimensions that need no new host.
static void visit_host(struct cell *cell, struct host *host, struct totals *totals)
{
    int inner = COUNT(ending_names) * COUNT(holder_names) * COUNT(style_names) *
                COUNT(destructor_names) * COUNT(place_names) * COUNT(wait_names);

    for (int i = 0; i < inner; i++) {
        int rest = i;

        cell->wait = (enum wait)(rest % COUNT(wait_names));
        rest /= COUNT(wait_names);
        cell->place = (enum place)(rest % COUNT(place_names));
        rest /= COUNT(place_names);
        cell->destructor = (enum destructor)(rest % COUNT(destructor_names));
        rest /= COUNT(destructor_names);
        cell->style = (enum style)(rest % COUNT(style_names));
        rest /= COUNT(style_names);
        cell->holder = (enum holder)(rest % COUNT(holder_names));
        rest /= COUNT(holder_names);
        cell->ending = (enum ending)rest;
        visit(cell, host, totals);
    }
}

static void print_dimension(const char *name, const char *const *values, int count)
{
    printf("# %-12s", name);
    for (int i = 0; i < count; i++) printf("%s%s", i == 0 ? "" : " | ", values[i]);
    printf("\n");
}

static void print_dimensions(void)
{
    print_dimension("ending", ending_names, COUNT(ending_names));
    print_dimension("handle", holder_names, COUNT(holder_names));
    print_dimension("style", style_names, COUNT(style_names));
    print_dimension("destructor", destructor_names, COUNT(destructor_names));
    print_dimension("runtime", kind_names, COUNT(kind_names));
    print_dimension("reactor", reactors.names, reactors.count);
    print_dimension("spawned by", place_names, COUNT(place_names));
    print_dimension("waits for", wait_names, COUNT(wait_names));
}

int main(int argc, char **argv)
{
    struct totals totals = {
        .wanted = argc == 3 && strcmp(argv[1], "--cell") == 0 ? atoi(argv[2]) : -1};
    struct rouse_runtime_options one = {.size = sizeof one, .workers = 1};

    reactors = reactors_to_test();
    (void)alarm(300);  // a cell that hangs ends the program by a signal
    print_dimensions();
    if (rouse_runtime_new(&aux, &one) < 0) return 1;
    for (int kind = 0; kind < COUNT(kind_names); kind++) {
        for (int reactor = 0; reactor < reactors.count; reactor++) {
            struct cell cell = {.kind = (enum kind)kind, .reactor = reactor};
            struct host host;

            host_open(&host, cell.kind, reactors.names[reactor]);
            visit_host(&cell, &host, &totals);
            host_close(&host);
        }
    }
    rouse_runtime_free(aux);
    printf("# %d cells; %d left out: without a handle nobody can abort it\n", totals.number,
           totals.excluded[0]);
    printf("# %d left out: a thread cannot keep a worker from the first poll\n",
           totals.excluded[1]);
    printf("# %d left out: %s\n", totals.excluded[2], no_unlock);
    printf("ok 1 - %d cells: destroyed once, released once, joined as it must be, nothing left\n",
           totals.ran);
    printf("1..1\n");
    return totals.ran > 0 ? 0 : 1;
}
