/*
 * What the probe guest runs: from reset through protected mode with paging into 64-bit code, then an SSE instruction;
 * prints "VDC64" on the debug port and resets. A KVM that cannot carry a 64-bit guest fails somewhere on this way (the
 * build machine's runs real mode well and nothing after it). Data only: never executed by the agent. It is copied to
 * 0xf0000 of the guest, its last 16 bytes being the reset vector.
 */
    .section .rodata
    .globl probe_rom_start, probe_rom_end
    .balign 16
probe_rom_start:
    .code16
0:  cli
    xorl %eax, %eax
    movw %ax, %ds
    movw %ax, %ss
    /* Page tables at 0x1000: the first 2 MiB onto themselves. */
    movl $0x2003, 0x1000
    movl %eax, 0x1004
    movl $0x3003, 0x2000
    movl %eax, 0x2004
    movl $0x0083, 0x3000
    movl %eax, 0x3004
    movl $0x620, %eax           /* PAE, OSFXSR, OSXMMEXCPT */
    movl %eax, %cr4
    movl $0x1000, %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx      /* EFER.LME */
    rdmsr
    orl $0x100, %eax
    wrmsr
    movw $0xf000, %ax
    movw %ax, %ds
    lgdtl (gdt_register - probe_rom_start)
    movl $0x80000011, %eax      /* paging and protection together: straight into long mode */
    movl %eax, %cr0
    ljmpl $8, $(0xf0000 + (long_mode - probe_rom_start))
    .code64
long_mode:
    xorl %eax, %eax
    movl %eax, %ds
    movl %eax, %ss
    movq %rax, %xmm0
    paddq %xmm0, %xmm0
    movw $0xe9, %dx
    .irp letter, 'V', 'D', 'C', '6', '4'
    movb $\letter, %al
    outb %al, %dx
    .endr
    movb $0xfe, %al             /* reset by the keyboard controller; -no-reboot makes it the end */
    outb %al, $0x64
1:  hlt
    jmp 1b
    .balign 8
gdt:
    .quad 0
    .quad 0x00209a0000000000    /* 64-bit code */
gdt_register:
    .word gdt_register - gdt - 1
    .long 0xf0000 + (gdt - probe_rom_start)
probe_rom_end:
    .section .note.GNU-stack, "", @progbits
