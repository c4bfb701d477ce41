// SPDX-License-Identifier: MIT
//
// The trace of one execution, and what its addresses are called.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine.h"

enum { EVENTS_MAX = 4 * STEPS_MAX, PRINTED_MAX = 250, NAMES_MAX = 32 };

struct event {
    const char *what;
    uintptr_t addr;
    uint64_t value;
    uintptr_t pc;
    uint8_t thread;
    uint8_t size;
    int8_t order;
};

struct name {
    uintptr_t addr;
    size_t size;
    const char *text;
};

static struct event events[EVENTS_MAX];
static int event_count;
static struct name names[NAMES_MAX];
static int name_count;

void trace_reset(void)
{
    event_count = 0;
    name_count = 0;
}

void model_name(const volatile void *object, size_t size, const char *text)
{
    if (name_count < NAMES_MAX) names[name_count++] = (struct name){(uintptr_t)object, size, text};
}

void trace_add(const char *what, uintptr_t addr, unsigned size, uint64_t value, int order,
               uintptr_t pc)
{
    if (!run.tracing || event_count == EVENTS_MAX) return;
    events[event_count++] = (struct event){
        .what = what,
        .addr = addr,
        .value = value,
        .pc = pc,
        .thread = (uint8_t)thread_now(),
        .size = (uint8_t)size,
        .order = (int8_t)order};
}

static void print_address(uintptr_t addr)
{
    for (int i = 0; i < name_count; i++) {
        if (addr >= names[i].addr && addr < names[i].addr + names[i].size) {
            printf("%s+%lu", names[i].text, (unsigned long)(addr - names[i].addr));
            return;
        }
    }
    printf("0x%lx", (unsigned long)addr);
}

// The end of the trace is what tells.
static int first_printed(void)
{
    return event_count > PRINTED_MAX ? event_count - PRINTED_MAX : 0;
}

// What addr2line says of the calls before these return addresses, a line for each.
static FILE *places_open(void)
{
    char self[512];
    char name[] = "/tmp/model-trace-XXXXXX";
    ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);
    int fd = mkstemp(name);

    if (size < 0 || fd < 0) return NULL;
    self[size] = '\0';
    FILE *addresses = fdopen(fd, "w");

    for (int i = first_printed(); addresses != NULL && i < event_count; i++) {
        fprintf(addresses, "0x%lx\n", (unsigned long)events[i].pc - 1);
    }
    if (addresses != NULL) (void)fclose(addresses);
    char command[1200];

    (void)snprintf(command, sizeof command, "addr2line -s -f -p -e '%s' <%s 2>/dev/null; rm -f %s",
                   self, name, name);
    return popen(command, "r");
}

void trace_print(void)
{
    FILE *places = places_open();

    if (first_printed() > 0) printf("#  the last %d of %d events:\n", PRINTED_MAX, event_count);
    for (int i = first_printed(); i < event_count; i++) {
        const struct event *event = &events[i];
        char place[200] = "";

        if (places != NULL && fgets(place, sizeof place, places) != NULL) {
            place[strcspn(place, "\n")] = '\0';
        }
        printf("#  %4d  thread %u  %-22s ", i + 1, event->thread, event->what);
        if (event->order >= 0) {
            printf("%-8s ", order_name(event->order));
            print_address(event->addr);
            printf(" = %#lx", (unsigned long)event->value);
        } else {
            print_address(event->addr);
            printf(", %u bytes", event->size);
        }
        printf("   %s\n", place);
    }
    if (places != NULL) (void)pclose(places);
}
