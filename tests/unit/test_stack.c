// SPDX-License-Identifier: MIT
//
// The pool of stacks, seen from outside: addresses, counters, what the kernel is asked for. Guards
// are tried with write(), which fails for a buffer that cannot be read instead of killing us.
// System calls are refused by replacing entries of the table.

#include "fiber/stack.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/counters.h"
#include "base/sys.h"
#include "child.h"

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

enum { MANY = 1500, ADVICE_GUARD_INSTALL = 102, FAKE_FD = 1000 };

static int test_count;
static int failure_count;

static void claim(bool holds, const char *text)
{
    printf("%sok %d - %s\n", holds ? "" : "not ", ++test_count, text);
    if (!holds) failure_count++;
}

static struct rs_stack_pool pool;
static struct rs_stack stacks[MANY];

static void pool_open(size_t cached_max)
{
    if (rs_stack_pool_init(&pool, rouse_allocator_default(), RS_STACK_SIZE_DEFAULT, cached_max) <
        0) {
        abort();
    }
}

static void get(struct rs_stack *stack, size_t size)
{
    if (rs_stack_get(&pool, size, stack) < 0) abort();
}

static size_t size_of(size_t asked)
{
    struct rs_stack stack;

    get(&stack, asked);
    rs_stack_put(&pool, &stack);
    return stack.size / RS_STACK_SANITIZER_FACTOR;
}

static size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static void touch(const struct rs_stack *stack, size_t depth)
{
    for (size_t i = 1; i <= depth; i++) ((volatile char *)stack->base)[stack->size - i] = 1;
}

// Whether the kernel can read a byte at `address`.
static bool is_readable(const void *address)
{
    int fds[2];

    if (pipe(fds) < 0) abort();

    bool readable = write(fds[1], address, 1) == 1;

    close(fds[0]);
    close(fds[1]);
    return readable;
}

static bool is_guarded(const struct rs_stack *stack)
{
    char *base = stack->base;

    *base = 1;
    return !is_readable(base - 1) && !is_readable(base - RS_STACK_GUARD_SIZE) &&
           !is_readable(base - RS_STACK_GUARD_SIZE / 2) && is_readable(base) &&
           rs_stack_guard_contains(stack, base - 1) &&
           rs_stack_guard_contains(stack, base - RS_STACK_GUARD_SIZE) &&
           !rs_stack_guard_contains(stack, base) &&
           !rs_stack_guard_contains(stack, base - RS_STACK_GUARD_SIZE - 1);
}

static void sizes_are_classes(void)
{
    struct rs_stack stack;

    pool_open(8);
    claim(size_of(0) == RS_STACK_SIZE_DEFAULT, "size_zero_is_the_default");
    claim(size_of(1) >= RS_STACK_SIZE_MIN && size_of(64 * KIB) == 64 * KIB &&
              size_of(64 * KIB + 1) == 128 * KIB && size_of(65 * KIB) == 128 * KIB &&
              size_of(128 * KIB) == 128 * KIB && size_of(8 * MIB) == 8 * MIB &&
              size_of(4 * MIB + 1) == 8 * MIB,
          "sizes_are_rounded_up_to_powers_of_two");
    claim(rs_stack_get(&pool, 8 * MIB + 1, &stack) == -EINVAL, "a_size_above_8_mib_is_refused");
    rs_stack_pool_deinit(&pool);
    claim(rs_stack_pool_init(&pool, rouse_allocator_default(), 0, 0) == -EINVAL &&
              rs_stack_pool_init(&pool, rouse_allocator_default(), 9 * MIB, 0) == -EINVAL,
          "a_pool_refuses_default_sizes_out_of_range");
}

static int by_base(const void *a, const void *b)
{
    const struct rs_stack *left = a, *right = b;

    return left->base < right->base ? -1 : left->base > right->base;
}

