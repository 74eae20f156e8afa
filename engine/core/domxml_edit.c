#include "domxml.h"

#include "domxml_priv.h"
#include "memory.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

static const char OP[] = "domain-edit";

static int invalid(struct moon_err *err, const char *key, const char *what)
{
    return moon_err_set(err, MOON_INVALID, MOON_SRC_ENGINE, 0, OP, "edit '%.64s': %s", key, what);
}

static int no_memory(struct moon_err *err)
{
    return moon_err_errno(err, ENOMEM, OP, "domain xml");
}

static const xmlChar *xml_text(const char *s)
{
    return (const xmlChar *)s;
}

static int set_attr(xmlNodePtr node, const char *name, const char *value)
{
    return xmlSetProp(node, xml_text(name), xml_text(value)) ? 0 : -1;
}

static void drop(xmlNodePtr node)
{
    if (!node)
        return;
    xmlUnlinkNode(node);
    xmlFreeNode(node);
}

static void drop_all(xmlNodePtr parent, const char *name)
{
    for (xmlNodePtr n = moon_xml_child(parent, name); n; n = moon_xml_child(parent, name))
        drop(n);
}

/* The content of an element becomes this text and nothing else. */
static int set_text(xmlNodePtr node, const char *text)
{
    while (node->children)
        drop(node->children);
    xmlNodePtr content = xmlNewDocText(node->doc, xml_text(text));
    return content && xmlAddChild(node, content) ? 0 : -1;
}

static int random_bytes(void *out, size_t len, struct moon_err *err)
{
    ssize_t n = getrandom(out, len, 0);
    if (n != (ssize_t)len)
        return moon_err_errno(err, n < 0 ? errno : EIO, OP, "random bytes");
    return 0;
}

static int random_uuid(char out[37], struct moon_err *err)
{
    unsigned char b[16];
    if (random_bytes(b, sizeof b, err) < 0)
        return -1;
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    snprintf(out, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
             b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13],
             b[14], b[15]);
    return 0;
}

static int edit_name(xmlNodePtr domain, json_t *value, struct moon_err *err)
{
    const char *name = json_string_value(value);
    if (!name || !*name || strpbrk(name, "/\n"))
        return invalid(err, "name", "not a guest name; give text without a slash");
    xmlNodePtr node = moon_xml_child(domain, "name");
    if (!node)
        node = xmlNewChild(domain, NULL, xml_text("name"), NULL);
    return node && set_text(node, name) == 0 ? 0 : no_memory(err);
}

static int edit_uuid(xmlNodePtr domain, json_t *value, struct moon_err *err)
{
    const char *text = json_string_value(value);
    char uuid[37];
    char genid[37];
    if (!text)
        return invalid(err, "uuid", "not text; give a uuid or \"new\"");
    if (strcmp(text, "new") == 0) {
        if (random_uuid(uuid, err) < 0)
            return -1;
    } else if (moon_domxml_uuid(text, uuid) < 0) {
        return invalid(err, "uuid", "not a uuid; give one or \"new\"");
    }
    xmlNodePtr node = moon_xml_child(domain, "uuid");
    if (!node)
        node = xmlNewChild(domain, NULL, xml_text("uuid"), NULL);
    if (!node || set_text(node, uuid) < 0)
        return no_memory(err);
    xmlNodePtr entry = moon_xml_child(moon_xml_path(domain, "sysinfo/system"), "entry");
    for (; entry; entry = moon_xml_next(entry, "entry")) {
        AUTO_FREE char *name = moon_xml_attr(entry, "name");
        if (name && strcmp(name, "uuid") == 0 && set_text(entry, uuid) < 0)
            return no_memory(err);
    }
    node = moon_xml_child(domain, "genid");
    if (node && (random_uuid(genid, err) < 0 || set_text(node, genid) < 0))
        return no_memory(err);
    return 0;
}

static int edit_macs(xmlNodePtr domain, json_t *value, struct moon_err *err)
{
    const char *text = json_string_value(value);
    if (!text || strcmp(text, "new") != 0)
        return invalid(err, "macs", "only \"new\" is known");
    xmlNodePtr nic = moon_xml_child(moon_xml_child(domain, "devices"), "interface");
    for (; nic; nic = moon_xml_next(nic, "interface")) {
        xmlNodePtr node = moon_xml_child(nic, "mac");
        unsigned char b[3];
        char mac[18];
        if (!node)
            continue;
        if (random_bytes(b, sizeof b, err) < 0)
            return -1;
        snprintf(mac, sizeof mac, "52:54:00:%02x:%02x:%02x", b[0], b[1], b[2]);
        if (set_attr(node, "address", mac) < 0)
            return no_memory(err);
    }
    return 0;
}

