/* The other half of what `make fault` adds to moonsnap: the nth allocation fails. The names stand in the
 * program itself, so that every library uses them, too; memory still comes from the C library.
 *
 *   MOON_ALLOC=CLASS:N[:all]  that allocation fails, with `all` every later one, too. CLASS is who asks:
 *                               lua   liblua. The next one of the same size fails as well, since Lua
 *                                     collects garbage and tries again
 *                               own   moonsnap and the libraries that it hands its data to: jansson,
 *                                     libxml2, libcurl, PCRE2, and the C library for them
 *   MOON_ALLOC_TRACE=FILE     at the end: a line CLASS N HASH for the first allocation of each distinct
 *                             stack, and a line "total CLASS N"
 *
 * GLib and libvirt end the process by their own choice when memory runs out (g_malloc aborts), which is
 * the same as a kill; they are left out. */
#include "../../engine/lazy.h"

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <link.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum asker { OTHER, LUA, OWN, ASKERS };

static const char *const names[] = {[LUA] = "lua", [OWN] = "own"};

struct range {
    uintptr_t from, to;
    enum asker asker;
};

#define DEPTH 14
#define SITES 65536 /* a power of two */

static struct range ranges[256];
static size_t range_count;
static atomic_ulong counts[ASKERS];
static enum asker chosen_asker;
static unsigned long chosen;
static bool all;
static atomic_size_t again; /* size of Lua's second try, 0 */
static void *failed[24];    /* the stack of the one that failed */
static int failed_depth;
static const char *trace;
static struct {
    atomic_uint_fast64_t hash;
    unsigned long n;
    enum asker asker;
} sites[SITES];
static _Thread_local bool inside; /* of the tracer, which may allocate */
static _Thread_local char crash_stack[32768];
static _Thread_local bool crash_ready;

/* What stands between an allocation and who asks for it is not told when it crashes. */
#define SEAM __attribute__((section("moon_seam"), noinline))
extern const char __start_moon_seam[], __stop_moon_seam[];

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);

static enum asker asker_of(const char *path)
{
    static const char *const own[] = {"libjansson", "libxml2", "libcurl", "libpcre2", "libc.so"};
    const char *base = strrchr(path, '/');
    base = base ? base + 1 : path;
    if (!*path)
        return OWN; /* the program */
    if (strncmp(base, "liblua", 6) == 0)
        return LUA;
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        if (strncmp(base, own[i], strlen(own[i])) == 0)
            return OWN;
    }
    return OTHER;
}

static int add_module(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size, (void)arg;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type == PT_LOAD && p->p_flags & PF_X &&
            range_count < sizeof ranges / sizeof *ranges)
            ranges[range_count++] = (struct range){info->dlpi_addr + p->p_vaddr,
                                                   info->dlpi_addr + p->p_vaddr + p->p_memsz,
                                                   asker_of(info->dlpi_name)};
    }
    return 0;
}

static void write_sites(void)
{
    inside = true;
    FILE *f = fopen(trace, "we");
    for (size_t i = 0; f && i < SITES; i++) {
        if (sites[i].hash)
            fprintf(f, "%s %lu %016jx\n", names[sites[i].asker], sites[i].n,
                    (uintmax_t)sites[i].hash);
    }
    for (int c = LUA; f && c < ASKERS; c++)
        fprintf(f, "total %s %lu\n", names[c], counts[c]);
    if (f)
        fclose(f);
}

static void write_stack(void **frames, int depth)
{
    int kept = 0;
    for (int i = 0; i < depth; i++) {
        if ((const char *)frames[i] < __start_moon_seam ||
            (const char *)frames[i] > __stop_moon_seam)
            frames[kept++] = frames[i];
    }
    backtrace_symbols_fd(frames, kept, 2);
}

/* A crash says where, then is one. */
static void on_crash(int sig)
{
    static const char from[] = "the allocation that failed before:\n";
    void *frames[40];
    inside = true;
    signal(sig, SIG_DFL);
    write_stack(frames, backtrace(frames, 40));
    if (failed_depth > 0 && write(2, from, sizeof from - 1) > 0)
        write_stack(failed, failed_depth);
    raise(sig);
}