static void stacks_are_apart_and_guarded(void)
{
    static const size_t sizes[] = {16 * KIB, 64 * KIB, 256 * KIB, 1 * MIB, 8 * MIB};
    enum { COUNT = 100 };
    bool guarded = true, apart = true;

    pool_open(COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        get(&stacks[i], sizes[i % 5]);
        memset((char *)stacks[i].base, (int)i, 16 * KIB);
        memset((char *)stacks[i].base + stacks[i].size - 4 * KIB, (int)i, 4 * KIB);
        guarded = guarded && is_guarded(&stacks[i]);
    }
    claim(guarded, "each_stack_has_64_kib_of_unreadable_guard_below");
    qsort(stacks, COUNT, sizeof stacks[0], by_base);
    for (size_t i = 1; i < COUNT; i++) {
        apart = apart && (char *)stacks[i - 1].base + stacks[i - 1].size <=
                             (char *)stacks[i].base - RS_STACK_GUARD_SIZE;
    }
    claim(apart, "stacks_and_guards_do_not_overlap");
    claim(rs_counter_sum(RS_COUNTER_STACKS) == COUNT, "stacks_in_use_are_counted");
    for (size_t i = 0; i < COUNT; i++) rs_stack_put(&pool, &stacks[i]);
    claim(rs_counter_sum(RS_COUNTER_STACKS) == 0 &&
              rs_counter_sum(RS_COUNTER_STACKS_CACHED) == COUNT,
          "stacks_put_back_are_counted_as_cached");
    rs_stack_pool_deinit(&pool);
    claim(rs_counter_sum(RS_COUNTER_STACKS_CACHED) == 0 &&
              rs_counter_sum(RS_COUNTER_PAGE_BYTES) == 0,
          "a_pool_without_stacks_in_use_leaves_nothing");
}

static void reuse_is_last_in_first_out(void)
{
    struct rs_stack a, b, again;

    pool_open(8);
    get(&a, 0);
    get(&b, 0);
    claim(a.base != b.base && a.slot != b.slot, "two_stacks_in_use_are_two");
    rs_stack_put(&pool, &a);
    rs_stack_put(&pool, &b);
    get(&again, 0);
    claim(again.base == b.base && again.top == b.top, "the_stack_put_back_last_is_given_out_first");
    get(&again, 0);
    claim(again.base == a.base, "then_the_one_before_it");
    rs_stack_put(&pool, &a);
    rs_stack_put(&pool, &b);
    get(&again, 128 * KIB);
    claim(again.base != a.base && again.base != b.base, "another_size_comes_from_elsewhere");
    rs_stack_put(&pool, &again);
    rs_stack_pool_deinit(&pool);
}

static int give_back_count;

static int counting_madvise(void *memory, size_t size, int advice)
{
    if (advice == MADV_DONTNEED) give_back_count++;
    return rs_sys_real.madvise(memory, size, advice);
}

static void the_cache_is_bounded(void)
{
    enum { COUNT = 10, CACHED = 4 };
    size_t used = 0, sizes = 0;
    bool guarded = true;

    pool_open(CACHED);
    for (size_t i = 0; i < COUNT; i++) {
        get(&stacks[i], 0);
        touch(&stacks[i], 1);
        sizes += rs_stack_used(&stacks[i]) == page_size();
    }
    claim(sizes == COUNT, "a_stack_touched_once_uses_a_page");
    give_back_count = 0;
    rs_sys.madvise = counting_madvise;
    for (size_t i = 0; i < COUNT; i++) rs_stack_put(&pool, &stacks[i]);
    rs_sys.madvise = rs_sys_real.madvise;
    claim(give_back_count == COUNT - CACHED && pool.cached == CACHED,
          "beyond_the_bound_pages_are_given_back");
    for (size_t i = 0; i < COUNT; i++) {
        get(&stacks[i], 0);
        used += rs_stack_used(&stacks[i]) > 0;
        guarded = guarded && is_guarded(&stacks[i]);
        touch(&stacks[i], 4 * KIB);
    }
    claim(used == CACHED, "as_many_as_the_bound_are_still_in_memory");
    claim(guarded, "a_stack_whose_pages_were_given_back_is_still_guarded");
    for (size_t i = 0; i < COUNT; i++) rs_stack_put(&pool, &stacks[i]);
    rs_stack_pool_deinit(&pool);

    pool_open(0);
    get(&stacks[0], 0);
    rs_stack_put(&pool, &stacks[0]);
    claim(pool.cached == 0, "a_pool_may_cache_nothing");
    rs_stack_pool_deinit(&pool);
}

static size_t advised_count;  // of the last call that took several
static int advised_calls;
static int advised_error;  // 0: none; > 0: that many stacks are left out

