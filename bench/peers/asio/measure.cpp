// SPDX-License-Identifier: MIT

#include "measure.hpp"

#include <sys/resource.h>

#include <algorithm>
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

// What the line that begins with `name` says, in this process's status in the kernel.
static std::uint64_t status_kib(const std::string &name)
{
    std::ifstream status("/proc/self/status");
    std::string key;
    std::uint64_t kib = 0;

    while (status >> key && key != name) status.ignore(256, '\n');
    status >> kib;
    return kib;
}

std::uint64_t resident_bytes()
{
    return status_kib("VmRSS:") * 1024;
}

std::uint64_t now_ns()
{
    auto now = std::chrono::steady_clock::now().time_since_epoch();
    auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();

    return static_cast<std::uint64_t>(ns);
}

Clock::Clock() : cpu_ns(cpu_now_ns()), wall(std::chrono::steady_clock::now())
{
}

Measured Clock::stop(std::uint64_t operations) const
{
    auto spent = std::chrono::steady_clock::now() - wall;
    auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(spent).count();

    Measured measured;

    measured.operations = operations;
    measured.wall_ns = static_cast<std::uint64_t>(ns);
    measured.cpu_ns = cpu_now_ns() - cpu_ns;
    return measured;
}

Measured Measured::with_latencies(std::vector<std::uint64_t> ns) const
{
    Measured measured = *this;

    std::sort(ns.begin(), ns.end());
    measured.p50_ns = ns[ns.size() / 2];
    measured.extra = ",\"p99_ns\":" + std::to_string(ns[ns.size() - 1 - ns.size() / 100]);
    return measured;
}

Measured Measured::with_memory(std::uint64_t resident_before) const
{
    Measured measured = *this;
    double grown = static_cast<double>(resident_bytes()) - static_cast<double>(resident_before);

    measured.extra = ",\"bytes_per_op\":" + std::to_string(grown / static_cast<double>(operations));
    return measured;
}

void Measured::print(const std::string &bench, unsigned workers) const
{
    auto each = [this](std::uint64_t ns) {
        return static_cast<double>(ns) / static_cast<double>(operations);
    };
    double ns = p50_ns > 0 ? static_cast<double>(p50_ns) : each(wall_ns);

    std::printf("{\"bench\":\"%s\",\"impl\":\"asio\",\"style\":\"-\",\"workers\":%u,\"n\":%llu,"
                "\"ns_per_op\":%.3f,\"cpu_ns_per_op\":%.3f,\"rss_kib\":%llu%s}\n",
                bench.c_str(), workers, static_cast<unsigned long long>(operations), ns,
                each(cpu_ns), static_cast<unsigned long long>(status_kib("VmHWM:")), extra.c_str());
}

void check(bool ok)
{
    if (ok) return;
    std::fputs("the result is wrong\n", stderr);
    std::abort();
}
