// SPDX-License-Identifier: MIT
//
// Atomic memory, as C11 allows it to behave, operationally: each location has its stores in
// modification order, each thread a view that says which of them it has seen, by location. A load
// may return any store that is not older than the view says. A release store carries the view of
// its thread, and an acquire load that returns it adds that to its own (Kang and others, "A
// Promising Semantics for Relaxed-Memory Concurrency", 2017, without the promises). A
// read-modify-write reads the newest store, and carries on the view of the store that it replaces.
// Beside the view goes a vector clock, by which plain accesses are ordered.
//
// The seq_cst order is that in which the accesses are run; such a load returns nothing older than
// what an earlier seq_cst access of the location stored or returned.
//
// Not covered, since a store is put at the end of the modification order when it is run and takes
// effect not before: a load that returns a store which its thread makes possible only later (load
// buffering), and two locations whose final values contradict both program orders (2+2W). Fences
// are refused: the library has none.

#include <stdio.h>
#include <string.h>

#include "base/counters.h"
#include "engine.h"

enum { STORES_MAX = 1 << 15, TABLE_SIZE = 1 << 14, NONE = -1 };

struct message {
    struct clock clock;
    unsigned locations;  // as many entries of the view as there were then
    struct view view;
};

struct store {
    uint64_t value;
    int older;  // the store before it
    int message;
    uint16_t position;
    bool unknown;  // made by a plain write: the value is read when it is needed
};

struct location {
    uintptr_t addr;
    uint8_t size;
    uint8_t readers;  // of the threads that run at once, a bit for each
    uint8_t writers;
    int newest;
    uint16_t seq_cst_floor;  // what a seq_cst load must at least see
    struct entry *entry;
};

// Where to find a location; outlives the execution, as does `contended`.
struct entry {
    uintptr_t addr;
    uint32_t execution;
    int location;
    bool contended;
    bool found_contended;  // in this execution: known from the next one on
};

static struct location locations[LOCATIONS_MAX];
static int location_count;
static struct store stores[STORES_MAX];
static int store_count;
static struct message *messages;  // of STORES_MAX; outside the variables that shadow.c restores
static int message_count;
static struct entry table[TABLE_SIZE];
static unsigned entry_count;
static uint32_t execution;

void memory_init(void)
{
    messages = shadow_reserve(STORES_MAX * sizeof *messages);
}

void memory_reset(void)
{
    execution++;
    location_count = 0;
    store_count = 0;
    message_count = 0;
    if (entry_count > TABLE_SIZE / 2) memory_contention_forget();
}

void memory_contention_forget(void)
{
    memset(table, 0, sizeof table);
    entry_count = 0;
}

// ---- Locations ----

static struct entry *entry_of(uintptr_t addr)
{
    size_t index = (addr * UINT64_C(0x9e3779b97f4a7c15)) >> 50;

    while (table[index].addr != 0 && table[index].addr != addr) index = (index + 1) % TABLE_SIZE;
    if (table[index].addr == 0) {
        table[index] = (struct entry){.addr = addr};
        entry_count++;
    }
    return &table[index];
}

// The location that begins at `addr`, if it has been used in this execution.
static struct location *find(uintptr_t addr)
{
    size_t index = (addr * UINT64_C(0x9e3779b97f4a7c15)) >> 50;

    while (table[index].addr != 0 && table[index].addr != addr) index = (index + 1) % TABLE_SIZE;
    if (table[index].addr == 0 || table[index].execution != execution) return NULL;
    return &locations[table[index].location];
}

static uint64_t raw_read(uintptr_t addr, unsigned size)
{
    uint64_t value = 0;

    memcpy(&value, (const void *)addr, size);
    return value;
}

static void raw_write(uintptr_t addr, unsigned size, uint64_t value)
{
    memcpy((void *)addr, &value, size);
}

static int store_new(struct location *location, uint64_t value, int message)
{
    if (store_count == STORES_MAX) model_fail("more than %d stores", STORES_MAX);
    struct store *store = &stores[store_count];
    int older = location->newest;

    *store = (struct store){.value = value,
                            .older = older,
                            .message = message,
                            .position = (uint16_t)(older == NONE ? 0 : stores[older].position + 1)};
    location->newest = store_count;
    return store_count++;
}

