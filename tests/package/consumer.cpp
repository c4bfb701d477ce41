// SPDX-License-Identifier: MIT
//
// A user's program in C++, built in each way that the library can be had.

#include <rouse.h>

#include <cerrno>
#include <iostream>
#include <string>

static int nap(void *arg)
{
    auto *slept = static_cast<bool *>(arg);
    const int err = rouse_sleep(ROUSE_NS_PER_MS);

    *slept = err == 0;
    return err;
}

int main()
{
    bool slept = false;
    const int err = rouse_run(nap, &slept);
    const std::string text = rouse_strerror(-ECANCELED);

    if (err < 0) std::cerr << "consumer: " << rouse_strerror(err) << '\n';
    return err == 0 && slept && !text.empty() ? 0 : 1;
}
