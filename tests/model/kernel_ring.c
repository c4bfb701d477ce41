// SPDX-License-Identifier: MIT
//
// The kernel's rings: a pair of queues in memory that the program maps, and the operations that
// were handed over. Of them there are polls, reads of streams, and cancels.
//
// Whatever an operation does is done within a call of some thread: of the one that hands it over,
// or of the one that changes what it waits for. But the kernel has seen all that was handed over
// before, which that thread may not have; and that thread learns nothing by it.

#include <errno.h>
#include <linux/io_uring.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/sys.h"
#include "kernel.h"

enum { RINGS_MAX = 3, REQUESTS_MAX = 8, KEPT_MAX = 32 };

// Where the words lie in the mapping. Those that two sides write are apart.
enum {
    SQ_HEAD = 0,
    SQ_TAIL = 64,
    SQ_FLAGS = 128,
    SQ_ENTRIES = 132,
    CQ_HEAD = 192,
    CQ_TAIL = 256,
    CQ_MASK = 260,
    CQES = 320,
};

struct request {
    bool live;
    bool goes_on;  // of a poll
    uint8_t code;
    int fd;           // -1: the number was given back
    uint32_t events;  // of a poll
    uint64_t user_data;
    void *memory;  // of a read
    uint32_t size;
};

struct completion {
    uint64_t user_data;
    int32_t result;
};

struct ring {
    int fd;  // 0: none
    uint32_t sq_entries;
    uint32_t cq_entries;
    char *queues;  // NULL: not mapped
    struct io_uring_sqe *sqes;
    uint32_t sq_head;
    uint32_t cq_tail;
    struct request requests[REQUESTS_MAX];
    struct completion kept[KEPT_MAX];  // what did not fit into the queue
    unsigned kept_count;
    struct knowledge knowledge;
};

static struct ring rings[RINGS_MAX];
static int refused;  // what each call of the program says

void ring_reset(void)
{
    for (int i = 0; i < RINGS_MAX; i++) {
        if (rings[i].fd != 0) memset(&rings[i], 0, sizeof rings[i]);
    }
    refused = 0;
}

static struct ring *ring_of(int fd)
{
    for (int i = 0; i < RINGS_MAX; i++) {
        if (rings[i].fd == fd && fd != 0) return &rings[i];
    }
    return NULL;
}

bool ring_any_is_open(void)
{
    for (int i = 0; i < RINGS_MAX; i++) {
        if (rings[i].fd != 0) return true;
    }
    return false;
}

void model_ring_refuse(int err)
{
    kernel_step("a sandbox refuses io_uring", 0, true);
    refused = err;
}

// ---- Words that the program maps ----

static uint32_t word_read(const struct ring *ring, unsigned at)
{
    return (uint32_t)memory_kernel_load((uintptr_t)ring->queues + at, sizeof(uint32_t));
}

static void word_write(const struct ring *ring, unsigned at, uint32_t value)
{
    memory_kernel_store((uintptr_t)ring->queues + at, sizeof(uint32_t), value);
}

// ---- Who acts ----

static void act_begin(const struct ring *ring, struct knowledge *before)
{
    before->clock = *thread_clock(thread_now());
    before->view = *thread_view(thread_now());
    thread_learn(&ring->knowledge);
}

static void act_end(struct ring *ring, const struct knowledge *before)
{
    struct clock *clock = thread_clock(thread_now());
    struct view *view = thread_view(thread_now());

    thread_teach(&ring->knowledge);
    uint32_t own = clock->at[thread_now()];

    *clock = before->clock;
    clock->at[thread_now()] = own;
    for (unsigned i = 0; i < LOCATIONS_MAX; i++) {
        if (view->at[i] > before->view.at[i]) view->at[i] = before->view.at[i];
    }
}

// ---- Completions ----

static uint32_t completions(const struct ring *ring)
{
    return ring->cq_tail - word_read(ring, CQ_HEAD) + ring->kept_count;
}

bool ring_has_completions(int fd)
{
    const struct ring *ring = ring_of(fd);

    return ring != NULL && ring->queues != NULL && completions(ring) > 0;
}

static bool has_room(const struct ring *ring)
{
    return ring->cq_tail - word_read(ring, CQ_HEAD) < ring->cq_entries;
}

static void put(struct ring *ring, const struct completion *completion, bool goes_on)
{
    struct io_uring_cqe *cqes = (struct io_uring_cqe *)(void *)(ring->queues + CQES);
    struct io_uring_cqe *to = &cqes[ring->cq_tail & (ring->cq_entries - 1)];

    kernel_user_memory(to, sizeof *to, true);
    to->user_data = completion->user_data;
    to->res = completion->result;
    to->flags = goes_on ? IORING_CQE_F_MORE : 0;
    word_write(ring, CQ_TAIL, ++ring->cq_tail);
}

