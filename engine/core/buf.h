/* A growable byte buffer that is always terminated by a zero byte. Zero-initialise it. */
#ifndef MOON_BUF_H
#define MOON_BUF_H

#include <stddef.h>

struct moon_buf {
    char *data; /* owned; NULL while nothing was added */
    size_t len;
    size_t cap;
};

/* 0, or -1 when there is no memory (the content stays as it was). */
int moon_buf_add(struct moon_buf *b, const void *data, size_t len);
int moon_buf_adds(struct moon_buf *b, const char *s);
int moon_buf_addf(struct moon_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

void moon_buf_free(struct moon_buf *b);

/* The content as an owned string (never NULL unless out of memory); the buffer is empty after. */
char *moon_buf_steal(struct moon_buf *b);

#define AUTO_BUF __attribute__((cleanup(moon_buf_free)))

#endif
