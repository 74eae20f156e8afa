#include "domxml.h"

#include "domxml_priv.h"
#include "memory.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

static const char OP[] = "domain-xml";

static int protocol(struct moon_err *err, const char *name, const char *what)
{
    return moon_err_set(err, MOON_PROTOCOL, MOON_SRC_ENGINE, 0, OP, "domain xml%s%s%s: %s",
                        *name ? " of '" : "", name, *name ? "'" : "", what);
}

static int no_memory(struct moon_err *err)
{
    return moon_err_errno(err, ENOMEM, OP, "domain xml");
}

int moon_domxml_open(const char *xml, xmlDocPtr *doc, xmlNodePtr *domain, struct moon_err *err)
{
    AUTO_XML xmlDocPtr parsed = NULL;
    if (moon_xml_parse(xml, strlen(xml), "domain xml", &parsed, err) < 0)
        return -1;
    xmlNodePtr root = xmlDocGetRootElement(parsed);
    const char *name = (const char *)root->name;
    xmlNodePtr found = NULL;
    if (strcmp(name, "domain") == 0)
        found = root;
    else if (strcmp(name, "domainsnapshot") == 0 || strcmp(name, "domaincheckpoint") == 0 ||
             strcmp(name, "domstatus") == 0)
        found = moon_xml_child(root, "domain");
    if (!found)
        return moon_err_set(err, MOON_PROTOCOL, MOON_SRC_ENGINE, 0, OP,
                            "domain xml: root is <%.64s>, with no <domain> to read", name);
    *doc = MOON_STEAL(parsed);
    *domain = found;
    return 0;
}

int moon_domxml_uuid(const char *text, char out[37])
{
    char result[37];
    size_t n = 0;
    for (; *text; text++) {
        if (*text == '-')
            continue;
        if (!isxdigit((unsigned char)*text) || n >= 36)
            return -1;
        if (n == 8 || n == 13 || n == 18 || n == 23)
            result[n++] = '-';
        result[n++] = (char)tolower((unsigned char)*text);
    }
    if (n != 36)
        return -1;
    result[36] = '\0';
    memcpy(out, result, sizeof result);
    return 0;
}

/* ---- small helpers: 0, or -1 when there is no memory ---- */

static int set(json_t *json, const char *key, const char *value)
{
    return value ? json_object_set_new(json, key, json_string(value)) : 0;
}

static int set_attr(json_t *json, const char *key, const xmlNode *node, const char *name)
{
    AUTO_FREE char *value = moon_xml_attr(node, name);
    return set(json, key, value);
}

static int set_child(json_t *json, const char *key, const xmlNode *parent, const char *name)
{
    AUTO_FREE char *value = moon_xml_child_text(parent, name);
    return value && *value ? set(json, key, value) : 0;
}

/* ---- guest ---- */

static int memory_kib(const xmlNode *domain, const char *name, json_t *out, struct moon_err *err)
{
    static const struct {
        const char *unit;
        int64_t bytes;
    } units[] = {{"b", 1},
                 {"bytes", 1},
                 {"KB", 1000},
                 {"k", 1024},
                 {"KiB", 1024},
                 {"MB", 1000000},
                 {"M", 1 << 20},
                 {"MiB", 1 << 20},
                 {"GB", 1000000000},
                 {"G", 1 << 30},
                 {"GiB", 1 << 30},
                 {"TB", 1000000000000},
                 {"T", (int64_t)1 << 40},
                 {"TiB", (int64_t)1 << 40}};
    xmlNodePtr node = moon_xml_child(domain, "memory");
    if (!node)
        return 0;
    AUTO_FREE char *attr = moon_xml_attr(node, "unit");
    const char *unit = attr ? attr : "KiB";
    int64_t bytes = 0;
    for (size_t i = 0; i < sizeof units / sizeof *units && !bytes; i++) {
        if (strcasecmp(units[i].unit, unit) == 0)
            bytes = units[i].bytes;
    }
    int64_t value = 0;
    if (!bytes || moon_xml_child_int(domain, "memory", 0, (INT64_MAX - 1023) / (bytes ? bytes : 1),
                                     &value, NULL) < 0)
        return protocol(err, name, "<memory> is not a size with a unit");
    int64_t kib = (value * bytes + 1023) / 1024;
    return json_object_set_new(out, "memory_kib", json_integer(kib)) < 0 ? no_memory(err) : 0;
}

