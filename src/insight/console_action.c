// SPDX-License-Identifier: MIT
//
// The table of actions: under RS_GLOBAL_ACTIONS, which is held for moments only, and never while
// one runs.

#include "insight/console_action.h"

#include <errno.h>
#include <string.h>

#include "base/global_lock.h"
#include "insight/json.h"

enum { ACTIONS_MAX = 32, NAME_SIZE = 32, LABEL_SIZE = 64, HELP_SIZE = 200 };

struct action {
    char name[NAME_SIZE];
    char label[LABEL_SIZE];
    char help[HELP_SIZE];
    int (*run)(void *arg);
    void *arg;
};

static struct action actions[ACTIONS_MAX];
static size_t count;

static bool is_name(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";

    return name[0] != '\0' && strspn(name, allowed) == strlen(name);
}

static struct action *find(const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(actions[i].name, name) == 0) return &actions[i];
    }
    return NULL;
}

static int put(const struct action *action)
{
    struct action *place = find(action->name);

    if (place == NULL) {
        if (count == ACTIONS_MAX) return -ENOSPC;
        place = &actions[count++];
    }
    *place = *action;
    return 0;
}

int rouse_console_add_action(const struct rouse_console_action *a)
{
    struct action action = {.name = ""};

    if (a->size < sizeof *a || a->run == NULL) return -EINVAL;
    if (a->name == NULL || a->label == NULL) return -EINVAL;
    if (!is_name(a->name) || strlen(a->name) >= NAME_SIZE) return -EINVAL;
    if (a->label[0] == '\0' || strlen(a->label) >= LABEL_SIZE) return -EINVAL;
    (void)strcpy(action.name, a->name);
    (void)strcpy(action.label, a->label);
    if (a->help != NULL) (void)strncat(action.help, a->help, HELP_SIZE - 1);
    action.run = a->run;
    action.arg = a->arg;
    rs_lock(rs_global_lock(RS_GLOBAL_ACTIONS));
    int err = put(&action);
    rs_unlock(rs_global_lock(RS_GLOBAL_ACTIONS));
    return err;
}

void rs_actions_print(struct rs_text *text)
{
    rs_lock(rs_global_lock(RS_GLOBAL_ACTIONS));
    for (size_t i = 0; i < count; i++) {
        rs_text_print(text, "%s{\"name\":\"%s\",\"label\":", i > 0 ? "," : "", actions[i].name);
        rs_json_print(text, actions[i].label);
        rs_text_print(text, ",\"help\":");
        rs_json_print(text, actions[i].help);
        rs_text_print(text, "}");
    }
    rs_unlock(rs_global_lock(RS_GLOBAL_ACTIONS));
}

bool rs_action_run(const char *name, int *result)
{
    struct action action = {.run = NULL};

    rs_lock(rs_global_lock(RS_GLOBAL_ACTIONS));
    const struct action *found = find(name);

    if (found != NULL) action = *found;
    rs_unlock(rs_global_lock(RS_GLOBAL_ACTIONS));
    if (action.run == NULL) return false;
    *result = action.run(action.arg);
    return true;
}
