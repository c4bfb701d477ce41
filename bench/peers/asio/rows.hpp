// SPDX-License-Identifier: MIT
//
// The rows, over asio's channels and C++20 coroutines. asio has no lock that waits, no broadcast and
// no watch. What its users put in their place are channels: of one token for a mutex, of 8 for a
// semaphore, one for each receiver of a broadcast. Readers-writer locks and watched values are left
// out.
//
// `Kind` says which channels: the plain ones, for a single thread, or the concurrent ones.

#pragma once

#include <asio.hpp>
#include <asio/experimental/channel.hpp>
#include <asio/experimental/concurrent_channel.hpp>

#include <array>
#include <atomic>
#include <limits>
#include <memory>

#include "measure.hpp"

struct OneThread {
    template <typename T> using Channel = asio::experimental::channel<void(asio::error_code, T)>;
};

struct ManyThreads {
    template <typename T>
    using Channel = asio::experimental::concurrent_channel<void(asio::error_code, T)>;
};

using asio::awaitable;
using asio::use_awaitable;

struct Token {
};

constexpr std::uint64_t PRODUCERS = 4, PAIRS = 1000, RECEIVERS = 100, BURST = 64, TASKS = 64;
constexpr int PERMITS = 8;

// Threads that run the context.
inline unsigned workers = 1;