static json_t *read_nvram(const xmlNode *node)
{
    AUTO_JSON json_t *nvram = json_object();
    xmlNodePtr source = moon_xml_child(node, "source");
    AUTO_FREE char *file = source ? moon_xml_attr(source, "file") : moon_xml_text(node);
    if (source && !file)
        file = moon_xml_attr(source, "dev");
    if (!nvram || (file && *file && set(nvram, "path", file) < 0) ||
        set_attr(nvram, "template", node, "template") < 0)
        return NULL;
    return MOON_STEAL(nvram);
}

static json_t *read_os(const xmlNode *domain)
{
    xmlNodePtr os = moon_xml_child(domain, "os");
    xmlNodePtr type = moon_xml_child(os, "type");
    AUTO_JSON json_t *boot = json_array();
    AUTO_JSON json_t *out = json_object();
    if (!boot || !out || set_child(out, "type", os, "type") < 0 ||
        set_attr(out, "arch", type, "arch") < 0 || set_attr(out, "machine", type, "machine") < 0 ||
        set_attr(out, "firmware", os, "firmware") < 0 || set_child(out, "loader", os, "loader") < 0)
        return NULL;
    for (xmlNodePtr b = moon_xml_child(os, "boot"); b; b = moon_xml_next(b, "boot")) {
        AUTO_FREE char *dev = moon_xml_attr(b, "dev");
        if (dev && json_array_append_new(boot, json_string(dev)) < 0)
            return NULL;
    }
    xmlNodePtr nvram = moon_xml_child(os, "nvram");
    if (json_object_set(out, "boot", boot) < 0 ||
        (nvram && json_object_set_new(out, "nvram", read_nvram(nvram)) < 0))
        return NULL;
    return MOON_STEAL(out);
}

/* ---- disks ---- */

/* NULL when there is no memory; *any says whether the source names anything. */
static json_t *read_source(const xmlNode *source, bool *any)
{
    static const char *const names[] = {"file",     "dev",  "dir",          "pool", "volume",
                                        "mode",     "name", "query",        "type", "namespace",
                                        "protocol", "path", "startupPolicy"};
    static const char *const host_names[] = {"name", "port", "transport", "socket"};
    AUTO_JSON json_t *out = json_object();
    AUTO_JSON json_t *hosts = json_array();
    if (!out || !hosts)
        return NULL;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (set_attr(out, names[i], source, names[i]) < 0)
            return NULL;
    }
    for (xmlNodePtr h = moon_xml_child(source, "host"); h; h = moon_xml_next(h, "host")) {
        json_t *host = json_object();
        if (json_array_append_new(hosts, host) < 0)
            return NULL;
        for (size_t i = 0; i < sizeof host_names / sizeof *host_names; i++) {
            if (set_attr(host, host_names[i], h, host_names[i]) < 0)
                return NULL;
        }
    }
    if (json_array_size(hosts) && json_object_set(out, "hosts", hosts) < 0)
        return NULL;
    *any = json_object_size(out) > (json_object_get(out, "startupPolicy") ? 1u : 0u);
    return MOON_STEAL(out);
}

/* source and path of a disk or of a link of its backing chain. */
static int add_source(json_t *out, const xmlNode *node, const char *type)
{
    xmlNodePtr element = moon_xml_child(node, "source");
    if (!element)
        return 0;
    bool any = false;
    AUTO_JSON json_t *source = read_source(element, &any);
    if (!source)
        return -1;
    if (!any)
        return 0;
    const char *key = strcmp(type, "file") == 0 ? "file" : strcmp(type, "block") == 0 ? "dev" : "";
    json_t *path = json_object_get(source, key);
    if (path && json_object_set(out, "path", path) < 0)
        return -1;
    return json_object_set(out, "source", source);
}

