/* Iterators: records as trees, queries, desired attributes, pages. */
#include "zapi.h"

#include <libxml/parser.h>
#include <stdio.h>
#include <string.h>

static bool wildcard(const char *pattern, size_t len, const char *text)
{
    size_t p = 0, star = SIZE_MAX;
    const char *again = NULL;
    while (*text) {
        if (p < len && pattern[p] == '*') {
            star = p++;
            again = text;
        } else if (p < len && pattern[p] == *text) {
            p++;
            text++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            text = ++again;
        } else {
            return false;
        }
    }
    while (p < len && pattern[p] == '*')
        p++;
    return p == len;
}

static bool number(const char *text, size_t len, uint64_t *out)
{
    char buf[24];
    if (len == 0 || len >= sizeof(buf))
        return false;
    memcpy(buf, text, len);
    buf[len] = '\0';
    return sim_number(buf, 0, UINT64_MAX, out);
}

/* <, >, <=, >= and a..b, for numbers only. Returns -1 when the text is no comparison. */
static int compare(const char *q, size_t len, const char *value)
{
    uint64_t a, b, v;
    if (!number(value, strlen(value), &v))
        return -1;
    bool less = len && q[0] == '<', more = len && q[0] == '>';
    if (less || more) {
        size_t skip = len > 1 && q[1] == '=' ? 2 : 1;
        if (!number(q + skip, len - skip, &a))
            return -1;
        return (v == a && skip == 2) || (less ? v < a : v > a);
    }
    const char *dots = memmem(q, len, "..", 2);
    if (!dots || !number(q, (size_t)(dots - q), &a) ||
        !number(dots + 2, len - (size_t)(dots - q) - 2, &b))
        return -1;
    return v >= a && v <= b;
}

static bool match_one(const char *q, size_t len, const char *value)
{
    bool wanted = true;
    if (len && *q == '!') {
        wanted = false;
        q++;
        len--;
    }
    int cmp = compare(q, len, value);
    return (cmp >= 0 ? cmp == 1 : wildcard(q, len, value)) == wanted;
}

bool zapi_query_match(const char *query, const char *value)
{
    for (;;) {
        size_t n = strcspn(query, "|");
        if (match_one(query, n, value))
            return true;
        if (!query[n])
            return false;
        query += n + 1;
    }
}

static const struct zapi_rec *rec_child(const struct zapi_rec *rec, const char *name)
{
    const struct zapi_rec *c = rec->child;
    while (c && strcmp(c->name, name) != 0)
        c = c->next;
    return c;
}

/* All fields of the query element fit the record's. In a list, one matching item is enough. A field
 * that such records never have is no condition: Ansible's modules send "vserver" and "lun_path" where
 * there is no such thing, and find what they look for. */
static bool match(struct sim_arena *a, const xmlNode *query, const struct zapi_rec *rec)
{
    for (const xmlNode *q = zapi_first(query); q; q = zapi_next(q)) {
        const char *name = (const char *)q->name;
        const struct zapi_rec *c = rec ? rec_child(rec, name) : NULL;
        bool hit = false;
        if (rec && !c && !zapi_first(q))
            continue;
        if (zapi_first(q)) {
            do {
                hit = match(a, q, c);
                c = c ? c->next : NULL;
            } while (!hit && c && !strcmp(c->name, name));
        } else {
            const char *text = zapi_text(a, q);
            hit = !*text || zapi_query_match(text, c && c->value ? c->value : "");
            while (!hit && c && (c = c->next) && !strcmp(c->name, name))
                hit = zapi_query_match(text, c->value ? c->value : "");
        }
        if (!hit)
            return false;
    }
    return true;
}

bool zapi_rec_match(const struct zapi_iter *it, const struct zapi_rec *rec)
{
    struct sim_arena a = {0};
    bool hit = !it->query;
    for (const xmlNode *q = it->query; q && !hit; q = zapi_next(q))
        hit = !strcmp((const char *)q->name, rec->name) && match(&a, q, rec);
    sim_arena_free(&a);
    return hit;
}

static bool has_key(const struct zapi_rec *rec)
{
    bool key = rec->key;
    for (const struct zapi_rec *c = rec->child; c && !key; c = c->next)
        key = has_key(c);
    return key;
}

