/* Lists of REST: which fields are wanted, filters, order, pages. */
#include "rest_list_priv.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { PAGE = 10000 };

static bool ignores_unknown(const struct rest *r)
{
    const char *text = rest_query_arg(r, "ignore_unknown_fields");
    return text && !strcasecmp(text, "true");
}

/* One item of fields=: NAME, NAME.*, *, **, each with ! before it. */
static int want_item(struct rest_list *l, const char *item)
{
    bool exclude = *item == '!';
    bool known = false;
    const char *name = item + exclude;
    size_t n = strlen(name);
    bool all = !strcmp(name, "*") || !strcmp(name, "**");
    if (!all && n > 3 && !strcmp(name + n - 3, ".**"))
        n -= 3;
    else if (!all && n > 2 && !strcmp(name + n - 2, ".*"))
        n -= 2;
    for (size_t i = 0; i < l->field_count; i++) {
        const struct rest_field *f = &l->fields[i];
        bool hit = all ? name[1] || !(f->flags & REST_EXPENSIVE) : rest_below(f->name, name, n);
        if (!rest_field_exists(f) || !hit)
            continue;
        known = true;
        if (exclude)
            l->want[i] &= (unsigned char)~WANT_OUT;
        else
            l->want[i] |= WANT_OUT;
    }
    if (known || all || ignores_unknown(l->r))
        return 0;
    return rest_fail(l->r, sim.unknown_field_code, "fields",
                     "The value \"%.80s\" is invalid for field \"fields\" (<field,...>)", name);
}

static int want_fields(struct rest_list *l)
{
    const char *text = rest_query_arg(l->r, "fields");
    const char *fallback = l->single ? "*" : "";
    if (!text)
        text = fallback;
    for (size_t i = 0; i < l->field_count; i++) {
        if (l->fields[i].flags & REST_KEY)
            l->want[i] |= WANT_OUT;
    }
    while (*text) {
        size_t n = strcspn(text, ",");
        char *item = sim_arena_alloc(&l->r->arena, n + 1);
        memcpy(item, text, n);
        item[n] = '\0';
        item += strspn(item, " ");
        item[strcspn(item, " ")] = '\0';
        if (*item && want_item(l, item))
            return -1;
        text += n + (text[n] == ',');
    }
    return 0;
}

static int add_filter(struct rest_list *l, const struct rest_pair *pair)
{
    size_t i = rest_field_index(l, pair->name);
    if (i == l->field_count && ignores_unknown(l->r))
        return 0;
    if (i == l->field_count)
        return rest_fail(l->r, REST_EUNKNOWN, pair->name, "Unexpected argument \"%.80s\".",
                         pair->name);
    if (l->filters[i])
        return rest_fail(l->r, REST_ETWICE, pair->name, "Field \"%.80s\" was specified twice.",
                         pair->name);
    l->filters[i] = rest_filter_new(l->r, pair->name, pair->value);
    l->want[i] |= WANT_LOOK | WANT_OUT; /* what a query speaks of is part of the answer */
    return l->filters[i] ? 0 : -1;
}

/* order_by=NAME [desc], ... */
static int read_order(struct rest_list *l)
{
    const char *order = rest_query_arg(l->r, "order_by");
    char *text = sim_arena_dup(&l->r->arena, order ? order : "");
    char *rest = NULL;
    for (char *item = strtok_r(text, ",", &rest); item; item = strtok_r(NULL, ",", &rest)) {
        char name[128] = "", direction[16] = "asc";
        if (sscanf(item, " %127s %15s", name, direction) < 1 || l->orders == 4)
            return rest_invalid(l->r, "order_by", item, "field [asc|desc]");
        size_t i = rest_field_index(l, name);
        bool down = !strcasecmp(direction, "desc");
        if (i == l->field_count || (!down && strcasecmp(direction, "asc") != 0))
            return rest_invalid(l->r, "order_by", item, "field [asc|desc]");
        l->want[i] |= WANT_LOOK;
        l->order[l->orders] = i;
        l->descending[l->orders++] = down;
    }
    return 0;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1);
}

/* start.after=HEX: the keys, each ended by a zero byte. */
static int read_start(struct rest_list *l)
{
    const char *text = rest_query_arg(l->r, "start.after");
    size_t n = text ? strlen(text) / 2 : 0;
    char *plain = sim_arena_alloc(&l->r->arena, n + 1);
    size_t keys = 0, from = 0;
    for (size_t i = 0; i < n; i++) {
        int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return rest_invalid(l->r, "start.after", text, NULL);
        plain[i] = (char)(high * 16 + low);
        if (!plain[i] && keys < 3) {
            l->keys[keys++] = plain + from;
            from = i + 1;
        }
    }
    return text && *text && !keys ? rest_invalid(l->r, "start.after", text, NULL) : 0;
}

