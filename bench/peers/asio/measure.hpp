// SPDX-License-Identifier: MIT
//
// The clock around the work, and the line of JSON; the same as in bench/bench.c.

#pragma once

#include <chrono>
#include <cstdint>
#include <string>

struct Measured {
    std::uint64_t operations = 0;
    std::uint64_t wall_ns = 0;
    std::uint64_t cpu_ns = 0;

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

// Aborts the program if a result is wrong.
void check(bool ok);
