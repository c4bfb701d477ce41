// SPDX-License-Identifier: MIT
//
// Waiting for one of several, and for all of a scope; README.md says what each row does.

#include <stdbool.h>

#include "parts.h"

enum { ARMS = 3, CHILDREN = 1000 };

// ---- Waiting for one of three notifications ----

static struct rouse_notify told[ARMS];
static struct rouse_notify answered;

// Waits for each of them, in order, so that a select finds the last ready only after the others.
struct choice {
    struct rouse_select_all select;
    struct rouse_notify_wait waits[ARMS];
    struct rouse_future *arms[ARMS];
};

static void choice_init(struct choice *choice)
{
    for (size_t i = 0; i < ARMS; i++) {
        rouse_notify_wait_init(&choice->waits[i], &told[i]);
        choice->arms[i] = &choice->waits[i].base;
    }
    rouse_select_all_init(&choice->select, choice->arms, ARMS, ROUSE_SELECT_BIASED);
}

// Ends the operation `i`: its winner has to be `expected`.
static void choice_end(struct choice *choice, size_t expected)
{
    check(choice->select.output == expected);
    rouse_future_drop(&choice->select.base);
}

struct chooser {
    struct rouse_async async;
    struct part *part;
    uint64_t i;
    struct choice choice;
};

static struct chooser *chooser_of(struct rouse_future *self)
{
    return ROUSE_CONTAINER_OF(self, struct chooser, async.base);
}

// ---- One is ready: the task has notified itself ----

static int choose_ready(void *arg)
{
    const struct part *p = arg;
    struct choice choice;

    for (uint64_t i = 0; i < p->count; i++) {
        rouse_notify_one(&told[ARMS - 1]);
        choice_init(&choice);
        must(rouse_await(&choice.select.base), "select");
        choice_end(&choice, ARMS - 1);
    }
    return 0;
}

static rouse_poll choose_ready_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct chooser *c = chooser_of(self);

    ROUSE_ASYNC_BEGIN(&c->async, cx);
    for (; c->i < c->part->count; c->i++) {
        rouse_notify_one(&told[ARMS - 1]);
        choice_init(&c->choice);
        ROUSE_AWAIT(&c->choice.select.base);
        choice_end(&c->choice, ARMS - 1);
    }
    ROUSE_ASYNC_END();
}

static const struct rouse_future_vtable choose_ready_vtable = {.poll = choose_ready_poll,
                                                               .name = "choose_ready"};

// ---- None is: another task notifies one after the other, and waits for an answer each time ----

static int choose(void *arg)
{
    const struct part *p = arg;
    struct choice choice;

    for (uint64_t i = 0; i < p->count; i++) {
        choice_init(&choice);
        must(rouse_await(&choice.select.base), "select");
        choice_end(&choice, i % ARMS);
        rouse_notify_one(&answered);
    }
    return 0;
}

static rouse_poll choose_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct chooser *c = chooser_of(self);

    ROUSE_ASYNC_BEGIN(&c->async, cx);
    for (; c->i < c->part->count; c->i++) {
        choice_init(&c->choice);
        ROUSE_AWAIT(&c->choice.select.base);
        choice_end(&c->choice, c->i % ARMS);
        rouse_notify_one(&answered);
    }
    ROUSE_ASYNC_END();
}

static const struct rouse_future_vtable choose_vtable = {.poll = choose_poll, .name = "choose"};

static int tell(void *arg)
{
    const struct part *p = arg;

    for (uint64_t i = 0; i < p->count; i++) {
        rouse_notify_one(&told[i % ARMS]);
        must(rouse_notify_wait(&answered), "wait");
    }
    return 0;
}

static rouse_poll tell_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct frame *f = frame_of(self);

    ROUSE_ASYNC_BEGIN(&f->async, cx);
    for (; f->i < f->part->count; f->i++) {
        rouse_notify_one(&told[f->i % ARMS]);
        rouse_notify_wait_init(&f->notified, &answered);
        ROUSE_AWAIT(&f->notified.base);
    }
    ROUSE_ASYNC_END();
}

static const struct rouse_future_vtable tell_vtable = {.poll = tell_poll, .name = "tell"};

static void chooser_init(struct rouse_future *storage, void *arg)
{
    struct chooser *c = chooser_of(storage);

    c->part = arg;
    c->i = 0;
    rouse_async_init(&c->async, c->part->frame);
}

static void start_chooser(const struct bench *bench, struct part *part)
{
    const struct rouse_future_spec spec = {
        .size = sizeof(struct chooser), .init = chooser_init, .arg = part};

    must(bench->style == BENCH_FIBER ? rouse_spawn(&part->handle, part->fiber, part)
                                     : rouse_spawn_future(&part->handle, &spec),
         "spawn");
}

