# SPDX-License-Identifier: MIT
#
# gdb commands for programs that use rouse, on a live process and on a core file alike: nothing is
# called, nothing is changed, all is read from memory.
#
#     rouse tasks           every task: its state, what it waits in, and since when
#     rouse task N          one of them, in full; N is its number or address
#     rouse bt N            the calls that a task is in
#     rouse bt all          those of all tasks
#     rouse core FILE       a core file of a live process, with the stacks of its fibers: gdb's own
#                           generate-core-file gives up at the guard pages between them
#
# It is installed beside the library, where gdb loads it by itself if the directory is in its
# auto-load safe path; else: source FILE. It needs the library's debug information. The states and
# offsets are those of src/task/state.h, src/task/slab.h and src/fiber/switch.h.

import struct

import gdb

SCHEDULED, RUNNING, COMPLETE, CANCELLED, JOIN = 1, 2, 4, 8, 16
REFERENCE = 256
FLAG_FIBER = 2
HAND_CLOSED = 255
CACHE_LINE = 64
CALLS_MAX = 64
CHAIN_MAX = 16
PAGE = 4096


class Missing(gdb.GdbError):
    pass


def type_named(name):
    try:
        return gdb.lookup_type(name)
    except gdb.error:
        raise Missing("there is no debug information of librouse")


def pointer_to(name):
    return type_named(name).pointer()


def at(address, name):
    """The struct of that name at an address."""
    return gdb.Value(int(address)).cast(pointer_to(name)).dereference()


def text(value):
    """A C string; None for NULL, or what cannot be read."""
    if int(value) == 0:
        return None
    try:
        return value.string(errors="replace")
    except gdb.error:
        return None


def static_variable(name, type_name):
    """A variable of file scope. Others may have the same name, so it is known by its type."""
    wanted = pointer_to(type_name)
    for symbol in gdb.lookup_static_symbols(name):
        if symbol.type is not None and symbol.type.strip_typedefs() == wanted:
            return symbol.value()
    raise Missing("there is no variable '%s': does the program use rouse?" % name)


def address_of(name):
    """The address of a function or variable of the library; None if there is none."""
    try:
        return int(gdb.parse_and_eval("(unsigned long)&%s" % name))
    except gdb.error:
        return None


# ---- Tasks ----


class Task:
    def __init__(self, value, scheduler):
        self.value = value
        self.address = int(value.address)
        self.scheduler = scheduler
        self.word = int(value["state"])
        self.flags = int(value["flags"])
        self.future = self.address + int(value["future_offset"])
        self.worker = None  # that polls it

    def name(self):
        return text(self.value["name"]) or text(self.value["site"]) or "?"

    def title(self):
        site = text(self.value["site"])
        return self.name() if text(self.value["name"]) is None else "%s (%s)" % (self.name(), site)

    def is_fiber(self):
        return self.flags & FLAG_FIBER != 0

    def fiber(self):
        """The record of a fiber that has begun; None of one that has not."""
        if not self.is_fiber() or vtable_of(self.future) != address_of("rs_fiber_vtable"):
            return None
        return at(self.future, "struct rs_fiber_root")["fiber"].dereference()

    def style(self):
        return "fiber" if self.is_fiber() else "future"

    def waits_since(self):
        return int(self.value["since_ms"])

    def is_lost(self):
        """Whether nobody has a waker: no reference but its own, its handle's, and those in hand."""
        if self.word & (SCHEDULED | RUNNING | COMPLETE) or self.waits_since() == 0:
            return False
        if self.is_fiber() and self.fiber() is None:
            return False
        hand = int(self.value["in_hand"])
        others = 1 + (1 if self.word & JOIN else 0) + (0 if hand == HAND_CLOSED else hand)
        return self.word // REFERENCE <= others

    def state(self):
        if self.worker is not None:
            return "running on worker %d" % int(self.worker["index"])
        if self.waits_since() == 0:
            return "not begun"
        if self.word & (SCHEDULED | RUNNING):
            return "scheduled"
        return "lost: no waker" if self.is_lost() else "waiting"


def visit_heap(heap, scheduler):
    slab_type = type_named("struct slab")
    header = (slab_type.sizeof + CACHE_LINE - 1) // CACHE_LINE * CACHE_LINE
    slab = heap["slabs"]
    while int(slab) != 0:
        begin = int(slab)
        size = int(slab["block_size"])
        for i in range(int(slab["carved"])):
            task = at(begin + header + i * size, "struct rouse_task")
            if int(task["block"]["mark"]) % 2 == 1 and not int(task["state"]) & COMPLETE:
                yield Task(task, scheduler)
        slab = slab["next"]