static ssize_t tested_madvise_many(const struct iovec *ranges, size_t count, int advice)
{
    advised_calls++;
    advised_count = count;
    if (advised_error < 0) return advised_error;
    return rs_sys_real.madvise_many(ranges, count - (size_t)advised_error, advice);
}

// One more than the cache that follows takes.
enum { OVERFULL = 65 };

// Fills a cache with touched stacks and puts one more. How many of all are in memory then.
static size_t overfill(int error)
{
    size_t used = 0;

    pool_open(OVERFULL - 1);
    for (size_t i = 0; i < OVERFULL; i++) {
        get(&stacks[i], 0);
        touch(&stacks[i], 1);
    }
    give_back_count = 0;
    advised_calls = 0;
    advised_count = 0;
    advised_error = error;
    rs_sys.madvise = counting_madvise;
    rs_sys.madvise_many = tested_madvise_many;
    for (size_t i = 0; i < OVERFULL; i++) rs_stack_put(&pool, &stacks[i]);
    for (size_t i = 0; i < OVERFULL; i++) used += rs_stack_used(&stacks[i]) > 0;
    return used;
}

// The first time, and once more: the cache has been filled again.
static void overfill_again(void)
{
    bool guarded = true;

    for (size_t i = 0; i < OVERFULL; i++) {
        get(&stacks[i], 0);
        guarded = guarded && is_guarded(&stacks[i]);
        touch(&stacks[i], 1);
    }
    claim(guarded, "stacks_given_back_are_still_guarded");
    for (size_t i = 0; i < OVERFULL; i++) rs_stack_put(&pool, &stacks[i]);
}

static void a_full_cache_gives_back_several_at_once(void)
{
    size_t used = overfill(0);
    bool is_asked = !pool.on_valgrind;
    bool is_known = !pool.gives_back_singly;

    claim(used == 60 && pool.cached == 60 && advised_count == (is_asked ? 5 : 0),
          "a_full_cache_gives_back_a_sixteenth_and_one");
    claim(give_back_count == (is_known ? 0 : 5), "by_one_call_where_the_kernel_takes_several");
    overfill_again();
    rs_stack_pool_deinit(&pool);

    used = overfill(-EBADF);
    claim(used == 60 && give_back_count == 5, "where_it_does_not_each_has_a_call_of_its_own");
    overfill_again();
    claim(advised_calls == is_asked && give_back_count == 10, "and_it_is_not_asked_again");
    rs_stack_pool_deinit(&pool);

    used = overfill(1);
    claim(used == 60 && give_back_count == 5, "what_it_leaves_out_is_given_back_singly");
    rs_stack_pool_deinit(&pool);
    rs_sys = rs_sys_real;
}

static void a_full_cache_makes_room_for_the_size_in_use(void)
{
    pool_open(4);
    for (size_t i = 0; i < 4; i++) get(&stacks[i], 16 * KIB);
    for (size_t i = 0; i < 4; i++) rs_stack_put(&pool, &stacks[i]);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < 3; i++) get(&stacks[i], 128 * KIB);
        give_back_count = 0;
        rs_sys.madvise = counting_madvise;
        for (size_t i = 0; i < 3; i++) rs_stack_put(&pool, &stacks[i]);
        rs_sys.madvise = rs_sys_real.madvise;
    }
    claim(give_back_count < 3 && pool.cached == 4, "a_size_out_of_use_gives_way_in_a_full_cache");
    rs_stack_pool_deinit(&pool);
}

static long resident_kib(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    if (file == NULL || fscanf(file, "%*d %ld", &pages) != 1) abort();
    fclose(file);
    return pages * (long)(page_size() / KIB);
}

// Records of 16 bytes in the slabs are touched, and nothing else.
static void an_idle_stack_costs_no_memory(void)
{
    size_t untouched = 0;

    pool_open(8);
    memset(stacks, 0, sizeof stacks);

    long before = resident_kib();

    for (size_t i = 0; i < MANY; i++) get(&stacks[i], 0);

    long grown = resident_kib() - before;

    for (size_t i = 0; i < MANY; i++) untouched += rs_stack_used(&stacks[i]) == 0;
    claim(untouched == MANY, "a_stack_given_out_is_not_touched_by_the_pool");
    claim(RS_ASAN || RS_TSAN || pool.on_valgrind || grown < MANY,
          "a_stack_given_out_takes_less_than_1_kib_of_memory");
    for (size_t i = 0; i < MANY; i++) rs_stack_put(&pool, &stacks[i]);
    rs_stack_pool_deinit(&pool);
}

