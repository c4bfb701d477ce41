// SPDX-License-Identifier: MIT
//
// The pool of lent buffers, on a thread that is made to look like a worker's: what it keeps, what
// it lets go, and what it leaves to the allocator.

#include <rouse/allocator.h>
#include <rouse/stats.h>
#include <string.h>

#include "base/tls.h"
#include "claim.h"
#include "io/buffer.h"
#include "live.h"

enum { MANY = 2 * RS_BUFFERS_KEPT_MAX, TRIMS_MAX = 16 * 64 };

static struct rs_buffer_pool pool;
static void *lent[MANY];

static struct rouse_stats stats_now(void)
{
    struct rouse_stats stats;

    rouse_stats_get(&stats);
    return stats;
}

static bool take_many(int count)
{
    for (int i = 0; i < count; i++) {
        lent[i] = rs_buffer_take();
        if (lent[i] == NULL) return false;
        memset(lent[i], i, ROUSE_BUFFER_SIZE);
    }
    return true;
}

// True if each still holds what take_many() wrote.
static bool give_many(int count)
{
    bool whole = true;

    for (int i = 0; i < count; i++) {
        const unsigned char *data = lent[i];

        whole = whole && data[0] == i && data[ROUSE_BUFFER_SIZE - 1] == i;
        rouse_buffer_free(lent[i]);
    }
    return whole;
}

static void without_a_pool(void)
{
    struct rouse_stats before = stats_now();

    claim(take_many(3) && stats_now().buffers == before.buffers + 3, "what_is_lent_is_counted");
    claim(give_many(3) && stats_now().buffers == before.buffers &&
              stats_now().allocations == before.allocations,
          "a_thread_without_a_pool_keeps_nothing");
    rouse_buffer_free(NULL);
    claim(stats_now().buffers == before.buffers, "no_buffer_may_be_given_back");
}

static void with_a_pool(void)
{
    struct rouse_stats before = stats_now();

    rs_tls.buffers = &pool;
    void *first = rs_buffer_take();

    rouse_buffer_free(first);
    claim(pool.count == 1 && rs_buffer_take() == first && pool.count == 0,
          "the_next_read_gets_what_was_given_back_last");
    rouse_buffer_free(first);
    claim(take_many(MANY) && give_many(MANY), "buffers_do_not_overlap");
    claim(pool.count == RS_BUFFERS_KEPT_MAX && stats_now().buffers == before.buffers &&
              stats_now().buffers_cached == before.buffers_cached + RS_BUFFERS_KEPT_MAX &&
              stats_now().allocations == before.allocations + RS_BUFFERS_KEPT_MAX,
          "a_pool_keeps_so_many_and_no_more");
    for (int i = 0; i < TRIMS_MAX; i++) rs_buffer_pool_rest(&pool);
    claim(pool.count == 0 && stats_now().allocations == before.allocations,
          "a_pool_that_nobody_uses_empties_while_its_worker_rests");
    rs_tls.buffers = NULL;
}

// Bursts that need five at a time.
static void needed_ones_stay(void)
{
    rs_tls.buffers = &pool;
    bool whole = take_many(RS_BUFFERS_KEPT_MAX) && give_many(RS_BUFFERS_KEPT_MAX);

    for (int i = 0; i < TRIMS_MAX; i++) {
        whole = whole && take_many(5) && give_many(5);
        rs_buffer_pool_rest(&pool);
    }
    claim(whole && pool.count == 5, "what_is_used_between_rests_is_kept");
    rs_buffer_pool_deinit(&pool);
    claim(pool.count == 0, "a_pool_that_ends_keeps_nothing");
    rs_tls.buffers = NULL;
}

static int take_one(void *arg)
{
    (void)arg;
    void *data = rs_buffer_take();

    rouse_buffer_free(data);
    return data != NULL ? 0 : -1;
}

static void no_memory(void)
{
    struct rouse_stats before = stats_now();

    rs_tls.buffers = &pool;
    claim(live_without_memory(take_one, NULL) < 0 && stats_now().buffers == before.buffers,
          "without_memory_none_is_lent");
    rouse_buffer_free(rs_buffer_take());
    claim(live_without_memory(take_one, NULL) == 0, "what_a_pool_keeps_needs_no_memory");
    rs_buffer_pool_deinit(&pool);
    rs_tls.buffers = NULL;
}

static void *other_alloc(void *data, size_t size)
{
    (void)data;
    return malloc(size);
}

static void other_free(void *data, void *memory, size_t size)
{
    (void)size;
    ++*(int *)data;
    free(memory);
}

static void other_allocator(void)
{
    int freed = 0;
    const struct rouse_allocator other = {.data = &freed, .alloc = other_alloc, .free = other_free};

    rs_tls.allocator = &other;
    void *data = rs_buffer_take();

    rs_tls.allocator = NULL;
    rs_tls.buffers = &pool;
    rouse_buffer_free(data);
    claim(freed == 1 && pool.count == 0,
          "a_buffer_of_another_runtimes_allocator_goes_back_to_it_at_once");
    rs_tls.buffers = NULL;
}

static void *give_back(void *data)
{
    struct rs_buffer_pool own = {0};

    rs_tls.buffers = &own;
    rouse_buffer_free(data);
    bool kept = own.count == 1;

    rs_buffer_pool_deinit(&own);
    rs_tls.buffers = NULL;
    return (void *)(intptr_t)kept;
}

static void other_worker(void)
{
    struct rouse_stats before = stats_now();

    rs_tls.buffers = &pool;
    claim(live_result(live_thread(give_back, rs_buffer_take())) == 1 && pool.count == 0 &&
              stats_now().buffers == before.buffers &&
              stats_now().allocations == before.allocations,
          "a_buffer_stays_where_it_is_given_back");
    rs_tls.buffers = NULL;
}

int main(void)
{
    without_a_pool();
    with_a_pool();
    needed_ones_stay();
    no_memory();
    other_allocator();
    other_worker();
    return claims_end();
}
