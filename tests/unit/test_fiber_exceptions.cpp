// SPDX-License-Identifier: MIT
//
// C++ exceptions in fibers of a runtime: fibers that wait inside catch blocks, and while an
// exception unwinds them, keep their own, however the workers interleave them and whichever thread
// wakes them. What a coroutine keeps of the C++ runtime is test_coroutine_exceptions.cpp's.

// A future and the function that awaits it share a name, as stat does.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#include <rouse.h>
#pragma GCC diagnostic pop
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>

namespace
{

constexpr unsigned worker_count = 4;
constexpr int fiber_count = 40;
constexpr int rounds = 25;

int test_count;
int failure_count;

void claim(bool holds, const char *text)
{
    std::printf("%sok %d - %s\n", holds ? "" : "not ", ++test_count, text);
    if (!holds) failure_count++;
}

struct fiber {
    rouse_join_handle handle;
    int id;
};

bool wait_in_some_way(int way)
{
    std::int64_t result = 1;

    switch (way % 3) {
    case 0:
        rouse_yield();
        return true;
    case 1:
        return rouse_sleep(1000) == 0;
    default:
        return rouse_blocking([](void *) -> std::int64_t { return 0; }, nullptr, &result) == 0 &&
               result == 0;
    }
}

// Suspends in both of two nested handlers, and rethrows out of the inner one.
int wait_in_handlers(void *arg)
{
    const int id = static_cast<fiber *>(arg)->id;

    for (int round = 0; round < rounds; round++) {
        const int thrown = id * 1000 + round;

        try {
            try {
                throw thrown;
            } catch (int first) {
                if (!wait_in_some_way(id + round)) return -1;
                if (first != thrown || std::uncaught_exceptions() != 0) return 1;
                throw;
            }
        } catch (int second) {
            if (!wait_in_some_way(round)) return -1;
            if (second != thrown) return 2;
            try {
                std::rethrow_exception(std::current_exception());
            } catch (int third) {
                if (third != thrown) return 3;
            }
        }
        if (std::current_exception() != nullptr) return 4;
    }
    return 0;
}

struct waits_when_destroyed {
    int way;
    bool &right;

    ~waits_when_destroyed()
    {
        const int before = std::uncaught_exceptions();

        right = wait_in_some_way(way) && right && before == 1 && std::uncaught_exceptions() == 1;
    }
};

int wait_while_unwinding(void *arg)
{
    const int id = static_cast<fiber *>(arg)->id;
    bool right = true;

    for (int round = 0; right && round < rounds; round++) {
        try {
            waits_when_destroyed guard{id + round, right};

            throw std::runtime_error(std::to_string(id * 1000 + round));
        } catch (const std::runtime_error &error) {
            right = wait_in_some_way(round) && right &&
                    error.what() == std::to_string(id * 1000 + round);
        }
        right = right && std::uncaught_exceptions() == 0;
    }
    return right ? 0 : 5;
}

// 0, or how many fibers found another's exception.
int run_all(void *arg)
{
    static fiber fibers[fiber_count];
    int wrong = 0;

    (void)arg;
    for (int i = 0; i < fiber_count; i++) {
        fibers[i].id = i;
        rouse_task_attrs attrs = {};

        attrs.size = sizeof attrs;
        if (rouse_spawn_at(&fibers[i].handle, i % 3 == 0 ? wait_while_unwinding : wait_in_handlers,
                           &fibers[i], &attrs) < 0) {
            return -1;
        }
    }
    for (fiber &each : fibers) {
        const std::int64_t result = rouse_join(&each.handle);

        if (result == 0) continue;
        std::printf("# fiber %d ended with %d\n", each.id, static_cast<int>(result));
        wrong++;
    }
    return wrong;
}

bool run_on(unsigned workers)
{
    rouse_runtime_options options = {};

    options.size = sizeof options;
    options.workers = workers;
    return rouse_run_with(run_all, nullptr, &options) == 0;
}

}  // namespace

int main()
{
    (void)alarm(60);  // a lost wake-up is an end by signal
    claim(run_on(1), "fibers of one worker that wait in catch blocks keep their exceptions");
    claim(run_on(worker_count), "so do fibers of several workers");
    std::printf("1..%d\n", test_count);
    return failure_count > 0;
}
