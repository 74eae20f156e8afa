/* What every file of the simulator uses: scope-bound cleanup, a byte buffer, an arena, numbers,
 * time and uuids. Running out of memory ends the process with a message. */
#ifndef SIM_UTIL_H
#define SIM_UTIL_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#define SIM_AUTO(fn) __attribute__((cleanup(fn)))

static inline void sim_auto_free(void *p)
{
    free(*(void **)p);
}

static inline void sim_auto_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

#define AUTO_FREE  SIM_AUTO(sim_auto_free)
#define AUTO_CLOSE SIM_AUTO(sim_auto_close)

void *sim_alloc(size_t count, size_t size); /* zeroed */
void *sim_grow(void *p, size_t count, size_t size);
char *sim_dup(const char *s); /* NULL stays NULL */
char *sim_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A growable buffer, always terminated. Zero-initialise it. */
struct sim_buf {
    char *data;
    size_t len;
    size_t cap;
};

void sim_buf_add(struct sim_buf *b, const void *data, size_t len);
void sim_buf_adds(struct sim_buf *b, const char *s);
void sim_buf_addf(struct sim_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void sim_buf_xml(struct sim_buf *b, const char *text); /* escaped for text and attributes */
void sim_buf_free(struct sim_buf *b);
#define AUTO_BUF SIM_AUTO(sim_buf_free)

/* Memory that lives as long as one request. */
struct sim_arena {
    struct sim_block *blocks;
};

void *sim_arena_alloc(struct sim_arena *a, size_t size);
char *sim_arena_dup(struct sim_arena *a, const char *s);
char *sim_arena_printf(struct sim_arena *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void sim_arena_free(struct sim_arena *a);

/* The whole text as a decimal number within [min, max]. */
bool sim_number(const char *text, uint64_t min, uint64_t max, uint64_t *out);

void sim_uuid(char out[37]);
bool sim_is_uuid(const char *text);
int64_t sim_now_ms(void); /* monotonic */
int64_t sim_epoch(void);  /* seconds since 1970 */
int64_t sim_epoch_ms(void);

/* Length of the valid UTF-8 character at s; 0 when there is none. */
size_t sim_utf8_char(const char *s);
bool sim_utf8_ok(const char *s);

/* One line on stderr. */
void sim_log(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* What a failed operation tells the client: an ONTAP error number and a text. */
struct sim_err {
    int num;  /* 0: none */
    int rest; /* the REST code, where the number alone does not tell it; else 0 */
    char reason[512];
};

/* Always returns -1. */
int sim_fail(struct sim_err *err, int num, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
