// SPDX-License-Identifier: MIT
//
// Streams where no call says whether it would wait (preadv2() and pwritev2() are unknown, as to old
// kernels and to qemu): operations wait for readiness first, but for those that fail anyway.

#include <errno.h>
#include <fcntl.h>
#include <rouse.h>
#include <unistd.h>

#include "base/sys.h"
#include "claim.h"

static struct rouse_file *reader;
static struct rouse_file *writer;
static char buf[8];

static ssize_t unknown(int fd, const struct iovec *iov, int count, int64_t offset, int flags)
{
    (void)fd, (void)iov, (void)count, (void)offset, (void)flags;
    return -ENOSYS;
}

static int transfers(void *arg)
{
    (void)arg;
    claim(rouse_file_write(reader, "x", 1, ROUSE_FILE_POSITION) == -EBADF,
          "a write to the end that reads fails, and does not wait");
    claim(rouse_file_read(writer, buf, sizeof buf, ROUSE_FILE_POSITION) == -EBADF,
          "a read of the end that writes fails, too");
    claim(rouse_file_read(reader, buf, sizeof buf, 5) == -ESPIPE,
          "a read at an offset does not wait for bytes");
    claim(rouse_file_write(writer, "more", 4, ROUSE_FILE_POSITION) == 4 &&
              rouse_file_read(reader, buf, sizeof buf, ROUSE_FILE_POSITION) == 4,
          "what can be transferred is");
    return 0;
}

int main(void)
{
    int ends[2];

    rs_sys.preadv2 = unknown;
    rs_sys.pwritev2 = unknown;
    if (pipe2(ends, O_CLOEXEC) < 0 || rouse_file_adopt(&reader, ends[0]) < 0 ||
        rouse_file_adopt(&writer, ends[1]) < 0) {
        return 1;
    }
    claim(rouse_run(transfers, NULL) == 0, "the program ends");
    rouse_file_unref(reader);
    rouse_file_unref(writer);
    return claims_end();
}
