/* What REST reads and writes: JSON fields by path, queries with their quoting, ISO 8601 times. */
#include "ontap_rest.h"

#include "auto.h"
#include "memory.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#define MAX_DEPTH 64

/* --- JSON -------------------------------------------------------------------------------- */

/* Brackets outside of strings: the parser recurses as deep as these go. */
static bool too_deep(const char *text, size_t len)
{
    int depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (quoted) {
            i += c == '\\';
            quoted = c != '"';
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{' || c == '[') {
            if (++depth > MAX_DEPTH)
                return true;
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return false;
}

json_t *rest_parse(const char *text, size_t len, const char **why)
{
    static _Thread_local json_error_t error;
    if (!text || len == 0)
        return json_object(); /* DELETE and PATCH may answer with nothing */
    if (too_deep(text, len)) {
        *why = "nested deeper than any answer";
        return NULL;
    }
    json_t *answer = moon_memory_parse(text, len, 0, &error);
    if (answer && json_is_object(answer))
        return answer;
    *why = answer ? "not an object" : error.text;
    json_decref(answer);
    return NULL;
}

json_t *rest_at(const json_t *o, const char *path)
{
    json_t *found = NULL;
    for (const char *p = path;; p++) {
        size_t len = strcspn(p, ".");
        found = json_object_getn(o, p, len);
        p += len;
        if (!found || !*p)
            return found;
        o = found;
    }
}

const char *rest_text(const json_t *o, const char *path)
{
    const char *s = json_string_value(rest_at(o, path));
    return s && *s ? s : NULL;
}

const char *rest_uuid(const json_t *o, const char *path)
{
    const char *s = rest_text(o, path);
    return s && strlen(s) <= 64 && !s[strspn(s, "0123456789abcdefABCDEF-")] ? s : NULL;
}

json_t *rest_record(const json_t *answer, const char *path, const char *text, size_t *n)
{
    json_t *found = NULL, *record;
    size_t i;
    *n = 0;
    json_array_foreach (json_object_get(answer, "records"), i, record) {
        const char *have = rest_text(record, path);
        if (!have || strcmp(have, text) != 0)
            continue;
        if (!found)
            found = record;
        ++*n;
    }
    return found;
}

void rest_put_text(json_t *row, const char *key, const json_t *record, const char *path)
{
    const char *s = rest_text(record, path);
    if (s)
        json_object_set_new(row, key, json_string(s));
}

void rest_put_int(json_t *row, const char *key, const json_t *record, const char *path)
{
    const json_t *v = rest_at(record, path);
    if (json_is_integer(v))
        json_object_set_new(row, key, json_integer(json_integer_value(v)));
}

void rest_put_bool(json_t *row, const char *key, const json_t *record, const char *path)
{
    json_object_set_new(row, key, json_boolean(json_is_true(rest_at(record, path))));
}

void rest_put_time(json_t *row, const char *key, const json_t *record, const char *path)
{
    json_int_t when;
    if (rest_time(rest_text(record, path), &when))
        json_object_set_new(row, key, json_integer(when));
}

void rest_put_list(json_t *row, const char *key, const json_t *record, const char *path,
                   const char *child)
{
    json_t *out = json_array(), *item;
    size_t i;
    json_array_foreach (rest_at(record, path), i, item) {
        const char *s = child ? rest_text(item, child) : json_string_value(item);
        if (s && *s)
            json_array_append_new(out, json_string(s));
    }
    json_object_set_new(row, key, out);
}

/* --- times ------------------------------------------------------------------------------- */

/* The zone of a time: "Z", "+01:00", "-0530". Seconds east of Greenwich. */
static bool zone(const char *p, long *out)
{
    int hours = 0, minutes = 0, used = 0;
    *out = 0;
    if (*p == 'Z' || *p == '\0')
        return p[0] == '\0' || p[1] == '\0';
    if (*p != '+' && *p != '-')
        return false;
    bool west = *p++ == '-';
    if (sscanf(p, strchr(p, ':') ? "%2d:%2d%n" : "%2d%2d%n", &hours, &minutes, &used) != 2 ||
        p[used] || hours > 14 || minutes > 59)
        return false;
    *out = (hours * 60L + minutes) * (west ? -60 : 60);
    return true;
}

bool rest_time(const char *text, json_int_t *out)
{
    struct tm tm = {0};
    const char *p = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
    if (!p)
        return false;
    if (*p == '.') { /* parts of a second */
        p++;
        p += strspn(p, "0123456789");
    }
    long east;
    if (!zone(p, &east))
        return false;
    *out = (json_int_t)timegm(&tm) - east;
    return true;
}

bool rest_duration(const char *text, json_int_t *out)
{
    static const struct {
        char unit;
        bool clock; /* after the T */
        json_int_t seconds;
    } units[] = {{'W', false, 604800},
                 {'D', false, 86400},
                 {'H', true, 3600},
                 {'M', true, 60},
                 {'S', true, 1}};
    if (!text || *text++ != 'P' || !*text)
        return false;
    bool clock = false;
    *out = 0;
    for (const char *p = text; *p;) {
        if (*p == 'T' && !clock) {
            clock = true;
            p++;
            continue;
        }
        char *end;
        if (!isdigit((unsigned char)*p))
            return false;
        long long n = strtoll(p, &end, 10);
        if (*end == '.')
            end += 1 + strspn(end + 1, "0123456789");
        size_t i = 0;
        while (i < sizeof units / sizeof *units &&
               (units[i].unit != *end || units[i].clock != clock))
            i++;
        if (i == sizeof units / sizeof *units || n > 3000000000LL)
            return false;
        *out += n * units[i].seconds;
        p = end + 1;
    }
    return true;
}

/* --- addresses --------------------------------------------------------------------------- */

static int add_encoded(struct moon_buf *b, const char *text, const char *plain)
{
    for (const char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p;
        int rc = (c < 0x80 && isalnum(c)) || strchr(plain, c) ? moon_buf_add(b, p, 1)
                                                              : moon_buf_addf(b, "%%%02X", c);
        if (rc < 0)
            return -1;
    }
    return 0;
}

int rest_path(struct rest_ask *ask, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return n < 0 || (size_t)n >= sizeof text ? -1 : moon_buf_adds(&ask->path, text);
}

int rest_component(struct rest_ask *ask, const char *text)
{
    return add_encoded(&ask->path, text, "-_");
}

int rest_query(struct rest_ask *ask, const char *key, const char *value)
{
    int rc = moon_buf_addf(&ask->path, "%c%s=", ask->queried ? '&' : '?', key);
    ask->queried = true;
    return rc | add_encoded(&ask->path, value, "-_.~/:,*");
}

/* Letters, digits and what no query gives a meaning. "null" alone asks for what has no value. */
static bool is_literal(const char *text)
{
    for (const char *p = text; *p; p++) {
        if (!isalnum((unsigned char)*p) && !strchr("-_/:@+%~^$#&;'()", *p) &&
            !(*p == '.' && p[1] != '.') && (unsigned char)*p < 0x80)
            return false;
    }
    return strcmp(text, "null") != 0;
}

int rest_match(struct rest_ask *ask, const char *key, const char *literal)
{
    if (!literal || strchr(literal, '"'))
        return 0;
    if (is_literal(literal))
        return rest_query(ask, key, literal);
    AUTO_BUF struct moon_buf quoted = {0};
    if (moon_buf_addf(&quoted, "\"%s\"", literal) < 0)
        return -1;
    int rc = moon_buf_addf(&ask->path, "%c%s=", ask->queried ? '&' : '?', key);
    ask->queried = true;
    return rc | add_encoded(&ask->path, quoted.data, "-_.~/:,");
}

int rest_pattern(struct rest_ask *ask, const char *key, const char *pattern)
{
    if (!pattern || !strchr(pattern, '*'))
        return rest_match(ask, key, pattern);
    AUTO_FREE char *plain = strdup(pattern);
    if (!plain)
        return -1;
    for (char *p = plain; (p = strchr(p, '*'));)
        *p = '_';
    return is_literal(plain) ? rest_query(ask, key, pattern) : 0;
}

int rest_body(struct rest_ask *ask, int rc, json_t *body, struct moon_err *err)
{
    ask->body = body;
    return rc || !body ? rest_no_memory(err) : 0;
}

bool rest_matches(const char *pattern, const char *text)
{
    const char *star = NULL, *from = NULL;
    while (*text) {
        if (*pattern == '*') {
            star = ++pattern;
            from = text;
        } else if (*pattern == *text) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star;
            text = ++from;
        } else {
            return false;
        }
    }
    return pattern[strspn(pattern, "*")] == '\0';
}

bool rest_wanted(const char *want, const char *have)
{
    return !want || (have && strcmp(want, have) == 0);
}

/* Whether the component [p, p + len) is "." or "..", also when it is percent-encoded. */
static bool is_dots(const char *p, size_t len)
{
    int dots = 0;
    while (len > 0) {
        size_t n = *p == '.' ? 1 : len >= 3 && strncasecmp(p, "%2e", 3) == 0 ? 3 : 0;
        if (n == 0)
            return false;
        p += n;
        len -= n;
        dots++;
    }
    return dots == 1 || dots == 2;
}

bool rest_link_ok(const char *href)
{
    if (strncmp(href, "/api/", 5) != 0 || strlen(href) > 16384)
        return false;
    for (const char *p = href; *p; p++) {
        if ((unsigned char)*p <= 0x20 || (unsigned char)*p >= 0x7f || strchr("#\\", *p))
            return false;
    }
    for (const char *p = href + 1;; p++) {
        size_t len = strcspn(p, "/?");
        if (is_dots(p, len))
            return false;
        p += len;
        if (*p != '/')
            return true;
    }
}
