#include "lazy.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void *find(const struct moon_lazy_symbol *s, struct moon_err *err)
{
    /* Two threads may both come here: dlopen gives both the same handle. */
    void **slot = &moon_lazy_handle[s->library];
    void *handle = __atomic_load_n(slot, __ATOMIC_ACQUIRE);
    if (!handle) {
        /* local: what a library brings stays out of the way of the others */
        handle = dlopen(moon_lazy_libraries[s->library], RTLD_LAZY | RTLD_LOCAL);
        __atomic_store_n(slot, handle, __ATOMIC_RELEASE);
    }
    void *address = handle ? dlsym(handle, s->name) : NULL;
    if (!address)
        moon_err_set(err, MOON_UNSUPPORTED, MOON_SRC_OS, 0, "load",
                     "%s; install the package that has %s", dlerror(),
                     moon_lazy_libraries[s->library]);
    return address;
}

int moon_lazy_load(const char *library, struct moon_err *err)
{
    for (size_t i = 0; moon_lazy_symbols[i].name; i++) {
        const char *soname = moon_lazy_libraries[moon_lazy_symbols[i].library];
        if (strncmp(soname, library, strlen(library)) != 0 ||
            (!*library && strncmp(soname, "libedit", 7) == 0) ||
            __atomic_load_n(&moon_lazy_address[i], __ATOMIC_ACQUIRE))
            continue;
        void *address = find(&moon_lazy_symbols[i], err);
        if (!address)
            return -1;
        __atomic_store_n(&moon_lazy_address[i], address, __ATOMIC_RELEASE);
    }
    return 0;
}

#ifdef __x86_64__
/* The address of function number n. Called by moon_lazy_enter only. */
__attribute__((used, visibility("hidden"))) void *moon_lazy_find(size_t n);
void *moon_lazy_find(size_t n)
{
    struct moon_err err;
    void *address = find(&moon_lazy_symbols[n], &err);
    if (!address) {
        fprintf(stderr, "moonsnap: error: %s\n", err.message);
        _exit(1); /* no tidy end: this may be any thread */
    }
    __atomic_store_n(&moon_lazy_address[n], address, __ATOMIC_RELEASE);
    return address;
}

/* From a stub, with the number in r11 and the arguments of the function where its caller put them:
 * all registers that can hold one are kept, al too, which counts the vector registers of a call
 * with variable arguments. The stack is aligned as moon_lazy_find may expect: 8 (return address) +
 * 56 + 128 are a multiple of 16. */
__asm__(".text\n"
        ".type moon_lazy_enter, @function\n"
        ".globl moon_lazy_enter\n.hidden moon_lazy_enter\n"
        "moon_lazy_enter:\n"
        ".cfi_startproc\n"
        "pushq %rax\npushq %rdi\npushq %rsi\npushq %rdx\npushq %rcx\npushq %r8\npushq %r9\n"
        ".cfi_adjust_cfa_offset 56\n"
        "subq $128, %rsp\n"
        ".cfi_adjust_cfa_offset 128\n"
        "movups %xmm0, (%rsp)\nmovups %xmm1, 16(%rsp)\nmovups %xmm2, 32(%rsp)\n"
        "movups %xmm3, 48(%rsp)\nmovups %xmm4, 64(%rsp)\nmovups %xmm5, 80(%rsp)\n"
        "movups %xmm6, 96(%rsp)\nmovups %xmm7, 112(%rsp)\n"
        "movq %r11, %rdi\n"
        "call moon_lazy_find\n"
        "movq %rax, %r11\n"
        "movups (%rsp), %xmm0\nmovups 16(%rsp), %xmm1\nmovups 32(%rsp), %xmm2\n"
        "movups 48(%rsp), %xmm3\nmovups 64(%rsp), %xmm4\nmovups 80(%rsp), %xmm5\n"
        "movups 96(%rsp), %xmm6\nmovups 112(%rsp), %xmm7\n"
        "addq $128, %rsp\n"
        ".cfi_adjust_cfa_offset -128\n"
        "popq %r9\npopq %r8\npopq %rcx\npopq %rdx\npopq %rsi\npopq %rdi\npopq %rax\n"
        ".cfi_adjust_cfa_offset -56\n"
        "jmp *%r11\n"
        ".cfi_endproc\n"
        ".size moon_lazy_enter, . - moon_lazy_enter\n");
#endif