/* A sorted list starts at the beginning each time; its continuation is a number. */
static int read_sorted_start(struct rest_list *l)
{
    const char *from = l->keys[0];
    if (!l->orders || !from)
        return 0;
    l->keys[0] = l->keys[1] = l->keys[2] = NULL;
    return sim_number(from, 0, INT64_MAX, &l->offset)
               ? 0
               : rest_invalid(l->r, "start.after", from, NULL);
}

/* A fault: the time of the first page is over before a row was found, so that it has none and the next one goes on. */
static bool has_no_rows_yet(const struct rest_list *l)
{
    return l->r->fault.action == SIM_FAULT_SLOW && !rest_query_arg(l->r, "start.after");
}

static int read_page(struct rest_list *l)
{
    const char *records = rest_query_arg(l->r, "return_records");
    bool yes = true;
    unsigned seconds = 0;
    l->max = PAGE;
    if (rest_return_timeout(l->r, &seconds) ||
        (records && rest_flag_arg(l->r, "return_records", &yes)) ||
        rest_count_arg(l->r, "max_records", 1, INT32_MAX, &l->max) ||
        rest_count_arg(l->r, "offset", 0, INT32_MAX, &l->offset))
        return -1;
    l->count_only = !yes;
    if (sim.page_limit && l->max > sim.page_limit)
        l->max = sim.page_limit;
    if (has_no_rows_yet(l))
        l->max = 0;
    return read_order(l) || read_start(l) || read_sorted_start(l) ? -1 : 0;
}

static int begin(struct rest_list *l, struct rest *r, const struct rest_field *fields, size_t count,
                 bool single)
{
    *l = (struct rest_list){.r = r, .fields = fields, .field_count = count, .single = single};
    l->want = sim_arena_alloc(&r->arena, count);
    l->filters = sim_arena_alloc(&r->arena, count * sizeof(struct rest_filter *));
    return want_fields(l);
}

static bool is_extra(const struct rest *r, const char *name)
{
    for (size_t i = 0; r->extras && r->extras[i]; i++) {
        if (!strcmp(r->extras[i], name))
            return true;
    }
    return false;
}

int rest_list_begin(struct rest_list *l, struct rest *r, const struct rest_field *fields,
                    size_t count)
{
    if (begin(l, r, fields, count, false) || read_page(l))
        return -1;
    for (size_t i = 0; i < r->pair_count; i++) {
        const char *name = r->pairs[i].name;
        if (!rest_reserved(name) && !is_extra(r, name) && add_filter(l, &r->pairs[i]))
            return -1;
    }
    l->rows = json_array();
    r->query_selects = strcmp(r->method, "GET") != 0;
    return 0;
}

int rest_object_begin(struct rest_list *l, struct rest *r, const struct rest_field *fields,
                      size_t count)
{
    static const char *const none[] = {NULL};
    unsigned seconds = 0;
    return rest_accept(r, none) || rest_return_timeout(r, &seconds) ||
                   begin(l, r, fields, count, true)
               ? -1
               : 0;
}

bool rest_filtered(const struct rest_list *l)
{
    for (size_t i = 0; i < l->field_count; i++) {
        if (l->filters[i])
            return true;
    }
    return false;
}

static void keep_after(struct rest_list *l, const char *const keys[3])
{
    l->after.len = 0;
    for (size_t i = 0; i < 3 && keys[i]; i++) {
        for (const char *p = keys[i];; p++) {
            sim_buf_addf(&l->after, "%02x", (unsigned char)*p);
            if (!*p)
                break;
        }
    }
}

static void finish_record(struct rest_list *l, const char *self)
{
    if (l->r->hal && self)
        json_object_set_new(l->rec, "_links", rest_link("/api%s", self));
}

bool rest_row(struct rest_list *l, const char *self, const char *key0, const char *key1,
              const char *key2)
{
    const char *const keys[3] = {key0, key1, key2};
    if (!rest_match(l))
        return true;
    if (l->offset && !l->orders) {
        l->offset--;
        return true;
    }
    if (l->count_only) {
        l->count++;
        return true;
    }
    if (l->orders) { /* sorted, then cut, in the end */
        finish_record(l, self);
        json_array_append_new(l->rows, json_pack("{s:O, s:O?}", "r", l->rec, "a", l->aside));
        return true;
    }
    if (l->count == l->max) {
        l->more = true;
        return false;
    }
    finish_record(l, self);
    json_array_append(l->rows, l->rec);
    keep_after(l, keys);
    l->more = ++l->count == l->max && sim.empty_last_page;
    return !l->more;
}