static xmlNodePtr find_disk(const xmlNode *domain, const char *target)
{
    xmlNodePtr disk = moon_xml_child(moon_xml_child(domain, "devices"), "disk");
    for (; disk; disk = moon_xml_next(disk, "disk")) {
        AUTO_FREE char *dev = moon_xml_attr(moon_xml_child(disk, "target"), "dev");
        if (dev && strcmp(dev, target) == 0)
            return disk;
    }
    return NULL;
}

/* Everything that said where the old source was goes; how it is encrypted stays. */
static int replace_source(xmlNodePtr disk, const char *attr, const char *path)
{
    static const char *const kept[] = {"encryption", "seclabel", "reservations"};
    xmlNodePtr source = moon_xml_child(disk, "source");
    if (!source)
        source = xmlNewChild(disk, NULL, xml_text("source"), NULL);
    if (!source)
        return -1;
    while (source->properties)
        xmlRemoveProp(source->properties);
    xmlNodePtr next = NULL;
    for (xmlNodePtr n = source->children; n; n = next) {
        next = n->next;
        bool keep = false;
        for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
            keep = keep ||
                   (n->type == XML_ELEMENT_NODE && strcmp((const char *)n->name, kept[i]) == 0);
        if (!keep)
            drop(n);
    }
    return set_attr(source, attr, path);
}

static void forget_chain(xmlNodePtr disk)
{
    drop_all(disk, "backingStore");
    drop_all(disk, "mirror");
}

static int set_format(xmlNodePtr disk, const char *format)
{
    xmlNodePtr driver = moon_xml_child(disk, "driver");
    if (!driver) {
        driver = xmlNewChild(disk, NULL, xml_text("driver"), NULL);
        if (!driver || set_attr(driver, "name", "qemu") < 0)
            return -1;
    }
    return set_attr(driver, "type", format);
}

static int edit_disk(xmlNodePtr domain, const char *target, const json_t *value,
                     struct moon_err *err)
{
    const char *file = json_string_value(json_object_get(value, "file"));
    const char *dev = json_string_value(json_object_get(value, "dev"));
    const char *format = json_string_value(json_object_get(value, "format"));
    const char *path = file ? file : dev;
    size_t fields = (file ? 1u : 0u) + (dev ? 1u : 0u) + (format ? 1u : 0u);
    if (json_object_size(value) != fields || (file && dev) || !path || path[0] != '/')
        return moon_err_set(err, MOON_INVALID, MOON_SRC_ENGINE, 0, OP,
                            "edit 'disks': '%.32s' wants an absolute path as file or dev, and a "
                            "format at most",
                            target);
    xmlNodePtr disk = find_disk(domain, target);
    if (!disk)
        return moon_err_set(err, MOON_NOT_FOUND, MOON_SRC_ENGINE, 0, OP,
                            "edit 'disks': the guest has no disk '%.32s'", target);
    forget_chain(disk);
    drop_all(disk, "auth"); /* of a network source, where libvirt also allows it */
    if (replace_source(disk, file ? "file" : "dev", path) < 0 ||
        set_attr(disk, "type", file ? "file" : "block") < 0 ||
        (format && set_format(disk, format) < 0))
        return no_memory(err);
    return 0;
}

static int edit_disks(xmlNodePtr domain, json_t *value, struct moon_err *err)
{
    const char *target = NULL;
    json_t *disk = NULL;
    if (!json_is_object(value))
        return invalid(err, "disks", "not a table of targets");
    json_object_foreach (value, target, disk) {
        if (edit_disk(domain, target, disk, err) < 0)
            return -1;
    }
    return 0;
}

static int edit_media(xmlNodePtr domain, json_t *value, struct moon_err *err)
{
    if (!json_is_boolean(value))
        return invalid(err, "detach_media", "not true or false");
    xmlNodePtr disk = moon_xml_child(moon_xml_child(domain, "devices"), "disk");
    for (; disk && json_is_true(value); disk = moon_xml_next(disk, "disk")) {
        AUTO_FREE char *device = moon_xml_attr(disk, "device");
        if (!device || (strcmp(device, "cdrom") != 0 && strcmp(device, "floppy") != 0))
            continue;
        drop_all(disk, "source");
        drop_all(disk, "auth");
        forget_chain(disk);
        /* The one type that may lack a source. */
        if (set_attr(disk, "type", "file") < 0)
            return no_memory(err);
    }
    return 0;
}

