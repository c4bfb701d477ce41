// SPDX-License-Identifier: MIT
//
// A user's program in C, built in each way that the library can be had.

#include <rouse.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int nap(void *arg)
{
    uint64_t before_ns = rouse_now_ns();
    int err = rouse_sleep(ROUSE_NS_PER_MS);

    (void)arg;
    if (err < 0) return err;
    return rouse_now_ns() - before_ns >= ROUSE_NS_PER_MS ? 0 : -ETIME;
}

int main(void)
{
    int err = rouse_run(nap, NULL);

    if (err < 0) fprintf(stderr, "consumer: %s\n", rouse_strerror(err));
    return err == 0 && strlen(rouse_strerror(-ECANCELED)) > 0 ? 0 : 1;
}