static struct location *location_of(uintptr_t addr, unsigned size)
{
    struct entry *entry = entry_of(addr);

    if (entry->execution == execution) {
        struct location *location = &locations[entry->location];

        if (location->size != size) model_fail("one atomic is used with two sizes");
        return location;
    }
    if (location_count == LOCATIONS_MAX) model_fail("more than %d atomics", LOCATIONS_MAX);
    struct location *location = &locations[location_count];

    *location =
        (struct location){.addr = addr, .size = (uint8_t)size, .newest = NONE, .entry = entry};
    entry->execution = execution;
    entry->location = location_count;
    // No thread has a view of it yet.
    for (unsigned i = 0; i < thread_count(); i++) thread_view(i)->at[location_count] = 0;
    location_count++;
    (void)store_new(location, raw_read(addr, size), NONE);
    return location;
}

void memory_contend(uintptr_t addr)
{
    entry_of(addr)->contended = true;
}

void memory_contention_learn(void)
{
    for (size_t i = 0; i < TABLE_SIZE; i++) table[i].contended |= table[i].found_contended;
}

void memory_contention_visit(void (*visit)(uintptr_t addr, void *arg), void *arg)
{
    for (size_t i = 0; i < TABLE_SIZE; i++) {
        if (table[i].contended) visit(table[i].addr, arg);
    }
}

bool memory_is_contended(uintptr_t addr)
{
    return entry_of(addr)->contended;
}

// Nothing is decided by the library's counters: when they change makes no difference.
static bool is_counter(uintptr_t addr)
{
    return addr >= (uintptr_t)&rs_counters_shared && addr < (uintptr_t)(&rs_counters_shared + 1);
}

// Two threads that run at once, one of which writes.
static void note_access(struct location *location, bool writes)
{
    unsigned self = thread_now();

    if (self == 0 || is_counter(location->addr)) return;
    location->readers |= (uint8_t)(1U << self);
    if (writes) location->writers |= (uint8_t)(1U << self);
    bool many = (location->readers & (location->readers - 1)) != 0;

    if (location->writers != 0 && many && !location->entry->contended) {
        location->entry->found_contended = true;
        run.contention = true;
    }
}

static void point(uintptr_t addr, unsigned size, bool writes)
{
    if (!memory_is_contended(addr)) {
        if (++run.steps > STEPS_MAX) model_fail("no end after %d steps", STEPS_MAX);
        return;
    }
    thread_point((struct op){.addr = addr, .size = (uint8_t)size, .writes = writes});
}

// ---- Views ----

static bool acquires(int order)
{
    return order == __ATOMIC_ACQUIRE || order == __ATOMIC_ACQ_REL || order == __ATOMIC_SEQ_CST ||
           order == __ATOMIC_CONSUME;
}

static bool releases(int order)
{
    return order == __ATOMIC_RELEASE || order == __ATOMIC_ACQ_REL || order == __ATOMIC_SEQ_CST;
}

static void join(struct clock *clock, struct view *view, const struct message *message)
{
    for (unsigned i = 0; i < CLOCKS; i++) {
        if (clock->at[i] < message->clock.at[i]) clock->at[i] = message->clock.at[i];
    }
    for (unsigned i = 0; i < message->locations; i++) {
        if (view->at[i] < message->view.at[i]) view->at[i] = message->view.at[i];
    }
}

// The message of a store to `location`, which takes `position`: what the thread has seen, if it
// releases, and what the store that it replaces carried, if it is a read-modify-write.
static int message_new(bool release, int replaced, unsigned location, uint16_t position)
{
    unsigned self = thread_now();

    if (!release && (replaced == NONE || stores[replaced].message == NONE)) return NONE;
    struct message *message = &messages[message_count];

    message->locations = (unsigned)location_count;
    memset(&message->clock, 0, sizeof message->clock);
    memset(message->view.at, 0, (size_t)location_count * sizeof message->view.at[0]);
    if (release) {
        message->clock = *thread_clock(self);
        memcpy(message->view.at, thread_view(self)->at,
               (size_t)location_count * sizeof message->view.at[0]);
        thread_clock(self)->at[self]++;
    }
    if (replaced != NONE && stores[replaced].message != NONE) {
        join(&message->clock, &message->view, &messages[stores[replaced].message]);
    }
    message->view.at[location] = position;
    return message_count++;
}

