// SPDX-License-Identifier: MIT
//
// How threads get to the second network and back. Any thread; the environment does not change.

#include "harness/far.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/check.h"

struct place {
    char file[128];
    char address[64];
};

static bool find(struct place *place)
{
    const char *text = getenv("ROUSE_TEST_FAR");

    if (text == NULL) return false;
    CHECK_EQ(sscanf(text, "%127s %63s", place->file, place->address), 2);
    return true;
}

bool far_is_there(void)
{
    return getenv("ROUSE_TEST_FAR") != NULL;
}

struct rouse_addr far_address(unsigned port)
{
    struct rouse_addr address = rouse_addr_loopback((uint16_t)port);
    struct place place;
    char text[96];

    if (!find(&place)) return address;
    (void)snprintf(text, sizeof text, "%s:%u", place.address, port);
    CHECK_EQ(rouse_addr_parse(&address, text), 0);
    return address;
}

int far_enter(void)
{
    struct place place;

    if (!find(&place)) return -1;
    int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    int there = open(place.file, O_RDONLY | O_CLOEXEC);

    CHECK(home >= 0 && there >= 0);
    CHECK_EQ(setns(there, CLONE_NEWNET), 0);
    (void)close(there);
    return home;
}

void far_leave(int home)
{
    if (home < 0) return;
    CHECK_EQ(setns(home, CLONE_NEWNET), 0);
    (void)close(home);
}