static void the_high_water_mark_is_in_pages_from_the_top(void)
{
    struct rs_stack stack;

    pool_open(1);
    get(&stack, 8 * MIB);
    claim(rs_stack_used(&stack) == 0, "an_untouched_stack_has_used_nothing");
    touch(&stack, 5 * page_size() + 1);
    claim(rs_stack_used(&stack) == 6 * page_size(), "use_is_counted_in_pages");
    ((volatile char *)stack.base)[3 * page_size()] = 1;
    claim(rs_stack_used(&stack) == stack.size - 3 * page_size(), "use_is_told_by_the_lowest_page");
    ((volatile char *)stack.base)[0] = 1;
    claim(rs_stack_used(&stack) == stack.size, "a_stack_used_in_full_says_so");
    rs_stack_put(&pool, &stack);
    rs_stack_pool_deinit(&pool);
}

static void carving_takes_from_the_top(void)
{
    struct rs_stack stack;
    bool aligned = true, inside = true, spread = false;

    pool_open(16);
    for (size_t i = 0; i < 16; i++) {
        get(&stack, 0);

        char *end = (char *)stack.base + stack.size;
        char *top = stack.top;
        char *carved = rs_stack_carve(&stack, 100);

        aligned = aligned && (uintptr_t)carved % 64 == 0 && stack.top == (void *)carved;
        inside = inside && carved + 100 <= top && top <= end && top > end - page_size() / 2;
        spread = spread || top != end;
        stacks[i] = stack;
    }
    claim(aligned && inside, "carved_bytes_lie_above_the_new_top");
    claim(spread, "tops_do_not_all_share_their_cache_sets");
    for (size_t i = 0; i < 16; i++) rs_stack_put(&pool, &stacks[i]);
    rs_stack_pool_deinit(&pool);
}

// An allocator whose pages run out.
static size_t pages_limit;

static void *limited_pages_alloc(void *data, size_t size, size_t align)
{
    (void)data;
    return size > pages_limit ? NULL : rouse_allocator_default()->pages_alloc(NULL, size, align);
}

static void a_reserve_is_kept_back(void)
{
    struct rouse_allocator allocator = *rouse_allocator_default();
    struct rs_stack reserve, other;
    size_t count = 0;

    allocator.pages_alloc = limited_pages_alloc;
    pages_limit = 0;
    claim(rs_stack_pool_init(&pool, &allocator, RS_STACK_SIZE_DEFAULT, 2) == -ENOMEM,
          "a_pool_without_memory_for_the_reserve_is_not_made");

    pages_limit = 2 * MIB;
    if (rs_stack_pool_init(&pool, &allocator, RS_STACK_SIZE_DEFAULT, 2) < 0) abort();
    claim(rs_counter_sum(RS_COUNTER_PAGE_BYTES) <= (int64_t)(2 * MIB),
          "a_slab_is_made_smaller_where_address_space_is_short");
    pages_limit = 0;
    while (rs_stack_get(&pool, 0, &stacks[count]) == 0) count++;
    claim(rs_stack_get(&pool, 0, &other) == -ENOMEM && rs_stack_get(&pool, MIB, &other) == -ENOMEM,
          "without_memory_get_fails");
    claim(rs_stack_get_reserve(&pool, &reserve) == 0, "the_reserve_is_there_then");
    touch(&reserve, reserve.size);
    claim(rs_stack_get_reserve(&pool, &other) == -EAGAIN, "there_is_one_reserve");
    rs_stack_put(&pool, &reserve);
    claim(rs_stack_get(&pool, 0, &other) == -ENOMEM && rs_stack_get_reserve(&pool, &other) == 0 &&
              other.base == reserve.base,
          "the_reserve_put_back_is_the_reserve_again");
    rs_stack_put(&pool, &other);
    rs_stack_put(&pool, &stacks[--count]);
    claim(rs_stack_get(&pool, 0, &stacks[count]) == 0, "a_stack_put_back_is_there_again");
    count++;
    while (count > 0) rs_stack_put(&pool, &stacks[--count]);
    rs_stack_pool_deinit(&pool);
}

