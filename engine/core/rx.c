#include "rx.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <errno.h>
#include <pcre2.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Generous for reading the output of commands, small enough to end within a second or so. */
enum { MATCH_LIMIT = 1000000, DEPTH_LIMIT = 200000, HEAP_LIMIT_KIB = 32768 };

struct moon_rx {
    pcre2_code *code;
    pcre2_match_context *limits;
    char *pattern;
    const char **names; /* [groups + 1], borrowed from code */
    size_t groups;
    bool utf;
};

static int fail(struct moon_err *err, enum moon_code code, int native, const struct moon_rx *rx,
                const char *what)
{
    return moon_err_set(err, code, MOON_SRC_ENGINE, native, "rx-match", "pattern '%.128s': %s",
                        rx->pattern, what);
}

static int options_of(const char *flags, uint32_t *out, struct moon_err *err)
{
    uint32_t options = PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C;
    for (const char *f = flags ? flags : ""; *f; f++) {
        switch (*f) {
        case 'i':
            options |= PCRE2_CASELESS;
            break;
        case 'm':
            options |= PCRE2_MULTILINE;
            break;
        case 's':
            options |= PCRE2_DOTALL;
            break;
        case 'x':
            options |= PCRE2_EXTENDED;
            break;
        case 'u':
            options |= PCRE2_UCP;
            break;
        case 'b':
            options &= ~(uint32_t)PCRE2_UTF;
            options |= PCRE2_NEVER_UTF;
            break;
        default:
            return moon_err_set(err, MOON_INVALID, MOON_SRC_ENGINE, 0, "rx-compile",
                                "flags '%.16s': unknown flag '%c'; use i, m, s, x, u or b", flags,
                                *f);
        }
    }
    *out = options;
    return 0;
}

static int read_names(struct moon_rx *rx)
{
    uint32_t groups = 0;
    uint32_t count = 0;
    uint32_t size = 0;
    PCRE2_SPTR table = NULL;
    pcre2_pattern_info(rx->code, PCRE2_INFO_CAPTURECOUNT, &groups);
    pcre2_pattern_info(rx->code, PCRE2_INFO_NAMECOUNT, &count);
    pcre2_pattern_info(rx->code, PCRE2_INFO_NAMEENTRYSIZE, &size);
    pcre2_pattern_info(rx->code, PCRE2_INFO_NAMETABLE, &table);
    rx->groups = groups;
    rx->names = calloc((size_t)groups + 1, sizeof *rx->names);
    if (!rx->names)
        return -1;
    for (uint32_t i = 0; i < count; i++, table += size) {
        size_t group = (size_t)table[0] << 8 | table[1];
        rx->names[group] = (const char *)table + 2;
    }
    return 0;
}

int moon_rx_new(const char *pattern, const char *flags, struct moon_rx **out, struct moon_err *err)
{
    static const char op[] = "rx-compile";
    uint32_t options = 0;
    if (options_of(flags, &options, err) < 0)
        return -1;
    size_t len = strlen(pattern);
    if (len > MOON_RX_MAX_PATTERN)
        return moon_err_set(err, MOON_INVALID, MOON_SRC_ENGINE, 0, op,
                            "pattern: %zu bytes are more than the %d that are accepted", len,
                            MOON_RX_MAX_PATTERN);
    AUTO_RX struct moon_rx *rx = calloc(1, sizeof *rx);
    if (!rx)
        return moon_err_errno(err, ENOMEM, op, "pattern '%.128s'", pattern);
    rx->utf = options & PCRE2_UTF;
    rx->pattern = strdup(pattern);
    rx->limits = pcre2_match_context_create(NULL);
    int number = 0;
    PCRE2_SIZE offset = 0;
    rx->code = pcre2_compile((PCRE2_SPTR)pattern, len, options, &number, &offset, NULL);
    if (!rx->code) {
        PCRE2_UCHAR text[256] = {0};
        pcre2_get_error_message(number, text, sizeof text);
        /* cppcheck-suppress memleak ; AUTO_RX frees it */
        return moon_err_set(err, MOON_INVALID, MOON_SRC_ENGINE, number, op,
                            "pattern '%.128s': at offset %zu: %s", pattern, (size_t)offset,
                            (const char *)text);
    }
    if (!rx->pattern || !rx->limits || read_names(rx) < 0)
        return moon_err_errno(err, ENOMEM, op, "pattern '%.128s'", pattern);
    pcre2_set_match_limit(rx->limits, MATCH_LIMIT);
    pcre2_set_depth_limit(rx->limits, DEPTH_LIMIT);
    pcre2_set_heap_limit(rx->limits, HEAP_LIMIT_KIB);
    *out = MOON_STEAL(rx);
    return 0;
}