/* Before main; the guard process, which is this binary as well, must not inherit it. */
__attribute__((constructor)) static void begin(void)
{
    const char *text = getenv("MOON_ALLOC");
    trace = getenv("MOON_ALLOC_TRACE");
    if (!text && !trace)
        return;
    /* Those that are loaded on their first use must be known by then. */
    for (size_t i = 0; moon_lazy_libraries[i]; i++)
        dlopen(moon_lazy_libraries[i], RTLD_LAZY | RTLD_LOCAL);
    dl_iterate_phdr(add_module, NULL);
    for (int c = LUA; text && c < ASKERS; c++) {
        size_t len = strlen(names[c]);
        if (strncmp(text, names[c], len) == 0 && text[len] == ':') {
            char *end;
            chosen = strtoul(text + len + 1, &end, 10);
            all = strcmp(end, ":all") == 0;
            chosen_asker = (enum asker)c;
        }
    }
    void *frames[2];
    backtrace(frames, 2); /* loads its library now */
    struct sigaction crash = {.sa_handler = on_crash, .sa_flags = SA_ONSTACK};
    sigaction(SIGSEGV, &crash, NULL);
    sigaction(SIGABRT, &crash, NULL);
    if (trace) {
        trace = strdup(trace);
        atexit(write_sites);
    }
    unsetenv("MOON_ALLOC");
    unsetenv("MOON_ALLOC_TRACE");
}

static enum asker who(const void *caller)
{
    for (size_t i = 0; i < range_count; i++) {
        if ((uintptr_t)caller >= ranges[i].from && (uintptr_t)caller < ranges[i].to)
            return ranges[i].asker;
    }
    return OTHER;
}

/* The stack as offsets, which are the same in the next run. */
static void note_site(enum asker asker, unsigned long n)
{
    void *frames[DEPTH];
    inside = true;
    int depth = backtrace(frames, DEPTH);
    uint64_t hash = 1469598103934665603U + (uint64_t)asker;
    for (int i = 2; i < depth; i++) {
        uintptr_t at = (uintptr_t)frames[i];
        for (size_t k = 0; k < range_count; k++) {
            if (at >= ranges[k].from && at < ranges[k].to)
                at = (at - ranges[k].from) ^ (k << 40);
        }
        hash = (hash ^ at) * 1099511628211U;
    }
    for (size_t i = hash & (SITES - 1), tries = 0; tries < SITES;
         i = (i + 1) & (SITES - 1), tries++) {
        uint_fast64_t empty = 0;
        if (atomic_compare_exchange_strong(&sites[i].hash, &empty, hash)) {
            sites[i].n = n;
            sites[i].asker = asker;
            break;
        }
        if (empty == hash)
            break;
    }
    inside = false;
}

/* A stack of its own for each thread's crash: a recursion that has used up the other one says where, too. */
static void prepare_crash(void)
{
    crash_ready = true;
    sigaltstack(&(stack_t){.ss_sp = crash_stack, .ss_size = sizeof crash_stack}, NULL);
}

SEAM static bool fails(size_t size, const void *caller)
{
    if (range_count && !crash_ready)
        prepare_crash();
    if (range_count == 0 || inside)
        return false;
    enum asker asker = who(caller);
    if (asker == OTHER)
        return false;
    unsigned long n = atomic_fetch_add(&counts[asker], 1) + 1;
    if (trace)
        note_site(asker, n);
    if (chosen == 0)
        return false;
    if (all && atomic_load(&counts[chosen_asker]) >= chosen)
        return true;
    if (asker != chosen_asker)
        return false;
    if (n == chosen) {
        inside = true;
        failed_depth = backtrace(failed, sizeof failed / sizeof *failed);
        inside = false;
        if (asker == LUA)
            atomic_store(&again, size);
        return true;
    }
    if (asker == LUA && atomic_load(&again) == size) {
        atomic_store(&again, 0);
        return true;
    }
    return false;
}

SEAM void *malloc(size_t size)
{
    if (!fails(size, __builtin_return_address(0)))
        return __libc_malloc(size);
    errno = ENOMEM;
    return NULL;
}

SEAM void *calloc(size_t n, size_t size)
{
    if (!fails(n * size, __builtin_return_address(0)))
        return __libc_calloc(n, size);
    errno = ENOMEM;
    return NULL;
}

SEAM void *realloc(void *p, size_t size)
{
    if (size == 0 || !fails(size, __builtin_return_address(0)))
        return __libc_realloc(p, size);
    errno = ENOMEM;
    return NULL;
}
