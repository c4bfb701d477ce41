// SPDX-License-Identifier: MIT
//
// Chains of received buffers, and those whose driver is gone. What was appended is read once and in
// order, in whatever pieces; the counter of lent buffers shows that none is lost.

#include "io/inflow.h"

#include <errno.h>
#include <string.h>

#include "base/counters.h"
#include "claim.h"
#include "io/buffer.h"

static int64_t lent(void)
{
    return rs_counter_sum(RS_COUNTER_BUFFERS);
}

static void append(struct rs_inflow *inflow, const char *text)
{
    char *buffer = rs_buffer_take();

    memcpy(buffer, text, strlen(text));
    rs_inflow_append(inflow, buffer, strlen(text));
}

// What a read of up to `size` bytes brings.
static const char *text_of(struct rs_inflow *inflow, size_t size, unsigned *emptied)
{
    static char text[64];
    struct rs_inflow_read read = {.buf = text, .size = size};

    memset(text, 0, sizeof text);
    (void)rs_inflow_read(inflow, &read, emptied);
    rs_inflow_free(&read.spent);
    return text;
}

static void pieces(void)
{
    struct rs_inflow inflow = {0};
    struct rs_inflow_read whole = {0};
    unsigned emptied;

    append(&inflow, "abc");
    append(&inflow, "de");
    append(&inflow, "fgh");
    claim(strcmp(text_of(&inflow, 2, &emptied), "ab") == 0 && emptied == 0 && lent() == 3,
          "a part of a buffer leaves it in the chain");
    claim(strcmp(text_of(&inflow, 4, &emptied), "cdef") == 0 && emptied == 2 && lent() == 1,
          "a read goes on from buffer to buffer, and gives back those that are empty");
    claim(rs_inflow_read(&inflow, &whole, &emptied) == 2 && emptied == 1 &&
              memcmp(whole.lent, "gh", 2) == 0 && rs_inflow_is_empty(&inflow),
          "what is left of one moves to its beginning when the buffer itself is wanted");
    rouse_buffer_free(whole.lent);
    append(&inflow, "ij");
    append(&inflow, "kl");
    rs_inflow_free(&inflow);
    claim(rs_inflow_is_empty(&inflow) && lent() == 0, "a chain can be given up as it is");
}

static ssize_t orphan_read(const void *owner, char *buf, size_t size, bool bytes_only)
{
    struct rs_inflow_read read = {.buf = buf, .size = size, .bytes_only = bytes_only};
    ssize_t result = rs_inflow_read_orphan(owner, &read);

    rs_inflow_free(&read.spent);
    return result;
}

static void orphans(void)
{
    struct rs_inflow first = {0};
    struct rs_inflow second = {0};
    char buf[16] = {0};
    int owners[3] = {0};

    claim(!rs_inflow_orphan(&first, 0, &owners[0]), "who has nothing leaves nothing");
    append(&first, "abc");
    append(&first, "def");
    append(&second, "xyz");
    claim(rs_inflow_orphan(&first, -ECONNRESET, &owners[0]) &&
              rs_inflow_orphan(&second, 0, &owners[1]) && rs_inflow_is_empty(&first),
          "two streams leave what they have not read");
    claim(orphan_read(&owners[2], buf, 8, false) == -ENODATA, "a third one has none of it");
    claim(rs_inflow_read_orphan(&owners[0], NULL) == 1, "one can look before one reads");
    claim(orphan_read(&owners[0], buf, 4, false) == 4 && memcmp(buf, "abcd", 4) == 0 &&
              orphan_read(&owners[1], buf, 8, false) == 3 && memcmp(buf, "xyz", 3) == 0 &&
              orphan_read(&owners[0], buf, 8, false) == 2 && memcmp(buf, "ef", 2) == 0,
          "each reads its own, in order");
    claim(orphan_read(&owners[0], buf, 8, true) == -EAGAIN &&
              orphan_read(&owners[0], buf, 8, false) == -ECONNRESET &&
              orphan_read(&owners[0], buf, 8, false) == -ENODATA,
          "an error comes last, once, and to who wants it");
    claim(orphan_read(&owners[1], buf, 8, false) == -ENODATA && lent() == 0,
          "then nothing is left, no buffer either");
    claim(rs_inflow_orphan(&first, -ECONNRESET, &owners[0]) &&
              orphan_read(&owners[0], buf, 8, false) == -ECONNRESET && lent() == 0,
          "an error can be left alone");
}

int main(void)
{
    pieces();
    orphans();
    return claims_end();
}
