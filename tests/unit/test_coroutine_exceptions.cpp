// SPDX-License-Identifier: MIT
//
// C++ exceptions and coroutines: each coroutine is to the C++ runtime like a thread of its own. What
// it catches, rethrows and has in flight is not seen by others, however they are interleaved.

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

#include "fiber/coroutine.h"

namespace
{

constexpr int many = 50;
constexpr int rounds = 20;

int test_count;
int failure_count;

void claim(bool holds, const char *text)
{
    std::printf("%sok %d - %s\n", holds ? "" : "not ", ++test_count, text);
    if (!holds) failure_count++;
}

struct worker {
    rs_coroutine co;
    rs_stack stack;
    int id;
    bool right;
};

void worker_start(worker &self, rs_stack_pool &pool, int id, void (*entry)(void *arg))
{
    self = worker();
    self.id = id;
    self.right = true;
    if (rs_stack_get(&pool, 256 << 10, &self.stack) < 0) std::abort();
    rs_coroutine_start(&self.co, &self.stack, entry, &self);
}

void suspend(worker &self)
{
    rs_coroutine_suspend(&self.co);
}

void throw_and_catch(void *arg)
{
    worker &self = *static_cast<worker *>(arg);

    self.right = false;
    try {
        throw std::runtime_error("thrown");
    } catch (const std::runtime_error &error) {
        self.right = error.what() == std::string("thrown");
    }
}

// Suspends with an exception caught, then rethrows it, and suspends in the outer handler too.
void suspend_in_handlers(void *arg)
{
    worker &self = *static_cast<worker *>(arg);

    for (int round = 0; round < rounds; round++) {
        try {
            try {
                suspend(self);
                throw self.id * 1000 + round;
            } catch (int) {
                suspend(self);
                self.right = self.right && std::uncaught_exceptions() == 0;
                throw;
            }
        } catch (int value) {
            suspend(self);
            self.right = self.right && value == self.id * 1000 + round;
            self.right = self.right && std::current_exception() != nullptr;
        }
        self.right = self.right && std::current_exception() == nullptr;
    }
}

// Suspends in a destructor while an exception is in flight.
struct suspend_when_destroyed {
    worker &self;

    ~suspend_when_destroyed()
    {
        bool before = std::uncaught_exceptions() == 1;

        suspend(self);
        self.right = self.right && before && std::uncaught_exceptions() == 1;
    }
};

void suspend_while_unwinding(void *arg)
{
    worker &self = *static_cast<worker *>(arg);

    for (int round = 0; round < rounds; round++) {
        self.right = self.right && std::uncaught_exceptions() == 0;
        try {
            suspend_when_destroyed guard{self};

            throw std::string("number ") + std::to_string(self.id);
        } catch (const std::string &text) {
            self.right = self.right && text == "number " + std::to_string(self.id);
        }
        suspend(self);
    }
}

// Resumes all in turn until all are done; the resumer must see nothing of their exceptions.
bool run(rs_stack_pool &pool, std::vector<worker> &workers)
{
    bool right = true;
    bool busy = true;

    while (busy) {
        busy = false;
        for (worker &each : workers) {
            if (each.co.done) continue;
            rs_coroutine_resume(&each.co);
            right = right && std::uncaught_exceptions() == 0;
            right = right && std::current_exception() == nullptr;
            busy = busy || !each.co.done;
        }
    }
    for (worker &each : workers) {
        right = right && each.right;
        rs_stack_put(&pool, &each.stack);
    }
    return right;
}

bool run_many(rs_stack_pool &pool, void (*entry)(void *arg), void (*other_entry)(void *arg))
{
    std::vector<worker> workers(many);

    for (int i = 0; i < many; i++) {
        worker_start(workers[static_cast<size_t>(i)], pool, i, i % 2 == 0 ? entry : other_entry);
    }
    return run(pool, workers);
}

// A handler of the resumer's own is open while the coroutine throws and catches.
bool resume_in_a_handler(rs_stack_pool &pool)
{
    std::vector<worker> workers(1);
    bool right = false;

    worker_start(workers[0], pool, 1, suspend_in_handlers);
    try {
        throw std::logic_error("the resumer's");
    } catch (const std::logic_error &) {
        while (!workers[0].co.done) rs_coroutine_resume(&workers[0].co);
        try {
            throw;
        } catch (const std::logic_error &error) {
            right = error.what() == std::string("the resumer's");
        }
    }
    rs_stack_put(&pool, &workers[0].stack);
    return right && workers[0].right;
}

void throw_out(void *)
{
    throw 1;
}

// In a child without core file and error output.
bool terminates_when_thrown_out(rs_stack_pool &pool)
{
    int status = -1;

    std::fflush(stdout);

    pid_t child = fork();

    if (child == 0) {
        rlimit no_core = {0, 0};
        std::vector<worker> workers(1);

        setrlimit(RLIMIT_CORE, &no_core);
        close(STDERR_FILENO);
        worker_start(workers[0], pool, 1, throw_out);
        try {
            rs_coroutine_resume(&workers[0].co);
        } catch (...) {
            _exit(1);
        }
        _exit(2);
    }
    waitpid(child, &status, 0);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

}  // namespace

int main()
{
    rs_stack_pool pool;

    if (rs_stack_pool_init(&pool, rouse_allocator_default(), RS_STACK_SIZE_DEFAULT, many) < 0) {
        std::abort();
    }
    claim(run_many(pool, throw_and_catch, throw_and_catch), "a_coroutine_can_throw_and_catch");
    claim(run_many(pool, suspend_in_handlers, suspend_in_handlers),
          "a_coroutine_can_suspend_in_handlers_and_rethrow");
    claim(run_many(pool, suspend_while_unwinding, suspend_while_unwinding),
          "a_coroutine_can_suspend_while_an_exception_is_in_flight");
    claim(run_many(pool, suspend_in_handlers, suspend_while_unwinding), "both_at_once");
    claim(resume_in_a_handler(pool), "a_coroutine_can_be_resumed_in_a_handler");
    claim(terminates_when_thrown_out(pool), "an_exception_that_leaves_entry_ends_the_program");
    rs_stack_pool_deinit(&pool);
    std::printf("1..%d\n", test_count);
    return failure_count > 0;
}
