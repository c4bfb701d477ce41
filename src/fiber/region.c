// SPDX-License-Identifier: MIT
//
// Regions: deadlines and shields, and the walk outwards that every wait makes. Only the fiber
// itself touches its regions, so nothing here is shared; what may come from elsewhere is the task's
// state word, and what a scope's check looks at.
//
// A deadline costs nothing until a wait has to sleep. Then its timer is filed, once, and stays
// filed until the region is left. It wakes the fiber, which finds it expired.

#include "fiber/region.h"

#include <errno.h>
#include <rouse/assert.h>

#include "base/tls.h"
#include "fiber/fiber.h"
#include "time/sleep.h"

static struct rs_fiber *running_fiber(const char *function)
{
    struct rs_fiber *fiber = rs_tls.fiber;

    if (fiber == NULL || rs_tls.poll_depth != 0) {
        rouse_panic("%s: only a fiber has regions; spawn one, or use rouse_timeout_init()",
                    function);
    }
    return fiber;
}

void rs_region_enter(struct rouse_region *region, uint64_t deadline_ns, bool shields,
                     const char *function)
{
    struct rs_fiber *fiber = running_fiber(function);

    region->outer = fiber->region;
    region->check = NULL;
    region->expire = NULL;
    region->armed_ns = ROUSE_NEVER;
    region->shields = shields;
    region->armed = false;
    region->expired = false;
    region->felt = false;
    region->sleep.deadline_ns = deadline_ns;  // the rest when it is armed, which is seldom
    fiber->region = region;
}

void rs_region_leave(struct rouse_region *region, const char *function)
{
    struct rs_fiber *fiber = running_fiber(function);

    if (fiber->region != region) {
        rouse_panic("%s: this is not the innermost region; leave what was entered later first",
                    function);
    }
    fiber->region = region->outer;
    // Once it has fired, or was never filed, there is nothing to take back.
    if (region->armed && rs_sleep_is_filed(&region->sleep)) rouse_future_drop(&region->sleep.base);
}

// ---- Checked ----

static struct rouse_cancel_info expired_info(const struct rouse_region *region)
{
    return (struct rouse_cancel_info){.reason = ROUSE_CANCEL_DEADLINE,
                                      .error = -ETIMEDOUT,
                                      .origin = region->shields ? "shield" : NULL};
}

// What came first stays the reason: a scope that was cancelled may run out of time as well.
static bool is_over(const struct rouse_region *region, struct rouse_cancel_info *info)
{
    if (region->check != NULL && region->check(region, info) < 0) return true;
    if (region->expired) *info = expired_info(region);
    return region->expired;
}

// The region to blame, NULL for the task itself; `info` says why. None where `info->error` is 0.
static struct rouse_region *find(struct rouse_region *region, const struct rouse_task *task,
                                 struct rouse_cancel_info *info)
{
    bool bared = rs_state_is_bared(&task->state);

    *info = (struct rouse_cancel_info){.reason = ROUSE_CANCEL_NONE};
    for (struct rouse_region *r = region; r != NULL; r = r->outer) {
        if (is_over(r, info)) {
            // Its own error is for the waits whose innermost region it is.
            if (r != region) info->error = -ECANCELED;
            return r;
        }
        if (r->shields && !bared) return NULL;
    }
    if (rs_state_is_cancelled(&task->state)) {
        *info = (struct rouse_cancel_info){.reason = ROUSE_CANCEL_ABORT, .error = -ECANCELED};
    }
    return NULL;
}

// The usual case of find(), for every wait: no region of a kind that could be to blame.
static bool is_clear(const struct rouse_region *region, const struct rouse_task *task)
{
    for (; region != NULL; region = region->outer) {
        if (region->expired || region->check != NULL || region->shields) return false;
    }
    return !rs_state_is_cancelled(&task->state);
}

int rs_regions_check(struct rouse_region *region, const struct rouse_task *task)
{
    struct rouse_cancel_info info;

    if (is_clear(region, task)) return 0;
    struct rouse_region *blamed = find(region, task, &info);

    if (blamed != NULL) blamed->felt = true;
    return info.error;
}

static void arm(struct rouse_region *region, struct rouse_context *cx)
{
    uint64_t deadline = region->sleep.deadline_ns;

    if (region->expired || deadline == ROUSE_NEVER) return;
    if (!region->armed) rouse_sleep_until_init(&region->sleep, deadline);
    region->armed = true;
    if (region->armed_ns <= deadline && rs_sleep_is_filed(&region->sleep)) return;
    region->armed_ns = deadline;
    // Without a driver there are no deadlines; and no waits that sleep, either.
    if (rouse_future_poll(&region->sleep.base, cx) == ROUSE_PENDING) return;
    if (region->sleep.output < 0) return;
    region->expired = true;
    if (region->expire != NULL) region->expire(region);
}

void rs_regions_arm(struct rouse_region *region, struct rouse_context *cx)
{
    for (struct rouse_region *r = region; r != NULL; r = r->outer) arm(r, cx);
}

// ---- Deadlines and shields ----

void rouse_deadline_enter(struct rouse_deadline *deadline, uint64_t deadline_ns)
{
    rs_region_enter(&deadline->region, deadline_ns, false, __func__);
}

void rouse_deadline_move(struct rouse_deadline *deadline, uint64_t deadline_ns)
{
    struct rouse_region *region = &deadline->region;

    // The wheel files an entry anew that was moved later, so `armed_ns` may be long past: what is
    // earlier than the last deadline may be too early for the wheel although it is later than that.
    if (deadline_ns < region->sleep.deadline_ns) region->armed_ns = ROUSE_NEVER;
    rouse_sleep_reset(&region->sleep, deadline_ns);
}

int rouse_deadline_leave(struct rouse_deadline *deadline)
{
    rs_region_leave(&deadline->region, __func__);
    return deadline->region.felt ? -ETIMEDOUT : 0;
}

void rouse_shield_enter(struct rouse_shield *shield, uint64_t deadline_ns)
{
    rouse_assert(deadline_ns != ROUSE_NEVER,
                 "a shield needs a deadline: cleanup may wait, but not for ever");
    rs_region_enter(&shield->region, deadline_ns, true, __func__);
}

int rouse_shield_leave(struct rouse_shield *shield)
{
    rs_region_leave(&shield->region, __func__);
    return shield->region.felt ? -ETIMEDOUT : 0;
}

// ---- Asked ----

struct rouse_region *rs_region_innermost(void)
{
    const struct rs_fiber *fiber = rs_tls.fiber;
    const struct rouse_context *cx = rs_tls.context;

    // A fiber may turn an executor of its own: the tasks of that one are not in its regions.
    return fiber != NULL && cx != NULL && cx->task == fiber->task ? fiber->region : NULL;
}

struct rouse_cancel_info rouse_cancel_info(void)
{
    struct rouse_cancel_info info = {.reason = ROUSE_CANCEL_NONE};
    const struct rouse_context *cx = rs_tls.context;

    if (cx != NULL && cx->task != NULL) {
        (void)find(rs_region_innermost(), cx->task, &info);
    }
    return info;
}

bool rouse_is_cancelled(void)
{
    return rouse_cancel_info().error < 0;
}
