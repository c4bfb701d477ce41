// SPDX-License-Identifier: MIT
//
// rouse: an asynchronous runtime for C. Whatever waits is a future; a task sleeps until something
// rouses it. Each concept has a header of its own in rouse/; this one includes them all.

#ifndef ROUSE_H
#define ROUSE_H

#include <rouse/addr.h>
#include <rouse/allocator.h>
#include <rouse/assert.h>
#include <rouse/async.h>
#include <rouse/await.h>
#include <rouse/backoff.h>
#include <rouse/barrier.h>
#include <rouse/blocking.h>
#include <rouse/broadcast.h>
#include <rouse/buffer.h>
#include <rouse/cancel.h>
#include <rouse/channel.h>
#include <rouse/clock.h>
#include <rouse/compiler.h>
#include <rouse/condition.h>
#include <rouse/console.h>
#include <rouse/dir.h>
#include <rouse/driver.h>
#include <rouse/dump.h>
#include <rouse/error.h>
#include <rouse/event_count.h>
#include <rouse/executor.h>
#include <rouse/fd.h>
#include <rouse/file.h>
#include <rouse/file_memory.h>
#include <rouse/file_watch.h>
#include <rouse/future.h>
#include <rouse/histogram.h>
#include <rouse/join.h>
#include <rouse/log.h>
#include <rouse/metrics.h>
#include <rouse/mutex.h>
#include <rouse/notify.h>
#include <rouse/once.h>
#include <rouse/oneshot.h>
#include <rouse/path.h>
#include <rouse/poller.h>
#include <rouse/process.h>
#include <rouse/rate_limiter.h>
#include <rouse/ready.h>
#include <rouse/resolve.h>
#include <rouse/runtime.h>
#include <rouse/rwlock.h>
#include <rouse/scope.h>
#include <rouse/select.h>
#include <rouse/semaphore.h>
#include <rouse/signal.h>
#include <rouse/sleep.h>
#include <rouse/stats.h>
#include <rouse/stream.h>
#include <rouse/task.h>
#include <rouse/tcp.h>
#include <rouse/tcp_copy.h>
#include <rouse/tcp_zerocopy.h>
#include <rouse/then.h>
#include <rouse/udp.h>
#include <rouse/unix.h>
#include <rouse/wait_queue.h>
#include <rouse/waker.h>
#include <rouse/watch.h>

#endif
