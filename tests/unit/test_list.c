// SPDX-License-Identifier: MIT
//
// The intrusive list: order, removal, splicing. The sentinel and the nodes are members of different
// types here, as they are in use, and the loops see the list's functions: a compiler that may take
// a removal and the look at the sentinel for accesses to different objects looks once and goes on
// for ever, so each loop here is counted.

#include "base/list.h"

#include <rouse/compiler.h>
#include <stdlib.h>

#include "claim.h"

enum { ELEMENTS = 5 };

struct element {
    long before;
    struct rs_list node;
    int number;
};

struct owner {
    long before[7];
    struct rs_list list;
    bool is_closing;
};

static struct element *element_of(struct rs_list *node)
{
    return ROUSE_CONTAINER_OF(node, struct element, node);
}

// On the heap: of what has a declared type, a compiler knows more than of what the library links.
static struct owner *owner_new(void)
{
    struct owner *owner = calloc(1, sizeof *owner);

    if (owner == NULL) exit(1);
    rs_list_init(&owner->list);
    return owner;
}

static void fill(struct owner *owner, struct element *elements)
{
    for (int i = 0; i < ELEMENTS; i++) {
        elements[i].number = i;
        rs_list_push_back(&owner->list, &elements[i].node);
    }
}

// Bit i: the i-th round met element i. At most one round more than there are elements.
__attribute__((noinline)) static unsigned empty_by_removing(struct owner *owner)
{
    unsigned seen = 0;

    for (int round = 0; owner->list.next != &owner->list && round <= ELEMENTS; round++) {
        struct element *element = element_of(owner->list.next);

        rs_list_remove(&element->node);
        if (element->number == round) seen |= 1U << round;
    }
    return seen;
}

__attribute__((noinline)) static unsigned empty_by_popping(struct owner *owner)
{
    struct rs_list *node = rs_list_pop_front(&owner->list);
    unsigned seen = 0;

    for (int round = 0; node != NULL && round <= ELEMENTS; round++) {
        if (element_of(node)->number == round) seen |= 1U << round;
        node = rs_list_pop_front(&owner->list);
    }
    return seen;
}

static void each_removal_is_seen_at_the_sentinel(void)
{
    struct owner *owner = owner_new();
    struct element elements[ELEMENTS] = {0};
    const unsigned all = (1U << ELEMENTS) - 1;

    fill(owner, elements);
    claim(empty_by_removing(owner) == all, "a loop of removals meets each element in order");
    claim(rs_list_is_empty(&owner->list), "and ends with the last");
    fill(owner, elements);
    claim(empty_by_popping(owner) == all, "a loop of pops meets each element in order");
    claim(rs_list_pop_front(&owner->list) == NULL, "and ends with the last");
    free(owner);
}

static void removal_may_be_repeated(void)
{
    struct owner *owner = owner_new();
    struct element elements[ELEMENTS] = {0};

    fill(owner, elements);
    rs_list_remove(&elements[2].node);
    rs_list_remove(&elements[2].node);
    claim(rs_list_is_empty(&elements[2].node), "a node that was removed is in no list");
    rs_list_push_front(&owner->list, &elements[2].node);
    claim(owner->list.next == &elements[2].node && elements[2].node.next == &elements[0].node,
          "and can be first in one again");
    free(owner);
}

static void splice_keeps_the_order(void)
{
    struct owner *from = owner_new();
    struct owner *to = owner_new();
    struct element first = {.number = 0};
    struct element elements[ELEMENTS] = {0};

    fill(from, elements);
    rs_list_remove(&elements[0].node);
    rs_list_push_back(&to->list, &first.node);
    rs_list_splice_back(&to->list, &from->list);
    claim(rs_list_is_empty(&from->list), "a list that was spliced is empty");
    claim(empty_by_removing(to) == (1U << ELEMENTS) - 1, "its nodes stand behind the others");
    rs_list_splice_back(&to->list, &from->list);
    claim(rs_list_is_empty(&to->list), "an empty list adds nothing");
    free(to);
    free(from);
}

int main(void)
{
    each_removal_is_seen_at_the_sentinel();
    removal_may_be_repeated();
    splice_keeps_the_order();
    return claims_end();
}
