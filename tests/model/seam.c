// SPDX-License-Identifier: MIT
//
// The kernel of the model: what the library asks through its table of system calls. Futexes put
// model threads to sleep; memory comes from the arena; time stands still until everybody waits for
// it.

#include <errno.h>
#include <linux/membarrier.h>
#include <netdb.h>
#include <rouse/log.h>
#include <string.h>

#include "base/sys.h"
#include "kernel.h"

static uint64_t now_ns;

uint64_t seam_now(void)
{
    return now_ns;
}

void seam_pass_until(uint64_t time_ns)
{
    if (now_ns < time_ns) now_ns = time_ns;
}

static int model_futex_wait(uint32_t *word, uint32_t expected, const struct timespec *timeout)
{
    uintptr_t addr = (uintptr_t)word;

    thread_point((struct op){.addr = addr, .size = sizeof *word, .writes = true});
    trace_add("futex_wait", addr, sizeof *word, expected, __ATOMIC_RELAXED,
              (uintptr_t)__builtin_return_address(0));
    if (memory_latest(addr, sizeof *word) != expected) return -EAGAIN;
    if (run_choose_rare(2) == 1) return timeout != NULL ? -ETIMEDOUT : -EINTR;
    uint64_t start_ns = now_ns;

    if (thread_sleep(addr, timeout != NULL)) return 0;
    seam_pass_until(
        start_ns + (uint64_t)timeout->tv_sec * UINT64_C(1000000000) + (uint64_t)timeout->tv_nsec);
    return -ETIMEDOUT;
}

// The word may be gone by now: only its address counts.
static int model_futex_wake(uint32_t *word, int count)
{
    uintptr_t addr = (uintptr_t)word;

    thread_point((struct op){.addr = addr, .size = sizeof *word, .writes = true});
    trace_add("futex_wake", addr, sizeof *word, (uint64_t)count, __ATOMIC_RELAXED,
              (uintptr_t)__builtin_return_address(0));
    return thread_wake(addr, count);
}

static void *model_malloc(size_t size)
{
    return shadow_alloc(size, 16);
}

// Address space is scarce: stacks take a smaller slab then.
enum { PAGES_AT_ONCE_MAX = 4 << 20 };

static int model_mmap(void **out, size_t size, int protection, int flags)
{
    (void)protection;
    (void)flags;
    if (size > PAGES_AT_ONCE_MAX) return -ENOMEM;
    *out = shadow_alloc(size, 4096);
    return 0;
}

static int model_munmap(void *memory, size_t size)
{
    (void)size;
    ring_unmapped(memory);
    shadow_free(memory, (uintptr_t)__builtin_return_address(0));
    return 0;
}

static int model_madvise(void *memory, size_t size, int advice)
{
    (void)memory;
    (void)size;
    (void)advice;
    return 0;
}

static ssize_t model_madvise_many(const struct iovec *ranges, size_t count, int advice)
{
    (void)ranges;
    (void)count;
    (void)advice;
    return -EBADF;
}

static int model_mprotect(void *memory, size_t size, int protection)
{
    (void)memory;
    (void)size;
    (void)protection;
    return 0;
}

struct start {
    void *(*fn)(void *arg);
    void *arg;
};

static struct start starts[MODEL_THREADS_MAX];
static unsigned start_count;

static void start_thread(void *arg)
{
    const struct start *start = arg;

    (void)start->fn(start->arg);
}

static int model_thread_create(pthread_t *out, const pthread_attr_t *attributes,
                               void *(*fn)(void *), void *arg)
{
    (void)attributes;
    if (start_count == MODEL_THREADS_MAX) return -EAGAIN;
    starts[start_count] = (struct start){fn, arg};
    *out = thread_start(start_thread, &starts[start_count++]);
    return 0;
}

// What the code under test calls instead of the C library's.
pthread_t model_pthread_self(void);
int model_pthread_join(pthread_t thread, void **result);
int model_pthread_sigmask(int how, const sigset_t *set, sigset_t *old);

pthread_t model_pthread_self(void)
{
    return thread_now();
}

int model_pthread_join(pthread_t thread, void **result)
{
    (void)result;
    thread_join((unsigned)thread);
    return 0;
}

int model_pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
    (void)how;
    (void)set;
    (void)old;
    return 0;
}

int model_pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void));
int model_sched_yield(void);
int model_nanosleep(const struct timespec *time, struct timespec *left);

int model_pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
    (void)prepare;
    (void)parent;
    (void)child;
    return 0;
}

int model_sched_yield(void)
{
    model_relax();
    return 0;
}