static json_t *read_backing(const xmlNode *disk)
{
    AUTO_JSON json_t *list = json_array();
    if (!list)
        return NULL;
    for (xmlNodePtr b = moon_xml_child(disk, "backingStore"); b;
         b = moon_xml_child(b, "backingStore")) {
        AUTO_FREE char *type = moon_xml_attr(b, "type");
        if (!moon_xml_child(b, NULL))
            break; /* an empty element ends the chain */
        json_t *link = json_object();
        const char *known = type ? type : "file";
        if (json_array_append_new(list, link) < 0 || set(link, "type", known) < 0 ||
            set_attr(link, "format", moon_xml_child(b, "format"), "type") < 0 ||
            add_source(link, b, known) < 0)
            return NULL;
    }
    return MOON_STEAL(list);
}

static const char *bus_of_target(const char *target)
{
    static const char *const known[][2] = {{"fd", "fdc"},    {"hd", "ide"},  {"sd", "scsi"},
                                           {"vd", "virtio"}, {"xvd", "xen"}, {"ubd", "uml"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strncmp(target, known[i][0], strlen(known[i][0])) == 0)
            return known[i][1];
    }
    return "";
}

static int add_driver(json_t *out, const xmlNode *disk)
{
    xmlNodePtr node = moon_xml_child(disk, "driver");
    AUTO_FREE char *format = moon_xml_attr(node, "type");
    AUTO_JSON json_t *driver = json_object();
    if (!driver || set_attr(driver, "name", node, "name") < 0 || set(driver, "type", format) < 0 ||
        set_attr(driver, "cache", node, "cache") < 0 || set_attr(driver, "io", node, "io") < 0 ||
        set(out, "format", format ? format : "raw") < 0)
        return -1;
    return json_object_set(out, "driver", driver);
}

/* What cannot be wrong in the document, only run out of memory. */
static int fill_disk(json_t *out, const xmlNode *disk, const char *device, const char *type)
{
    bool readonly = moon_xml_child(disk, "readonly") || strcmp(device, "cdrom") == 0;
    if (set(out, "device", device) < 0 || set(out, "type", type) < 0 ||
        add_source(out, disk, type) < 0 || add_driver(out, disk) < 0 ||
        set_child(out, "serial", disk, "serial") < 0 || set_child(out, "wwn", disk, "wwn") < 0 ||
        set_attr(out, "alias", moon_xml_child(disk, "alias"), "name") < 0 ||
        json_object_set_new(out, "backing", read_backing(disk)) < 0 ||
        json_object_set_new(out, "readonly", json_boolean(readonly)) < 0 ||
        json_object_set_new(out, "shareable",
                            json_boolean(moon_xml_child(disk, "shareable") != NULL)) < 0 ||
        json_object_set_new(out, "transient",
                            json_boolean(moon_xml_child(disk, "transient") != NULL)) < 0 ||
        json_object_set_new(out, "is_boot", json_false()) < 0)
        return -1;
    return 0;
}

static int read_disk(const xmlNode *disk, const char *name, json_t *list, struct moon_err *err)
{
    AUTO_JSON json_t *out = json_object();
    AUTO_FREE char *device = moon_xml_attr(disk, "device");
    AUTO_FREE char *type = moon_xml_attr(disk, "type");
    xmlNodePtr target = moon_xml_child(disk, "target");
    AUTO_FREE char *dev = moon_xml_attr(target, "dev");
    AUTO_FREE char *bus = moon_xml_attr(target, "bus");
    size_t index = json_array_size(list);
    if (!dev || !*dev) {
        char what[96];
        snprintf(what, sizeof what, "disk %zu has no <target dev='...'/>", index);
        return protocol(err, name, what);
    }
    xmlNodePtr boot = moon_xml_child(disk, "boot");
    int64_t order = 0;
    struct moon_err inner = {0};
    if (boot && moon_xml_attr_int(boot, "order", 1, INT_MAX, &order, &inner) < 0) {
        char what[256];
        snprintf(what, sizeof what, "disk '%.32s': %.200s", dev, inner.message);
        return protocol(err, name, what);
    }
    if (!out || json_object_set_new(out, "index", json_integer((json_int_t)index)) < 0 ||
        fill_disk(out, disk, device ? device : "disk", type ? type : "file") < 0 ||
        set(out, "target", dev) < 0 || set(out, "bus", bus ? bus : bus_of_target(dev)) < 0 ||
        (boot && json_object_set_new(out, "boot_order", json_integer(order)) < 0) ||
        json_array_append(list, out) < 0)
        return no_memory(err);
    return 0;
}

/* ---- the disk that the guest starts from ---- */