static int compare_values(const json_t *a, const json_t *b)
{
    if (!a || !b)
        return a ? 1 : (b ? -1 : 0);
    if (json_is_integer(a) && json_is_integer(b))
        return json_integer_value(a) < json_integer_value(b)
                   ? -1
                   : json_integer_value(a) > json_integer_value(b);
    if (json_is_string(a) && json_is_string(b))
        return strcmp(json_string_value(a), json_string_value(b));
    return (int)json_is_true(a) - (int)json_is_true(b);
}

static json_t *sort_value(json_t *row, const char *name)
{
    json_t *v = rest_value_at(json_object_get(row, "a"), name, NULL);
    return v ? v : rest_value_at(json_object_get(row, "r"), name, NULL);
}

static int compare_rows(const void *pa, const void *pb, void *arg)
{
    const struct rest_list *l = arg;
    json_t *a = *(json_t *const *)pa, *b = *(json_t *const *)pb;
    for (size_t i = 0; i < l->orders; i++) {
        const char *name = l->fields[l->order[i]].name;
        int order = compare_values(sort_value(a, name), sort_value(b, name));
        if (order)
            return l->descending[i] ? -order : order;
    }
    return 0;
}

/* Sort everything, then take the page that starts at the number in the continuation. */
static void sort_rows(struct rest_list *l)
{
    size_t n = json_array_size(l->rows);
    json_t **rows = sim_alloc(n, sizeof(json_t *));
    uint64_t from = l->offset;
    json_t *page = json_array();
    for (size_t i = 0; i < n; i++)
        rows[i] = json_array_get(l->rows, i);
    qsort_r(rows, n, sizeof(json_t *), compare_rows, l);
    for (size_t i = from < n ? (size_t)from : n; i < n && l->count < l->max; i++, l->count++)
        json_array_append(page, json_object_get(rows[i], "r"));
    uint64_t next = from + l->count;
    l->more = next < n || (sim.empty_last_page && l->count == l->max);
    const char *const keys[3] = {sim_arena_printf(&l->r->arena, "%llu", (unsigned long long)next),
                                 NULL, NULL};
    keep_after(l, keys);
    free(rows);
    json_decref(l->rows);
    l->rows = page;
}

/* The same address with another continuation. */
static char *next_href(const struct rest_list *l)
{
    AUTO_BUF struct sim_buf b = {0};
    sim_buf_addf(&b, "/api%s?start.after=%s", l->r->path, l->after.data ? l->after.data : "");
    for (const char *p = l->r->query; *p;) {
        size_t n = strcspn(p, "&");
        if (n && strncmp(p, "start.after=", 12) != 0) {
            sim_buf_adds(&b, "&");
            sim_buf_add(&b, p, n);
        }
        p += n + (p[n] == '&');
    }
    return sim_arena_dup(&l->r->arena, b.data);
}

static void add_links(struct rest_list *l, json_t *doc)
{
    json_t *links = json_object();
    if (l->r->hal) {
        char *self = sim_arena_printf(&l->r->arena, "/api%s%s%s", l->r->path,
                                      *l->r->query ? "?" : "", l->r->query);
        json_object_set_new(links, "self", json_pack("{s:s}", "href", self));
    }
    /* A fault: from the second page on, the next one is this one. */
    bool again =
        l->r->fault.action == SIM_FAULT_REPEAT && rest_query_arg(l->r, "start.after") != NULL;
    if (l->more || again || has_no_rows_yet(l)) {
        l->r->link = again ? sim_arena_printf(&l->r->arena, "/api%s?%s", l->r->path, l->r->query)
                           : next_href(l);
        json_object_set_new(links, "next", json_pack("{s:s}", "href", l->r->link));
    }
    if (json_object_size(links))
        json_object_set(doc, "_links", links);
    json_decref(links);
}

void rest_list_drop(struct rest_list *l)
{
    json_decref(l->rec);
    json_decref(l->aside);
    json_decref(l->rows);
    l->rec = l->aside = l->rows = NULL;
    sim_buf_free(&l->after);
}

int rest_list_end(struct rest_list *l)
{
    json_t *doc = json_object();
    if (l->orders && !l->count_only)
        sort_rows(l);
    if (!l->count_only)
        json_object_set(doc, "records", l->rows);
    json_object_set_new(doc, "num_records", json_integer((json_int_t)l->count));
    add_links(l, doc);
    l->r->out = doc;
    rest_list_drop(l);
    return 0;
}

int rest_object_end(struct rest_list *l, const char *self)
{
    finish_record(l, self);
    l->r->out = json_incref(l->rec);
    rest_list_drop(l);
    return 0;
}