// Slabs of the largest stacks hold 16.
static void empty_slabs_are_unmapped(void)
{
    enum { COUNT = 16 * 3 };
    int64_t one_slab;

    pool_open(0);
    get(&stacks[0], 8 * MIB);
    one_slab = rs_counter_sum(RS_COUNTER_PAGE_BYTES);
    for (size_t i = 1; i < COUNT; i++) get(&stacks[i], 8 * MIB);
    claim(rs_counter_sum(RS_COUNTER_PAGE_BYTES) > 2 * one_slab, "many_stacks_take_several_slabs");
    for (size_t i = 0; i < COUNT; i++) rs_stack_put(&pool, &stacks[i]);
    claim(rs_counter_sum(RS_COUNTER_PAGE_BYTES) == one_slab, "of_empty_slabs_one_is_kept");
    for (size_t i = 0; i < COUNT; i++) get(&stacks[i], 8 * MIB);
    for (size_t i = COUNT; i-- > 1;) rs_stack_put(&pool, &stacks[i]);
    rs_stack_put(&pool, &stacks[0]);
    claim(rs_counter_sum(RS_COUNTER_PAGE_BYTES) == one_slab, "in_whatever_order_they_empty");
    rs_stack_pool_deinit(&pool);
}

// Refused as by a kernel older than 6.13.
static int old_madvise(void *memory, size_t size, int advice)
{
    if (advice == ADVICE_GUARD_INSTALL) return -EINVAL;
    return rs_sys_real.madvise(memory, size, advice);
}

// Accepted as by an emulator that knows no advice.
static int idle_madvise(void *memory, size_t size, int advice)
{
    if (advice == ADVICE_GUARD_INSTALL) return 0;
    return rs_sys_real.madvise(memory, size, advice);
}

static int failing_madvise(void *memory, size_t size, int advice)
{
    if (advice == ADVICE_GUARD_INSTALL) return -ENOMEM;
    return rs_sys_real.madvise(memory, size, advice);
}

static int failing_mprotect(void *memory, size_t size, int protection)
{
    (void)memory;
    (void)size;
    (void)protection;
    return -ENOMEM;
}

// Stands for /proc/sys/vm/max_map_count.
static int fake_openat(int directory_fd, const char *path, int flags, unsigned mode)
{
    if (strcmp(path, "/proc/sys/vm/max_map_count") == 0) return FAKE_FD;
    return rs_sys_real.openat(directory_fd, path, flags, mode);
}

static ssize_t fake_read(int fd, void *buf, size_t size)
{
    if (fd != FAKE_FD || size < 4) return -EBADF;
    memcpy(buf, "200\n", 4);
    return 4;
}

static int fake_close(int fd)
{
    return fd == FAKE_FD ? 0 : rs_sys_real.close(fd);
}

static size_t get_until_it_fails(int *err)
{
    size_t count = 0;

    while (count < MANY && (*err = rs_stack_get(&pool, 0, &stacks[count])) == 0) count++;
    return count;
}

// Half of 200 mappings is 100, which is 50 guards; one of them is the reserve's.
static void guards_by_mprotect_keep_to_a_budget(void)
{
    int err;
    size_t count;
    bool guarded = true;
    struct rs_stack reserve;

    rs_sys.madvise = old_madvise;
    rs_sys.openat = fake_openat;
    rs_sys.read = fake_read;
    rs_sys.close = fake_close;
    pool_open(100);
    count = get_until_it_fails(&err);
    claim(count == 49 && err == -ENOMEM, "guards_by_mprotect_take_half_of_the_mappings_at_most");
    for (size_t i = 0; i < count; i++) guarded = guarded && is_guarded(&stacks[i]);
    claim(guarded && pool.guard_mappings_max == 100, "without_madvise_guards_are_made_by_mprotect");
    claim(rs_stack_get_reserve(&pool, &reserve) == 0, "the_reserve_has_its_guard_already");
    rs_stack_put(&pool, &reserve);
    rs_stack_put(&pool, &stacks[7]);
    claim(rs_stack_get(&pool, 0, &stacks[7]) == 0, "a_slot_with_its_guard_needs_no_mapping_more");
    for (size_t i = 0; i < count; i++) rs_stack_put(&pool, &stacks[i]);
    rs_stack_pool_deinit(&pool);

    pool_open(100);
    count = get_until_it_fails(&err);
    claim(count == 49, "mappings_of_unmapped_slabs_go_back_to_the_budget");
    for (size_t i = 0; i < count; i++) rs_stack_put(&pool, &stacks[i]);
    rs_sys.mprotect = failing_mprotect;
    rs_stack_pool_deinit(&pool);
    claim(rs_stack_pool_init(&pool, rouse_allocator_default(), RS_STACK_SIZE_DEFAULT, 1) ==
                  -ENOMEM &&
              rs_counter_sum(RS_COUNTER_PAGE_BYTES) == 0,
          "a_guard_that_cannot_be_made_fails_cleanly");
    rs_sys = rs_sys_real;
}

