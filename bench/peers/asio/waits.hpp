// SPDX-License-Identifier: MIT
//
// The rows over waiting: for one of several, for all of a group, for another thread, and for ever.
// The operators on awaitables are for one thread: what they cancel with may not be used by two.

#pragma once

#include <asio/experimental/awaitable_operators.hpp>

#include <algorithm>
#include <thread>

#include "rows.hpp"

template <typename Kind> struct Waits {
    using Group = typename Rows<Kind>::Group;
    using Tokens = typename Rows<Kind>::Tokens;

    static constexpr std::size_t ARMS = 3;
    static constexpr std::uint64_t CHILDREN = 1000;

    // --- One of several ---

    struct Notifications {
        std::array<Tokens, ARMS> told;

        explicit Notifications(asio::any_io_executor executor)
            : told{Tokens(executor, 1), Tokens(executor, 1), Tokens(executor, 1)}
        {
        }

        void tell(std::size_t arm)
        {
            check(told[arm].try_send(asio::error_code{}, Token{}));
        }

        awaitable<std::size_t> choose()
        {
            using namespace asio::experimental::awaitable_operators;
            auto winner = co_await(
                told[0].async_receive(use_awaitable) || told[1].async_receive(use_awaitable) ||
                told[2].async_receive(use_awaitable));

            co_return winner.index();
        }
    };

    static awaitable<void> choose_ready(std::uint64_t n, Group &running)
    {
        Notifications notifications(co_await asio::this_coro::executor);

        for (std::uint64_t i = 0; i < n; i++) {
            notifications.tell(ARMS - 1);
            check(co_await notifications.choose() == ARMS - 1);
        }
        running.arrive();
    }

    static awaitable<Measured> select3(std::uint64_t n)
    {
        auto executor = co_await asio::this_coro::executor;
        Group running(executor);
        Clock clock;

        running.expect(1);
        Rows<Kind>::spawn(executor, choose_ready(n, running));
        co_await running.wait();
        co_return clock.stop(n);
    }

    static awaitable<void> choose_often(std::uint64_t n, Notifications &notifications,
                                        Tokens &answered, Group &running)
    {
        for (std::uint64_t i = 0; i < n; i++) {
            check(co_await notifications.choose() == i % ARMS);
            check(answered.try_send(asio::error_code{}, Token{}));
        }
        running.arrive();
    }

    static awaitable<void> tell_often(std::uint64_t n, Notifications &notifications,
                                      Tokens &answered, Group &running)
    {
        for (std::uint64_t i = 0; i < n; i++) {
            notifications.tell(i % ARMS);
            co_await answered.async_receive(use_awaitable);
        }
        running.arrive();
    }

    static awaitable<Measured> select3_wait(std::uint64_t n)
    {
        auto executor = co_await asio::this_coro::executor;
        Notifications notifications(executor);
        Tokens answered(executor, 1);
        Group running(executor);
        Clock clock;

        running.expect(2);
        Rows<Kind>::spawn(executor, choose_often(n, notifications, answered, running));
        Rows<Kind>::spawn(executor, tell_often(n, notifications, answered, running));
        co_await running.wait();
        co_return clock.stop(n);
    }

    // --- All of a group ---

    static awaitable<void> arrive(Group &running)
    {
        running.arrive();
        co_return;
    }

    static awaitable<Measured> scope(std::uint64_t n)
    {
        auto executor = co_await asio::this_coro::executor;
        std::uint64_t rounds = n / CHILDREN;
        Group running(executor);
        Clock clock;

        for (std::uint64_t round = 0; round < rounds; round++) {
            running.expect(CHILDREN);
            for (std::uint64_t i = 0; i < CHILDREN; i++) {
                Rows<Kind>::spawn(executor, arrive(running));
            }
            co_await running.wait();
        }
        co_return clock.stop(rounds * CHILDREN);
    }

    // --- For ever ---

    static awaitable<void> wait_for_ever(std::atomic<std::uint64_t> &arrived)
    {
        asio::steady_timer never(co_await asio::this_coro::executor);

        never.expires_at(asio::steady_timer::time_point::max());
        arrived.fetch_add(1, std::memory_order_relaxed);
        co_await never.async_wait(use_awaitable);
    }

    static awaitable<void> wait_for_answer(std::shared_ptr<Tokens> answer,
                                           std::atomic<std::uint64_t> &arrived)
    {
        arrived.fetch_add(1, std::memory_order_relaxed);
        co_await answer->async_receive(use_awaitable);
    }

    static awaitable<Measured> memory(std::uint64_t n)
    {
        static std::atomic<std::uint64_t> arrived{0};
        auto executor = co_await asio::this_coro::executor;
        std::uint64_t before = resident_bytes();
        Clock clock;

        for (std::uint64_t i = 0; i < n; i++) Rows<Kind>::spawn(executor, wait_for_ever(arrived));
        while (arrived.load(std::memory_order_relaxed) < n) co_await Rows<Kind>::yield();
        co_return clock.stop(n).with_memory(before);
    }

    static awaitable<Measured> memory_chan(std::uint64_t n)
    {
        static std::atomic<std::uint64_t> arrived{0};
        auto executor = co_await asio::this_coro::executor;
        // Touched now: who keeps the channels, and where, is not part of a coroutine.
        std::vector<std::shared_ptr<Tokens>> answers(n);
        std::uint64_t before = resident_bytes();
        Clock clock;

        for (auto &answer : answers) {
            answer = std::make_shared<Tokens>(executor, 1);
            Rows<Kind>::spawn(executor, wait_for_answer(answer, arrived));
        }
        while (arrived.load(std::memory_order_relaxed) < n) co_await Rows<Kind>::yield();
        co_return clock.stop(n).with_memory(before);
    }

    // --- Another thread ---

    static std::vector<std::uint64_t> wake_often(std::uint64_t n, Tokens &told,
                                                 asio::any_io_executor executor,
                                                 std::atomic<std::uint64_t> &woken)
    {
        std::vector<std::uint64_t> latencies;

        latencies.reserve(n);
        for (std::uint64_t i = 0; i < n; i++) {
            std::this_thread::sleep_for(std::chrono::microseconds(300));
            std::uint64_t start = now_ns();

            asio::post(executor, [&told] { check(told.try_send(asio::error_code{}, Token{})); });
            while (woken.load(std::memory_order_relaxed) == 0) {
                std::this_thread::sleep_for(std::chrono::microseconds(20));
            }
            latencies.push_back(woken.exchange(0, std::memory_order_relaxed) - start);
        }
        return latencies;
    }

    static awaitable<Measured> wake(std::uint64_t n)
    {
        auto executor = co_await asio::this_coro::executor;
        Tokens told(executor, 1);
        std::atomic<std::uint64_t> woken{0};
        std::vector<std::uint64_t> latencies;
        std::thread waker([&] { latencies = wake_often(n, told, executor, woken); });
        Clock clock;

        for (std::uint64_t i = 0; i < n; i++) {
            co_await told.async_receive(use_awaitable);
            woken.store(now_ns(), std::memory_order_relaxed);
        }
        Measured measured = clock.stop(n);

        waker.join();
        co_return measured.with_latencies(latencies);
    }

    // To a thread of the pool; the coroutine goes on in its own context.
    static awaitable<Measured> blocking(std::uint64_t n)
    {
        asio::thread_pool pool(1);
        Clock clock;

        for (std::uint64_t i = 0; i < n; i++) {
            co_await asio::post(pool.get_executor(), use_awaitable);
        }
        co_return clock.stop(n);
    }
};
