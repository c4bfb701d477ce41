// SPDX-License-Identifier: MIT
//
// Task-local values: a short list in the task, one entry for each key in use.

#include <errno.h>
#include <rouse/task.h>

#include "base/alloc.h"
#include "base/tls.h"
#include "task/task.h"

struct rs_local {
    struct rs_local *next;
    const struct rouse_local_key *key;
    void *value;
};

static struct rouse_task *current_task(void)
{
    return rs_tls.context != NULL ? rs_tls.context->task : NULL;
}

static struct rs_local *find(const struct rouse_task *task, const struct rouse_local_key *key)
{
    struct rs_local *local = task->locals;

    while (local != NULL && local->key != key) local = local->next;
    return local;
}

int rouse_local_set(const struct rouse_local_key *key, void *value)
{
    struct rouse_task *task = current_task();

    if (task == NULL) return -EINVAL;
    struct rs_local *local = find(task, key);

    if (local == NULL) {
        local = rs_alloc(rouse_allocator_default(), sizeof *local);
        if (local == NULL) return -ENOMEM;
        *local = (struct rs_local){.next = task->locals, .key = key};
        task->locals = local;
    }
    local->value = value;
    return 0;
}

void *rouse_local_get(const struct rouse_local_key *key)
{
    struct rouse_task *task = current_task();
    struct rs_local *local = task != NULL ? find(task, key) : NULL;

    return local != NULL ? local->value : NULL;
}

// A destructor may set locals again: they are destroyed in turn.
void rs_locals_destroy(struct rouse_task *task)
{
    while (task->locals != NULL) {
        struct rs_local *local = task->locals;

        task->locals = local->next;
        if (local->key->destructor != NULL && local->value != NULL) {
            local->key->destructor(local->value);
        }
        rs_free(rouse_allocator_default(), local, sizeof *local);
    }
}
