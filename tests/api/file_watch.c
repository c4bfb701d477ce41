// SPDX-License-Identifier: MIT
//
// Watching for changes: what is told, in which order, and that nothing is lost with a dropped wait.

#include <rouse/file_watch.h>
#include <rouse/sleep.h>
#include <sys/inotify.h>

#include "api/folder.h"
#include "harness/api.h"

struct changes_are_told_in_order {
    struct body body;
    int id;
    uint32_t pair;
    struct rouse_file_watch *watch;
    struct rouse_file_watch_add add;
    struct rouse_file_watch_next next;
};

#define NEXT_IS(changes_, name_)                          \
    do {                                                  \
        rouse_file_watch_next_init(&f->next, f->watch);   \
        AWAIT(&f->next.base);                             \
        CHECK_EQ(f->next.output, 0);                      \
        CHECK_EQ(f->next.change.id, f->id);               \
        CHECK_EQ(f->next.change.changes, (changes_));     \
        CHECK(strcmp(f->next.change.name, (name_)) == 0); \
    } while (0)

static rouse_poll changes_are_told_in_order(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(changes_are_told_in_order, frame, cx);
    folder_make();
    CHECK_EQ(rouse_file_watch_new(&f->watch), 0);
    rouse_file_watch_add_init(&f->add, f->watch, in_folder("none"), ROUSE_CHANGE_ANY);
    AWAIT(&f->add.base);
    CHECK_EQ(f->add.output, -ENOENT);
    rouse_file_watch_add_init(&f->add, f->watch, folder, ROUSE_CHANGE_ANY);
    AWAIT(&f->add.base);
    CHECK(f->add.output > 0);
    f->id = f->add.output;

    (void)file_make("a", "abc", 3);
    CHECK_EQ(rename(in_folder("a"), in_folder("b")), 0);
    file_remove("b");
    CHECK_EQ(mkdir(in_folder("d"), 0700), 0);
    CHECK_EQ(rmdir(in_folder("d")), 0);
    NEXT_IS(ROUSE_CHANGE_CREATED, "a");
    NEXT_IS(ROUSE_CHANGE_MODIFIED, "a");
    NEXT_IS(ROUSE_CHANGE_WRITTEN, "a");
    NEXT_IS(ROUSE_CHANGE_MOVED_FROM, "a");
    f->pair = f->next.change.pair;
    NEXT_IS(ROUSE_CHANGE_MOVED_TO, "b");
    CHECK(f->pair != 0 && f->pair == f->next.change.pair);
    NEXT_IS(ROUSE_CHANGE_DELETED, "b");
    NEXT_IS(ROUSE_CHANGE_CREATED | ROUSE_CHANGE_IS_DIRECTORY, "d");
    NEXT_IS(ROUSE_CHANGE_DELETED | ROUSE_CHANGE_IS_DIRECTORY, "d");

    CHECK_EQ(rouse_file_watch_remove(f->watch, f->id), 0);
    CHECK_EQ(rouse_file_watch_remove(f->watch, f->id), -EINVAL);
    NEXT_IS(ROUSE_CHANGE_ENDED, "");
    rouse_file_watch_free(f->watch);
    rouse_file_watch_free(NULL);
    folder_remove();
    BODY_END();
}

struct changes_wake_who_waits {
    struct body body;
    int id;
    struct rouse_file_watch *watch;
    struct rouse_file_watch_add add;
    struct rouse_file_watch_next next;
    struct rouse_timeout timeout;
    pthread_t thread;
};

static void *change_soon(void *arg)
{
    (void)arg;
    nap_ns(2 * MS);
    (void)file_make("a", "", 0);
    return NULL;
}