// True if what goes on can do so: one that finds no room ends.
static bool post(struct ring *ring, uint64_t user_data, int32_t result, bool goes_on)
{
    const struct completion completion = {.user_data = user_data, .result = result};

    if (ring->queues == NULL) return false;
    bool fits = ring->kept_count == 0 && has_room(ring);

    if (fits) {
        put(ring, &completion, goes_on);
    } else {
        if (ring->kept_count == KEPT_MAX) model_fail("the kernel keeps too many completions");
        ring->kept[ring->kept_count++] = completion;
        word_write(ring, SQ_FLAGS, IORING_SQ_CQ_OVERFLOW);
    }
    (void)thread_wake((uintptr_t)ring, MODEL_THREADS_MAX);
    kernel_tell(ring->fd, EPOLLIN);
    return fits;
}

static void put_kept(struct ring *ring)
{
    while (ring->kept_count > 0 && has_room(ring)) {
        put(ring, &ring->kept[0], false);
        memmove(&ring->kept[0], &ring->kept[1], --ring->kept_count * sizeof ring->kept[0]);
    }
    if (ring->kept_count == 0) word_write(ring, SQ_FLAGS, 0);
}

// ---- Operations ----

static void poll_look(struct ring *ring, struct request *request)
{
    uint32_t ready = kernel_readiness(request->fd) & (request->events | EPOLLHUP | EPOLLERR);

    if (ready == 0) return;
    request->live = request->goes_on;
    request->live = post(ring, request->user_data, (int32_t)ready, request->goes_on) &&
                    request->goes_on;
}

static void read_look(struct ring *ring, struct request *request)
{
    ssize_t count = kernel_take(request->fd, request->size);

    if (count == -EAGAIN) return;
    request->live = false;
    if (count > 0) {
        kernel_user_memory(request->memory, (size_t)count, true);
        memset(request->memory, 'r', (size_t)count);
    }
    (void)post(ring, request->user_data, (int32_t)count, false);
}

static void look(struct ring *ring, struct request *request)
{
    if (request->code == IORING_OP_POLL_ADD) {
        poll_look(ring, request);
    } else {
        read_look(ring, request);
    }
}

void ring_hear(int fd, uint32_t what)
{
    for (int i = 0; i < RINGS_MAX * REQUESTS_MAX; i++) {
        struct ring *ring = &rings[i / REQUESTS_MAX];
        struct request *request = &ring->requests[i % REQUESTS_MAX];
        uint32_t asked = request->code == IORING_OP_POLL_ADD ? request->events : EPOLLIN;
        struct knowledge before;

        if (ring->fd == 0 || !request->live || request->fd != fd) continue;
        if ((what & (asked | EPOLLHUP | EPOLLERR)) == 0) continue;
        act_begin(ring, &before);
        look(ring, request);
        act_end(ring, &before);
    }
}

void ring_forget(int fd)
{
    for (int i = 0; i < RINGS_MAX * REQUESTS_MAX; i++) {
        struct request *request = &rings[i / REQUESTS_MAX].requests[i % REQUESTS_MAX];

        if (request->fd == fd) request->fd = -1;
    }
}

static struct request *request_new(struct ring *ring, const struct io_uring_sqe *sqe)
{
    for (int i = 0; i < REQUESTS_MAX; i++) {
        struct request *request = &ring->requests[i];

        if (request->live) continue;
        *request = (struct request){
            .live = true, .code = sqe->opcode, .fd = sqe->fd, .user_data = sqe->user_data};
        return request;
    }
    model_fail("more than %d operations on a ring", REQUESTS_MAX);
}

static void begin_poll(struct ring *ring, const struct io_uring_sqe *sqe)
{
    struct request *request = request_new(ring, sqe);

    request->events = sqe->poll32_events;
    request->goes_on = (sqe->len & IORING_POLL_ADD_MULTI) != 0;
    look(ring, request);
}

static void begin_read(struct ring *ring, const struct io_uring_sqe *sqe)
{
    struct request *request = request_new(ring, sqe);

    request->memory = (void *)(uintptr_t)sqe->addr;
    request->size = sqe->len;
    look(ring, request);
}

// Its own end may come before that of what it cancels, or after.
static void cancel(struct ring *ring, const struct io_uring_sqe *sqe)
{
    bool any = (sqe->cancel_flags & IORING_ASYNC_CANCEL_ANY) != 0;
    bool first = model_choose(2) == 0;
    bool skips = (sqe->flags & IOSQE_CQE_SKIP_SUCCESS) != 0;
    struct io_uring_sqe copy = *sqe;
    int found = 0;

    for (int i = 0; i < REQUESTS_MAX; i++) {
        found += ring->requests[i].live && (any || ring->requests[i].user_data == copy.addr);
    }
    int32_t result = any ? found : found > 0 ? 0 : -ENOENT;
    bool says = result < 0 || !skips;

    if (says && first) (void)post(ring, copy.user_data, result, false);
    for (int i = 0; i < REQUESTS_MAX; i++) {
        struct request *request = &ring->requests[i];

        if (!request->live || (!any && request->user_data != copy.addr)) continue;
        request->live = false;
        (void)post(ring, request->user_data, -ECANCELED, false);
    }
    if (says && !first) (void)post(ring, copy.user_data, result, false);
}

