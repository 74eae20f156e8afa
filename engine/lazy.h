/* Libraries that are loaded on the first call of one of their functions, not when the program
 * starts: most of what `moonsnap version` or `moonsnap help` would take is the loading of the sixty
 * libraries below libvirt and libcurl. Calls look like any other; the linker finds a stub of the
 * same name that engine/lazy.sh wrote, which jumps to the function and asks for its address before
 * the first time.
 *
 * A library that cannot be loaded ends the program with a message, since a stub knows nothing of
 * its function's result. Who must not end later calls moon_lazy_load first. */
#ifndef MOON_LAZY_H
#define MOON_LAZY_H

#include "err.h"

#include <stddef.h>

/* Load the libraries whose file name begins with `library` ("libvirt"; "" is all but libedit, which only
 * who sits before a terminal needs) and find every function of theirs. Any thread. Waits for the disk; what is loaded already costs nothing.
 * 0, or -1 with *err (unsupported), which names the library. */
int moon_lazy_load(const char *library, struct moon_err *err);

/* --- for the source that lazy.sh writes --- */
struct moon_lazy_symbol {
    const char *name;
    size_t library; /* index in moon_lazy_libraries */
};
extern const char *const moon_lazy_libraries[];           /* sonames; NULL ends them */
extern const struct moon_lazy_symbol moon_lazy_symbols[]; /* a NULL name ends them */
extern void *moon_lazy_handle[];                          /* of dlopen, NULL so far */
__attribute__((visibility("hidden"))) extern void *moon_lazy_address[]; /* NULL so far */

/* Hidden: libvirt uses another libcurl of its own, whose names must not lead here. r11 is nobody's
 * between a call and the first instruction of a function. */
#define MOON_LAZY_STUB(n, name)                                                                    \
    __asm__(".pushsection .text.lazy, \"ax\", @progbits\n"                                         \
            ".globl " #name "\n.hidden " #name "\n.type " #name ", @function\n" #name ":\n"        \
            "endbr64\n"                                                                            \
            "movq moon_lazy_address+8*" #n "(%rip), %r11\n"                                        \
            "testq %r11, %r11\n"                                                                   \
            "jz 1f\n"                                                                              \
            "jmp *%r11\n"                                                                          \
            "1: movl $" #n ", %r11d\n"                                                             \
            "jmp moon_lazy_enter\n"                                                                \
            ".size " #name ", . - " #name "\n"                                                     \
            ".popsection\n")

#endif