static void clear_nvram(xmlNodePtr nvram)
{
    while (nvram->children)
        drop(nvram->children);
    xmlUnsetProp(nvram, xml_text("type"));
}

static int edit_drop_nvram(xmlNodePtr domain, json_t *value, struct moon_err *err)
{
    if (!json_is_boolean(value))
        return invalid(err, "drop_nvram", "not true or false");
    xmlNodePtr nvram = moon_xml_path(domain, "os/nvram");
    if (!nvram || !json_is_true(value))
        return 0;
    AUTO_FREE char *template = moon_xml_attr(nvram, "template");
    if (template)
        clear_nvram(nvram);
    else
        drop(nvram);
    return 0;
}

static int edit_nvram(xmlNodePtr domain, json_t *value, struct moon_err *err)
{
    const char *path = json_string_value(value);
    if (!path || path[0] != '/')
        return invalid(err, "nvram", "not an absolute path");
    xmlNodePtr os = moon_xml_child(domain, "os");
    xmlNodePtr nvram = moon_xml_child(os, "nvram");
    if (!os)
        return invalid(err, "nvram", "the guest has no <os>");
    if (!nvram)
        nvram = xmlNewChild(os, NULL, xml_text("nvram"), NULL);
    if (!nvram)
        return no_memory(err);
    clear_nvram(nvram);
    return set_text(nvram, path) < 0 ? no_memory(err) : 0;
}

static const struct {
    const char *key;
    int (*apply)(xmlNodePtr domain, json_t *value, struct moon_err *err);
} known_edits[] = {
    {"name", edit_name},   {"uuid", edit_uuid},          {"macs", edit_macs},
    {"disks", edit_disks}, {"detach_media", edit_media}, {"drop_nvram", edit_drop_nvram},
    {"nvram", edit_nvram},
};
enum { EDIT_COUNT = sizeof known_edits / sizeof *known_edits };

static int check_keys(json_t *edits, struct moon_err *err)
{
    const char *key = NULL;
    json_t *value = NULL;
    if (!json_is_object(edits))
        return moon_err_set(err, MOON_INVALID, MOON_SRC_ENGINE, 0, OP, "edits: not a table");
    json_object_foreach (edits, key, value) {
        bool known = false;
        for (size_t i = 0; i < EDIT_COUNT; i++)
            known = known || strcmp(known_edits[i].key, key) == 0;
        if (!known)
            return invalid(err, key,
                           "not known; use name, uuid, macs, disks, detach_media, drop_nvram or "
                           "nvram");
    }
    return 0;
}

/* The element alone, so that a wrapper around it is left behind. */
static char *dump(xmlNodePtr domain)
{
    AUTO_XML xmlDocPtr doc = xmlNewDoc(xml_text("1.0"));
    xmlNodePtr copy = doc ? xmlDocCopyNode(domain, doc, 1) : NULL;
    xmlBufferPtr buffer = copy ? xmlBufferCreate() : NULL;
    if (copy)
        xmlDocSetRootElement(doc, copy);
    char *text = NULL;
    if (buffer && xmlNodeDump(buffer, doc, copy, 0, 0) >= 0 &&
        asprintf(&text, "%s\n", (const char *)xmlBufferContent(buffer)) < 0)
        text = NULL;
    if (buffer)
        xmlBufferFree(buffer);
    return text;
}

int moon_domxml_edit(const char *xml, const json_t *edits, char **out, struct moon_err *err)
{
    AUTO_XML xmlDocPtr doc = NULL;
    xmlNodePtr domain = NULL;
    unsigned long before = moon_memory_failures();
    /* jansson walks only through tables that it could change. */
    AUTO_JSON json_t *todo = moon_memory_copy(edits);
    if (edits && !todo)
        return no_memory(err);
    if (check_keys(todo, err) < 0 || moon_domxml_open(xml, &doc, &domain, err) < 0)
        return -1;
    for (size_t i = 0; i < EDIT_COUNT; i++) {
        json_t *value = json_object_get(todo, known_edits[i].key);
        if (value && known_edits[i].apply(domain, value, err) < 0)
            return -1;
    }
    char *text = dump(domain);
    if (!text || moon_memory_failures() != before) {
        free(text);
        return no_memory(err);
    }
    *out = text;
    return 0;
}
