/*
 * A guest with no operating system, 512 bytes long: its boot sector counts up, writes the counter to sector 64, then
 * the same record to a ring of 1024 sectors from 65 on, prints a dot on the serial port and waits for 9 timer ticks
 * (half a second). It goes on from the counter that it finds on the disk, so a restored disk is recognised by its
 * number, and a crash-consistent copy obeys: sector 64 holds N, the ring holds N-1, and N or not.
 *
 * Works on virtio-blk and virtio-scsi; 16 MiB of memory are enough. The counter from outside:
 *   dd if=DISK bs=512 skip=64 count=1 iflag=direct | od -A n -t u4 -N 4
 * Build:
 *   as --32 -o guest.o guest.S && ld -m elf_i386 -Ttext 0x7c00 --oformat binary -o guest.bin guest.o
 */
    .code16
    .globl _start
_start:
    cli
    xorw %ax,%ax
    movw %ax,%ds
    movw %ax,%es
    movw %ax,%ss
    movw $0x7c00,%sp
    sti
    movb %dl,drive
    movl $0x5441454c,0x8004      /* magic "LEAT" */
    /* resume the counter from LBA 64 if magic matches */
    movw $0x4200,%ax
    call io
    jc fresh
    cmpl $0x5441454c,0x8004
    je main
fresh:
    movl $0x5441454c,0x8004
    movl $0,0x8000
main:
    incl 0x8000
    movl $64,%eax                /* LBA 64: always the newest counter */
    movl %eax,lba
    movw $0x4300,%ax
    call io
    jc fail
    movl 0x8000,%eax             /* LBA 65+(n & 1023): a ring of records */
    andl $1023,%eax
    addl $65,%eax
    movl %eax,lba
    movw $0x4300,%ax
    call io
    jc fail
    movb $'.',%al
    jmp out
fail:
    movb $'E',%al
out:
    movw $0x3f8,%dx
    outb %al,%dx
    movw $9,%cx                  /* 9 ticks of 55 ms */
idle:
    hlt
    loop idle
    jmp main
io: movb drive,%dl
    movw $dap,%si
    int $0x13
    ret
drive: .byte 0
    .balign 4
dap: .byte 16,0
    .word 1
    .word 0x8000,0
lba: .long 64,0
    .org 510
    .word 0xaa55