static void begin(struct ring *ring, const struct io_uring_sqe *sqe)
{
    if (sqe->opcode == IORING_OP_ASYNC_CANCEL) {
        cancel(ring, sqe);
    } else if (!kernel_is_open(sqe->fd)) {
        (void)post(ring, sqe->user_data, -EBADF, false);
    } else if (sqe->opcode == IORING_OP_POLL_ADD) {
        begin_poll(ring, sqe);
    } else if (sqe->opcode == IORING_OP_READ) {
        begin_read(ring, sqe);
    } else {
        (void)post(ring, sqe->user_data, -EINVAL, false);
    }
}

// ---- Calls ----

static int kernel_io_uring_setup(unsigned entries, struct io_uring_params *params)
{
    struct ring *ring = rings;

    if (refused != 0) return refused;
    while (ring->fd != 0) {
        if (++ring == rings + RINGS_MAX) model_fail("more than %d rings", RINGS_MAX);
    }
    ring->fd = kernel_open_ring();
    ring->sq_entries = entries;
    ring->cq_entries = 2 * entries;
    kernel_user_memory(params, sizeof *params, true);
    params->sq_entries = ring->sq_entries;
    params->cq_entries = ring->cq_entries;
    params->features = IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG |
                       IORING_FEAT_RSRC_TAGS | IORING_FEAT_CQE_SKIP;
    params->sq_off = (struct io_sqring_offsets){
        .head = SQ_HEAD,
        .tail = SQ_TAIL,
        .flags = SQ_FLAGS,
        .ring_entries = SQ_ENTRIES,
        .array = (uint32_t)(CQES + ring->cq_entries * sizeof(struct io_uring_cqe))};
    params->cq_off = (struct io_cqring_offsets){
        .head = CQ_HEAD, .tail = CQ_TAIL, .ring_mask = CQ_MASK, .cqes = CQES};
    return ring->fd;
}

static int kernel_mmap_file(void **out, size_t size, int protection, int flags, int fd,
                            off_t offset)
{
    struct ring *ring = ring_of(fd);

    (void)protection;
    (void)flags;
    if (ring == NULL) return -EBADF;
    *out = shadow_alloc(size, 4096);
    if (offset == IORING_OFF_SQES) {
        ring->sqes = *out;
        return 0;
    }
    const uint32_t mask = ring->cq_entries - 1;

    ring->queues = *out;
    memcpy(ring->queues + SQ_ENTRIES, &ring->sq_entries, sizeof ring->sq_entries);
    memcpy(ring->queues + CQ_MASK, &mask, sizeof mask);
    return 0;
}

static int submit(struct ring *ring, unsigned count)
{
    uint32_t tail = word_read(ring, SQ_TAIL);
    int taken = 0;

    while (ring->sq_head != tail && (unsigned)taken < count) {
        const struct io_uring_sqe *sqe = &ring->sqes[ring->sq_head & (ring->sq_entries - 1)];

        kernel_user_memory(sqe, sizeof *sqe, false);
        struct io_uring_sqe copy = *sqe;

        word_write(ring, SQ_HEAD, ++ring->sq_head);
        begin(ring, &copy);
        taken++;
    }
    return taken;
}

static int wait_for_completions(struct ring *ring, unsigned count, const struct timespec *timeout)
{
    uint64_t ns = timeout == NULL ? 0
                                  : (uint64_t)timeout->tv_sec * UINT64_C(1000000000) +
                                        (uint64_t)timeout->tv_nsec;
    uint64_t end_ns = timeout != NULL ? seam_now() + ns : 0;
    int err = 0;

    while (completions(ring) < count) {
        bool in_time = kernel_sleep((uintptr_t)ring, end_ns, &err);

        if (err < 0) return err;
        if (!in_time) return -ETIME;
    }
    return 0;
}

static int kernel_io_uring_enter(int fd, unsigned to_submit, unsigned wait_for, unsigned flags,
                                 const struct timespec *timeout)
{
    struct knowledge before;

    kernel_step(wait_for > 0 ? "io_uring_enter" : "io_uring_enter without sleep", fd, true);
    struct ring *ring = ring_of(fd);

    if (refused != 0) return refused;
    if (ring == NULL) return -EBADF;
    // It lacks memory.
    if (to_submit > 0 && run_choose_rare(2) == 1) return -EAGAIN;
    act_begin(ring, &before);
    if ((flags & IORING_ENTER_GETEVENTS) != 0) put_kept(ring);
    int taken = submit(ring, to_submit);

    act_end(ring, &before);
    int err = wait_for_completions(ring, wait_for, timeout);

    return taken > 0 ? taken : err;
}

void ring_unmapped(const void *memory)
{
    for (int i = 0; i < RINGS_MAX; i++) {
        if (rings[i].queues != memory) continue;
        // It writes there no more.
        thread_learn(&rings[i].knowledge);
        rings[i].queues = NULL;
    }
}

void ring_close(int fd)
{
    struct ring *ring = ring_of(fd);

    if (ring != NULL) memset(ring, 0, sizeof *ring);
}

void ring_install(void)
{
    rs_sys.io_uring_setup = kernel_io_uring_setup;
    rs_sys.io_uring_enter = kernel_io_uring_enter;
    rs_sys.mmap_file = kernel_mmap_file;
}
