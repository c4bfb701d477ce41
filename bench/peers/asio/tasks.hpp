// SPDX-License-Identifier: MIT
//
// The rows over asio's handlers, coroutines and timers. spawn_many and chained post handlers, which
// are the least that asio has for work to be done later; spawn_many_co is spawn_many with coroutines.

#pragma once

#include <vector>

#include "rows.hpp"

// Uniform enough, and the same in each peer (xorshift64).
class Random
{
  public:
    std::chrono::milliseconds due()
    {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        return std::chrono::milliseconds(1000 + state % 999'000);
    }

  private:
    std::uint64_t state = 88172645463325252u;
};

template <typename Kind> struct Tasks {
    using Group = typename Rows<Kind>::Group;

    // Plain handlers know their context, so its own executor posts them, not the coroutines' one,
    // which stands for any.
    static asio::io_context &context_of(const asio::any_io_executor &executor)
    {
        return static_cast<asio::io_context &>(asio::query(executor, asio::execution::context));
    }

    static awaitable<Measured> spawn_many(std::uint64_t n)
    {
        auto executor = co_await asio::this_coro::executor;
        auto &context = context_of(executor);
        Group running(executor);
        Clock clock;

        running.expect(n);
        for (std::uint64_t i = 0; i < n; i++) {
            asio::post(context, [&running] { running.arrive(); });
        }
        co_await running.wait();
        co_return clock.stop(n);
    }

    static awaitable<void> arrive(Group &running)
    {
        running.arrive();
        co_return;
    }

    static awaitable<Measured> spawn_many_co(std::uint64_t n)
    {
        auto executor = co_await asio::this_coro::executor;
        Group running(executor);
        Clock clock;

        running.expect(n);
        for (std::uint64_t i = 0; i < n; i++) Rows<Kind>::spawn(executor, arrive(running));
        co_await running.wait();
        co_return clock.stop(n);
    }

    static awaitable<std::uint64_t> give_back(std::uint64_t value)
    {
        co_return value;
    }

    static awaitable<Measured> spawn_join(std::uint64_t n)
    {
        auto executor = co_await asio::this_coro::executor;
        std::uint64_t sum = 0;
        Clock clock;

        for (std::uint64_t i = 0; i < n; i++) {
            sum += co_await co_spawn(executor, give_back(i), use_awaitable);
        }
        Measured measured = clock.stop(n);

        check(sum == n * (n - 1) / 2);
        co_return measured;
    }

    static awaitable<void> yield_often(std::uint64_t count, Group &running)
    {
        for (std::uint64_t i = 0; i < count; i++) co_await Rows<Kind>::yield();
        running.arrive();
    }

    static awaitable<Measured> yields(std::uint64_t n, std::uint64_t tasks)
    {
        auto executor = co_await asio::this_coro::executor;
        Group running(executor);
        Clock clock;

        running.expect(tasks);
        for (std::uint64_t i = 0; i < tasks; i++) {
            Rows<Kind>::spawn(executor, yield_often(n / tasks, running));
        }
        co_await running.wait();
        co_return clock.stop(n / tasks * tasks);
    }

    static awaitable<Measured> yield200(std::uint64_t n)
    {
        return yields(n, 200);
    }
    static awaitable<Measured> yield1000(std::uint64_t n)
    {
        return yields(n, 1000);
    }

    // --- Pairs; a channel of 1 is what asio has for a oneshot ---

    using Tokens = typename Rows<Kind>::Tokens;

    static awaitable<void> respond(std::shared_ptr<Tokens> first, std::shared_ptr<Tokens> second)
    {
        co_await first->async_receive(use_awaitable);
        check(second->try_send(asio::error_code{}, Token{}));
    }

    static awaitable<void> ping(Group &running)
    {
        auto executor = co_await asio::this_coro::executor;
        auto first = std::make_shared<Tokens>(executor, 1);
        auto second = std::make_shared<Tokens>(executor, 1);

        Rows<Kind>::spawn(executor, respond(first, second));
        check(first->try_send(asio::error_code{}, Token{}));
        co_await second->async_receive(use_awaitable);
        running.arrive();
    }

    static awaitable<Measured> pingpong(std::uint64_t n)
    {
        auto executor = co_await asio::this_coro::executor;
        std::uint64_t rounds = n / PAIRS;
        Group running(executor);
        Clock clock;

        for (std::uint64_t round = 0; round < rounds; round++) {
            running.expect(PAIRS);
            for (std::uint64_t i = 0; i < PAIRS; i++) Rows<Kind>::spawn(executor, ping(running));
            co_await running.wait();
        }
        co_return clock.stop(rounds * PAIRS);
    }

    // --- A chain ---

    static void chain(asio::io_context &context, std::uint64_t left, Group &running)
    {
        if (left == 0) return running.arrive();
        asio::post(context, [&context, left, &running] { chain(context, left - 1, running); });
    }

    static awaitable<Measured> chained(std::uint64_t n)
    {
        auto executor = co_await asio::this_coro::executor;
        Group running(executor);
        Clock clock;

        running.expect(1);
        chain(context_of(executor), n, running);
        co_await running.wait();
        co_return clock.stop(n);
    }

    // A cancelled timer still calls its handler, later: that belongs to the operation.
    static awaitable<Measured> timer_ic(std::uint64_t n)
    {
        auto executor = co_await asio::this_coro::executor;
        Random random;
        Group running(executor);
        Clock clock;

        running.expect(n);
        for (std::uint64_t i = 0; i < n; i++) {
            asio::steady_timer timer(executor, random.due());

            timer.async_wait([&running](asio::error_code) { running.arrive(); });
            timer.cancel();
            if (i % 64 == 63) co_await Rows<Kind>::yield();
        }
        co_await running.wait();
        co_return clock.stop(n);
    }

    static awaitable<Measured> timer_bulk(std::uint64_t n)
    {
        auto executor = co_await asio::this_coro::executor;
        const std::uint64_t each = n / workers;
        Group running(executor);

        running.expect(each * workers);
        Clock clock;

        for (unsigned i = 0; i < workers; i++) {
            co_spawn(executor, bulk(running, each), asio::detached);
        }
        co_await running.wait();
        co_return clock.stop(each * workers);
    }

  private:
    static awaitable<void> bulk(Group &running, std::uint64_t n)
    {
        auto executor = co_await asio::this_coro::executor;
        Random random;
        std::vector<asio::steady_timer> timers;

        timers.reserve(n);
        for (std::uint64_t i = 0; i < n; i++) {
            timers.emplace_back(executor, random.due());
            timers.back().async_wait([&running](asio::error_code) { running.arrive(); });
        }
        for (asio::steady_timer &timer : timers) timer.cancel();
    }
};