static uint64_t value_of(struct location *location, struct store *store)
{
    if (store->unknown) {
        store->value = raw_read(location->addr, location->size);
        store->unknown = false;
    }
    return store->value;
}

static unsigned index_of(const struct location *location)
{
    return (unsigned)(location - locations);
}

// This thread has read `store`, with `order`.
static void has_read(struct location *location, const struct store *store, int order)
{
    unsigned self = thread_now();
    uint16_t *seen = &thread_view(self)->at[index_of(location)];

    if (*seen < store->position) *seen = store->position;
    if (acquires(order) && store->message != NONE) {
        join(thread_clock(self), thread_view(self), &messages[store->message]);
    }
    if (order == __ATOMIC_SEQ_CST && location->seq_cst_floor < store->position) {
        location->seq_cst_floor = store->position;
    }
}

static void write_new(struct location *location, uint64_t value, int order, int replaced)
{
    uint16_t position = (uint16_t)(stores[location->newest].position + 1);
    int message = message_new(releases(order), replaced, index_of(location), position);

    (void)store_new(location, value, message);
    thread_view(thread_now())->at[index_of(location)] = position;
    if (order == __ATOMIC_SEQ_CST) location->seq_cst_floor = position;
    raw_write(location->addr, location->size, value);
}

// ---- The operations ----

// The stores that a load may return, newest first; not those whose value is `except`, where that
// is given and they are not the newest.
static unsigned visible(struct location *location, int order, const uint64_t *except, int *out,
                        unsigned most)
{
    uint16_t floor = thread_view(thread_now())->at[index_of(location)];
    unsigned found = 0;

    if (order == __ATOMIC_SEQ_CST && floor < location->seq_cst_floor) {
        floor = location->seq_cst_floor;
    }
    for (int i = location->newest; i != NONE && stores[i].position >= floor; i = stores[i].older) {
        if (i != location->newest && except != NULL && value_of(location, &stores[i]) == *except) {
            continue;
        }
        if (found < most) out[found++] = i;
    }
    return found;
}

enum { VISIBLE_MAX = 8 };

uint64_t memory_load(uintptr_t addr, unsigned size, int order, uintptr_t pc)
{
    int candidates[VISIBLE_MAX];

    point(addr, size, false);
    struct location *location = location_of(addr, size);

    note_access(location, false);
    shadow_atomic(addr, size, false, pc);
    unsigned found = visible(location, order, NULL, candidates, VISIBLE_MAX);
    struct store *store = &stores[candidates[run_choose_rare(found)]];
    uint64_t value = value_of(location, store);

    has_read(location, store, order);
    trace_add(store->position == stores[location->newest].position ? "load"
                                                                   : "load of an old value",
              addr, size, value, order, pc);
    return value;
}

void memory_store(uintptr_t addr, unsigned size, uint64_t value, int order, uintptr_t pc)
{
    point(addr, size, true);
    struct location *location = location_of(addr, size);

    note_access(location, true);
    shadow_atomic(addr, size, true, pc);
    (void)value_of(location, &stores[location->newest]);
    write_new(location, value, order, NONE);
    trace_add("store", addr, size, value, order, pc);
}

static uint64_t apply(enum rmw op, uint64_t old, uint64_t operand)
{
    switch (op) {
    case RMW_EXCHANGE:
        return operand;
    case RMW_ADD:
        return old + operand;
    case RMW_SUB:
        return old - operand;
    case RMW_AND:
        return old & operand;
    case RMW_OR:
        return old | operand;
    case RMW_XOR:
        return old ^ operand;
    }
    return old;
}

