// SPDX-License-Identifier: MIT
//
// What the table of system calls adds to a call: a copy of memory that may be gone.

#include "base/sys.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "claim.h"

enum { PAGES = 3, BEFORE_END = 100 };

static char copy[64 << 10];

int main(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *memory = mmap(NULL, PAGES * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                        0);

    if (memory == MAP_FAILED) return 1;
    for (size_t i = 0; i < PAGES * page; i++) memory[i] = (char)(i % 251);
    claim(rs_sys.peek(copy, memory + 7, 2 * page) == (ssize_t)(2 * page) &&
              memcmp(copy, memory + 7, 2 * page) == 0,
          "a peek copies what is there");
    if (munmap(memory + 2 * page, page) < 0) return 1;
    const char *near_end = memory + 2 * page - BEFORE_END;

    memset(copy, 0, sizeof copy);
    claim(rs_sys.peek(copy, near_end, page) == BEFORE_END &&
              memcmp(copy, near_end, BEFORE_END) == 0,
          "up to where there is nothing");
    ssize_t n = rs_sys.peek(copy, memory + 2 * page, page);

    claim(n == 0 || n == -EFAULT, "and nothing of what is gone");
    n = rs_sys.peek(copy, memory, sizeof copy);
    claim(n == (ssize_t)(2 * page) || n == 32 << 10, "not more than it can");
    return claims_end();
}
