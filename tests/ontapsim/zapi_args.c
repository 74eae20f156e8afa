/* Arguments of an ONTAPI call, and plain result fields. */
#include "zapi.h"

#include <string.h>
#include <strings.h>

static const xmlNode *element(const xmlNode *node)
{
    while (node && node->type != XML_ELEMENT_NODE)
        node = node->next;
    return node;
}

const xmlNode *zapi_first(const xmlNode *node)
{
    return element(node->children);
}

const xmlNode *zapi_next(const xmlNode *node)
{
    return element(node->next);
}

const xmlNode *zapi_child(const xmlNode *node, const char *name)
{
    const xmlNode *c = zapi_first(node);
    while (c && strcmp((const char *)c->name, name) != 0)
        c = zapi_next(c);
    return c;
}

const char *zapi_text(struct sim_arena *a, const xmlNode *node)
{
    AUTO_BUF struct sim_buf b = {0};
    for (const xmlNode *c = node->children; c; c = c->next) {
        if ((c->type == XML_TEXT_NODE || c->type == XML_CDATA_SECTION_NODE) && c->content)
            sim_buf_adds(&b, (const char *)c->content);
    }
    return sim_arena_dup(a, b.data ? b.data : "");
}

const char *zapi_arg(struct zapi *z, const char *name)
{
    const xmlNode *node = zapi_child(z->call, name);
    return node ? zapi_text(&z->arena, node) : NULL;
}

const char *zapi_need(struct zapi *z, const char *name)
{
    const char *text = zapi_arg(z, name);
    if (text && *text)
        return text;
    sim_fail(&z->err, SIM_EMISSING, "Missing input: %s", name);
    return NULL;
}

int zapi_invalid(struct zapi *z, const char *field, const char *value)
{
    return sim_fail(&z->err, SIM_EINVALID,
                    "Invalid value specified for \"%s\" element within \"%s\": \"%.200s\".", field,
                    z->name, value);
}

int zapi_flag(struct zapi *z, const char *name, bool *value)
{
    const char *text = zapi_arg(z, name);
    if (!text || !*text)
        return 0;
    *value = !strcasecmp(text, "true");
    return *value || !strcasecmp(text, "false") ? 0 : zapi_invalid(z, name, text);
}

int zapi_count(struct zapi *z, const char *name, uint64_t min, uint64_t max, uint64_t *value)
{
    const char *text = zapi_arg(z, name);
    if (!text || !*text)
        return 0;
    return sim_number(text, min, max, value) ? 0 : zapi_invalid(z, name, text);
}

struct sim_volume *zapi_volume(struct zapi *z, const char *name)
{
    sim_lock();
    struct sim_volume *vol = z->svm ? sim_volume_find(z->svm, name) : NULL;
    sim_unlock();
    if (!vol)
        sim_fail(&z->err, SIM_EVOLMISSING, "Volume \"%.203s\" does not exist in %s \"%s\".", name,
                 z->svm ? "SVM" : "the admin SVM", z->svm ? z->svm->name : sim.cluster);
    return vol;
}

bool zapi_split_path(struct zapi *z, const char *path, const char **volume, const char **rest)
{
    if (!path || strncmp(path, "/vol/", 5) != 0)
        return false;
    char *copy = sim_arena_dup(&z->arena, path + 5);
    char *slash = strchr(copy, '/');
    if (slash)
        *slash = '\0';
    *volume = copy;
    *rest = slash ? slash + 1 : "";
    return *copy != '\0';
}

void zapi_put(struct zapi *z, const char *name, const char *value)
{
    sim_buf_addf(&z->out, "<%s>", name);
    sim_buf_xml(&z->out, value);
    sim_buf_addf(&z->out, "</%s>", name);
}

void zapi_put_number(struct zapi *z, const char *name, uint64_t value)
{
    sim_buf_addf(&z->out, "<%s>%llu</%s>", name, (unsigned long long)value, name);
}
