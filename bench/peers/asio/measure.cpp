// SPDX-License-Identifier: MIT

#include "measure.hpp"

#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>

// User and system time of all threads.
static std::uint64_t cpu_now_ns()
{
    rusage usage{};
    auto ns = [](timeval time) {
        return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 +
               static_cast<std::uint64_t>(time.tv_usec) * 1000;
    };

    getrusage(RUSAGE_SELF, &usage);
    return ns(usage.ru_utime) + ns(usage.ru_stime);
}

static std::uint64_t peak_kib()
{
    std::ifstream status("/proc/self/status");
    std::string key;
    std::uint64_t kib = 0;

    while (status >> key && key != "VmHWM:") status.ignore(256, '\n');
    status >> kib;
    return kib;
}

Clock::Clock() : cpu_ns(cpu_now_ns()), wall(std::chrono::steady_clock::now())
{
}

Measured Clock::stop(std::uint64_t operations) const
{
    auto spent = std::chrono::steady_clock::now() - wall;
    auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(spent).count();

    return {operations, static_cast<std::uint64_t>(ns), cpu_now_ns() - cpu_ns};
}

void Measured::print(const std::string &bench, unsigned workers) const
{
    auto each = [this](std::uint64_t ns) {
        return static_cast<double>(ns) / static_cast<double>(operations);
    };

    std::printf("{\"bench\":\"%s\",\"impl\":\"asio\",\"style\":\"-\",\"workers\":%u,\"n\":%llu,"
                "\"ns_per_op\":%.3f,\"cpu_ns_per_op\":%.3f,\"rss_kib\":%llu}\n",
                bench.c_str(), workers, static_cast<unsigned long long>(operations), each(wall_ns),
                each(cpu_ns), static_cast<unsigned long long>(peak_kib()));
}

void check(bool ok)
{
    if (ok) return;
    std::fputs("the result is wrong\n", stderr);
    std::abort();
}
