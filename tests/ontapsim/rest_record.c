/* Records of REST: each is built once, of the fields that the client, a filter or the order needs and
 * of no others. */
#include "rest_list_priv.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

unsigned rest_version(void)
{
    return REST_V(sim.ontap_version[0], sim.ontap_version[1], sim.ontap_version[2]);
}

bool rest_field_exists(const struct rest_field *f)
{
    return f->since <= rest_version();
}

bool rest_below(const char *name, const char *prefix, size_t n)
{
    return !strncmp(name, prefix, n) && (!name[n] || name[n] == '.');
}

size_t rest_field_index(const struct rest_list *l, const char *name)
{
    for (size_t i = 0; i < l->field_count; i++) {
        if (!strcmp(l->fields[i].name, name) && rest_field_exists(&l->fields[i]))
            return i;
    }
    return l->field_count;
}

void rest_record(struct rest_list *l)
{
    json_decref(l->rec);
    json_decref(l->aside);
    l->rec = json_object();
    l->aside = NULL;
    l->cursor = 0;
}

bool rest_wants(const struct rest_list *l, const char *name)
{
    for (size_t i = 0; i < l->field_count; i++) {
        if (l->want[i] && rest_below(l->fields[i].name, name, strlen(name)))
            return true;
    }
    return false;
}

bool rest_may(const struct rest_list *l, const char *name, const char *value)
{
    size_t i = rest_field_index(l, name);
    return i == l->field_count || !l->filters[i] || rest_filter_match_text(l->filters[i], value);
}

static void set(json_t *obj, const char *name, json_t *value)
{
    char key[128];
    const char *dot;
    for (; (dot = strchr(name, '.')) != NULL; name = dot + 1) {
        snprintf(key, sizeof(key), "%.*s", (int)(dot - name), name);
        json_t *child = json_object_get(obj, key);
        if (!child)
            json_object_set_new(obj, key, child = json_object());
        obj = child;
    }
    json_object_set_new(obj, name, value);
}

/* Take parts of the elements away that are not wanted. */
static void prune(const struct rest_list *l, json_t *value, const char *prefix)
{
    const char *key;
    json_t *child;
    void *next;
    size_t i;
    json_array_foreach (value, i, child)
        prune(l, child, prefix);
    json_object_foreach_safe(value, next, key, child)
    {
        char name[160];
        bool wanted = false;
        snprintf(name, sizeof(name), "%s.%s", prefix, key);
        for (i = 0; i < l->field_count && !wanted; i++)
            wanted = (l->want[i] & WANT_OUT) && rest_below(l->fields[i].name, name, strlen(name));
        if (wanted)
            prune(l, child, name);
        else
            json_object_del(value, key);
    }
}

/* What is wanted of a list of objects, its parts taken together. */
static unsigned parts_wanted(const struct rest_list *l, const char *name)
{
    unsigned want = 0;
    for (size_t i = 0; i < l->field_count; i++) {
        if (rest_below(l->fields[i].name, name, strlen(name)))
            want |= l->want[i];
    }
    return want;
}

static void put_list(struct rest_list *l, const char *name, json_t *value)
{
    unsigned want = parts_wanted(l, name);
    if (want & WANT_LOOK) {
        if (!l->aside)
            l->aside = json_object();
        set(l->aside, name, json_deep_copy(value));
    }
    if (want & WANT_OUT) {
        prune(l, value, name);
        set(l->rec, name, json_incref(value));
    }
    json_decref(value);
}

void rest_put(struct rest_list *l, const char *name, json_t *value)
{
    /* Handlers put fields in the order of their table: the search seldom goes far. */
    size_t i = l->cursor;
    for (size_t seen = 0; seen < l->field_count; seen++, i++) {
        i = i == l->field_count ? 0 : i;
        if (!strcmp(l->fields[i].name, name) && rest_field_exists(&l->fields[i]))
            break;
    }
    if (!value || i >= l->field_count || strcmp(l->fields[i].name, name) != 0) {
        json_decref(value);
        return;
    }
    l->cursor = i + 1;
    if (l->fields[i].flags & REST_LIST) {
        put_list(l, name, value);
        return;
    }
    if (!(l->want[i] & WANT_OUT) && (l->want[i] & WANT_LOOK) && !l->aside)
        l->aside = json_object();
    if (l->want[i] & WANT_OUT)
        set(l->rec, name, value);
    else if (l->want[i] & WANT_LOOK)
        set(l->aside, name, value);
    else
        json_decref(value);
}

/* A field that nobody needs costs no allocation. */
static bool needed(struct rest_list *l, const char *name)
{
    size_t i = l->cursor;
    for (size_t seen = 0; seen < l->field_count; seen++, i++) {
        i = i == l->field_count ? 0 : i;
        if (!strcmp(l->fields[i].name, name)) {
            l->cursor = i;
            return l->want[i] != 0;
        }
    }
    return false;
}

void rest_text(struct rest_list *l, const char *name, const char *value)
{
    if (value && needed(l, name))
        rest_put(l, name, json_string(value));
}

void rest_number(struct rest_list *l, const char *name, uint64_t value)
{
    if (needed(l, name))
        rest_put(l, name, json_integer((json_int_t)value));
}

void rest_flag(struct rest_list *l, const char *name, bool value)
{
    if (needed(l, name))
        rest_put(l, name, json_boolean(value));
}

void rest_iso_time(char out[32], int64_t epoch)
{
    time_t t = (time_t)epoch;
    struct tm tm;
    gmtime_r(&t, &tm);
    strftime(out, 32, "%Y-%m-%dT%H:%M:%S+00:00", &tm);
}

void rest_time(struct rest_list *l, const char *name, int64_t epoch)
{
    char text[32];
    if (!needed(l, name))
        return;
    rest_iso_time(text, epoch);
    rest_put(l, name, json_string(text));
}

json_t *rest_value_at(json_t *from, const char *name, json_t *many)
{
    char key[128];
    size_t i;
    json_t *item;
    size_t n = strcspn(name, ".");
    if (json_is_array(from) && many) {
        json_array_foreach (from, i, item) {
            json_t *v = rest_value_at(item, name, many);
            if (v && v != many)
                json_array_append(many, v);
        }
        return many;
    }
    snprintf(key, sizeof(key), "%.*s", (int)n, name);
    json_t *child = json_object_get(from, key);
    return child && name[n] ? rest_value_at(child, name + n + 1, many) : child;
}

static json_t *looked_at(const struct rest_list *l, const char *name, json_t *many)
{
    json_t *v = l->aside ? rest_value_at(l->aside, name, many) : NULL;
    return v ? v : rest_value_at(l->rec, name, many);
}

bool rest_match(const struct rest_list *l)
{
    bool hit = true;
    for (size_t i = 0; hit && i < l->field_count; i++) {
        if (!l->filters[i])
            continue;
        json_t *many = json_array();
        hit = rest_filter_match(l->filters[i], looked_at(l, l->fields[i].name, many));
        json_decref(many);
    }
    return hit;
}

json_t *rest_link(const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return json_pack("{s:{s:s}}", "self", "href", text);
}

json_t *rest_ref(const char *name, const char *uuid)
{
    json_t *ref = json_object();
    if (name)
        json_object_set_new(ref, "name", json_string(name));
    if (uuid)
        json_object_set_new(ref, "uuid", json_string(uuid));
    return ref;
}
