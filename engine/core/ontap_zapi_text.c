/* What an ONTAPI call says and what its rows mean: elements, queries, wanted attributes, values. */
#include "ontap_zapi.h"

#include "auto.h"

#include <string.h>

#define PAGE     100   /* the documented maximum of early releases */
#define MAX_PAGE 10000 /* when the caller insists */

int zapi_put(struct moon_buf *b, const char *name, const char *text, struct moon_err *err)
{
    if (!text)
        return 0;
    if (moon_buf_addf(b, "<%s>", name) < 0 || moon_xml_escape(b, text, err) < 0 ||
        moon_buf_addf(b, "</%s>", name) < 0)
        return -1;
    return 0;
}

int zapi_put_arg(struct moon_buf *b, const struct moon_ontap_call *call, const char *element,
                 const char *arg, struct moon_err *err)
{
    return zapi_put(b, element, moon_ontap_arg(call, arg), err);
}

bool zapi_plain(const char *text, bool stars)
{
    return !text[strcspn(text, stars ? "?|!<>[]{}\"" : "*?|!<>[]{}\"")] && !strstr(text, "..");
}

/* --- trees of elements ------------------------------------------------------------------- */

static int put_tag(struct moon_buf *b, const char *before, const char *name, size_t len)
{
    return moon_buf_adds(b, before) | moon_buf_add(b, name, len) | moon_buf_adds(b, ">");
}

/* Opens ("<a><b>") or closes ("</b></a>") the first `len` bytes of a path. */
static int put_parents(struct moon_buf *b, const char *path, size_t len, bool open)
{
    int rc = 0;
    for (size_t at = 0; open && at < len; at += strcspn(path + at, "/") + 1)
        rc |= put_tag(b, "<", path + at, strcspn(path + at, "/"));
    for (size_t end = len; !open && end > 0;) {
        size_t at = end;
        while (at > 0 && path[at - 1] != '/')
            at--;
        rc |= put_tag(b, "</", path + at, end - at);
        end = at > 0 ? at - 1 : 0;
    }
    return rc;
}

/* The parents that are open while a tree is written. */
struct tree {
    const char *path;
    size_t len;
};

static size_t parents_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) : 0;
}

/* text NULL: an empty element, which asks for the value. */
static int put_leaf(struct moon_buf *b, struct tree *t, const char *path, const char *text,
                    struct moon_err *err)
{
    size_t len = parents_of(path);
    int rc = 0;
    if (!t->path || t->len != len || memcmp(t->path, path, len) != 0) {
        rc |= t->path ? put_parents(b, t->path, t->len, false) : 0;
        rc |= put_parents(b, path, len, true);
        *t = (struct tree){path, len};
    }
    const char *name = path + len + (len > 0);
    return rc | (text ? zapi_put(b, name, text, err) : moon_buf_addf(b, "<%s/>", name));
}

static int put_end(struct moon_buf *b, const struct tree *t)
{
    return t->path ? put_parents(b, t->path, t->len, false) : 0;
}

/* What is asked for: the filter's text, or the part of "svm:volume"; NULL when no query can say it. */
static const char *query_text(const struct zapi_filter *f, const char *want, char part[256])
{
    if (f->match == ZAPI_ANY_OF)
        return want;
    if (!zapi_plain(want, f->match == ZAPI_PATTERN) ||
        (f->match == ZAPI_ADDRESS && strchr(want, ':')))
        return NULL;
    if (f->match != ZAPI_SVM && f->match != ZAPI_VOLUME)
        return want;
    size_t colon = strcspn(want, ":");
    const char *from = f->match == ZAPI_SVM ? want : want + colon + (want[colon] != '\0');
    size_t len = f->match == ZAPI_SVM ? colon : strlen(from);
    snprintf(part, 256, "%.*s", (int)len, from);
    return *part ? part : NULL;
}

static int put_query(struct moon_buf *b, const struct zapi_list *list, const json_t *where,
                     struct moon_err *err)
{
    AUTO_BUF struct moon_buf inner = {0};
    struct tree t = {0};
    int rc = list->only ? put_leaf(&inner, &t, list->only_path, list->only, err) : 0;
    for (const struct zapi_filter *f = list->filters; f && f->arg; f++) {
        char part[256];
        const char *want = json_string_value(json_object_get(where, f->arg));
        const char *text = want ? query_text(f, want, part) : NULL;
        rc |= text ? put_leaf(&inner, &t, f->path, text, err) : 0;
    }
    rc |= put_end(&inner, &t);
    if (rc == 0 && inner.len > 0)
        rc = moon_buf_addf(b, "<query><%s>%s</%s></query>", list->record, inner.data, list->record);
    return rc;
}

int zapi_put_list(struct moon_buf *b, const struct moon_ontap_call *call,
                  const struct zapi_list *list, const json_t *where, struct moon_err *err)
{
    bool asked = json_object_get(call->args, "max") != NULL;
    int rc = moon_buf_addf(b, "<max-records>%d</max-records>",
                           (int)moon_ontap_page_size(call, asked ? MAX_PAGE : PAGE));
    rc |= zapi_put(b, "tag", call->tag, err);
    rc |= put_query(b, list, where, err);
    struct tree t = {0};
    rc |= moon_buf_addf(b, "<desired-attributes><%s>", list->record);
    for (const struct zapi_field *f = list->fields; f->key; f++)
        rc |= put_leaf(b, &t, f->path, NULL, err);
    rc |= put_end(b, &t);
    return rc | moon_buf_addf(b, "</%s></desired-attributes>", list->record);
}

/* --- values ------------------------------------------------------------------------------ */

