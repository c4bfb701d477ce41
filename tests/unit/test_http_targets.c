// SPDX-License-Identifier: MIT
//
// Tests apps/httpd/targets.c with entries made by hand. The table's promises are seen by the counts
// of shares: what it keeps, gives and gives up.
#include "../../apps/httpd/targets.h"

#include <stdlib.h>

#include "../http/tap.h"

enum { NOW = 1700000000 };

// With one share, the test's.
static struct httpd_entry *entry_make(int64_t checked_s)
{
    struct httpd_entry *entry = calloc(1, sizeof *entry);

    if (entry == NULL) abort();
    entry->fd = -1;
    entry->share_count = 1;
    entry->checked_s = checked_s;
    return entry;
}

static struct httpd_entry *find(struct httpd_targets *targets, const char *path, int64_t now_s)
{
    return httpd_targets_find(targets, http_slice_of(path), now_s);
}

static void remember(struct httpd_targets *targets, const char *path, struct httpd_entry *entry)
{
    httpd_targets_remember(targets, http_slice_of(path), entry, NOW);
}

static void target_is_found_within_its_second(void)
{
    static struct httpd_targets targets;
    struct httpd_entry *entry = entry_make(NOW);

    tap_claim(find(&targets, "/a", NOW) == NULL, "an empty table knows nothing");
    tap_claim(find(&targets, "/a", 0) == NULL, "not even in its first second");
    remember(&targets, "/a", entry);
    tap_claim(entry->share_count == 2, "the table has a share");
    tap_claim(find(&targets, "/a", NOW) == entry, "a path is found in its second");
    tap_claim(entry->share_count == 3, "with a share for the caller");
    tap_claim(find(&targets, "/a", NOW + 1) == NULL, "but not in the next one");
    tap_claim(find(&targets, "/b", NOW) == NULL, "another path is not found");
    tap_claim(find(&targets, "/a/", NOW) == NULL, "nor a longer one");
    httpd_entry_unref(entry);
    httpd_targets_deinit(&targets);
    tap_claim(entry->share_count == 1, "deinit gives up the share");
    httpd_entry_unref(entry);
}

// Long paths that end alike share a slot: the later one has it, and neither is taken for the other.
static void collision_is_no_mistake(void)
{
    static struct httpd_targets targets;
    struct httpd_entry *one = entry_make(NOW);
    struct httpd_entry *two = entry_make(NOW);

    remember(&targets, "/one/12345678", one);
    tap_claim(find(&targets, "/two/12345678", NOW) == NULL, "a path that ends alike is another");
    remember(&targets, "/two/12345678", two);
    tap_claim(one->share_count == 1, "the later path takes the slot");
    tap_claim(find(&targets, "/one/12345678", NOW) == NULL, "and the earlier is forgotten");
    tap_claim(find(&targets, "/two/12345678", NOW) == two, "and the later is found");
    httpd_entry_unref(two);
    httpd_targets_deinit(&targets);
    httpd_entry_unref(one);
    httpd_entry_unref(two);
}

static void some_entries_are_left_out(void)
{
    static struct httpd_targets targets;
    char path[HTTPD_TARGET_SIZE_MAX + 2];
    struct httpd_entry *entry = entry_make(NOW);
    struct httpd_entry *stale = entry_make(INT64_MIN);

    memset(path, 'a', sizeof path);
    path[sizeof path - 1] = '\0';
    remember(&targets, path, entry);
    tap_claim(entry->share_count == 1, "a path that is too long is left out");
    path[sizeof path - 2] = '\0';
    remember(&targets, path, entry);
    tap_claim(find(&targets, path, NOW) == entry, "the longest one is not");
    httpd_entry_unref(entry);
    entry->fd = 1000000;
    remember(&targets, "/b", entry);
    tap_claim(find(&targets, "/b", NOW) == NULL, "a file that is held open is left out");
    entry->fd = -1;
    remember(&targets, "/c", stale);
    tap_claim(stale->share_count == 1, "so is one that must be looked at again");
    httpd_targets_deinit(&targets);
    httpd_entry_unref(entry);
    httpd_entry_unref(stale);
}

int main(void)
{
    target_is_found_within_its_second();
    collision_is_no_mistake();
    some_entries_are_left_out();
    return tap_end();
}
