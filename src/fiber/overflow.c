// SPDX-License-Identifier: MIT
//
// The handler of SIGSEGV and SIGBUS. It runs on the signal stack of whichever thread faulted, and
// calls only what is async-signal-safe; rouse_panic() takes no lock, and the C library formats
// plain strings and numbers without allocating, in a small part of the signal stack.

#include "fiber/overflow.h"

#include <errno.h>
#include <rouse/assert.h>
#include <signal.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/global_lock.h"
#include "base/sys.h"

// Older C libraries do not name it.
#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

// What our handler, the panic and a chained handler need, on top of the processor's state.
#define HANDLER_STACK_SIZE ((size_t)48 << 10)
#define SIGNAL_STACK_SIZE_MIN ((size_t)64 << 10)

bool (*rs_overflow_describe)(const void *fault_address, struct rs_overflow_info *out);

// Written under RS_GLOBAL_FAULT_HANDLERS, each before our handler for its signal is in place.
static struct sigaction segv_previous;
static struct sigaction bus_previous;
static bool installed;

ROUSE_NORETURN static void overflow_report(const struct rs_overflow_info *info)
{
    bool named = info->fiber_name != NULL;

    rouse_panic("stack overflow in fiber%s%s%s spawned at %s: its stack is %zu KiB; give it more "
                "with rouse_task_attrs.stack_size",
                named ? " \"" : "", named ? info->fiber_name : "", named ? "\"" : "",
                info->spawn_site != NULL ? info->spawn_site : "an unknown place",
                info->stack_size >> 10);
}

// True if returning from the handler runs into the same fault again.
static bool fault_repeats(int number, const siginfo_t *info)
{
    if (info->si_code <= 0) return false;  // sent by a process
    return !(number == SIGBUS && info->si_code == BUS_MCEERR_AO);
}

static void set_default(int number)
{
    struct sigaction action = {.sa_handler = SIG_DFL};

    sigemptyset(&action.sa_mask);
    (void)rs_sys.sigaction(number, &action, NULL);
}

// Does what the kernel would have done. A fault comes again when we return, and then kills, with
// its address in the core file; a sent signal has to be sent again.
static void chain_default(int number, const siginfo_t *info)
{
    set_default(number);
    if (!fault_repeats(number, info)) (void)raise(number);
}

// Calls a handler as the kernel would: with its mask, once if it said once. The kernel restores
// the mask when our handler returns.
static void chain_call(int number, siginfo_t *info, void *context, struct sigaction *previous)
{
    struct sigaction handler = *previous;
    sigset_t self;

    if ((handler.sa_flags & (int)SA_RESETHAND) != 0) {
        *previous = (struct sigaction){.sa_handler = SIG_DFL};
    }
    (void)pthread_sigmask(SIG_BLOCK, &handler.sa_mask, NULL);
    if ((handler.sa_flags & SA_NODEFER) != 0 && sigismember(&handler.sa_mask, number) == 0) {
        sigemptyset(&self);
        sigaddset(&self, number);
        (void)pthread_sigmask(SIG_UNBLOCK, &self, NULL);
    }
    if ((handler.sa_flags & SA_SIGINFO) != 0) {
        handler.sa_sigaction(number, info, context);
    } else {
        handler.sa_handler(number);
    }
}

static void chain(int number, siginfo_t *info, void *context)
{
    struct sigaction *previous = number == SIGSEGV ? &segv_previous : &bus_previous;
    bool plain = (previous->sa_flags & SA_SIGINFO) == 0;

    if (plain && previous->sa_handler == SIG_IGN && !fault_repeats(number, info)) return;
    if (plain && (previous->sa_handler == SIG_IGN || previous->sa_handler == SIG_DFL)) {
        chain_default(number, info);
        return;
    }
    chain_call(number, info, context, previous);
}

static void fault_handler(int number, siginfo_t *info, void *context)
{
    int saved_errno = errno;
    struct rs_overflow_info overflow = {.fiber_name = NULL};

    if (fault_repeats(number, info) && rs_overflow_describe != NULL &&
        rs_overflow_describe(info->si_addr, &overflow)) {
        overflow_report(&overflow);
    }
    chain(number, info, context);
    errno = saved_errno;
}

// The old handler is stored before ours is in place: another thread may fault at once.
static int handler_install(int number, struct sigaction *previous)
{
    struct sigaction action = {.sa_sigaction = fault_handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    int err = rs_sys.sigaction(number, NULL, previous);

    if (err < 0) return err;
    sigemptyset(&action.sa_mask);
    return rs_sys.sigaction(number, &action, NULL);
}

int rs_overflow_install(void)
{
    int err = 0;

    rs_lock(rs_global_lock(RS_GLOBAL_FAULT_HANDLERS));
    if (installed) goto done;
    err = handler_install(SIGSEGV, &segv_previous);
    if (err < 0) goto done;
    err = handler_install(SIGBUS, &bus_previous);
    if (err < 0) {
        (void)rs_sys.sigaction(SIGSEGV, &segv_previous, NULL);
        goto done;
    }
    installed = true;

done:
    rs_unlock(rs_global_lock(RS_GLOBAL_FAULT_HANDLERS));
    return err;
}

// Processors with large vector registers need more than the constants of old headers.
static size_t signal_stack_size(void)
{
    size_t page_size = (size_t)sysconf(_SC_PAGESIZE);
    size_t size = (size_t)getauxval(AT_MINSIGSTKSZ) + HANDLER_STACK_SIZE;

    if (size < SIGNAL_STACK_SIZE_MIN) size = SIGNAL_STACK_SIZE_MIN;
    return (size + page_size - 1) & ~(page_size - 1);
}

int rs_overflow_stack_init(struct rs_overflow_stack *stack, const struct rouse_allocator *allocator)
{
    size_t size = signal_stack_size();
    void *memory = rs_pages_alloc(allocator, size, (size_t)sysconf(_SC_PAGESIZE));

    *stack = (struct rs_overflow_stack){.memory = NULL};
    if (memory == NULL) return -ENOMEM;
    *stack = (struct rs_overflow_stack){.memory = memory, .size = size, .allocator = allocator};
    return 0;
}

void rs_overflow_stack_deinit(struct rs_overflow_stack *stack)
{
    if (stack->memory == NULL) return;
    rs_overflow_thread_leave(stack);  // of the child of a fork it may be the only thread's
    rs_pages_free(stack->allocator, stack->memory, stack->size);
    *stack = (struct rs_overflow_stack){.memory = NULL};
}

int rs_overflow_thread_enter(const struct rs_overflow_stack *stack)
{
    stack_t current;

    if (rs_sys.sigaltstack(NULL, &current) == 0 && (current.ss_flags & SS_DISABLE) == 0) return 0;
    return rs_sys.sigaltstack(&(stack_t){.ss_sp = stack->memory, .ss_size = stack->size}, NULL);
}

void rs_overflow_thread_leave(const struct rs_overflow_stack *stack)
{
    stack_t current;

    // Somebody may have set another one since; that one stays.
    if (rs_sys.sigaltstack(NULL, &current) == 0 && current.ss_sp == stack->memory) {
        (void)rs_sys.sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL);
    }
}
