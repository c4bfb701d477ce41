// SPDX-License-Identifier: MIT
//
// The atomic accesses of the source, by the address of their call: which were reached, with which
// orders, and the one that a mutant weakens.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"

enum { SITES_MAX = 4096, WEAKENED_MAX = 1024 };

struct hit {
    uintptr_t pc;
    const char *op;
    int order;
    int failure_order;
};

static struct hit hits[SITES_MAX];
static uintptr_t weakened[WEAKENED_MAX];  // the copies of one access, where it was inlined
static int weakened_count;
static int weakened_slot;
static int weakened_order;

const char *order_name(int order)
{
    static const char *const names[] = {"relaxed", "consume", "acquire",
                                        "release", "acq_rel", "seq_cst"};

    return order >= 0 && order <= 5 ? names[order] : "plain";
}

static int compare(const void *a, const void *b)
{
    uintptr_t x = *(const uintptr_t *)a;
    uintptr_t y = *(const uintptr_t *)b;

    return (x > y) - (x < y);
}

int site_order(uintptr_t pc, int slot, int order)
{
    if (weakened_count == 0 || slot != weakened_slot) return order;
    const void *found = bsearch(&pc, weakened, (size_t)weakened_count, sizeof pc, compare);

    return found != NULL ? weakened_order : order;
}

void site_hit(uintptr_t pc, const char *op, int order, int failure_order)
{
    size_t index = (pc * UINT64_C(0x9e3779b97f4a7c15)) >> 52;

    while (hits[index].pc != 0 && hits[index].pc != pc) index = (index + 1) % SITES_MAX;
    if (hits[index].pc == 0) hits[index] = (struct hit){pc, op, order, failure_order};
}

void site_hits_forget(void)
{
    memset(hits, 0, sizeof hits);
}

bool site_hits_write(const char *file, const char *scenario)
{
    FILE *out = fopen(file, "a");

    if (out == NULL) return false;
    // Written as a whole, since others may append to it, too.
    (void)setvbuf(out, NULL, _IOFBF, 1 << 20);
    for (int i = 0; i < SITES_MAX; i++) {
        const struct hit *hit = &hits[i];

        if (hit->pc == 0) continue;
        fprintf(out, "%s 0x%lx %s %s %s\n", scenario, (unsigned long)hit->pc, hit->op,
                order_name(hit->order), order_name(hit->failure_order));
    }
    return fclose(out) == 0;
}

bool site_weaken(const char *text)
{
    for (;;) {
        char *end;
        unsigned long pc = strtoul(text, &end, 16);

        if (end == text || weakened_count == WEAKENED_MAX) return false;
        weakened[weakened_count++] = pc;
        text = end + 1;
        if (*end == ':') break;
        if (*end != ',') return false;
    }
    qsort(weakened, (size_t)weakened_count, sizeof weakened[0], compare);
    if (sscanf(text, "%d:%d", &weakened_slot, &weakened_order) != 2) return false;
    return weakened_slot >= 0 && weakened_slot <= 1 && weakened_order >= 0 && weakened_order <= 5;
}