def schedulers():
    scheduler = static_variable("registry", "struct rs_sched")
    while int(scheduler) != 0:
        yield scheduler.dereference()
        scheduler = scheduler["next"]


def tasks():
    """All of them, numbered by their place in the list."""
    found = []
    for scheduler in schedulers():
        running = {}
        heaps = []
        for i in range(int(scheduler["worker_count"])):
            worker = (scheduler["workers"] + i).dereference()
            running[int(worker["current"])] = worker
            heaps.append(worker["heap"].dereference())
        heaps.append(scheduler["foreign_heap"].dereference())
        for heap in heaps:
            for task in visit_heap(heap, scheduler):
                task.worker = running.get(task.address)
                found.append(task)
    return found


def task_named(argument):
    """A task by its number or address."""
    every = tasks()
    try:
        number = int(gdb.parse_and_eval(argument))
    except gdb.error:
        raise gdb.GdbError("a task is a number of 'rouse tasks', or an address: %s" % argument)
    for task in every:
        if task.address == number:
            return task
    if 0 <= number < len(every):
        return every[number]
    raise gdb.GdbError("there is no task %s; see 'rouse tasks'" % argument)


# ---- What they wait for ----


def vtable_of(future):
    return int(at(future, "struct rouse_future")["vtable"])


def future_name(future):
    return text(at(future, "struct rouse_future")["vtable"]["name"]) or "future"


def is_frame(future):
    vtable = at(future, "struct rouse_future")["vtable"]
    return (int(vtable["drop"]) == address_of("rouse_async_drop") or
            int(vtable["describe"]) == address_of("rouse_async_describe"))


def chain_of(task):
    """What is awaited in what, from the outside in: pairs of a future and a line, or 0."""
    future, chain = task.future, []
    fiber = task.fiber()
    if fiber is not None:
        future = int(fiber["awaiting"])
    while future != 0 and len(chain) < CHAIN_MAX:
        line, inner = 0, 0
        if is_frame(future):
            frame = at(future, "struct rouse_async")
            line, inner = int(frame["resume"]), int(frame["awaiting"])
        chain.append((future, line))
        future = inner
    return chain


def describe_wait(task):
    if task.worker is not None or task.waits_since() == 0:
        return ""
    parts = []
    for future, line in chain_of(task):
        parts.append(future_name(future) + (" (line %d)" % line if line else ""))
    return " < ".join(reversed(parts))


# ---- Their calls ----


def word_at(address):
    size = gdb.lookup_type("unsigned long").pointer()
    return int(gdb.Value(address).cast(size).dereference())


def frame_of_fiber(fiber):
    """Where a suspended fiber goes on: program counter and frame pointer."""
    sp = int(fiber["coroutine"]["sp"])
    machine = gdb.selected_inferior().architecture().name()
    if machine.startswith("aarch64"):
        return word_at(sp + 8), word_at(sp)
    if not machine.startswith("i386:x86-64"):
        raise gdb.GdbError("stacks of fibers cannot be read on %s" % machine)
    if word_at(sp + 8) == address_of("rs_switch_continue"):
        return word_at(sp + 64), word_at(sp + 56)
    return word_at(sp + 8), word_at(sp + 24)


def describe_call(pc, is_innermost):
    # Of a caller it is the address behind the call.
    address = pc if is_innermost else pc - 1
    where = gdb.find_pc_line(address)
    block = gdb.block_for_pc(address)
    while block is not None and block.function is None:
        block = block.superblock
    name = block.function.print_name if block is not None else None
    if name is None:
        name = gdb.execute("info symbol %#x" % address, to_string=True).split("\n")[0]
    if where.symtab is not None and where.line:
        return "%#018x in %s at %s:%d" % (pc, name, where.symtab.filename, where.line)
    return "%#018x in %s" % (pc, name)


def stack_range(fiber):
    """From the frame where it is suspended up to its own record, which lies at the stack's top."""
    return int(fiber["coroutine"]["sp"]), int(fiber.address)


def print_fiber_calls(fiber):
    low, high = stack_range(fiber)
    if low == 0:
        gdb.write("  its stack is not in this core file; 'rouse core' makes one with stacks\n")
        return
    pc, fp = frame_of_fiber(fiber)
    for level in range(CALLS_MAX):
        gdb.write("  #%-2d %s\n" % (level, describe_call(pc, level == 0)))
        if fp < low or fp > high - 16 or fp % 8 != 0:
            return
        low = fp + 16
        pc, fp = word_at(fp + 8), word_at(fp)
        if pc == 0:
            return