void moon_rx_free(struct moon_rx *rx)
{
    if (!rx)
        return;
    pcre2_code_free(rx->code);
    pcre2_match_context_free(rx->limits);
    free(rx->names);
    free(rx->pattern);
    free(rx);
}

size_t moon_rx_groups(const struct moon_rx *rx)
{
    return rx->groups;
}

const char *moon_rx_group_name(const struct moon_rx *rx, size_t group)
{
    return group <= rx->groups ? rx->names[group] : NULL;
}

/* One search of a walk over a subject; the UTF-8 check of the whole subject is made once. */
struct walk {
    const struct moon_rx *rx;
    const char *subject;
    size_t len;
    size_t at;
    bool checked;
    bool after_empty; /* the last match was empty: the next must not be the same one again */
    pcre2_match_data *data;
};

static void auto_data(pcre2_match_data **data)
{
    pcre2_match_data_free(*data);
}

static int walk_begin(struct walk *w, struct moon_err *err)
{
    if (w->at > w->len)
        return fail(err, MOON_INVALID, 0, w->rx, "start lies behind the end of the subject");
    w->data = pcre2_match_data_create_from_pattern(w->rx->code, NULL);
    return w->data ? 0 : fail(err, MOON_INTERNAL, ENOMEM, w->rx, "out of memory");
}

static int run(struct walk *w, uint32_t options, struct moon_err *err)
{
    if (w->checked)
        options |= PCRE2_NO_UTF_CHECK;
    int rc = pcre2_match(w->rx->code, (PCRE2_SPTR)(w->subject ? w->subject : ""), w->len, w->at,
                         options, w->data, w->rx->limits);
    if (rc == PCRE2_ERROR_NOMATCH || rc >= 0) {
        w->checked = true;
        return rc >= 0;
    }
    if (rc <= PCRE2_ERROR_UTF8_ERR1 && rc >= PCRE2_ERROR_UTF8_ERR21)
        return fail(err, MOON_INVALID, rc, w->rx, "subject is not utf-8; use flag b for bytes");
    if (rc == PCRE2_ERROR_MATCHLIMIT || rc == PCRE2_ERROR_DEPTHLIMIT || rc == PCRE2_ERROR_HEAPLIMIT)
        return fail(err, MOON_INVALID, rc, w->rx,
                    "too much backtracking; make the pattern more exact");
    PCRE2_UCHAR text[256] = {0};
    pcre2_get_error_message(rc, text, sizeof text);
    return fail(err, rc == PCRE2_ERROR_NOMEMORY ? MOON_INTERNAL : MOON_INVALID, rc, w->rx,
                (const char *)text);
}

static struct moon_rx_span span_of(const struct walk *w, size_t group)
{
    const PCRE2_SIZE *v = pcre2_get_ovector_pointer(w->data);
    if (group >= pcre2_get_ovector_count(w->data) || v[2 * group] == PCRE2_UNSET)
        return (struct moon_rx_span){MOON_RX_UNSET, MOON_RX_UNSET};
    /* \K inside a lookahead can put the start behind the end. */
    size_t start = v[2 * group];
    size_t end = v[2 * group + 1];
    return (struct moon_rx_span){start, end < start ? start : end};
}