static rouse_poll changes_wake_who_waits(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(changes_wake_who_waits, frame, cx);
    folder_make();
    CHECK_EQ(rouse_file_watch_new(&f->watch), 0);
    rouse_file_watch_add_init(&f->add, f->watch, folder, ROUSE_CHANGE_CREATED);
    AWAIT(&f->add.base);
    f->id = f->add.output;
    rouse_file_watch_next_init(&f->next, f->watch);
    rouse_timeout_init(&f->timeout, &f->next.base, rouse_now_ns() + MS);
    AWAIT(&f->timeout.base);
    CHECK_EQ(f->timeout.output, -ETIMEDOUT);
    f->thread = thread_start(change_soon, NULL);
    NEXT_IS(ROUSE_CHANGE_CREATED, "a");
    thread_join(f->thread);
    rouse_file_watch_free(f->watch);
    file_remove("a");
    folder_remove();
    BODY_END();
}

// The kernel keeps a limited number of changes. Two in a row that are alike are one, so each is
// another file's.
struct lost_changes_are_told {
    struct body body;
    int i;
    int limit;
    int told;
    struct rouse_file_watch *watch;
    struct rouse_file_watch_add add;
    struct rouse_file_watch_next next;
};

static int queue_limit(void)
{
    FILE *file = fopen("/proc/sys/fs/inotify/max_queued_events", "re");
    int limit = 0;

    CHECK(file != NULL && fscanf(file, "%d", &limit) == 1);
    CHECK_EQ(fclose(file), 0);
    return limit;
}

static rouse_poll lost_changes_are_told(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(lost_changes_are_told, frame, cx);
    f->limit = queue_limit();
    if (f->limit > 100000) BODY_RETURN(0);
    folder_make();
    (void)file_make("a", "", 0);
    (void)file_make("b", "", 0);
    CHECK_EQ(rouse_file_watch_new(&f->watch), 0);
    rouse_file_watch_add_init(&f->add, f->watch, folder, ROUSE_CHANGE_ATTRIBUTES);
    AWAIT(&f->add.base);
    CHECK(f->add.output > 0);
    for (f->i = 0; f->i < f->limit + 10; f->i++) {
        CHECK_EQ(chmod(in_folder(f->i % 2 == 0 ? "a" : "b"), 0600), 0);
    }
    do {
        rouse_file_watch_next_init(&f->next, f->watch);
        AWAIT(&f->next.base);
        CHECK_EQ(f->next.output, 0);
        f->told++;
    } while (f->next.change.changes != ROUSE_CHANGE_OVERFLOW);
    CHECK_EQ(f->next.change.id, -1);
    CHECK_WITHIN(f->told, 2, f->limit + 1);
    rouse_file_watch_free(f->watch);
    file_remove("a");
    file_remove("b");
    folder_remove();
    BODY_END();
}

#ifdef ROUSE_TEST_STYLE_FIBER
static void direct_forms_see_changes(void)
{
    struct rouse_file_watch *watch;
    struct rouse_change change;

    folder_make();
    CHECK_EQ(rouse_file_watch_new(&watch), 0);
    CHECK(rouse_file_watch_add(watch, folder, ROUSE_CHANGE_CREATED) > 0);
    CHECK_EQ(rouse_file_watch_add(watch, in_folder("none"), ROUSE_CHANGE_CREATED), -ENOENT);
    (void)file_make("a", "", 0);
    CHECK_EQ(rouse_file_watch_next(watch, &change), 0);
    CHECK_EQ(change.changes, ROUSE_CHANGE_CREATED);
    rouse_file_watch_free(watch);
    file_remove("a");
    folder_remove();
}

struct direct_forms_do_the_same {
    struct body body;
};

static rouse_poll direct_forms_do_the_same(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(direct_forms_do_the_same, frame, cx);
    direct_forms_see_changes();
    BODY_END();
}
#endif

const struct api_test API_TESTS[] = {
    {TEST(changes_are_told_in_order)},
    {TEST(changes_wake_who_waits)},
    {TEST(lost_changes_are_told), .any_reactor = true, .any_style = true, .hosts = HOST_EXECUTOR},
#ifdef ROUSE_TEST_STYLE_FIBER
    {TEST(direct_forms_do_the_same), .any_reactor = true},
    {PLAIN(direct_forms_see_changes), .any_reactor = true, .any_style = true, .lasting = true},
#endif
    {0}};
