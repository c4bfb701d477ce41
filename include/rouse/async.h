// SPDX-License-Identifier: MIT
//
// Async frames: sequential code without a stack. A frame is a struct that starts with
// `struct rouse_async`; what must survive an await lives in it. Its poll function is written
// between ROUSE_ASYNC_BEGIN and ROUSE_ASYNC_END; its vtable uses rouse_async_drop() or a drop of
// its own that calls rouse_async_cancel(). Three macros, no second language.
//
// An await is a `case` of a switch around the whole body, so it may not stand inside another
// switch, nor may two stand on one line; and no initialised variable may be declared between an
// await and a use of it after the next one: it would be lost.

#ifndef ROUSE_ASYNC_H
#define ROUSE_ASYNC_H

#include <rouse/assert.h>
#include <rouse/future.h>

ROUSE_EXTERN_C_BEGIN

struct rouse_async {
    struct rouse_future base;
    struct rouse_future *awaiting;  // in progress, in the frame or borrowed by it
    int resume;                     // where to go on: 0, or the line of an await
};

/// Makes a frame that starts at the top of its body.
///
/// Owns:    `async` and the frame around it are the caller's storage.
/// Threads: whoever polls it, one at a time.
/// Cancel:  drop ends the await in progress and then does what the frame's drop adds. Unstated,
///          unless the frame's vtable has a `cancel_kind`.
ROUSE_API void rouse_async_init(struct rouse_async *async,
                                const struct rouse_future_vtable *vtable);

/// Ends the await in progress, if there is one. For the drop function of a frame that owns more.
///
/// Threads: whoever may poll it.
ROUSE_API void rouse_async_cancel(struct rouse_async *async);

/// A drop function for frames that own nothing but the await in progress.
///
/// Threads: whoever may poll it.
ROUSE_API void rouse_async_drop(struct rouse_future *self);

/// A describe function for frames: says what the await in progress waits for.
///
/// Threads: whoever may poll it, between polls.
ROUSE_API int rouse_async_describe(const struct rouse_future *self, char *buf, size_t size);

/// An inspect function for frames: the await in progress, and its line. A vtable with
/// rouse_async_drop() or rouse_async_describe() need not name it.
///
/// Threads: whoever may poll it, between polls.
ROUSE_API void rouse_async_inspect(const struct rouse_future *self,
                                   struct rouse_inspector *inspector);

// Opens the body of a frame's poll function. Expands to
//
//     switch (async->resume) {
//     case 0:
#define ROUSE_ASYNC_BEGIN(async, cx)            \
    struct rouse_async *const async_ = (async); \
    struct rouse_context *const cx_ = (cx);     \
    (void)cx_; /* a body need not await */      \
    switch (async_->resume) {                   \
    case 0:

// Waits for a future, which is then ended and holds its output. Expands to
//
//     async->awaiting = future;
//     async->resume = 42;
//     case 42:
//         if (rouse_future_poll(async->awaiting, cx) == ROUSE_PENDING) return ROUSE_PENDING;
//         async->awaiting = NULL;
#define ROUSE_AWAIT(future)                                              \
    do {                                                                 \
        async_->awaiting = (future);                                     \
        async_->resume = __LINE__;                                       \
        ROUSE_FALLTHROUGH;                                               \
    case __LINE__:                                                       \
        if (rouse_future_poll(async_->awaiting, cx_) == ROUSE_PENDING) { \
            return ROUSE_PENDING;                                        \
        }                                                                \
        async_->awaiting = NULL;                                         \
    } while (0)

// Closes the body: the frame has ended.
#define ROUSE_ASYNC_END()                                                           \
    break;                                                                          \
    default:                                                                        \
        rouse_panic("async frame: resume point %d is no await; was the frame made " \
                    "by rouse_async_init()?",                                       \
                    async_->resume);                                                \
        }                                                                           \
        return ROUSE_READY

// Ends the frame early, from anywhere in its body outside an await.
#define ROUSE_ASYNC_RETURN() return ROUSE_READY

ROUSE_EXTERN_C_END

#endif