static const char *text_field(const json_t *disk, const char *key)
{
    return json_string_value(json_object_get(disk, key));
}

/* vda 0, vdb 1 ... vdz 25, vdaa 26; what is named otherwise comes last. */
static int64_t target_rank(const char *target)
{
    static const char *const prefixes[] = {"xvd", "ubd", "fd", "hd", "vd", "sd"};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        size_t len = strlen(prefixes[i]);
        if (strncmp(target, prefixes[i], len) != 0 || !islower((unsigned char)target[len]))
            continue;
        int64_t rank = 0;
        for (const char *s = target + len; islower((unsigned char)*s); s++) {
            if (rank > INT32_MAX)
                return INT64_MAX;
            rank = rank * 26 + (*s - 'a' + 1);
        }
        return rank - 1;
    }
    return INT64_MAX;
}

static size_t bus_rank(const json_t *disks, const char *bus)
{
    size_t i = 0;
    const json_t *disk = NULL;
    json_array_foreach (disks, i, disk) {
        if (strcmp(text_field(disk, "bus"), bus) == 0)
            break;
    }
    return i;
}

static bool starts_before(const json_t *disks, const json_t *a, const json_t *b)
{
    const json_t *order_a = json_object_get(a, "boot_order");
    const json_t *order_b = json_object_get(b, "boot_order");
    if (order_a || order_b)
        return order_a && (!order_b || json_integer_value(order_a) < json_integer_value(order_b));
    size_t bus_a = bus_rank(disks, text_field(a, "bus"));
    size_t bus_b = bus_rank(disks, text_field(b, "bus"));
    if (bus_a != bus_b)
        return bus_a < bus_b;
    return target_rank(text_field(a, "target")) < target_rank(text_field(b, "target"));
}

static void mark_boot(json_t *disks)
{
    size_t i = 0;
    json_t *disk = NULL;
    json_t *first = NULL;
    json_array_foreach (disks, i, disk) {
        const char *device = text_field(disk, "device");
        if (strcmp(device, "disk") != 0 && strcmp(device, "lun") != 0)
            continue;
        if (!first || starts_before(disks, disk, first))
            first = disk;
    }
    if (first)
        json_object_set_new(first, "is_boot", json_true());
}

int moon_domxml_parse(const char *xml, json_t **out, struct moon_err *err)
{
    AUTO_XML xmlDocPtr doc = NULL;
    xmlNodePtr domain = NULL;
    unsigned long before = moon_memory_failures();
    if (moon_domxml_open(xml, &doc, &domain, err) < 0)
        return -1;
    AUTO_FREE char *name = moon_xml_child_text(domain, "name");
    if (!name || !*name)
        return protocol(err, "", "<name> is missing");
    AUTO_FREE char *text = moon_xml_child_text(domain, "uuid");
    char uuid[37];
    if (!text)
        return protocol(err, name, "<uuid> is missing; take the xml that libvirt gives");
    if (moon_domxml_uuid(text, uuid) < 0)
        return protocol(err, name, "<uuid> is not a uuid");
    AUTO_FREE char *type = moon_xml_attr(domain, "type");
    if (!type)
        return protocol(err, name, "<domain> has no type");
    xmlNodePtr devices = moon_xml_child(domain, "devices");
    AUTO_JSON json_t *disks = json_array();
    AUTO_JSON json_t *result = json_object();
    if (!disks || !result || set(result, "name", name) < 0 || set(result, "uuid", uuid) < 0 ||
        set(result, "type", type) < 0 || set_child(result, "title", domain, "title") < 0 ||
        json_object_set_new(result, "os", read_os(domain)) < 0 ||
        json_object_set_new(result, "tpm", json_boolean(moon_xml_child(devices, "tpm") != NULL)) <
            0 ||
        json_object_set(result, "disks", disks) < 0)
        return no_memory(err);
    if (memory_kib(domain, name, result, err) < 0)
        return -1;
    for (xmlNodePtr d = moon_xml_child(devices, "disk"); d; d = moon_xml_next(d, "disk")) {
        if (read_disk(d, name, disks, err) < 0)
            return -1;
    }
    mark_boot(disks);
    if (moon_memory_failures() != before) /* a source that is missing is a disk without a file */
        return no_memory(err);
    *out = MOON_STEAL(result);
    return 0;
}