def print_thread_calls(worker):
    tid = int(worker["tid"])
    before, frame = gdb.selected_thread(), gdb.selected_frame()
    for thread in gdb.selected_inferior().threads():
        if thread.ptid[1] != tid:
            continue
        thread.switch()
        try:
            gdb.write(gdb.execute("bt", to_string=True))
        finally:
            before.switch()
            frame.select()
        return
    gdb.write("  thread %d is not there\n" % tid)


def print_calls(task):
    fiber = task.fiber()
    if task.worker is not None:
        print_thread_calls(task.worker)
    elif fiber is not None:
        print_fiber_calls(fiber)
    else:
        for future, line in reversed(chain_of(task)):
            gdb.write("  %s%s at %#x\n" % (future_name(future), ", line %d" % line if line else "",
                                           future))


# ---- Core files ----


def load_segments(core):
    """What a core file, of a machine with 64 bits, holds: pairs of addresses, and where."""
    core.seek(0)
    header = core.read(64)
    table, = struct.unpack_from("<Q", header, 0x20)
    entry, count = struct.unpack_from("<HH", header, 0x36)
    for i in range(count):
        core.seek(table + i * entry)
        kind, _, offset, begin, _, size = struct.unpack("<IIQQQQ", core.read(40))
        if kind == 1:
            yield begin, begin + size, offset


def stack_pages(fiber):
    """The pages of a fiber's stack, from its record at the upper end down to the guard."""
    inferior = gdb.selected_inferior()
    page = int(fiber.address) // PAGE * PAGE
    while True:
        try:
            yield page, inferior.read_memory(page, PAGE).tobytes()
        except gdb.MemoryError:
            return
        page -= PAGE


def add_stacks(path):
    count = 0
    with open(path, "r+b") as core:
        segments = list(load_segments(core))
        for task in tasks():
            fiber = task.fiber()
            if fiber is None:
                continue
            for page, content in stack_pages(fiber):
                for begin, end, offset in segments:
                    if begin <= page < end:
                        core.seek(offset + page - begin)
                        core.write(content)
            count += 1
    return count


# ---- The commands ----


def print_line(number, task):
    gdb.write("%-4d %#x  %s, %s" % (number, task.address, task.title(), task.style()))
    wait = describe_wait(task)
    gdb.write(", %s%s\n" % (task.state(), ": " + wait if wait else ""))


class Rouse(gdb.Command):
    """What the tasks of a program that uses rouse do."""

    def __init__(self):
        super().__init__("rouse", gdb.COMMAND_STACK, gdb.COMPLETE_NONE, True)


class RouseTasks(gdb.Command):
    """rouse tasks: every task, its state, and what it waits in."""

    def __init__(self):
        super().__init__("rouse tasks", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        every = tasks()
        for number, task in enumerate(every):
            print_line(number, task)
        gdb.write("%d tasks\n" % len(every))


class RouseTask(gdb.Command):
    """rouse task N: one task in full; N is its number in 'rouse tasks', or its address."""

    def __init__(self):
        super().__init__("rouse task", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        task = task_named(argument)
        gdb.write("task %#x %s\n" % (task.address, task.title()))
        gdb.write("  %s, %s%s\n" % (task.style(), task.state(),
                                    ", cancelled" if task.word & CANCELLED else ""))
        gdb.write("  %d references, of the %s at %#x\n" % (
            task.word // REFERENCE, text(task.scheduler["kind"]), int(task.scheduler.address)))
        for future, line in chain_of(task) if task.worker is None else []:
            gdb.write("  awaits %s at %#x%s\n" % (future_name(future), future,
                                                 ", in line %d" % line if line else ""))
        print_calls(task)


class RouseBt(gdb.Command):
    """rouse bt all, rouse bt N: the calls that all tasks are in, or one of them."""

    def __init__(self):
        super().__init__("rouse bt", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        every = tasks() if argument.strip() == "all" else [task_named(argument)]
        for task in every:
            gdb.write("task %#x %s, %s\n" % (task.address, task.title(), task.state()))
            print_calls(task)


class RouseCore(gdb.Command):
    """rouse core FILE: a core file of this process, with the stacks of its fibers."""

    def __init__(self):
        super().__init__("rouse core", gdb.COMMAND_FILES, gdb.COMPLETE_FILENAME)

    def invoke(self, argument, from_tty):
        path = argument.strip()
        if not path:
            raise gdb.GdbError("rouse core FILE")
        gdb.execute("generate-core-file %s" % path, to_string=True)
        gdb.write("%s, with the stacks of %d fibers\n" % (path, add_stacks(path)))


Rouse()
RouseTasks()
RouseTask()
RouseBt()
RouseCore()
