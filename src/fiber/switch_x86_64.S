// SPDX-License-Identifier: MIT
//
// The context switch for x86-64, System V ABI: the forms that are not inline; those that are stand
// in switch.h. A context that does not run is the address of a frame:
//
//     0 MXCSR   4 x87 control word   8 where to continue   16 and up: its own
//
// Whoever continues it loads the control words and jumps, with the frame's address in rsi, still on
// the stack it leaves; the context itself loads its stack pointer and its registers. So the forms
// need not know each other: of the ones below, the frame stands on the stack and goes on with
//
//     16 r15   24 r14   32 r13   40 r12   48 rbx   56 rbp   64 the return address
//
// The processor predicts returns by its own stack of the calls it has seen, and knows nothing of
// switches. Each return that it gets wrong costs several times what a switch does. So a context is
// entered and left by jumps, which do not count there, also its entry, which never returns. What
// resumes contexts should have no call to return from between leaving one and entering the next:
// then what the next one returns from first is predicted to be what the last one was called from,
// and often is, since fibers of one function mostly wait in one place.
//
// Shadow stacks would see a call without its return, so the file does not claim to be fit for them:
// it has no .note.gnu.property, and a program linked with it runs without. Branch tracking is
// satisfied: endbr64 at each entry, notrack on the jumps.

#if defined(__x86_64__) && !defined(ROUSE_FORCE_UCONTEXT)

#define FRAME_MXCSR 0
#define FRAME_X87 4
#define FRAME_CONTINUE 8
#define FRAME_REGISTERS 16
#define FRAME_SIZE 64  // without the return address

// Of a context that has not run: struct rs_switch_first in switch.h.
#define NEW_ENTRY 16
#define NEW_ARG 24

// The control bits of MXCSR; the rest are sticky status flags, which a call may change.
#define MXCSR_CONTROL 0xffffffc0

    .text

// Builds the frame, stores its address, and makes the control words those of the frame at rsi.
.macro leave_context
    pushq %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbp, 0
    pushq %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbx, 0
    pushq %r12
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r12, 0
    pushq %r13
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r13, 0
    pushq %r14
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r14, 0
    pushq %r15
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r15, 0
    leaq rs_switch_continue(%rip), %rax
    pushq %rax
    .cfi_adjust_cfa_offset 8
    subq $8, %rsp
    .cfi_adjust_cfa_offset 8
    stmxcsr FRAME_MXCSR(%rsp)
    fnstcw FRAME_X87(%rsp)

    // Loading a control word stalls the pipeline, for 100 ns at worst; so only where it differs.
    movl FRAME_MXCSR(%rsp), %eax
    movzwl FRAME_X87(%rsp), %edx
    xorl FRAME_MXCSR(%rsi), %eax
    xorw FRAME_X87(%rsi), %dx
    andl $MXCSR_CONTROL, %eax
    movq %rsp, (%rdi)
    orl %edx, %eax
    jz 1f
    ldmxcsr FRAME_MXCSR(%rsi)
    fldcw FRAME_X87(%rsi)
1:
.endm

// void rs_switch(void **save_sp, void *load_sp)
// int rs_switch_tail(void **save_sp, void *load_sp)
//
// The caller of the second has no frame left, so that one returns to the caller's caller.
    .globl rs_switch
    .hidden rs_switch
    .type rs_switch, @function
    .globl rs_switch_tail
    .hidden rs_switch_tail
    .type rs_switch_tail, @function
    .p2align 4
rs_switch:
rs_switch_tail:
    .cfi_startproc
    endbr64
    leave_context
    notrack jmp *FRAME_CONTINUE(%rsi)
    .cfi_endproc
    .size rs_switch, . - rs_switch
    .size rs_switch_tail, . - rs_switch_tail

// Where they continue, with 0 for the one that returns something.
    .globl rs_switch_continue
    .hidden rs_switch_continue
    .type rs_switch_continue, @function
    .p2align 4
rs_switch_continue:
    .cfi_startproc
    .cfi_def_cfa %rsi, FRAME_SIZE + 8
    .cfi_offset %rip, -8
    .cfi_offset %rbp, -16
    .cfi_offset %rbx, -24
    .cfi_offset %r12, -32
    .cfi_offset %r13, -40
    .cfi_offset %r14, -48
    .cfi_offset %r15, -56
    leaq FRAME_REGISTERS(%rsi), %rsp
    popq %r15
    .cfi_restore %r15
    popq %r14
    .cfi_restore %r14
    popq %r13
    .cfi_restore %r13
    popq %r12
    .cfi_restore %r12
    popq %rbx
    .cfi_restore %rbx
    popq %rbp
    .cfi_restore %rbp
    .cfi_def_cfa %rsp, 8
    xorl %eax, %eax
    retq
    .cfi_endproc
    .size rs_switch_continue, . - rs_switch_continue

// Where a new context begins. It has no caller, which is said to unwinders by the undefined rip,
// to those that follow frame pointers by rbp = 0, and to Valgrind by a return address of 0. The
// entry is not called, since no return would follow; but it finds a return address where it expects
// one.
    .globl rs_switch_start
    .hidden rs_switch_start
    .type rs_switch_start, @function
    .p2align 4
rs_switch_start:
    .cfi_startproc
    .cfi_undefined %rip
    .cfi_undefined %rbp
    movq %rsi, %rsp
    movq NEW_ARG(%rsi), %rdi
    xorl %ebp, %ebp
    movq $0, (%rsi)
    leaq .Lentry_returned(%rip), %rcx
    pushq %rcx
    notrack jmp *NEW_ENTRY(%rsi)
.Lentry_returned:
    ud2
    .cfi_endproc
    .size rs_switch_start, . - rs_switch_start

#endif

#if defined(__ELF__)
    .section .note.GNU-stack, "", %progbits
#endif
