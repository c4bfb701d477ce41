// SPDX-License-Identifier: MIT
//
// The rows of bench/README.md in asio: picks one, runs it once, prints one line of JSON. N workers
// are N threads in run(); a row is a coroutine.

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include "tasks.hpp"
#include "waits.hpp"

using Run = awaitable<Measured> (*)(std::uint64_t n);

struct Row {
    const char *name;
    std::uint64_t default_n;
    Run one_thread;
    Run many_threads;  // nullptr: there is none
};

static const Row ROWS[] = {
    {"spawn_many", 1000000, Tasks<OneThread>::spawn_many, Tasks<ManyThreads>::spawn_many},
    {"spawn_many_co", 1000000, Tasks<OneThread>::spawn_many_co, Tasks<ManyThreads>::spawn_many_co},
    {"spawn_join", 1000000, Tasks<OneThread>::spawn_join, Tasks<ManyThreads>::spawn_join},
    {"yield200", 200000, Tasks<OneThread>::yield200, Tasks<ManyThreads>::yield200},
    {"yield1000", 1000000, Tasks<OneThread>::yield1000, Tasks<ManyThreads>::yield1000},
    {"pingpong", 100000, Tasks<OneThread>::pingpong, Tasks<ManyThreads>::pingpong},
    {"chained", 1000000, Tasks<OneThread>::chained, Tasks<ManyThreads>::chained},
    {"timer_ic", 1000000, Tasks<OneThread>::timer_ic, Tasks<ManyThreads>::timer_ic},
    {"timer_bulk", 1000000, Tasks<OneThread>::timer_bulk, Tasks<ManyThreads>::timer_bulk},
    {"mpsc_b", 4000000, Rows<OneThread>::mpsc_b, Rows<ManyThreads>::mpsc_b},
    {"mpsc_u", 4000000, Rows<OneThread>::mpsc_u, Rows<ManyThreads>::mpsc_u},
    {"oneshot", 1000000, Rows<OneThread>::oneshot, Rows<ManyThreads>::oneshot},
    {"pingpong_chan", 200000, Rows<OneThread>::pingpong_chan, Rows<ManyThreads>::pingpong_chan},
    {"broadcast", 1000000, Rows<OneThread>::broadcast, Rows<ManyThreads>::broadcast},
    {"mutex", 640000, Rows<OneThread>::mutex, Rows<ManyThreads>::mutex},
    {"mutex_held", 640000, Rows<OneThread>::mutex_held, Rows<ManyThreads>::mutex_held},
    {"semaphore", 640000, Rows<OneThread>::semaphore, Rows<ManyThreads>::semaphore},
    {"notify", 1000000, Rows<OneThread>::notify, Rows<ManyThreads>::notify},
    {"select3", 1000000, Waits<OneThread>::select3, nullptr},
    {"select3_wait", 1000000, Waits<OneThread>::select3_wait, nullptr},
    {"scope", 1000000, Waits<OneThread>::scope, Waits<ManyThreads>::scope},
    {"memory", 1000000, Waits<OneThread>::memory, Waits<ManyThreads>::memory},
    {"memory_chan", 1000000, Waits<OneThread>::memory_chan, Waits<ManyThreads>::memory_chan},
    {"wake", 3000, Waits<OneThread>::wake, Waits<ManyThreads>::wake},
    {"blocking", 20000, Waits<OneThread>::blocking, Waits<ManyThreads>::blocking},
};

static const char USAGE[] =
    "usage: peer_asio BENCH [--workers N] [--n OPERATIONS]\n"
    "       peer_asio --list | --help\n"
    "\n"
    "One row of the comparison, in asio.";

[[noreturn]] static void misuse(const char *what, const char *value)
{
    std::fprintf(stderr, "peer_asio: %s: '%s' (see --help)\n", what, value);
    std::exit(2);
}

static std::uint64_t number(const char *option, const char *text)
{
    if (text == nullptr) text = "";
    char *end;
    unsigned long long value = std::strtoull(text, &end, 10);

    // strtoull() would take a sign or leading blanks.
    if (*text < '0' || *text > '9' || *end != '\0' || value == 0) misuse(option, text);
    return value;
}

static const Row &find(const char *name)
{
    for (const Row &row : ROWS) {
        if (std::strcmp(row.name, name) == 0) return row;
    }
    misuse("no such row", name);
}

static Measured run(const Row &row, std::uint64_t n)
{
    asio::io_context context(static_cast<int>(workers));
    std::vector<std::thread> threads;
    Measured measured;

    co_spawn(context, (workers == 1 ? row.one_thread : row.many_threads)(n),
             [&](std::exception_ptr failure, Measured result) {
                 if (failure) std::rethrow_exception(failure);
                 measured = result;
                 context.stop();  // some rows leave coroutines behind that wait for ever
             });
    for (unsigned i = 1; i < workers; i++) threads.emplace_back([&] { context.run(); });
    context.run();
    for (std::thread &thread : threads) thread.join();
    return measured;
}

int main(int, char **argv)
{
    const char *name = nullptr;
    std::uint64_t n = 0;

    while (*++argv != nullptr) {
        if (std::strcmp(*argv, "--workers") == 0) {
            workers = static_cast<unsigned>(number("--workers", argv[1]));
            ++argv;
        } else if (std::strcmp(*argv, "--n") == 0) {
            n = number("--n", argv[1]);
            ++argv;
        } else if (std::strcmp(*argv, "--list") == 0) {
            for (const Row &row : ROWS) std::puts(row.name);
            return 0;
        } else if (std::strcmp(*argv, "--help") == 0) {
            std::puts(USAGE);
            return 0;
        } else if (name == nullptr && **argv != '-') {
            name = *argv;
        } else {
            misuse("what is this?", *argv);
        }
    }
    const Row &row = find(name != nullptr ? name : "");

    if (workers > 1 && row.many_threads == nullptr) return 3;
    run(row, n != 0 ? n : row.default_n).print(row.name, workers);
}