static uint64_t truncated(uint64_t value, unsigned size)
{
    return size == 8 ? value : value & ((UINT64_C(1) << (8 * size)) - 1);
}

uint64_t memory_rmw(uintptr_t addr, unsigned size, enum rmw op, uint64_t operand, int order,
                    uintptr_t pc)
{
    static const char *const names[] = {"exchange",  "fetch_add", "fetch_sub",
                                        "fetch_and", "fetch_or",  "fetch_xor"};

    point(addr, size, true);
    struct location *location = location_of(addr, size);
    int newest = location->newest;
    uint64_t old = value_of(location, &stores[newest]);
    uint64_t new = truncated(apply(op, old, operand), size);

    note_access(location, true);
    shadow_atomic(addr, size, true, pc);
    has_read(location, &stores[newest], order);
    write_new(location, new, order, newest);
    trace_add(names[op], addr, size, new, order, pc);
    return old;
}

bool memory_cas(uintptr_t addr, unsigned size, uint64_t *expected, uint64_t desired, bool weak,
                const int orders[2], uintptr_t pc)
{
    int candidates[VISIBLE_MAX];

    point(addr, size, true);
    struct location *location = location_of(addr, size);
    int newest = location->newest;
    uint64_t now = value_of(location, &stores[newest]);
    bool equal = now == truncated(*expected, size);

    note_access(location, true);
    shadow_atomic(addr, size, true, pc);
    // It may fail on an old value that differs; a weak one for no reason.
    unsigned found = visible(location, orders[1], expected, candidates, VISIBLE_MAX);
    unsigned chosen = run_choose_rare(found + (weak && equal ? 1 : 0));

    if (chosen == 0 && equal) {
        has_read(location, &stores[newest], orders[0]);
        write_new(location, truncated(desired, size), orders[0], newest);
        trace_add("compare_exchange", addr, size, truncated(desired, size), orders[0], pc);
        return true;
    }
    struct store *store = &stores[chosen < found ? candidates[chosen] : newest];

    *expected = value_of(location, store);
    has_read(location, store, orders[1]);
    trace_add("compare_exchange fails", addr, size, *expected, orders[1], pc);
    return false;
}

// ---- The kernel's accesses ----

uint64_t memory_kernel_load(uintptr_t addr, unsigned size)
{
    struct location *location = location_of(addr, size);
    struct store *newest = &stores[location->newest];

    note_access(location, false);
    shadow_atomic(addr, size, false, 0);
    has_read(location, newest, __ATOMIC_ACQUIRE);
    return value_of(location, newest);
}

void memory_kernel_store(uintptr_t addr, unsigned size, uint64_t value)
{
    struct location *location = location_of(addr, size);

    note_access(location, true);
    shadow_atomic(addr, size, true, 0);
    (void)value_of(location, &stores[location->newest]);
    write_new(location, value, __ATOMIC_RELEASE, NONE);
    trace_add("the kernel's store", addr, size, value, __ATOMIC_RELEASE, 0);
}

uint64_t memory_latest(uintptr_t addr, unsigned size)
{
    return raw_read(addr, size);
}

uint32_t model_newest(const _Atomic uint32_t *word)
{
    return (uint32_t)memory_latest((uintptr_t)word, sizeof *word);
}

// ---- Plain writes to what was an atomic ----

static void begin_anew(struct location *location)
{
    unsigned self = thread_now();

    (void)value_of(location, &stores[location->newest]);
    int index = store_new(location, 0, NONE);

    stores[index].unknown = true;
    thread_view(self)->at[index_of(location)] = stores[index].position;
    if (location->seq_cst_floor < stores[index].position) {
        location->seq_cst_floor = stores[index].position;
    }
}

void memory_plain_write(uintptr_t addr, size_t size)
{
    if (size <= 16) {
        for (uintptr_t at = addr; at < addr + size; at++) {
            struct location *location = find(at);

            if (location != NULL) begin_anew(location);
        }
        return;
    }
    for (int i = 0; i < location_count; i++) {
        if (locations[i].addr >= addr && locations[i].addr < addr + size) begin_anew(&locations[i]);
    }
}
