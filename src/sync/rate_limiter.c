// SPDX-License-Identifier: MIT
//
// The rate limiter. It keeps one number, when the bucket will be full: `n` tokens move it `n`
// periods on, and may be taken if it is then at most a bucket's worth ahead of now. (ITU-T I.371,
// "generic cell rate algorithm".) Only who has the turn, a semaphore of one permit, looks at it and
// sleeps; so the others are served in the order in which they came.

#include <errno.h>
#include <rouse/assert.h>
#include <rouse/await.h>
#include <rouse/clock.h>
#include <rouse/rate_limiter.h>
#include <stdio.h>

void rouse_rate_limiter_init(struct rouse_rate_limiter *limiter, uint64_t period_ns, uint64_t burst)
{
    rouse_assert(period_ns > 0 && burst > 0 && burst <= (UINT64_MAX >> 1) / period_ns,
                 "a limiter has a period and a burst, whose product fits into 63 bits");
    *limiter = (struct rouse_rate_limiter){.period_ns = period_ns, .burst = burst};
    rouse_semaphore_init(&limiter->turn, 1);
}

// Takes the tokens, with the turn. 0, or when they will be there.
static uint64_t take(struct rouse_rate_limiter *limiter, uint64_t tokens)
{
    uint64_t now_ns = rouse_now_ns();
    uint64_t full_ns = limiter->full_ns > now_ns ? limiter->full_ns : now_ns;
    uint64_t bucket_ns = limiter->burst * limiter->period_ns;

    full_ns += tokens * limiter->period_ns;
    if (full_ns - now_ns > bucket_ns) return full_ns - bucket_ns;
    limiter->full_ns = full_ns;
    return 0;
}

int rouse_rate_limiter_try_acquire(struct rouse_rate_limiter *limiter, uint64_t tokens)
{
    if (tokens > limiter->burst) return -EINVAL;
    int err = rouse_semaphore_try_acquire(&limiter->turn, 1);

    if (err < 0) return err;
    uint64_t when_ns = take(limiter, tokens);

    rouse_semaphore_release(&limiter->turn, 1);
    return when_ns == 0 ? 0 : -EAGAIN;
}

static struct rouse_rate_limiter_acquire *acquire_of(struct rouse_future *self)
{
    return ROUSE_CONTAINER_OF(self, struct rouse_rate_limiter_acquire, base);
}

// True if the acquire has ended: the tokens were taken, or there is no driver to sleep with.
static bool take_or_sleep(struct rouse_rate_limiter_acquire *a, struct rouse_context *cx)
{
    for (;;) {
        uint64_t when_ns = take(a->limiter, a->tokens);

        if (when_ns == 0) return true;
        rouse_sleep_until_init(&a->sleep, when_ns);
        if (rouse_future_poll(&a->sleep.base, cx) == ROUSE_PENDING) return false;
        a->output = a->sleep.output;
        if (a->output < 0) return true;
    }
}

static rouse_poll limiter_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_rate_limiter_acquire *a = acquire_of(self);

    if (a->output < 0) return ROUSE_READY;
    if (!a->has_turn) {
        if (rouse_future_poll(&a->turn.base, cx) == ROUSE_PENDING) return ROUSE_PENDING;
        a->has_turn = true;
    } else if (rouse_future_poll(&a->sleep.base, cx) == ROUSE_PENDING) {
        return ROUSE_PENDING;
    }
    if (!take_or_sleep(a, cx)) return ROUSE_PENDING;
    rouse_semaphore_release(&a->limiter->turn, 1);
    return ROUSE_READY;
}

static void limiter_drop(struct rouse_future *self)
{
    struct rouse_rate_limiter_acquire *a = acquire_of(self);

    if (a->has_turn) rouse_future_drop(&a->sleep.base);
    rouse_future_drop(&a->turn.base);  // with the turn, if it has that
}

static int64_t limiter_result(const struct rouse_future *self)
{
    return ((const struct rouse_rate_limiter_acquire *)self)->output;
}

static int limiter_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rouse_rate_limiter_acquire *a = (const struct rouse_rate_limiter_acquire *)self;

    return snprintf(buf, size, "%llu tokens of rate limiter %p%s", (unsigned long long)a->tokens,
                    (void *)a->limiter, a->has_turn ? "" : ", behind others");
}

static const struct rouse_future_vtable limiter_ended = {.name = "rate limiter",
                                                         .result = limiter_result};
static const struct rouse_future_vtable limiter_vtable = {
    .poll = limiter_poll,
    .drop = limiter_drop,
    .name = "rate limiter",
    .describe = limiter_describe,
    .cancel_kind = rouse_cancel_kind_total,
    .ended = &limiter_ended};

void rouse_rate_limiter_acquire_init(struct rouse_rate_limiter_acquire *acquire,
                                     struct rouse_rate_limiter *limiter, uint64_t tokens)
{
    acquire->base.vtable = &limiter_vtable;
    acquire->limiter = limiter;
    acquire->tokens = tokens;
    acquire->has_turn = false;
    acquire->output = tokens <= limiter->burst ? 0 : -EINVAL;
    rouse_semaphore_acquire_init(&acquire->turn, &limiter->turn, 1);
}

int rouse_rate_limiter_acquire(struct rouse_rate_limiter *limiter, uint64_t tokens)
{
    struct rouse_rate_limiter_acquire acquire;

    rouse_rate_limiter_acquire_init(&acquire, limiter, tokens);
    int err = rouse_await(&acquire.base);

    return err < 0 ? err : acquire.output;
}