template <typename Kind> struct Rows {
    using Numbers = typename Kind::template Channel<std::uint64_t>;
    using Tokens = typename Kind::template Channel<Token>;

    // What waits until `count` others have arrived.
    class Group
    {
      public:
        explicit Group(asio::any_io_executor executor) : opened(executor, 1)
        {
        }

        void expect(std::uint64_t count)
        {
            missing.store(count, std::memory_order_relaxed);
        }

        void arrive()
        {
            if (missing.fetch_sub(1, std::memory_order_acq_rel) == 1) {
                opened.try_send(asio::error_code{}, Token{});
            }
        }

        awaitable<void> wait()
        {
            co_await opened.async_receive(use_awaitable);
        }

      private:
        std::atomic<std::uint64_t> missing{0};
        Tokens opened;
    };

    static void spawn(asio::any_io_executor executor, awaitable<void> task)
    {
        co_spawn(executor, std::move(task), asio::detached);
    }

    static awaitable<void> yield()
    {
        co_await asio::post(use_awaitable);
    }

    // --- Channels ---

    using Producer = awaitable<void> (*)(Numbers &channel, std::uint64_t count, Group &running);

    static awaitable<void> produce(Numbers &channel, std::uint64_t count, Group &running)
    {
        for (std::uint64_t value = 0; value < count; value++) {
            co_await channel.async_send(asio::error_code{}, value, use_awaitable);
        }
        running.arrive();
    }

    // Counts instead of waiting for the channel's end: this version's close() drops what is
    // buffered.
    static awaitable<void> consume(Numbers &channel, std::uint64_t messages, std::uint64_t &sum,
                                   Group &running)
    {
        for (std::uint64_t i = 0; i < messages; i++) {
            sum += co_await channel.async_receive(use_awaitable);
        }
        running.arrive();
    }

    // Where there is always room, nobody needs to wait.
    static awaitable<void> produce_freely(Numbers &channel, std::uint64_t count, Group &running)
    {
        for (std::uint64_t value = 0; value < count; value++) {
            check(channel.try_send(asio::error_code{}, value));
        }
        running.arrive();
        co_return;
    }

    static awaitable<Measured> mpsc(std::uint64_t n, std::size_t capacity, Producer producer)
    {
        auto executor = co_await asio::this_coro::executor;
        std::uint64_t count = n / PRODUCERS, sum = 0;
        Group running(executor);
        Clock clock;
        Numbers channel(executor, capacity);

        running.expect(PRODUCERS + 1);
        for (std::uint64_t i = 0; i < PRODUCERS; i++) {
            spawn(executor, producer(channel, count, running));
        }
        spawn(executor, consume(channel, PRODUCERS * count, sum, running));
        co_await running.wait();
        Measured measured = clock.stop(count * PRODUCERS);

        check(sum == PRODUCERS * (count * (count - 1) / 2));
        co_return measured;
    }

    static awaitable<Measured> mpsc_b(std::uint64_t n)
    {
        return mpsc(n, 1024, produce);
    }

    static awaitable<Measured> mpsc_u(std::uint64_t n)
    {
        return mpsc(n, std::numeric_limits<std::size_t>::max(), produce_freely);
    }

    static awaitable<Measured> oneshot(std::uint64_t n)
    {
        auto executor = co_await asio::this_coro::executor;
        std::uint64_t sum = 0;
        Clock clock;

        for (std::uint64_t value = 0; value < n; value++) {
            auto channel = std::make_shared<Numbers>(executor, 1);

            channel->try_send(asio::error_code{}, value);
            sum += co_await channel->async_receive(use_awaitable);
        }
        Measured measured = clock.stop(n);

        check(sum == n * (n - 1) / 2);
        co_return measured;
    }

    struct Pair {
        Numbers ping, pong;

        explicit Pair(asio::any_io_executor executor) : ping(executor, 1), pong(executor, 1)
        {
        }
    };

    static awaitable<void> serve(std::shared_ptr<Pair> pair, std::uint64_t rounds, Group &running)
    {
        for (std::uint64_t round = 0; round < rounds; round++) {
            co_await pair->ping.async_send(asio::error_code{}, round, use_awaitable);
            check(co_await pair->pong.async_receive(use_awaitable) == round);
        }
        running.arrive();
    }

    static awaitable<void> answer(std::shared_ptr<Pair> pair, std::uint64_t rounds, Group &running)
    {
        for (std::uint64_t round = 0; round < rounds; round++) {
            std::uint64_t value = co_await pair->ping.async_receive(use_awaitable);

            co_await pair->pong.async_send(asio::error_code{}, value, use_awaitable);
        }
        running.arrive();
    }

    static awaitable<Measured> pingpong_chan(std::uint64_t n)
    {
        auto executor = co_await asio::this_coro::executor;
        std::uint64_t rounds = n / PAIRS;
        Group running(executor);
        Clock clock;

        running.expect(2 * PAIRS);
        for (std::uint64_t i = 0; i < PAIRS; i++) {
            auto pair = std::make_shared<Pair>(executor);

            spawn(executor, serve(pair, rounds, running));
            spawn(executor, answer(pair, rounds, running));
        }
        co_await running.wait();
        co_return clock.stop(PAIRS * rounds);
    }

    static awaitable<void> listen(Numbers &channel, std::uint64_t messages, Group &arrived,
                                  Group &running)
    {
        for (std::uint64_t expected = 0; expected < messages; expected++) {
            check(co_await channel.async_receive(use_awaitable) == expected);
            if (expected % BURST == BURST - 1) arrived.arrive();
        }
        running.arrive();
    }

    static awaitable<Measured> broadcast(std::uint64_t n)
    {
        auto executor = co_await asio::this_coro::executor;
        std::uint64_t bursts = n / RECEIVERS / BURST;
        Group arrived(executor), running(executor);
        std::array<std::unique_ptr<Numbers>, RECEIVERS> all;
        Clock clock;

        running.expect(RECEIVERS);
        for (auto &channel : all) {
            channel = std::make_unique<Numbers>(executor, 1024);
            spawn(executor, listen(*channel, bursts * BURST, arrived, running));
        }
        for (std::uint64_t burst = 0; burst < bursts; burst++) {
            arrived.expect(RECEIVERS);
            for (std::uint64_t i = 0; i < BURST; i++) {
                for (auto &channel : all) {
                    check(channel->try_send(asio::error_code{}, burst * BURST + i));
                }
            }
            co_await arrived.wait();
        }
        co_await running.wait();
        co_return clock.stop(bursts * BURST * RECEIVERS);
    }

    // --- Locks ---

    static awaitable<void> lock(Tokens &held)
    {
        co_await held.async_send(asio::error_code{}, Token{}, use_awaitable);
    }

    static void unlock(Tokens &held)
    {
        check(held.try_receive([](asio::error_code, Token) {}));
    }

    static awaitable<void> count_up(Tokens &held, std::uint64_t count, bool yields,
                                    std::uint64_t &counter, Group &running)
    {
        for (std::uint64_t i = 0; i < count; i++) {
            co_await lock(held);
            if (yields) co_await yield();
            counter++;
            unlock(held);
        }
        running.arrive();
    }

    static awaitable<Measured> count_in_tasks(std::uint64_t n, bool yields)
    {
        auto executor = co_await asio::this_coro::executor;
        std::uint64_t count = n / TASKS, counter = 0;
        Group running(executor);
        Tokens held(executor, 1);
        Clock clock;

        running.expect(TASKS);
        for (std::uint64_t i = 0; i < TASKS; i++) {
            spawn(executor, count_up(held, count, yields, counter, running));
        }
        co_await running.wait();
        Measured measured = clock.stop(count * TASKS);

        check(counter == count * TASKS);
        co_return measured;
    }

    static awaitable<Measured> mutex(std::uint64_t n)
    {
        return count_in_tasks(n, false);
    }

    static awaitable<Measured> mutex_held(std::uint64_t n)
    {
        return count_in_tasks(n, true);
    }

    static awaitable<void> enter(Tokens &held, std::uint64_t count, std::atomic<int> &inside,
                                 Group &running)
    {
        for (std::uint64_t i = 0; i < count; i++) {
            co_await lock(held);
            check(inside.fetch_add(1, std::memory_order_relaxed) < PERMITS);
            co_await yield();
            inside.fetch_sub(1, std::memory_order_relaxed);
            unlock(held);
        }
        running.arrive();
    }

    static awaitable<Measured> semaphore(std::uint64_t n)
    {
        auto executor = co_await asio::this_coro::executor;
        std::uint64_t count = n / TASKS;
        std::atomic<int> inside{0};
        Group running(executor);
        Tokens held(executor, PERMITS);
        Clock clock;

        running.expect(TASKS);
        for (std::uint64_t i = 0; i < TASKS; i++) {
            spawn(executor, enter(held, count, inside, running));
        }
        co_await running.wait();
        co_return clock.stop(count * TASKS);
    }

    static awaitable<void> notifier(Pair &pair, std::uint64_t n, Group &running)
    {
        for (std::uint64_t i = 0; i < n; i++) {
            pair.ping.try_send(asio::error_code{}, 0);
            co_await pair.pong.async_receive(use_awaitable);
        }
        running.arrive();
    }

    static awaitable<void> notified(Pair &pair, std::uint64_t n, Group &running)
    {
        for (std::uint64_t i = 0; i < n; i++) {
            co_await pair.ping.async_receive(use_awaitable);
            pair.pong.try_send(asio::error_code{}, 0);
        }
        running.arrive();
    }

    static awaitable<Measured> notify(std::uint64_t n)
    {
        auto executor = co_await asio::this_coro::executor;
        Group running(executor);
        Clock clock;
        Pair pair(executor);

        running.expect(2);
        spawn(executor, notifier(pair, n, running));
        spawn(executor, notified(pair, n, running));
        co_await running.wait();
        co_return clock.stop(n);
    }
};
