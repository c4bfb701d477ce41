// SPDX-License-Identifier: MIT
//
// The context switch for arm64, AAPCS64. A context that does not run is its stack pointer, below
// which nothing is live; above it stands, from low to high addresses:
//
//     0 x29   8 where to continue   16 x19 to x28   96 d8 to d15   160 FPCR   168 unused
//
// It continues by an indirect jump. A return would be predicted by the processor's stack of return
// addresses, and that one holds the calls of the context we leave.
//
// The jump lands where C code does not expect one, so the file does not claim to be fit for branch
// target identification: it has no .note.gnu.property. The addresses it keeps are not signed.

#if defined(__aarch64__) && !defined(ROUSE_FORCE_UCONTEXT)

#define FRAME_SIZE 176
#define FRAME_X29 0
#define FRAME_CONTINUE 8
#define FRAME_X19 16
#define FRAME_X21 32
#define FRAME_X23 48
#define FRAME_X25 64
#define FRAME_X27 80
#define FRAME_D8 96
#define FRAME_D10 112
#define FRAME_D12 128
#define FRAME_D14 144
#define FRAME_FPCR 160

    .text

// void rs_switch(void **save_sp, void *load_sp)
//
// Old and new frame have the same layout, so one description serves unwinders before and after the
// stack pointer changes.
    .globl rs_switch
    .hidden rs_switch
    .type rs_switch, %function
    .p2align 4
rs_switch:
    .cfi_startproc
    hint #34  // bti c
    stp x29, x30, [sp, #-FRAME_SIZE]!
    .cfi_adjust_cfa_offset FRAME_SIZE
    .cfi_rel_offset x29, FRAME_X29
    .cfi_rel_offset x30, FRAME_CONTINUE
    stp x19, x20, [sp, #FRAME_X19]
    .cfi_rel_offset x19, FRAME_X19
    .cfi_rel_offset x20, FRAME_X19 + 8
    stp x21, x22, [sp, #FRAME_X21]
    .cfi_rel_offset x21, FRAME_X21
    .cfi_rel_offset x22, FRAME_X21 + 8
    stp x23, x24, [sp, #FRAME_X23]
    .cfi_rel_offset x23, FRAME_X23
    .cfi_rel_offset x24, FRAME_X23 + 8
    stp x25, x26, [sp, #FRAME_X25]
    .cfi_rel_offset x25, FRAME_X25
    .cfi_rel_offset x26, FRAME_X25 + 8
    stp x27, x28, [sp, #FRAME_X27]
    .cfi_rel_offset x27, FRAME_X27
    .cfi_rel_offset x28, FRAME_X27 + 8
    stp d8, d9, [sp, #FRAME_D8]
    .cfi_rel_offset d8, FRAME_D8
    .cfi_rel_offset d9, FRAME_D8 + 8
    stp d10, d11, [sp, #FRAME_D10]
    .cfi_rel_offset d10, FRAME_D10
    .cfi_rel_offset d11, FRAME_D10 + 8
    stp d12, d13, [sp, #FRAME_D12]
    .cfi_rel_offset d12, FRAME_D12
    .cfi_rel_offset d13, FRAME_D12 + 8
    stp d14, d15, [sp, #FRAME_D14]
    .cfi_rel_offset d14, FRAME_D14
    .cfi_rel_offset d15, FRAME_D14 + 8
    mrs x9, fpcr
    str x9, [sp, #FRAME_FPCR]

    mov x10, sp
    str x10, [x0]
    mov sp, x1

    // Writing FPCR may stall the pipeline, so we write it only where it differs.
    ldr x10, [sp, #FRAME_FPCR]
    cmp x9, x10
    b.eq .Lload_registers
    msr fpcr, x10
.Lload_registers:
    ldp d14, d15, [sp, #FRAME_D14]
    .cfi_restore d14
    .cfi_restore d15
    ldp d12, d13, [sp, #FRAME_D12]
    .cfi_restore d12
    .cfi_restore d13
    ldp d10, d11, [sp, #FRAME_D10]
    .cfi_restore d10
    .cfi_restore d11
    ldp d8, d9, [sp, #FRAME_D8]
    .cfi_restore d8
    .cfi_restore d9
    ldp x27, x28, [sp, #FRAME_X27]
    .cfi_restore x27
    .cfi_restore x28
    ldp x25, x26, [sp, #FRAME_X25]
    .cfi_restore x25
    .cfi_restore x26
    ldp x23, x24, [sp, #FRAME_X23]
    .cfi_restore x23
    .cfi_restore x24
    ldp x21, x22, [sp, #FRAME_X21]
    .cfi_restore x21
    .cfi_restore x22
    ldp x19, x20, [sp, #FRAME_X19]
    .cfi_restore x19
    .cfi_restore x20
    ldp x29, x30, [sp], #FRAME_SIZE
    .cfi_adjust_cfa_offset -FRAME_SIZE
    .cfi_restore x29
    .cfi_restore x30
    br x30
    .cfi_endproc
    .size rs_switch, . - rs_switch

// Where a new context begins: x19 is its entry, x20 the argument. It has no caller, which is said
// to unwinders by the undefined x30, and to those that follow frame pointers by x29 = 0.
    .type context_start, %function
    .p2align 4
context_start:
    .cfi_startproc
    .cfi_undefined x30
    .cfi_undefined x29
    hint #36  // bti j
    mov x0, x20
    blr x19
    brk #1
    .cfi_endproc
    .size context_start, . - context_start

// void *rs_switch_first_frame(void *stack_top, void (*entry)(void *arg), void *arg)
    .globl rs_switch_first_frame
    .hidden rs_switch_first_frame
    .type rs_switch_first_frame, %function
    .p2align 4
rs_switch_first_frame:
    .cfi_startproc
    hint #34  // bti c
    and x0, x0, #-16
    sub x0, x0, #FRAME_SIZE
    adr x9, context_start
    stp xzr, x9, [x0, #FRAME_X29]
    stp x1, x2, [x0, #FRAME_X19]
    stp xzr, xzr, [x0, #FRAME_X21]
    stp xzr, xzr, [x0, #FRAME_X23]
    stp xzr, xzr, [x0, #FRAME_X25]
    stp xzr, xzr, [x0, #FRAME_X27]
    stp xzr, xzr, [x0, #FRAME_D8]
    stp xzr, xzr, [x0, #FRAME_D10]
    stp xzr, xzr, [x0, #FRAME_D12]
    stp xzr, xzr, [x0, #FRAME_D14]
    mrs x9, fpcr
    stp x9, xzr, [x0, #FRAME_FPCR]
    ret
    .cfi_endproc
    .size rs_switch_first_frame, . - rs_switch_first_frame

#endif

#if defined(__ELF__)
    .section .note.GNU-stack, "", %progbits
#endif