void zapi_text(json_t *o, const char *key, const xmlNode *parent, const char *path)
{
    AUTO_FREE char *s = moon_xml_text(moon_xml_path(parent, path));
    if (s && *s)
        json_object_set_new(o, key, json_string(s));
}

void zapi_int(json_t *o, const char *key, const xmlNode *parent, const char *path)
{
    AUTO_FREE char *s = moon_xml_text(moon_xml_path(parent, path));
    char *end = NULL;
    long long v = s && *s ? strtoll(s, &end, 10) : 0;
    if (end && *end == '\0')
        json_object_set_new(o, key, json_integer(v));
}

void zapi_bool(json_t *o, const char *key, const xmlNode *parent, const char *path)
{
    AUTO_FREE char *s = moon_xml_text(moon_xml_path(parent, path));
    json_object_set_new(o, key, json_boolean(s && strcmp(s, "true") == 0));
}

static void take_list(json_t *o, const struct zapi_field *f, const xmlNode *parent)
{
    json_t *out = json_array();
    for (xmlNodePtr n = moon_xml_child(moon_xml_path(parent, f->path), f->item); n;
         n = moon_xml_next(n, f->item)) {
        AUTO_FREE char *s = f->child ? moon_xml_child_text(n, f->child) : moon_xml_text(n);
        if (s)
            json_array_append_new(out, json_string(s));
    }
    json_object_set_new(o, f->key, out);
}

/* The rules of a SnapMirror policy: which label is kept how often. */
static void take_rules(json_t *o, const struct zapi_field *f, const xmlNode *parent)
{
    json_t *out = json_array();
    for (xmlNodePtr n = moon_xml_child(moon_xml_path(parent, f->path), f->item); n;
         n = moon_xml_next(n, f->item)) {
        json_t *rule = json_object();
        zapi_text(rule, "label", n, "snapmirror-label");
        zapi_int(rule, "keep", n, "keep");
        json_array_append_new(out, rule);
    }
    json_object_set_new(o, f->key, out);
}

static void take_field(json_t *o, const struct zapi_field *f, const xmlNode *parent)
{
    switch (f->kind) {
    case ZAPI_TEXT:
        zapi_text(o, f->key, parent, f->path);
        break;
    case ZAPI_INT:
        zapi_int(o, f->key, parent, f->path);
        break;
    case ZAPI_BOOL:
        zapi_bool(o, f->key, parent, f->path);
        break;
    case ZAPI_LIST:
        take_list(o, f, parent);
        break;
    case ZAPI_RULES:
        take_rules(o, f, parent);
        break;
    }
}

/* --- rows -------------------------------------------------------------------------------- */

static bool star_match(const char *pattern, const char *text)
{
    const char *star = NULL, *again = text;
    while (*text) {
        if (*pattern == '*') {
            star = pattern++;
            again = text;
        } else if (*pattern == *text) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star + 1;
            text = ++again;
        } else {
            return false;
        }
    }
    return pattern[strspn(pattern, "*")] == '\0';
}

static bool matches(const struct zapi_filter *f, const char *want, const json_t *row)
{
    const char *have = f->key ? zapi_value(row, f->key) : NULL;
    if (!have || f->match == ZAPI_ANY_OF)
        return true;
    if (f->match == ZAPI_PATTERN)
        return star_match(want, have);
    return f->match == ZAPI_ADDRESS ? moon_ontap_same_address(want, have) : strcmp(want, have) == 0;
}

static bool row_matches(const struct zapi_list *list, const json_t *where, const json_t *row)
{
    for (const struct zapi_filter *f = list->filters; f && f->arg; f++) {
        const char *want = json_string_value(json_object_get(where, f->arg));
        if (want && !matches(f, want, row))
            return false;
    }
    return true;
}

json_t *zapi_rows(const xmlNode *results, const struct zapi_list *list, const json_t *where)
{
    json_t *rows = json_array();
    const xmlNode *page = moon_xml_child(results, "attributes-list");
    for (xmlNodePtr n = moon_xml_child(page, list->record); rows && n;
         n = moon_xml_next(n, list->record)) {
        json_t *row = json_object();
        for (const struct zapi_field *f = list->fields; f->key; f++)
            take_field(row, f, n);
        if (row && (!list->finish || list->finish(row)) && row_matches(list, where, row))
            json_array_append(rows, row);
        json_decref(row);
    }
    return rows;
}

/* --- paths ------------------------------------------------------------------------------- */

int zapi_check_volume(const struct moon_ontap_call *call, const char *name, struct moon_err *err)
{
    if (moon_ontap_plain_path(name) && !strchr(name, '/') && zapi_plain(name, false))
        return 0;
    return zapi_fail(call, err, MOON_INVALID, "volume '%s': is no name of a volume", name);
}

const char *zapi_lun_path(const struct moon_ontap_call *call, const char *path, char volume[204],
                          struct moon_err *err)
{
    static const char vol[] = "/vol/";
    const char *name = strncmp(path, vol, sizeof vol - 1) == 0 ? path + sizeof vol - 1 : "";
    size_t len = strcspn(name, "/");
    const char *rest = name[len] == '/' ? name + len + 1 : "";
    if (len == 0 || len >= 204 || !moon_ontap_plain_path(rest)) {
        zapi_fail(call, err, MOON_INVALID,
                  "path '%s': must be /vol/VOLUME/LUN or /vol/VOLUME/QTREE/LUN", path);
        return NULL;
    }
    snprintf(volume, 204, "%.*s", (int)len, name);
    return zapi_check_volume(call, volume, err) < 0 ? NULL : rest;
}
