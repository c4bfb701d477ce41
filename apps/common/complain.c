// SPDX-License-Identifier: MIT
//
// See complain.h. Any thread.
#include "common/complain.h"

#include <rouse/error.h>
#include <stdio.h>

int app_complain(const char *what, const char *object, int err, const char *cure)
{
    (void)fprintf(stderr, "%s: %s %s: %s%s\n", app_name, what, object, rouse_strerror(err), cure);
    return err;
}
