/*
 * A guest with no operating system, 512 bytes long: its boot sector counts up, writes the counter to sector 64, then
 * the same record to a ring of 1024 sectors from 65 on, prints a dot on the serial port and waits for 9 timer ticks
 * (half a second). It goes on from the counter that it finds on the disk, so a restored disk is recognised by its
 * number, and a crash-consistent copy obeys: sector 64 holds N, the ring holds N-1, and N or not.
 *
 * Before that it opens port 1 of a virtio-serial controller at PCI address 00:1e.0, if there is one: libvirt then takes
 * the guest agent's channel for connected (tests/lib/agent.sh). One message on the controller's control queue does that.
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
    movl $0x8000f000,%eax        /* bus 0, device 0x1e, register 0: whose it is */
    call pci
    inl %dx,%eax
    cmpl $0x10031af4,%eax        /* virtio-serial, with the old interface */
    jne load
    movl $0x8000f004,%eax        /* command: I/O, memory, bus master */
    call pci
    movl $7,%eax
    outl %eax,%dx
    movl $0x8000f010,%eax        /* its I/O ports */
    call pci
    inl %dx,%eax
    andw $0xfffc,%ax
    movw %ax,%bx
    leaw 18(%bx),%dx             /* status: reset, seen, driver */
    xorb %al,%al
    outb %al,%dx
    movb $1,%al
    outb %al,%dx
    movb $3,%al
    outb %al,%dx
    leaw 4(%bx),%dx              /* features: several ports */
    movl $2,%eax
    outl %eax,%dx
    leaw 14(%bx),%dx             /* queue 3, control messages to the device, of 32 entries, at 0x9000 */
    movw $3,%ax
    outw %ax,%dx
    leaw 8(%bx),%dx
    movl $9,%eax
    outl %eax,%dx
    leaw 18(%bx),%dx             /* status: ready */
    movb $7,%al
    outb %al,%dx
    movl $open,0x9000            /* one descriptor, 8 bytes; it is available */
    movl $0,0x9004
    movl $8,0x9008
    movl $0,0x900c
    movl $0x10000,0x9200
    movw $0,0x9204
    leaw 16(%bx),%dx
    movw $3,%ax
    outw %ax,%dx
load:
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
pci:
    movw $0xcf8,%dx
    outl %eax,%dx
    movw $0xcfc,%dx
    ret
io: movb drive,%dl
    movw $dap,%si
    int $0x13
    ret
open: .long 1                    /* port */
    .word 6,1                    /* is opened */
drive: .byte 0
    .balign 4
dap: .byte 16,0
    .word 1
    .word 0x8000,0
lba: .long 64,0
    .org 510
    .word 0xaa55
