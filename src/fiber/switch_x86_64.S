// SPDX-License-Identifier: MIT
//
// The context switch for x86-64, System V ABI. A context that does not run is its stack pointer,
// below which nothing is live; above it stands, from low to high addresses:
//
//     0 MXCSR   4 x87 control word   8 r15   16 r14   24 r13   32 r12   40 rbx   48 rbp
//     56 where to continue
//
// It continues by an indirect jump. A return would be predicted by the processor's stack of return
// addresses, and that one holds the calls of the context we leave.
//
// Shadow stacks would see a call without its return, so the file does not claim to be fit for them:
// it has no .note.gnu.property, and a program linked with it runs without. Branch tracking is
// satisfied: endbr64 at each entry, notrack on the jump.

#if defined(__x86_64__) && !defined(ROUSE_FORCE_UCONTEXT)

#define FRAME_SIZE 64
#define FRAME_MXCSR 0
#define FRAME_X87 4
#define FRAME_R15 8
#define FRAME_R14 16
#define FRAME_R13 24
#define FRAME_R12 32
#define FRAME_RBX 40
#define FRAME_RBP 48
#define FRAME_CONTINUE 56

// The control bits of MXCSR; the rest are sticky status flags, which a call may change.
#define MXCSR_CONTROL 0xffffffc0

    .text

// void rs_switch(void **save_sp, void *load_sp)
//
// Old and new frame have the same layout, so one description serves unwinders before and after the
// stack pointer changes.
    .globl rs_switch
    .hidden rs_switch
    .type rs_switch, @function
    .p2align 4
rs_switch:
    .cfi_startproc
    endbr64
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
    movq %rsi, %rsp
    orl %edx, %eax
    jnz .Lload_control_words
.Lload_registers:
    addq $8, %rsp
    .cfi_remember_state
    .cfi_adjust_cfa_offset -8
    popq %r15
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r15
    popq %r14
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r14
    popq %r13
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r13
    popq %r12
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r12
    popq %rbx
    .cfi_adjust_cfa_offset -8
    .cfi_restore %rbx
    popq %rbp
    .cfi_adjust_cfa_offset -8
    .cfi_restore %rbp
    popq %rcx
    .cfi_adjust_cfa_offset -8
    .cfi_register %rip, %rcx
    notrack jmp *%rcx

.Lload_control_words:
    .cfi_restore_state
    ldmxcsr FRAME_MXCSR(%rsp)
    fldcw FRAME_X87(%rsp)
    jmp .Lload_registers
    .cfi_endproc
    .size rs_switch, . - rs_switch

// Where a new context begins: rbx is its entry, r12 the argument. It has no caller, which is said
// to unwinders by the undefined rip, and to those that follow frame pointers by rbp = 0.
    .type context_start, @function
    .p2align 4
context_start:
    .cfi_startproc
    .cfi_undefined %rip
    .cfi_undefined %rbp
    endbr64
    movq %r12, %rdi
    callq *%rbx
    ud2
    .cfi_endproc
    .size context_start, . - context_start

// void *rs_switch_prepare(void *stack_top, void (*entry)(void *arg), void *arg)
    .globl rs_switch_prepare
    .hidden rs_switch_prepare
    .type rs_switch_prepare, @function
    .p2align 4
rs_switch_prepare:
    .cfi_startproc
    endbr64
    andq $-16, %rdi
    leaq -FRAME_SIZE(%rdi), %rax
    leaq context_start(%rip), %rcx
    movq %rcx, FRAME_CONTINUE(%rax)
    xorl %ecx, %ecx
    movq %rcx, FRAME_RBP(%rax)
    movq %rsi, FRAME_RBX(%rax)
    movq %rdx, FRAME_R12(%rax)
    movq %rcx, FRAME_R13(%rax)
    movq %rcx, FRAME_R14(%rax)
    movq %rcx, FRAME_R15(%rax)
    movq %rcx, FRAME_MXCSR(%rax)
    stmxcsr FRAME_MXCSR(%rax)
    fnstcw FRAME_X87(%rax)
    retq
    .cfi_endproc
    .size rs_switch_prepare, . - rs_switch_prepare

#endif

#if defined(__ELF__)
    .section .note.GNU-stack, "", %progbits
#endif
