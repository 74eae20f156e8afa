/* The address and the body of a REST request: escapes, query parameters, body fields. */
#include "rest.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static int hex(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c ? strchr(digits, c | 0x20) : NULL;
    return at && (c < 'G' || c >= 'a') ? (int)(at - digits) : -1;
}

char *rest_decode(struct sim_arena *a, const char *text, size_t len, bool plus)
{
    char *out = sim_arena_alloc(a, len + 1);
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == '%') {
            int high = i + 2 < len ? hex(text[i + 1]) : -1;
            int low = high >= 0 ? hex(text[i + 2]) : -1;
            if (low < 0 || !(high * 16 + low))
                return NULL;
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        out[n++] = c;
    }
    out[n] = '\0';
    return sim_utf8_ok(out) ? out : NULL;
}

void rest_encode(struct sim_buf *b, const char *text)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    for (; *text; text++) {
        if (strchr(plain, *text))
            sim_buf_add(b, text, 1);
        else
            sim_buf_addf(b, "%%%02X", (unsigned char)*text);
    }
}

static bool add_pair(struct rest *r, const char *text, size_t len)
{
    const char *equals = memchr(text, '=', len);
    size_t name_len = equals ? (size_t)(equals - text) : len;
    struct rest_pair pair = {rest_decode(&r->arena, text, name_len, true), ""};
    if (equals)
        pair.value = rest_decode(&r->arena, equals + 1, len - name_len - 1, true);
    if (!pair.name || !pair.value)
        return false;
    r->pairs[r->pair_count++] = pair;
    return true;
}

static bool parse_query(struct rest *r)
{
    size_t most = 1;
    for (const char *p = r->query; *p; p++)
        most += *p == '&';
    r->pairs = sim_arena_alloc(&r->arena, most * sizeof(*r->pairs));
    for (const char *p = r->query; *p;) {
        size_t len = strcspn(p, "&");
        if (len && !add_pair(r, p, len))
            return false;
        p += len + (p[len] == '&');
    }
    return true;
}

/* A slash too many, between two segments or at the end, is none. */
static void tidy_path(char *path)
{
    char *to = path;
    for (const char *c = path; *c; c++) {
        if (*c != '/' || (c[1] && c[1] != '/'))
            *to++ = *c;
    }
    *to = '\0';
}

bool rest_parse_uri(struct rest *r, const char *uri)
{
    const char *mark = strchr(uri, '?');
    char *path = sim_arena_dup(&r->arena, uri + strlen("/api"));
    path[strcspn(path, "?")] = '\0';
    tidy_path(path);
    r->path = path;
    r->query = mark ? mark + 1 : "";
    return parse_query(r);
}

bool rest_reserved(const char *name)
{
    static const char *const names[] = {"fields",
                                        "max_records",
                                        "order_by",
                                        "return_records",
                                        "return_timeout",
                                        "offset",
                                        "pretty",
                                        "ignore_unknown_fields",
                                        "continue_on_failure",
                                        "serial_records",
                                        "list_destinations_only",
                                        "start.after"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (!strcmp(names[i], name))
            return true;
    }
    return false;
}

bool rest_returns_records(const struct rest *r)
{
    const char *text = rest_query_arg(r, "return_records");
    return text && !strcasecmp(text, "true");
}

static bool in_list(const char *const *names, const char *name)
{
    for (size_t i = 0; names[i]; i++) {
        size_t n = strlen(names[i]);
        bool below = n > 2 && !strcmp(names[i] + n - 2, ".*");
        if (!strcmp(names[i], name) || (below && !strncmp(names[i], name, n - 1)) ||
            (below && strlen(name) == n - 2 && !strncmp(names[i], name, n - 2)))
            return true;
    }
    return false;
}

static int unknown(struct rest *r, const char *name)
{
    const char *ignore = rest_query_arg(r, "ignore_unknown_fields");
    if (ignore && !strcasecmp(ignore, "true"))
        return 0;
    return rest_fail(r, REST_EUNKNOWN, name, "Unexpected argument \"%.80s\".", name);
}

static int accept_body(struct rest *r, json_t *value, const char *prefix, const char *const *names)
{
    const char *key;
    json_t *child;
    size_t i;
    if (!value || (*prefix && in_list(names, prefix) && !json_is_object(value)))
        return 0;
    json_array_foreach (value, i, child) {
        if (accept_body(r, child, prefix, names))
            return -1;
    }
    json_object_foreach (value, key, child) {
        const char *name = *prefix ? sim_arena_printf(&r->arena, "%s.%s", prefix, key) : key;
        if (accept_body(r, child, name, names))
            return -1;
    }
    if (json_is_object(value) || json_is_array(value))
        return 0;
    return unknown(r, prefix);
}

