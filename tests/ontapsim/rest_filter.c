/* The query language of REST: FIELD=QUERY with * < > <= >= a..b ! | null, and "..." or {...} around
 * what is meant literally. */
#include "rest.h"

#include <stdio.h>
#include <string.h>

enum op { IS, LESS, LESS_EQUAL, GREATER, GREATER_EQUAL, RANGE, NOTHING };

/* A text with wildcards: where `wild` has a star, that character stands for any text. */
struct pattern {
    char *text;
    char *wild;
    size_t len;
};

struct alternative {
    struct alternative *next;
    bool negated;
    bool quoted;
    enum op op;
    struct pattern low; /* or the only one */
    struct pattern high;
};

struct rest_filter {
    struct alternative *first;
    struct alternative *last;
};

static void pattern_init(struct sim_arena *a, struct pattern *p, size_t room)
{
    *p = (struct pattern){sim_arena_alloc(a, room + 1), sim_arena_alloc(a, room + 1), 0};
    p->text[0] = '\0';
}

static void pattern_add(struct pattern *p, char c, bool wild)
{
    p->text[p->len] = c;
    p->wild[p->len++] = wild ? '*' : ' ';
    p->text[p->len] = '\0';
}

static const char *read_operator(struct alternative *alt, const char *q)
{
    if (*q == '!') {
        alt->negated = true;
        q++;
    }
    if (*q == '<' || *q == '>') {
        bool equal = q[1] == '=';
        alt->op = *q == '<' ? (equal ? LESS_EQUAL : LESS) : (equal ? GREATER_EQUAL : GREATER);
        q += equal ? 2 : 1;
    }
    return q;
}

/* One alternative, up to a bar outside quotes. NULL: a quote is open at the end. */
static const char *read_alternative(struct sim_arena *a, struct alternative *alt, const char *q)
{
    size_t room = strlen(q);
    struct pattern *p = &alt->low;
    char until = '\0';
    pattern_init(a, &alt->low, room);
    pattern_init(a, &alt->high, room);
    q = read_operator(alt, q);
    for (; *q && (until || *q != '|'); q++) {
        if (until) {
            if (*q == until)
                until = '\0';
            else
                pattern_add(p, *q, false);
        } else if (*q == '"' || *q == '{') {
            until = *q == '"' ? '"' : '}';
            alt->quoted = true;
        } else if (alt->op == IS && q[0] == '.' && q[1] == '.') {
            alt->op = RANGE;
            p = &alt->high;
            q++;
        } else {
            pattern_add(p, *q, *q == '*');
        }
    }
    if (alt->op == IS && !alt->quoted && !strcmp(alt->low.text, "null"))
        alt->op = NOTHING;
    return until ? NULL : q;
}

struct rest_filter *rest_filter_new(struct rest *r, const char *field, const char *query)
{
    struct rest_filter *f = sim_arena_alloc(&r->arena, sizeof(*f));
    *f = (struct rest_filter){0};
    for (const char *q = query;; q++) {
        struct alternative *alt = sim_arena_alloc(&r->arena, sizeof(*alt));
        *alt = (struct alternative){0};
        if (f->last)
            f->last->next = alt;
        else
            f->first = alt;
        f->last = alt;
        q = read_alternative(&r->arena, alt, q);
        if (!q) {
            rest_invalid(r, field, query, NULL);
            return NULL;
        }
        if (!*q)
            return f;
    }
}

static bool like(const struct pattern *p, const char *value)
{
    size_t i = 0, star = SIZE_MAX;
    const char *retry = NULL;
    while (*value) {
        if (i < p->len && p->wild[i] == '*') {
            star = i++;
            retry = value;
        } else if (i < p->len && p->text[i] == *value) {
            i++;
            value++;
        } else if (retry) {
            i = star + 1;
            value = ++retry;
        } else {
            return false;
        }
    }
    while (i < p->len && p->wild[i] == '*')
        i++;
    return i == p->len;
}

/* Numbers by value, texts by their characters; times in ISO form sort as texts. */
static int compare(const char *value, const char *with)
{
    uint64_t a = 0, b = 0;
    if (sim_number(value, 0, UINT64_MAX, &a) && sim_number(with, 0, UINT64_MAX, &b))
        return a < b ? -1 : a > b;
    return strcmp(value, with);
}

static bool holds(const struct alternative *alt, const char *value)
{
    switch (alt->op) {
    case LESS:
        return compare(value, alt->low.text) < 0;
    case LESS_EQUAL:
        return compare(value, alt->low.text) <= 0;
    case GREATER:
        return compare(value, alt->low.text) > 0;
    case GREATER_EQUAL:
        return compare(value, alt->low.text) >= 0;
    case RANGE:
        return (!alt->low.len || compare(value, alt->low.text) >= 0) &&
               (!alt->high.len || compare(value, alt->high.text) <= 0);
    case NOTHING:
        return false;
    case IS:
        break;
    }
    return like(&alt->low, value);
}

bool rest_filter_match_text(const struct rest_filter *f, const char *value)
{
    for (const struct alternative *alt = f->first; alt; alt = alt->next) {
        bool hit = value ? holds(alt, value) : alt->op == NOTHING;
        if (hit != alt->negated)
            return true;
    }
    return false;
}

/* A list fits when one of its elements does, and a negation when none does. */
static bool fits(const struct alternative *alt, const json_t *value)
{
    char number[32];
    if (json_is_array(value)) {
        bool hit = !json_array_size(value) && alt->op == NOTHING;
        for (size_t i = 0; !hit && i < json_array_size(value); i++)
            hit = fits(alt, json_array_get(value, i));
        return hit;
    }
    if (!value || json_is_null(value))
        return alt->op == NOTHING;
    if (json_is_boolean(value))
        return holds(alt, json_is_true(value) ? "true" : "false");
    if (json_is_integer(value)) {
        snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(value));
        return holds(alt, number);
    }
    return json_is_string(value) && holds(alt, json_string_value(value));
}

bool rest_filter_match(const struct rest_filter *f, const json_t *value)
{
    for (const struct alternative *alt = f->first; alt; alt = alt->next) {
        if (fits(alt, value) != alt->negated)
            return true;
    }
    return false;
}
