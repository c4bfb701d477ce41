// SPDX-License-Identifier: MIT
//
// The path of choices. A search takes the first of each, and after each execution the next one of
// the last choice that has one left: depth first, without memory beside the path. The path is
// followed exactly when it is run again, since an execution depends on nothing else.

#include <stdio.h>
#include <stdlib.h>

#include "engine.h"

enum { PATH_MAX_CHOICES = 1 << 16 };

struct choice {
    uint16_t count;
    uint16_t taken;
};

static struct choice path[PATH_MAX_CHOICES];
static unsigned length;  // of the path
static unsigned depth;   // how far this execution has come
static enum path_mode path_mode;
static uint64_t random_state;

void path_reset(void)
{
    length = 0;
    depth = 0;
}

void path_begin(enum path_mode mode, uint64_t seed)
{
    path_mode = mode;
    depth = 0;
    if (mode == PATH_RANDOM) {
        length = 0;
        random_state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    }
}

uint64_t path_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state >> 11;
}

bool path_next(void)
{
    length = depth < length ? depth : length;
    while (length > 0 && path[length - 1].taken + 1 >= path[length - 1].count) length--;
    if (length == 0) return false;
    path[length - 1].taken++;
    return true;
}

unsigned path_choose(unsigned count)
{
    if (count <= 1) return 0;
    if (depth == PATH_MAX_CHOICES) model_fail("more than %d choices", PATH_MAX_CHOICES);
    if (depth < length) {
        if (path[depth].taken >= count) {
            model_fail("the execution depends on something beside its choices");
        }
        path[depth].count = (uint16_t)count;
        return path[depth++].taken;
    }
    unsigned taken = path_mode == PATH_RANDOM ? (unsigned)(path_random() % count) : 0;

    path[depth++] = (struct choice){.count = (uint16_t)count, .taken = (uint16_t)taken};
    length = depth;
    return taken;
}

unsigned path_length(void)
{
    return depth;
}

bool path_read(const char *text)
{
    path_reset();
    while (*text != '\0') {
        char *end;
        unsigned long taken = strtoul(text, &end, 10);

        if (end == text || length == PATH_MAX_CHOICES || taken > UINT16_MAX) return false;
        path[length++] = (struct choice){.count = UINT16_MAX, .taken = (uint16_t)taken};
        text = *end == '.' ? end + 1 : end;
        if (*end != '.' && *end != '\0') return false;
    }
    return true;
}

void path_print(char *buf, size_t size)
{
    size_t used = 0;
    unsigned last = depth;

    buf[0] = '\0';
    // What was never chosen otherwise need not be said.
    while (last > 0 && path[last - 1].taken == 0) last--;
    for (unsigned i = 0; i < last && used + 8 < size; i++) {
        used += (size_t)snprintf(buf + used, size - used, i == 0 ? "%u" : ".%u", path[i].taken);
    }
    if (last == 0) (void)snprintf(buf, size, "0");
}
