// SPDX-License-Identifier: MIT
//
// Multiplies tests by configurations. Runs before the first test starts.

#include "harness/cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/far.h"
#include "harness/reactors.h"

static const enum host_kind hosts[] = {HOST_EXECUTOR, HOST_RUNTIME_2, HOST_RUNTIME_4, HOST_NONE};

static void add_case(struct cases *cases, struct test_case added, const char *filter)
{
    const char *style = added.style == STYLE_FIBER ? "fiber" : "async";

    snprintf(added.id, sizeof added.id, "%s/%s/%s/%s", added.test->name, host_name(added.host),
             added.reactor, style);
    if (strstr(added.id, filter) == NULL) return;
    if (cases->count == cases->capacity) {
        cases->capacity = cases->capacity * 2 + 64;
        cases->list = realloc(cases->list, cases->capacity * sizeof *cases->list);
        if (cases->list == NULL) abort();
    }
    cases->list[cases->count++] = added;
}

// "auto" leaves the choice to rouse, which then may pair a back end with a ring.
static struct reactors reactors_for(const struct api_test *test)
{
    struct reactors reactors = reactors_to_test();

    if (test->any_reactor) reactors.count = test->with_ring ? 0 : 1;
    if (test->with_ring) reactors.names[reactors.count++] = "auto";
    return reactors;
}

static void add_test(struct cases *cases, const struct api_test *test, enum body_style style,
                     const char *filter)
{
    const struct reactors reactors = reactors_for(test);
    unsigned kinds = test->hosts;

    if (test->any_style && style != STYLE_FIBER) return;
    if (test->far && !far_is_there()) return;
    if (test->exact && getenv("ROUSE_CHAOS") != NULL) return;
    if (kinds == 0) kinds = test->plain != NULL ? HOST_NONE : HOST_ALL;
    for (size_t h = 0; h < sizeof hosts / sizeof hosts[0]; h++) {
        if ((kinds & (unsigned)hosts[h]) == 0) continue;
        for (int r = 0; r < reactors.count; r++) {
            const struct test_case added = {
                .test = test, .style = style, .host = hosts[h], .reactor = reactors.names[r]};

            add_case(cases, added, filter);
        }
    }
}

void cases_add(struct cases *cases, const struct api_test *tests, enum body_style style,
               const char *filter)
{
    for (; tests->name != NULL; tests++) {
        add_test(cases, tests, style, filter);
    }
}

void cases_free(struct cases *cases)
{
    free(cases->list);
    *cases = (struct cases){0};
}