// Others do something meanwhile, or nobody can.
int model_nanosleep(const struct timespec *time, struct timespec *left)
{
    (void)left;
    model_relax();
    seam_pass_until(
        now_ns + (uint64_t)time->tv_sec * UINT64_C(1000000000) + (uint64_t)time->tv_nsec);
    return 0;
}

int model_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                      struct addrinfo **out);

// No name is known.
int model_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                      struct addrinfo **out)
{
    (void)host;
    (void)service;
    (void)hints;
    shadow_plain((uintptr_t)out, sizeof *out, true, (uintptr_t)__builtin_return_address(0));
    *out = NULL;
    return EAI_NONAME;
}

static int model_membarrier(int command)
{
    if (command == MEMBARRIER_CMD_PRIVATE_EXPEDITED) threads_fence();
    return 0;
}

static int model_getrandom(void *buf, size_t size)
{
    memset(buf, 0x5a, size);
    return (int)size;
}

static int model_clock_gettime(clockid_t clock, struct timespec *out)
{
    (void)clock;
    *out = (struct timespec){.tv_sec = (time_t)(now_ns / 1000000000),
                             .tv_nsec = (long)(now_ns % 1000000000)};
    return 0;
}

static int model_prctl(int option, unsigned long a, unsigned long b)
{
    (void)option;
    (void)a;
    (void)b;
    return 0;
}

// Also what rs_cpu_relax() calls in the code under test.
void model_relax(void)
{
    if (run.live) thread_relax();
}

static void no_log(void *data, const struct rouse_log_record *record)
{
    (void)data;
    (void)record;
}

void seam_install(void)
{
    rs_sys.futex_wait = model_futex_wait;
    rs_sys.futex_wake = model_futex_wake;
    rs_sys.malloc = model_malloc;
    rs_sys.mmap = model_mmap;
    rs_sys.munmap = model_munmap;
    rs_sys.madvise = model_madvise;
    rs_sys.madvise_many = model_madvise_many;
    rs_sys.thread_create = model_thread_create;
    rs_sys.getrandom = model_getrandom;
    rs_sys.clock_gettime = model_clock_gettime;
    rs_sys.prctl = model_prctl;
    rs_sys.mprotect = model_mprotect;
    rs_sys.membarrier = model_membarrier;
    kernel_install();
    rouse_log_set_hook(no_log, NULL, ROUSE_LOG_ERROR);
}

void seam_reset(void)
{
    kernel_reset();
    now_ns = UINT64_C(1000000000);
    start_count = 0;
}

// ---- Memory ----

// libc's own; the linker puts ours in its place.
void __real_free(void *memory);
void __wrap_free(void *memory);

void __wrap_free(void *memory)
{
    if (run.live && shadow_covers((uintptr_t)memory)) {
        shadow_free(memory, (uintptr_t)__builtin_return_address(0));
    } else {
        __real_free(memory);
    }
}

// What the code under test calls instead of memset() and memcpy().
void *model_memset(void *memory, int byte, size_t size);
void *model_memcpy(void *to, const void *from, size_t size);

void *model_memset(void *memory, int byte, size_t size)
{
    if (run.live) {
        shadow_plain((uintptr_t)memory, size, true, (uintptr_t)__builtin_return_address(0));
    }
    return memset(memory, byte, size);
}

void *model_memcpy(void *to, const void *from, size_t size)
{
    if (run.live) {
        shadow_plain((uintptr_t)to, size, true, (uintptr_t)__builtin_return_address(0));
        shadow_plain((uintptr_t)from, size, false, (uintptr_t)__builtin_return_address(0));
    }
    return memcpy(to, from, size);
}

void *model_alloc(size_t size)
{
    return shadow_alloc(size, 16);
}

void model_free(void *memory)
{
    shadow_free(memory, (uintptr_t)__builtin_return_address(0));
}

static void *allocator_alloc(void *data, size_t size)
{
    (void)data;
    return shadow_alloc(size, 16);
}

static void allocator_free(void *data, void *memory, size_t size)
{
    (void)data;
    (void)size;
    model_free(memory);
}

static void *allocator_pages_alloc(void *data, size_t size, size_t align)
{
    (void)data;
    if (size > PAGES_AT_ONCE_MAX) return NULL;
    return shadow_alloc(size, align < 4096 ? 4096 : align);
}

const struct rouse_allocator model_allocator = {
    .alloc = allocator_alloc,
    .free = allocator_free,
    .pages_alloc = allocator_pages_alloc,
    .pages_free = allocator_free,
};