static int select3(struct bench *bench)
{
    struct part chooser = {.fiber = choose_ready, .frame = &choose_ready_vtable, .count = bench->n};

    bench_start(bench);
    start_chooser(bench, &chooser);
    join(&chooser);
    bench_stop(bench);
    return 0;
}

static int select3_wait(struct bench *bench)
{
    struct part chooser = {.fiber = choose, .frame = &choose_vtable, .count = bench->n};
    struct part teller = {.fiber = tell, .frame = &tell_vtable, .count = bench->n};

    bench_start(bench);
    start_chooser(bench, &chooser);
    start(bench, &teller);
    join(&chooser);
    join(&teller);
    bench_stop(bench);
    return 0;
}

// ---- A scope with many children ----

static int child(void *arg)
{
    (void)arg;
    return 0;
}

static void child_init(struct rouse_future *storage, void *arg)
{
    (void)arg;
    rouse_ready_init(ROUSE_CONTAINER_OF(storage, struct rouse_ready, base));
}

static void spawn_children(const struct bench *bench, struct rouse_scope *scope)
{
    const struct rouse_future_spec spec = {.size = sizeof(struct rouse_ready), .init = child_init};

    for (size_t i = 0; i < CHILDREN; i++) {
        must(bench->style == BENCH_FIBER ? rouse_scope_spawn(scope, NULL, child, NULL)
                                         : rouse_scope_spawn_future(scope, NULL, &spec),
             "spawn");
    }
}

static void scopes_in_fiber(const struct bench *bench, uint64_t rounds)
{
    for (; rounds > 0; rounds--) {
        struct rouse_scope scope;

        rouse_scope_open(&scope, ROUSE_NEVER);
        spawn_children(bench, &scope);
        must(rouse_scope_wait(&scope, NULL), "scope");
    }
}

struct scoper {
    struct rouse_async async;
    const struct bench *bench;
    uint64_t rounds;
    struct rouse_scope scope;
    struct rouse_scope_wait wait;
};

static struct scoper *scoper_of(struct rouse_future *self)
{
    return ROUSE_CONTAINER_OF(self, struct scoper, async.base);
}

static rouse_poll scoper_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct scoper *s = scoper_of(self);

    ROUSE_ASYNC_BEGIN(&s->async, cx);
    for (; s->rounds > 0; s->rounds--) {
        rouse_scope_open(&s->scope, ROUSE_NEVER);
        spawn_children(s->bench, &s->scope);
        rouse_scope_wait_init(&s->wait, &s->scope);
        ROUSE_AWAIT(&s->wait.base);
        must(s->wait.output.error, "scope");
    }
    ROUSE_ASYNC_END();
}

static void scoper_drop(struct rouse_future *self)
{
    rouse_async_cancel(&scoper_of(self)->async);
    rouse_scope_drop(&scoper_of(self)->scope);
}

static const struct rouse_future_vtable scoper_vtable = {
    .poll = scoper_poll, .drop = scoper_drop, .name = "scoper"};

static void scoper_init(struct rouse_future *storage, void *arg)
{
    struct bench *bench = arg;
    struct scoper *s = scoper_of(storage);

    *s = (struct scoper){.bench = bench, .rounds = bench->n / CHILDREN};
    rouse_async_init(&s->async, &scoper_vtable);
}

static int scope(struct bench *bench)
{
    const struct rouse_future_spec spec = {
        .size = sizeof(struct scoper), .init = scoper_init, .arg = bench};
    struct rouse_join_handle handle;

    bench->n -= bench->n % CHILDREN;
    bench_start(bench);
    if (bench->style == BENCH_FIBER) {
        scopes_in_fiber(bench, bench->n / CHILDREN);
    } else {
        must(rouse_spawn_future(&handle, &spec), "spawn");
        must(rouse_join(&handle), "join");
    }
    bench_stop(bench);
    return 0;
}

static const struct row rows[] = {
    {"select3", select3}, {"select3_wait", select3_wait}, {"scope", scope}, {NULL, NULL}};

static int run(struct bench *bench)
{
    return run_row(bench, rows);
}

static const struct bench_case cases[] = {
    {"select3", 1000000, run}, {"select3_wait", 1000000, run}, {"scope", 1000000, run}};

int main(int argc, char **argv)
{
    return bench_main(argc, argv,
                      &(struct bench_program){.impl = "rouse",
                                              .about = "Rows over selects and scopes.",
                                              .default_style = BENCH_FUTURE,
                                              .cases = cases,
                                              .case_count = sizeof cases / sizeof cases[0]});
}
