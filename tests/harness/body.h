// SPDX-License-Identifier: MIT
//
// The body of a task, written once and run in two styles: as a fiber, or as an async frame. A body
// is a plain function over a frame, a struct that starts with `struct body` and holds everything
// that must survive an await:
//
//     struct naps {
//         struct body body;
//         int count;
//         struct rouse_sleep sleep;
//     };
//
//     static rouse_poll naps(void *frame, struct rouse_context *cx)
//     {
//         BODY_BEGIN(naps, frame, cx);
//         while (f->count-- > 0) {
//             rouse_sleep_init(&f->sleep, ROUSE_NS_PER_MS);
//             AWAIT(&f->sleep.base);
//         }
//         BODY_END();
//     }
//
// The file is compiled twice, with ROUSE_TEST_STYLE_FIBER or ROUSE_TEST_STYLE_ASYNC. As a fiber,
// the function is called once, on a stack of its own, and an await is a rouse_await(). As a frame,
// it is the poll function of a future, and an await is a ROUSE_AWAIT: return, and come back there.
// AWAIT_SCOPE leaves a scope; the result is the wait's output. The rules for frames hold for both:
// no await inside a switch, one on a line, nothing kept in local variables across it.
//
// A body is cancelled at an await, in both styles: it goes no further, and its frame's `end` is
// called. `end` is called exactly once, however the body ends, also if it never began.

#ifndef TESTS_HARNESS_BODY_H
#define TESTS_HARNESS_BODY_H

#include <rouse/async.h>
#include <rouse/await.h>
#include <rouse/executor.h>
#include <rouse/runtime.h>
#include <rouse/scope.h>

enum body_style { STYLE_FIBER, STYLE_ASYNC };

typedef rouse_poll (*body_function)(void *frame, struct rouse_context *cx);

struct body_type {
    const char *name;
    size_t size;  // of the frame
    body_function run;
};

// The head of every frame. A test sets `end` before the spawn and may read `result` in `end`.
struct body {
    struct rouse_async async;  // the future, in the async style
    struct body_type type;
    void (*end)(void *frame);  // releases what the frame owns; may be NULL
    int64_t result;            // what a join returns
};

// Where to spawn; all NULL: on what runs the caller.
struct body_target {
    struct rouse_runtime *runtime;
    struct rouse_spawner *spawner;
    struct rouse_scope *scope;
};

// Spawns a body in a style; its frame is a copy of `init`, which starts with a `struct body`.
// Errors as rouse_spawn(); then `end` is not called.
ROUSE_NODISCARD int body_spawn(enum body_style style, const struct body_target *target,
                               struct rouse_join_handle *handle, const struct body_type *type,
                               const void *init, const struct rouse_task_attrs *attrs);

// An await of the fiber style. Returns what rouse_await() does, and keeps an error as the result.
ROUSE_NODISCARD int body_await(struct body *body, struct rouse_future *future);

// Frames that have been spawned and have not ended.
long body_live(void);

// The output of an ended handle, which is then dropped.
int64_t joined(struct rouse_join_handle *handle);

// The type of the body `fn`, whose frame is `struct fn`: { "fn", sizeof(struct fn), fn }.
#define BODY(fn)                                          \
    {                                                     \
        .name = #fn, .size = sizeof(struct fn), .run = fn \
    }

#if defined ROUSE_TEST_STYLE_FIBER

#define STYLE STYLE_FIBER
#define API_TESTS api_tests_fiber

// struct fn *const f = frame;
#define BODY_BEGIN(fn, frame, cx) \
    struct fn *const f = (frame); \
    (void)f;                      \
    (void)(cx)

// if (body_await(&f->body, future) < 0) return ROUSE_READY;
#define AWAIT(future)                                               \
    do {                                                            \
        if (body_await(&f->body, (future)) < 0) return ROUSE_READY; \
    } while (0)

// return ROUSE_READY;
#define BODY_END() return ROUSE_READY

// (void)rouse_scope_wait(scope, &(wait)->output);
#define AWAIT_SCOPE(wait, scope) (void)rouse_scope_wait((scope), &(wait)->output)

#elif defined ROUSE_TEST_STYLE_ASYNC

#define STYLE STYLE_ASYNC
#define API_TESTS api_tests_async

// struct fn *const f = frame;
// ROUSE_ASYNC_BEGIN(&f->body.async, cx);
#define BODY_BEGIN(fn, frame, cx) \
    struct fn *const f = (frame); \
    (void)f;                      \
    ROUSE_ASYNC_BEGIN(&f->body.async, cx)

#define AWAIT(future) ROUSE_AWAIT(future)
#define BODY_END() ROUSE_ASYNC_END()

// rouse_scope_wait_init(wait, scope); AWAIT(&(wait)->base);
#define AWAIT_SCOPE(wait, scope)                \
    do {                                        \
        rouse_scope_wait_init((wait), (scope)); \
        AWAIT(&(wait)->base);                   \
    } while (0)

#endif

#ifdef API_TESTS

// Ends the body early with a result. Expands to: f->body.result = value; return ROUSE_READY;
#define BODY_RETURN(value)        \
    do {                          \
        f->body.result = (value); \
        return ROUSE_READY;       \
    } while (0)

// Spawns the body `fn` with these parts of its frame set, on what runs the caller:
//
//     body_spawn(STYLE, NULL, handle, &type_of_fn, &(struct fn){.count = 3}, &attrs_with_site)
#define SPAWN(handle, fn, ...) SPAWN_ON(NULL, handle, fn, __VA_ARGS__)

// The same into a scope; without a handle, since the scope waits for it.
#define SPAWN_IN(scope_, fn, ...) \
    SPAWN_ON(&(const struct body_target){.scope = (scope_)}, NULL, fn, __VA_ARGS__)

// The same on a `const struct body_target *`.
#define SPAWN_ON(target, handle, fn, ...)                                                \
    body_spawn(STYLE, (target), (handle), &(const struct body_type)BODY(fn),             \
               &(const struct fn){__VA_ARGS__},                                          \
               &(const struct rouse_task_attrs){.size = sizeof(struct rouse_task_attrs), \
                                                .site = ROUSE_SITE})

#endif

#endif
