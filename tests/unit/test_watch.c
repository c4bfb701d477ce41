// SPDX-License-Identifier: MIT
//
// The table of watches: keys. A key is never zero, and never that of the watch which had the index
// before; also when the generation of an index comes round, after 2^32 owners.

#include "io/watch.h"

#include <rouse.h>
#include <stdlib.h>

#include "claim.h"

static int something;  // stands for a source: only its address counts

static uint32_t take(struct rs_watch_table *table)
{
    uint32_t index;

    if (rs_watch_take(table, rouse_allocator_default(), &index) < 0) exit(1);
    rs_watch_at(table, index)->source = (struct rs_source *)(void *)&something;
    return index;
}

static void keys_are_given_once(void)
{
    struct rs_watch_table table = {0};
    uint32_t index = take(&table);
    uint64_t key = rs_watch_key(&table, index);

    claim(index == 0 && key != 0, "the key of index 0 is not zero");
    claim(rs_watch_find(&table, key) == rs_watch_at(&table, index), "a key leads to its watch");
    rs_watch_give_back(&table, index);
    claim(rs_watch_find(&table, key) == NULL, "and to none when that was given back");
    claim(take(&table) == index && rs_watch_find(&table, key) == NULL,
          "nor to the next owner of the index");
    claim(rs_watch_find(&table, rs_watch_key(&table, index)) != NULL, "whose key is another");
    claim(rs_watch_find(&table, key | UINT32_MAX) == NULL,
          "an index that is too high leads nowhere");
    rs_watch_give_back(&table, index);
    rs_watch_table_deinit(&table, rouse_allocator_default());
}

static void generations_come_round(void)
{
    struct rs_watch_table table = {0};
    uint32_t index = take(&table);

    rs_watch_at(&table, index)->generation = UINT32_MAX;
    uint64_t last = rs_watch_key(&table, index);

    rs_watch_give_back(&table, index);
    claim(take(&table) == index, "after 2^32 owners an index is given once more");
    claim(rs_watch_key(&table, index) != 0, "its key is not zero");
    claim(rs_watch_find(&table, last) == NULL, "nor the last owner's");
    rs_watch_give_back(&table, index);
    rs_watch_table_deinit(&table, rouse_allocator_default());
}

int main(void)
{
    keys_are_given_once();
    generations_come_round();
    return claims_end();
}