static void a_guard_is_not_taken_on_trust(void)
{
    struct rs_stack stack;

    rs_sys.madvise = idle_madvise;
    pool_open(1);
    get(&stack, 0);
    claim(is_guarded(&stack), "a_kernel_that_only_says_it_made_a_guard_is_found_out");
    rs_stack_put(&pool, &stack);
    rs_stack_pool_deinit(&pool);
    rs_sys = rs_sys_real;
}

static void a_guard_without_memory_fails(void)
{
    struct rs_stack stack;

    pool_open(1);
    if (pool.guard_mappings_max != 0) {  // this kernel makes guards by mprotect only
        rs_stack_pool_deinit(&pool);
        return;
    }
    rs_sys.madvise = failing_madvise;
    claim(rs_stack_get(&pool, 0, &stack) == -ENOMEM && pool.guard_mappings_max == 0,
          "no_memory_for_a_guard_is_no_reason_to_use_mappings");
    rs_sys.madvise = rs_sys_real.madvise;
    claim(rs_stack_get(&pool, 0, &stack) == 0 && is_guarded(&stack), "and_later_it_works_again");
    rs_stack_put(&pool, &stack);
    rs_stack_pool_deinit(&pool);
}

// Runs `body` in a child without core file and error output, and returns its wait status.
static int status_of_child(void (*body)(void))
{
    int status = -1;

    fflush(stdout);

    pid_t child = fork();

    if (child == 0) {
        struct rlimit no_core = {0, 0};

        setrlimit(RLIMIT_CORE, &no_core);
        close(STDERR_FILENO);
        body();
        child_exit(rs_counter_sum(RS_COUNTER_PAGE_BYTES) == 0 ? 0 : 2);
    }
    waitpid(child, &status, 0);
    return status;
}

static void discard_pool(void)
{
    rs_stack_pool_discard(&pool);
}

static void deinit_pool(void)
{
    rs_stack_pool_deinit(&pool);
}

static void a_pool_in_use_is_freed_only_after_fork(void)
{
    struct rs_stack stack;
    int status;

    pool_open(4);
    get(&stack, 0);
    touch(&stack, 100);
    status = status_of_child(discard_pool);
    claim(WIFEXITED(status) && WEXITSTATUS(status) == 0,
          "a_child_may_discard_a_pool_with_stacks_in_use");
    status = status_of_child(deinit_pool);
    claim(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT,
          "deinit_with_a_stack_in_use_is_misuse");
    touch(&stack, 100);
    rs_stack_put(&pool, &stack);
    rs_stack_pool_deinit(&pool);
    rs_stack_pool_deinit(&(struct rs_stack_pool){.allocator = NULL});
    claim(true, "deinit_accepts_an_all_zero_pool");
}

int main(void)
{
    sizes_are_classes();
    stacks_are_apart_and_guarded();
    reuse_is_last_in_first_out();
    the_cache_is_bounded();
    a_full_cache_gives_back_several_at_once();
    a_full_cache_makes_room_for_the_size_in_use();
    an_idle_stack_costs_no_memory();
    the_high_water_mark_is_in_pages_from_the_top();
    carving_takes_from_the_top();
    a_reserve_is_kept_back();
    empty_slabs_are_unmapped();
    guards_by_mprotect_keep_to_a_budget();
    a_guard_is_not_taken_on_trust();
    a_guard_without_memory_fails();
    a_pool_in_use_is_freed_only_after_fork();
    printf("1..%d\n", test_count);
    return failure_count > 0;
}