/* 1 and the walk stands behind the match, 0 when there is none left, -1. */
static int walk_next(struct walk *w, struct moon_err *err)
{
    int rc = 0;
    if (w->after_empty) {
        rc = run(w, PCRE2_NOTEMPTY_ATSTART | PCRE2_ANCHORED, err);
        if (rc == 0) {
            if (w->at >= w->len)
                return 0;
            w->at++;
            while (w->rx->utf && w->at < w->len && (w->subject[w->at] & 0xc0) == 0x80)
                w->at++;
        }
    }
    if (rc == 0)
        rc = run(w, 0, err);
    if (rc != 1)
        return rc;
    struct moon_rx_span m = span_of(w, 0);
    size_t before = w->at;
    w->at = m.end > before ? m.end : before;
    w->after_empty = m.start >= m.end || w->at == before;
    return 1;
}

int moon_rx_exec(const struct moon_rx *rx, const char *subject, size_t len, size_t start,
                 struct moon_rx_span *spans, size_t count, struct moon_err *err)
{
    __attribute__((cleanup(auto_data))) pcre2_match_data *data = NULL;
    struct walk w = {.rx = rx, .subject = subject, .len = len, .at = start};
    if (walk_begin(&w, err) < 0)
        return -1;
    data = w.data;
    int rc = run(&w, 0, err);
    for (size_t i = 0; rc == 1 && i < count; i++)
        spans[i] = span_of(&w, i);
    return rc;
}

static json_t *text_at(const struct walk *w, struct moon_rx_span s)
{
    if (s.start == MOON_RX_UNSET)
        return json_null();
    /* Not checked: UTF-8 subjects were, and bytes are to stay as they are. */
    return json_stringn_nocheck(w->subject ? w->subject + s.start : "", s.end - s.start);
}

static json_t *record(const struct walk *w)
{
    json_t *groups = json_array();
    json_t *names = json_object();
    struct moon_rx_span m = span_of(w, 0);
    int rc = groups && names ? 0 : -1;
    for (size_t i = 1; rc == 0 && i <= w->rx->groups; i++) {
        json_t *text = text_at(w, span_of(w, i));
        const char *name = w->rx->names[i];
        if (name && !json_is_null(text))
            rc = json_object_set(names, name, text);
        rc |= json_array_append_new(groups, text);
    }
    if (rc < 0) {
        json_decref(groups);
        json_decref(names);
        return NULL;
    }
    return json_pack("{s:I, s:I, s:o, s:o, s:o}", "start", (json_int_t)m.start, "end",
                     (json_int_t)m.end, "text", text_at(w, m), "groups", groups, "names", names);
}

int moon_rx_match(const struct moon_rx *rx, const char *subject, size_t len, size_t start,
                  json_t **out, struct moon_err *err)
{
    __attribute__((cleanup(auto_data))) pcre2_match_data *data = NULL;
    struct walk w = {.rx = rx, .subject = subject, .len = len, .at = start};
    if (walk_begin(&w, err) < 0)
        return -1;
    data = w.data;
    int rc = run(&w, 0, err);
    if (rc < 0)
        return -1;
    json_t *json = rc ? record(&w) : json_null();
    if (!json)
        return fail(err, MOON_INTERNAL, ENOMEM, rx, "out of memory");
    *out = json;
    return 0;
}

