// SPDX-License-Identifier: MIT
//
// The clock around the work, and the line of JSON; the same as in bench/bench.c.

#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

struct Measured {
    std::uint64_t operations = 0;
    std::uint64_t wall_ns = 0;
    std::uint64_t cpu_ns = 0;
    std::uint64_t p50_ns = 0;  // where the operations were timed one by one
    std::string extra;         // in the line of JSON

    Measured with_latencies(std::vector<std::uint64_t> ns) const;
    Measured with_memory(std::uint64_t resident_before) const;
    void print(const std::string &bench, unsigned workers) const;
};

class Clock
{
  public:
    Clock();  // starts
    Measured stop(std::uint64_t operations) const;

  private:
    std::uint64_t cpu_ns;
    std::chrono::steady_clock::time_point wall;
};

// The monotonic clock, and the resident memory of this process now.
std::uint64_t now_ns();
std::uint64_t resident_bytes();

// Aborts the program if a result is wrong.
void check(bool ok);
