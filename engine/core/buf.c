#include "buf.h"

#include "memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int reserve(struct moon_buf *b, size_t extra)
{
    if (extra >= (size_t)-1 - b->len)
        return -1;
    size_t need = b->len + extra + 1;
    if (need <= b->cap)
        return 0;
    size_t cap = b->cap ? b->cap : 64;
    while (cap < need) {
        if (cap > (size_t)-1 / 2)
            return -1;
        cap *= 2;
    }
    char *data = realloc(b->data, cap);
    if (!data) {
        moon_memory_note();
        return -1;
    }
    b->data = data;
    b->cap = cap;
    return 0;
}

int moon_buf_add(struct moon_buf *b, const void *data, size_t len)
{
    if (reserve(b, len) < 0)
        return -1;
    if (len)
        memcpy(b->data + b->len, data, len);
    b->len += len;
    b->data[b->len] = '\0';
    return 0;
}

int moon_buf_adds(struct moon_buf *b, const char *s)
{
    return moon_buf_add(b, s, strlen(s));
}

int moon_buf_addf(struct moon_buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0 || reserve(b, (size_t)n) < 0)
        return -1;
    va_start(ap, fmt);
    vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->len += (size_t)n;
    return 0;
}

void moon_buf_free(struct moon_buf *b)
{
    free(b->data);
    *b = (struct moon_buf){0};
}

char *moon_buf_steal(struct moon_buf *b)
{
    if (!b->data && reserve(b, 0) < 0)
        return NULL;
    b->data[b->len] = '\0';
    char *data = b->data;
    *b = (struct moon_buf){0};
    return data;
}