int moon_rx_all(const struct moon_rx *rx, const char *subject, size_t len, size_t max, json_t **out,
                struct moon_err *err)
{
    __attribute__((cleanup(auto_data))) pcre2_match_data *data = NULL;
    struct walk w = {.rx = rx, .subject = subject, .len = len};
    if (walk_begin(&w, err) < 0)
        return -1;
    data = w.data;
    json_t *list = json_array();
    int rc = 1;
    while (list && (max == 0 || json_array_size(list) < max) && (rc = walk_next(&w, err)) == 1) {
        if (json_array_append_new(list, record(&w)) < 0) {
            rc = fail(err, MOON_INTERNAL, ENOMEM, rx, "out of memory");
            break;
        }
    }
    if (rc < 0 || !list) {
        json_decref(list);
        return rc < 0 ? -1 : fail(err, MOON_INTERNAL, ENOMEM, rx, "out of memory");
    }
    *out = list;
    return 0;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The group that a reference behind a dollar means; *next is behind it. -1 when there is none. */
static int reference(const struct moon_rx *rx, const char *s, const char **next, size_t *group)
{
    char name[64];
    if (*s == '{') {
        size_t len = strcspn(s + 1, "}");
        if (s[1 + len] != '}' || len == 0 || len >= sizeof name)
            return -1;
        memcpy(name, s + 1, len);
        name[len] = '\0';
        *next = s + len + 2;
    } else {
        size_t len = is_digit(s[0]) ? (is_digit(s[1]) ? 2 : 1) : 0;
        if (len == 0)
            return -1;
        memcpy(name, s, len);
        name[len] = '\0';
        *next = s + len;
    }
    if (is_digit(name[0])) {
        char *end = NULL;
        errno = 0;
        unsigned long n = strtoul(name, &end, 10);
        *group = n;
        return errno || *end || n > rx->groups ? -1 : 0;
    }
    for (size_t i = 1; i <= rx->groups; i++) {
        if (rx->names[i] && strcmp(rx->names[i], name) == 0) {
            *group = i;
            return 0;
        }
    }
    return -1;
}

static int expand(const struct walk *w, const char *with, struct moon_buf *b, struct moon_err *err)
{
    while (*with) {
        size_t plain = strcspn(with, "$");
        if (moon_buf_add(b, with, plain) < 0)
            return fail(err, MOON_INTERNAL, ENOMEM, w->rx, "out of memory");
        with += plain;
        if (!*with)
            break;
        if (with[1] == '$') {
            if (moon_buf_add(b, "$", 1) < 0)
                return fail(err, MOON_INTERNAL, ENOMEM, w->rx, "out of memory");
            with += 2;
            continue;
        }
        size_t group = 0;
        const char *next = NULL;
        if (reference(w->rx, with + 1, &next, &group) < 0)
            return moon_err_set(err, MOON_INVALID, MOON_SRC_ENGINE, 0, "rx-replace",
                                "replacement: '%.32s' names no group of pattern '%.128s'; write "
                                "$$ for a dollar",
                                with, w->rx->pattern);
        struct moon_rx_span s = span_of(w, group);
        if (s.start != MOON_RX_UNSET && w->subject &&
            moon_buf_add(b, w->subject + s.start, s.end - s.start) < 0)
            return fail(err, MOON_INTERNAL, ENOMEM, w->rx, "out of memory");
        with = next;
    }
    return 0;
}

int moon_rx_replace(const struct moon_rx *rx, const char *subject, size_t len, const char *with,
                    size_t max, struct moon_buf *b, size_t *replaced, struct moon_err *err)
{
    __attribute__((cleanup(auto_data))) pcre2_match_data *data = NULL;
    struct walk w = {.rx = rx, .subject = subject, .len = len};
    if (walk_begin(&w, err) < 0)
        return -1;
    data = w.data;
    size_t done = 0;
    size_t count = 0;
    int rc = 1;
    while ((max == 0 || count < max) && (rc = walk_next(&w, err)) == 1) {
        struct moon_rx_span m = span_of(&w, 0);
        if (m.start < done)
            continue; /* lookbehind with \K: it would overlap what is written */
        if (moon_buf_add(b, subject + done, m.start - done) < 0)
            return fail(err, MOON_INTERNAL, ENOMEM, rx, "out of memory");
        if (expand(&w, with, b, err) < 0)
            return -1;
        done = m.end;
        count++;
    }
    if (rc < 0)
        return -1;
    if (moon_buf_add(b, subject + done, len - done) < 0)
        return fail(err, MOON_INTERNAL, ENOMEM, rx, "out of memory");
    if (replaced)
        *replaced = count;
    return 0;
}