static void emit(struct sim_buf *b, const struct zapi_rec *rec, const xmlNode *desired, bool all)
{
    if (rec->absent)
        return;
    if (rec->value || !rec->child) {
        sim_buf_addf(b, "<%s>", rec->name);
        sim_buf_xml(b, rec->value ? rec->value : "");
        sim_buf_addf(b, "</%s>", rec->name);
        return;
    }
    sim_buf_addf(b, "<%s>", rec->name);
    for (const struct zapi_rec *c = rec->child; c; c = c->next) {
        const xmlNode *d = desired ? zapi_child(desired, c->name) : NULL;
        if (all || d || has_key(c))
            emit(b, c, d, all || (d && !zapi_first(d)));
    }
    sim_buf_addf(b, "</%s>", rec->name);
}

void zapi_rec_write(struct sim_buf *b, const struct zapi_rec *rec)
{
    emit(b, rec, NULL, true);
}

/* <CALL-key-td><key-0>..</key-0>...</CALL-key-td> */
static int read_tag(struct zapi_iter *it, const char *tag)
{
    struct zapi *z = it->z;
    const char *want = sim_arena_printf(&z->arena, "%s-key-td", z->name);
    xmlDoc *doc = xmlReadMemory(tag, (int)strlen(tag), "tag", NULL,
                                XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    const xmlNode *root = doc && !doc->intSubset ? xmlDocGetRootElement(doc) : NULL;
    bool ok = root && !strcmp((const char *)root->name, want);
    for (size_t i = 0; ok && i < 3; i++) {
        const char *name = sim_arena_printf(&z->arena, "key-%zu", i);
        const xmlNode *key = zapi_child(root, name);
        it->keys[i] = key ? zapi_text(&z->arena, key) : NULL;
        ok = it->keys[0] != NULL;
    }
    xmlFreeDoc(doc);
    return ok ? 0 : zapi_invalid(z, "tag", tag);
}

int zapi_iter_begin(struct zapi_iter *it, struct zapi *z, const char *record)
{
    *it = (struct zapi_iter){.z = z, .max = 20};
    const xmlNode *query = zapi_child(z->call, "query");
    const xmlNode *desired = zapi_child(z->call, "desired-attributes");
    const char *tag = zapi_arg(z, "tag");
    it->query = query ? zapi_first(query) : NULL;
    it->desired = desired ? zapi_child(desired, record) : NULL;
    if (it->desired && !zapi_first(it->desired))
        it->desired = NULL;
    if (zapi_count(z, "max-records", 1, UINT32_MAX, &it->max))
        return -1;
    if (sim.page_limit && it->max > sim.page_limit)
        it->max = sim.page_limit;
    return tag && *tag ? read_tag(it, tag) : 0;
}

struct zapi_rec *zapi_iter_record(struct zapi_iter *it, const char *name)
{
    sim_arena_free(&it->arena);
    struct zapi_rec *rec = sim_arena_alloc(&it->arena, sizeof(*rec));
    *rec = (struct zapi_rec){.name = name};
    return rec;
}

struct zapi_rec *zapi_rec_add(struct zapi_iter *it, struct zapi_rec *parent, const char *name)
{
    struct zapi_rec *rec = sim_arena_alloc(&it->arena, sizeof(*rec));
    *rec = (struct zapi_rec){.name = name};
    if (parent->last)
        parent->last->next = rec;
    else
        parent->child = rec;
    parent->last = rec;
    return rec;
}

void zapi_rec_text(struct zapi_iter *it, struct zapi_rec *parent, const char *name,
                   const char *value)
{
    struct zapi_rec *rec = zapi_rec_add(it, parent, name);
    rec->value = value ? sim_arena_dup(&it->arena, value) : NULL;
    rec->absent = !value;
}

void zapi_rec_key(struct zapi_iter *it, struct zapi_rec *parent, const char *name,
                  const char *value)
{
    zapi_rec_text(it, parent, name, value);
    parent->last->key = true;
}

void zapi_rec_number(struct zapi_iter *it, struct zapi_rec *parent, const char *name, uint64_t n)
{
    zapi_rec_add(it, parent, name)->value =
        sim_arena_printf(&it->arena, "%llu", (unsigned long long)n);
}

void zapi_rec_flag(struct zapi_iter *it, struct zapi_rec *parent, const char *name, bool on)
{
    zapi_rec_add(it, parent, name)->value = on ? "true" : "false";
}

bool zapi_iter_wants(const struct zapi_iter *it, const char *part)
{
    bool wanted = !it->desired || zapi_child(it->desired, part);
    for (const xmlNode *q = it->query; q && !wanted; q = zapi_next(q))
        wanted = zapi_child(q, part) != NULL;
    return wanted;
}

bool zapi_iter_may(struct zapi_iter *it, const char *field, const char *value)
{
    return zapi_iter_may_in(it, NULL, field, value);
}

bool zapi_iter_may_in(struct zapi_iter *it, const char *part, const char *field, const char *value)
{
    bool may = !it->query;
    for (const xmlNode *q = it->query; q && !may; q = zapi_next(q)) {
        const xmlNode *in = part ? zapi_child(q, part) : q;
        const xmlNode *f = in ? zapi_child(in, field) : NULL;
        const char *text = f ? zapi_text(&it->arena, f) : "";
        may = !*text || zapi_query_match(text, value ? value : "");
    }
    return may;
}

bool zapi_iter_row(struct zapi_iter *it, const struct zapi_rec *rec, const char *key0,
                   const char *key1, const char *key2)
{
    const char *const keys[3] = {key0, key1, key2};
    if (!zapi_rec_match(it, rec))
        return true;
    emit(&it->rows, rec, it->desired, !it->desired);
    if (++it->count < it->max)
        return true;
    sim_buf_addf(&it->next_tag, "<%s-key-td>", it->z->name);
    for (size_t i = 0; i < 3 && keys[i]; i++) {
        sim_buf_addf(&it->next_tag, "<key-%zu>", i);
        sim_buf_xml(&it->next_tag, keys[i]);
        sim_buf_addf(&it->next_tag, "</key-%zu>", i);
    }
    sim_buf_addf(&it->next_tag, "</%s-key-td>", it->z->name);
    return false;
}

static void drop(struct zapi_iter *it)
{
    sim_buf_free(&it->rows);
    sim_buf_free(&it->next_tag);
    sim_arena_free(&it->arena);
}

void zapi_iter_end(struct zapi_iter *it)
{
    struct zapi *z = it->z;
    if (it->count) {
        sim_buf_adds(&z->out, "<attributes-list>");
        sim_buf_add(&z->out, it->rows.data, it->rows.len);
        sim_buf_adds(&z->out, "</attributes-list>");
    }
    const char *again = z->fault.action == SIM_FAULT_REPEAT ? zapi_arg(z, "tag") : NULL;
    if (again || it->next_tag.len) /* a fault: the tag of this page once more, for ever */
        zapi_put(z, "next-tag", again ? again : it->next_tag.data);
    zapi_put_number(z, "num-records", it->count);
    drop(it);
}

void zapi_iter_single(struct zapi_iter *it)
{
    struct zapi *z = it->z;
    if (it->count) {
        sim_buf_adds(&z->out, "<attributes>");
        sim_buf_add(&z->out, it->rows.data, it->rows.len);
        sim_buf_adds(&z->out, "</attributes>");
    }
    drop(it);
}

struct sim_buf *zapi_many_add(struct zapi_many *m, const char *record, const struct sim_err *err)
{
    struct sim_buf *b = err ? &m->not_done : &m->done;
    m->passed += !err;
    m->failed += err != NULL;
    sim_buf_addf(b, "<%s>", record);
    if (err) {
        sim_buf_addf(b, "<error-code>%d</error-code><error-message>", err->num);
        sim_buf_xml(b, err->reason);
        sim_buf_adds(b, "</error-message>");
    }
    return b;
}

int zapi_many_end(struct zapi_many *m, struct zapi_iter *it)
{
    struct zapi *z = it->z;
    if (m->failed)
        sim_buf_addf(&z->out, "<failure-list>%s</failure-list>", m->not_done.data);
    zapi_put_number(z, "num-failed", m->failed);
    zapi_put_number(z, "num-succeeded", m->passed);
    if (m->done.len)
        sim_buf_addf(&z->out, "<success-list>%s</success-list>", m->done.data);
    sim_buf_free(&m->done);
    sim_buf_free(&m->not_done);
    sim_arena_free(&it->arena);
    return 0;
}
