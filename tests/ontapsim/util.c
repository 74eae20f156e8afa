/* Memory, buffers, numbers, time and uuids. */
#include "util.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

static void out_of_memory(void)
{
    fputs("ontapsim: out of memory\n", stderr);
    abort();
}

void *sim_alloc(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size ? size : 1);
    if (!p)
        out_of_memory();
    return p;
}

void *sim_grow(void *p, size_t count, size_t size)
{
    void *q = reallocarray(p, count ? count : 1, size);
    if (!q)
        out_of_memory();
    return q;
}

char *sim_dup(const char *s)
{
    if (!s)
        return NULL;
    char *p = strdup(s);
    if (!p)
        out_of_memory();
    return p;
}

char *sim_printf(const char *fmt, ...)
{
    char *p = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&p, fmt, ap);
    va_end(ap);
    if (n < 0)
        out_of_memory();
    return p;
}

void sim_buf_add(struct sim_buf *b, const void *data, size_t len)
{
    if (len >= SIZE_MAX / 4 - b->len)
        out_of_memory();
    if (b->len + len + 1 > b->cap) {
        size_t cap = b->cap ? b->cap : 256;
        while (cap < b->len + len + 1)
            cap *= 2;
        b->data = sim_grow(b->data, cap, 1);
        b->cap = cap;
    }
    if (len)
        memcpy(b->data + b->len, data, len);
    b->len += len;
    b->data[b->len] = '\0';
}

void sim_buf_adds(struct sim_buf *b, const char *s)
{
    sim_buf_add(b, s, strlen(s));
}

void sim_buf_addf(struct sim_buf *b, const char *fmt, ...)
{
    AUTO_FREE char *p = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&p, fmt, ap);
    va_end(ap);
    if (n < 0)
        out_of_memory();
    sim_buf_add(b, p, (size_t)n);
}

void sim_buf_xml(struct sim_buf *b, const char *text)
{
    while (*text) {
        size_t plain = strcspn(text, "&<>\"'");
        sim_buf_add(b, text, plain);
        text += plain;
        switch (*text) {
        case '&':
            sim_buf_adds(b, "&amp;");
            break;
        case '<':
            sim_buf_adds(b, "&lt;");
            break;
        case '>':
            sim_buf_adds(b, "&gt;");
            break;
        case '"':
            sim_buf_adds(b, "&quot;");
            break;
        case '\'':
            sim_buf_adds(b, "&apos;");
            break;
        default:
            return;
        }
        text++;
    }
}

void sim_buf_free(struct sim_buf *b)
{
    free(b->data);
    *b = (struct sim_buf){0};
}

struct sim_block {
    struct sim_block *next;
    size_t used;
    size_t size;
    max_align_t data[];
};

void *sim_arena_alloc(struct sim_arena *a, size_t size)
{
    size = (size + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
    struct sim_block *b = a->blocks;
    if (!b || b->size - b->used < size) {
        size_t room = size > 16384 ? size : 16384;
        b = sim_alloc(1, sizeof(*b) + room);
        b->size = room;
        b->next = a->blocks;
        a->blocks = b;
    }
    void *p = (char *)b->data + b->used;
    b->used += size;
    return p;
}

char *sim_arena_dup(struct sim_arena *a, const char *s)
{
    size_t n = strlen(s) + 1;
    return memcpy(sim_arena_alloc(a, n), s, n);
}

char *sim_arena_printf(struct sim_arena *a, const char *fmt, ...)
{
    AUTO_FREE char *p = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&p, fmt, ap);
    va_end(ap);
    if (n < 0)
        out_of_memory();
    return sim_arena_dup(a, p);
}

void sim_arena_free(struct sim_arena *a)
{
    while (a->blocks) {
        struct sim_block *next = a->blocks->next;
        free(a->blocks);
        a->blocks = next;
    }
}

bool sim_number(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
    uint64_t n = 0;
    if (!text || !*text)
        return false;
    for (const char *p = text; *p; p++) {
        if (*p < '0' || *p > '9')
            return false;
        uint64_t digit = (uint64_t)(*p - '0');
        if (n > (UINT64_MAX - digit) / 10)
            return false;
        n = n * 10 + digit;
    }
    if (n < min || n > max)
        return false;
    *out = n;
    return true;
}

void sim_uuid(char out[37])
{
    unsigned char r[16];
    if (getrandom(r, sizeof(r), 0) != (ssize_t)sizeof(r)) {
        fputs("ontapsim: no random numbers from the kernel\n", stderr);
        abort();
    }
    r[6] = (unsigned char)((r[6] & 0x0f) | 0x40);
    r[8] = (unsigned char)((r[8] & 0x3f) | 0x80);
    size_t o = 0;
    for (size_t i = 0; i < sizeof(r); i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            out[o++] = '-';
        out[o++] = "0123456789abcdef"[r[i] >> 4];
        out[o++] = "0123456789abcdef"[r[i] & 15];
    }
    out[o] = '\0';
}

bool sim_is_uuid(const char *text)
{
    if (strlen(text) != 36)
        return false;
    for (size_t i = 0; i < 36; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text[i] != '-' : !strchr("0123456789abcdef", text[i]))
            return false;
    }
    return true;
}

static int64_t clock_ms(clockid_t id)
{
    struct timespec ts = {0};
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t sim_now_ms(void)
{
    return clock_ms(CLOCK_MONOTONIC);
}

int64_t sim_epoch_ms(void)
{
    return clock_ms(CLOCK_REALTIME);
}

int64_t sim_epoch(void)
{
    return sim_epoch_ms() / 1000;
}

void sim_log(const char *fmt, ...)
{
    AUTO_FREE char *p = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&p, fmt, ap);
    va_end(ap);
    if (n >= 0)
        fprintf(stderr, "ontapsim: %s\n", p);
}

size_t sim_utf8_char(const char *s)
{
    const unsigned char c = (unsigned char)*s;
    size_t n = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3 : 4;
    if ((c >= 0x80 && c < 0xc2) || c > 0xf4)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if (((unsigned char)s[i] & 0xc0) != 0x80)
            return 0;
    }
    return n;
}

bool sim_utf8_ok(const char *s)
{
    while (*s) {
        size_t n = sim_utf8_char(s);
        if (!n)
            return false;
        s += n;
    }
    return true;
}

int sim_fail(struct sim_err *err, int num, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(err->reason, sizeof(err->reason), fmt, ap);
    va_end(ap);
    for (char *p = err->reason; *p;) { /* texts may have been cut inside a character */
        size_t n = sim_utf8_char(p);
        if (!n)
            *p = '?';
        p += n ? n : 1;
    }
    err->num = num;
    err->rest = 0;
    return -1;
}