int rest_accept(struct rest *r, const char *const *names)
{
    const char *records = rest_query_arg(r, "return_records");
    if (records && !rest_returns_records(r) && strcasecmp(records, "false") != 0)
        return rest_invalid(r, "return_records", records, "true, false");
    for (size_t i = 0; i < r->pair_count && !r->query_selects; i++) {
        const char *name = r->pairs[i].name;
        if (!rest_reserved(name) && !in_list(names, name) && unknown(r, name))
            return -1;
        for (size_t k = 0; k < i; k++) {
            if (!strcmp(r->pairs[k].name, name))
                return rest_fail(r, REST_ETWICE, name, "Field \"%.80s\" was specified twice.",
                                 name);
        }
    }
    return accept_body(r, r->body, "", names);
}

const char *rest_query_arg(const struct rest *r, const char *name)
{
    for (size_t i = 0; i < r->pair_count; i++) {
        if (!strcmp(r->pairs[i].name, name))
            return r->pairs[i].value;
    }
    return NULL;
}

/* A dotted name may be a key as it stands ({"restore_to.path": ...}) or lead into objects. */
static json_t *find(json_t *from, const char *name)
{
    json_t *whole = json_object_get(from, name);
    char key[128];
    if (whole)
        return whole;
    for (const char *dot = strchr(name, '.'); dot; dot = strchr(dot + 1, '.')) {
        size_t n = (size_t)(dot - name);
        if (n >= sizeof(key))
            return NULL;
        memcpy(key, name, n);
        key[n] = '\0';
        json_t *child = json_object_get(from, key);
        json_t *found = child ? find(child, dot + 1) : NULL;
        if (found)
            return found;
    }
    return NULL;
}

json_t *rest_body(const struct rest *r, const char *name)
{
    return r->body ? find(r->body, name) : NULL;
}

const char *rest_arg(struct rest *r, const char *name)
{
    const char *text = r->query_selects ? NULL : rest_query_arg(r, name);
    const json_t *v = text ? NULL : rest_body(r, name);
    if (json_is_string(v))
        return json_string_value(v);
    if (json_is_integer(v))
        return sim_arena_printf(&r->arena, "%lld", (long long)json_integer_value(v));
    if (json_is_boolean(v))
        return json_is_true(v) ? "true" : "false";
    return text;
}

const char *rest_need(struct rest *r, const char *name)
{
    const char *text = rest_arg(r, name);
    if (text && *text)
        return text;
    rest_fail(r, REST_EMISSING, name, "The field \"%s\" is required.", name);
    return NULL;
}

int rest_flag_arg(struct rest *r, const char *name, bool *value)
{
    const char *text = rest_arg(r, name);
    if (!text)
        return 0;
    *value = !strcasecmp(text, "true");
    return *value || !strcasecmp(text, "false") ? 0 : rest_invalid(r, name, text, "true, false");
}

int rest_count_arg(struct rest *r, const char *name, uint64_t min, uint64_t max, uint64_t *value)
{
    const char *text = rest_arg(r, name);
    if (!text || sim_number(text, min, max, value))
        return 0;
    return rest_invalid(r, name, text,
                        sim_arena_printf(&r->arena, "%llu..%llu", (unsigned long long)min,
                                         (unsigned long long)max));
}

int rest_size_arg(struct rest *r, const char *name, uint64_t *value)
{
    static const char units[] = "KMGT";
    const char *text = rest_arg(r, name);
    if (!text)
        return 0;
    size_t n = strspn(text, "0123456789");
    char *digits = sim_arena_dup(&r->arena, text);
    digits[n] = '\0';
    const char *unit = text[n] ? strchr(units, text[n] & ~0x20) : units;
    unsigned shift = text[n] && unit ? 10 * (unsigned)(unit - units + 1) : 0;
    const char *tail = text[n] ? text + n + 1 : "";
    if (!unit || (*tail && strcasecmp(tail, "b") != 0) ||
        !sim_number(digits, 0, INT64_MAX >> shift, value))
        return rest_invalid(r, name, text, "integer[KB|MB|GB|TB]");
    *value <<= shift;
    return 0;
}

bool rest_sees(const struct rest *r, const struct sim_svm *svm)
{
    return !r->svm || r->svm == svm;
}

struct sim_svm *rest_svm(struct rest *r)
{
    const char *name = rest_arg(r, "svm.name");
    const char *uuid = rest_arg(r, "svm.uuid");
    struct sim_svm *found = NULL;
    if (!name && !uuid) {
        if (!r->svm)
            rest_fail(r, REST_EMISSING, "svm.name", "The field \"svm.name\" is required.");
        return r->svm;
    }
    for (size_t i = 0; i < sim.svm_count; i++) {
        struct sim_svm *svm = sim.svms[i];
        if (rest_sees(r, svm) && (!name || !strcmp(name, svm->name)) &&
            (!uuid || !strcmp(uuid, svm->uuid)))
            found = svm;
    }
    if (!found)
        rest_fail(r, REST_ENOSVM, name ? "svm.name" : "svm.uuid", "SVM \"%.200s\" does not exist.",
                  name ? name : uuid);
    return found;
}

struct sim_volume *rest_volume(struct rest *r, const char *uuid)
{
    struct sim_volume *vol = sim_volume_by_uuid(NULL, uuid);
    if (vol && rest_sees(r, vol->svm) && !strcmp(vol->instance_uuid, uuid))
        return vol;
    rest_missing_entry(r, "uuid");
    return NULL;
}
