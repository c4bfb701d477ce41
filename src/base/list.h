// SPDX-License-Identifier: MIT
//
// The intrusive list. It is plain data: whoever owns the list, or its lock, is the only user.
//
// The sentinel is part of no element. So an element is made of a node only after the node has been
// compared with the list, and the neighbours of an element are reached as nodes, never as elements:
// a compiler takes what is written to an element's node for something else than what is read from
// the sentinel, which is a member of another type, and would not look at the sentinel again.

#ifndef RS_BASE_LIST_H
#define RS_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

// A doubly linked list through a sentinel. A node that is in no list points to itself.
struct rs_list {
    struct rs_list *next;
    struct rs_list *prev;
};

static inline void rs_list_init(struct rs_list *node)
{
    node->next = node;
    node->prev = node;
}

static inline bool rs_list_is_empty(const struct rs_list *list)
{
    return list->next == list;
}

static inline void rs_list_push_back(struct rs_list *list, struct rs_list *node)
{
    node->prev = list->prev;
    node->next = list;
    list->prev->next = node;
    list->prev = node;
}

static inline void rs_list_push_front(struct rs_list *list, struct rs_list *node)
{
    rs_list_push_back(list->next, node);
}

// Leaves `node` in no list; does nothing to a node that is in none.
static inline void rs_list_remove(struct rs_list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    rs_list_init(node);
}

// The first node, removed; NULL when empty.
static inline struct rs_list *rs_list_pop_front(struct rs_list *list)
{
    struct rs_list *node = list->next;

    if (node == list) return NULL;
    rs_list_remove(node);
    return node;
}

// Moves all nodes of `from` behind those of `to`.
static inline void rs_list_splice_back(struct rs_list *to, struct rs_list *from)
{
    if (rs_list_is_empty(from)) return;
    from->next->prev = to->prev;
    from->prev->next = to;
    to->prev->next = from->next;
    to->prev = from->prev;
    rs_list_init(from);
}

#endif
