#include "xml.h"

#include "memory.h"

#include <errno.h>
#include <libxml/SAX2.h>
#include <libxml/parser.h>
#include <libxml/xmlerror.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#if LIBXML_VERSION >= 21200
typedef const xmlError *parse_error;
#else
typedef xmlError *parse_error;
#endif

/* What one parse has to remember; the parser context's _private points at it. */
struct parse {
    const char *what;
    bool recover;
    int depth;
    enum moon_code code; /* MOON_OK while nothing went wrong */
    int native;
    char message[512];
};

static const char OP[] = "xml-parse";

/* const is cast away in one place: libxml2 hands out xmlChar where plain text is meant. */
static const char *text_of(const xmlChar *s)
{
    return (const char *)s;
}

static struct parse *parse_of(void *ctx)
{
    return ((xmlParserCtxtPtr)ctx)->_private;
}

static void refuse(void *ctx, const char *reason)
{
    xmlParserCtxtPtr ctxt = ctx;
    struct parse *p = ctxt->_private;
    if (p->code == MOON_OK) {
        p->code = MOON_INVALID;
        snprintf(p->message, sizeof p->message, "line %d: %s", ctxt->input ? ctxt->input->line : 0,
                 reason);
    }
    xmlStopParser(ctxt);
}

static void on_error(void *ctx, parse_error e)
{
    struct parse *p = parse_of(ctx);
    if (p->code != MOON_OK || !e || e->level < XML_ERR_ERROR)
        return;
    if (p->recover && e->domain == XML_FROM_PARSER && e->code == XML_ERR_INVALID_CHAR)
        return;
    p->code = e->code == XML_ERR_NO_MEMORY ? MOON_INTERNAL : MOON_PROTOCOL;
    p->native = e->code;
    size_t len = e->message ? strlen(e->message) : 0;
    while (len && (e->message[len - 1] == '\n' || e->message[len - 1] == ' '))
        len--;
    snprintf(p->message, sizeof p->message, "line %d: %.*s", e->line, (int)len,
             e->message ? e->message : "");
}

static void on_entity(void *ctx, const xmlChar *name, int type, const xmlChar *public_id,
                      const xmlChar *system_id, xmlChar *content)
{
    (void)name, (void)type, (void)public_id, (void)system_id, (void)content;
    refuse(ctx, "entity declarations are refused; write the text out");
}

static void on_unparsed(void *ctx, const xmlChar *name, const xmlChar *public_id,
                        const xmlChar *system_id, const xmlChar *notation)
{
    (void)name, (void)public_id, (void)system_id, (void)notation;
    refuse(ctx, "entity declarations are refused; write the text out");
}

/* Defaults would be looked through at each element. */
static void on_attribute(void *ctx, const xmlChar *element, const xmlChar *name, int type, int how,
                         const xmlChar *value, xmlEnumerationPtr tree)
{
    (void)element, (void)name, (void)type, (void)how, (void)value;
    xmlFreeEnumeration(tree);
    refuse(ctx, "attribute declarations are refused");
}

static xmlEntityPtr on_get_entity(void *ctx, const xmlChar *name)
{
    char reason[128];
    snprintf(reason, sizeof reason, "entity '%.64s' is not one of XML's own; write the text out",
             text_of(name));
    refuse(ctx, reason);
    return NULL;
}

static const char TOO_MANY[] = "an element has too many attributes";

static void on_start(void *ctx, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
                     int n_ns, const xmlChar **ns, int n_attr, int n_default, const xmlChar **attr)
{
    struct parse *p = parse_of(ctx);
    if (++p->depth > MOON_XML_MAX_DEPTH) {
        refuse(ctx, "elements are nested too deeply");
        return;
    }
    if (n_attr > MOON_XML_MAX_ATTRIBUTES) {
        refuse(ctx, TOO_MANY);
        return;
    }
    xmlSAX2StartElementNs(ctx, name, prefix, uri, n_ns, ns, n_attr, n_default, attr);
}

static void on_end(void *ctx, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
    parse_of(ctx)->depth--;
    xmlSAX2EndElementNs(ctx, name, prefix, uri);
}

static void guard(xmlParserCtxtPtr ctxt, struct parse *p)
{
    ctxt->_private = p;
    ctxt->sax->serror = on_error;
    ctxt->sax->entityDecl = on_entity;
    ctxt->sax->unparsedEntityDecl = on_unparsed;
    ctxt->sax->attributeDecl = on_attribute;
    ctxt->sax->getEntity = on_get_entity;
    ctxt->sax->getParameterEntity = on_get_entity;
    ctxt->sax->externalSubset = NULL;
    ctxt->sax->resolveEntity = NULL;
    ctxt->sax->startElementNs = on_start;
    ctxt->sax->endElementNs = on_end;
}

/* Length of the UTF-8 character at s, or 0 when there is none that Unicode allows. */
static size_t utf8_len(const unsigned char *s, size_t left)
{
    if (s[0] < 0x80)
        return 1;
    size_t n = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4 || n > left)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    }
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return n;
}

static bool is_control(unsigned char c)
{
    return c < 0x20 && c != '\t' && c != '\n' && c != '\r';
}

/* Another encoding than UTF-8 is the business of libxml2; its high bytes must stay. */
static bool is_utf8_document(const char *data, size_t len)
{
    size_t head = len < 128 ? len : 128;
    const char *end = memchr(data, '>', head);
    if (len < 5 || memcmp(data, "<?xml", 5) != 0 || !end)
        return true;
    const char *key = memmem(data, (size_t)(end - data), "encoding", 8);
    if (!key)
        return true;
    key += 8;
    while (key < end && strchr(" =\"'", *key))
        key++;
    return end - key >= 5 && strncasecmp(key, "utf-8", 5) == 0;
}

static char *sanitize(const char *data, size_t len)
{
    char *copy = malloc(len + 1);
    if (!copy)
        return NULL;
    memcpy(copy, data, len);
    copy[len] = '\0';
    unsigned char *s = (unsigned char *)copy;
    if (len >= 2 && ((s[0] == 0xfe && s[1] == 0xff) || (s[0] == 0xff && s[1] == 0xfe)))
        return copy; /* UTF-16: bytes are not characters */
    bool utf8 = is_utf8_document(data, len);
    for (size_t i = 0; i < len;) {
        size_t n = utf8 ? utf8_len(s + i, len - i) : 1;
        if (n == 0 || is_control(s[i]))
            s[i] = '?';
        i += n ? n : 1;
    }
    return copy;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* libxml2 compares each attribute of an element with all others before anybody can stop it: a few
 * megabytes of them would take hours. So many assignments without a tag between are no document that
 * anybody writes; where a tag ends is not looked at, since a damaged one does not. */
static bool has_too_many(const char *data, size_t len)
{
    enum { MOST = 16 * MOON_XML_MAX_ATTRIBUTES };
    size_t n = 0;
    for (size_t i = 0; i < len && n <= MOST; i++) {
        if (data[i] == '<')
            n = 0;
        if (data[i] != '=')
            continue;
        while (i + 1 < len && (data[i + 1] == '\0' || is_space(data[i + 1]))) /* zero: UTF-16 */
            i++;
        n += i + 1 < len && (data[i + 1] == '"' || data[i + 1] == '\'');
    }
    return n > MOST;
}

static void init(void)
{
    xmlInitParser();
}

int moon_xml_parse(const char *data, size_t len, const char *what, xmlDocPtr *out,
                   struct moon_err *err)
{
    return moon_xml_parse_with(data, len, what, 0, out, err);
}

int moon_xml_parse_with(const char *data, size_t len, const char *what, unsigned flags,
                        xmlDocPtr *out, struct moon_err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init);

    if (len > MOON_XML_MAX_BYTES)
        return moon_err_set(err, MOON_INVALID, MOON_SRC_ENGINE, 0, OP,
                            "%s: %zu bytes are more than the %zu that are accepted", what, len,
                            MOON_XML_MAX_BYTES);
    if (data && has_too_many(data, len))
        return moon_err_set(err, MOON_INVALID, MOON_SRC_ENGINE, 0, OP, "%s: %s", what, TOO_MANY);
    bool recover = flags & MOON_XML_RECOVER;
    AUTO_FREE char *clean = NULL;
    if (recover) {
        clean = sanitize(data, len);
        if (!clean)
            return moon_err_errno(err, ENOMEM, OP, "%s", what);
        data = clean;
    }
    xmlParserCtxtPtr ctxt = xmlNewParserCtxt();
    if (!ctxt)
        return moon_err_errno(err, ENOMEM, OP, "%s", what);
    struct parse p = {.what = what, .recover = recover};
    guard(ctxt, &p);
    /* HUGE lifts limits that are replaced here: size above, depth in on_start, no entities. */
    int options = XML_PARSE_NONET | XML_PARSE_NOCDATA | XML_PARSE_HUGE | XML_PARSE_NOERROR |
                  XML_PARSE_NOWARNING | (recover ? XML_PARSE_RECOVER : 0);
    AUTO_XML xmlDocPtr doc =
        xmlCtxtReadMemory(ctxt, data ? data : "", (int)len, NULL, NULL, options);
    if (!doc && ctxt->myDoc) {
        doc = ctxt->myDoc;
        ctxt->myDoc = NULL;
    }
    xmlFreeParserCtxt(ctxt);

    if (p.code != MOON_OK)
        return moon_err_set(err, p.code, MOON_SRC_ENGINE, p.native, OP, "%s: %s", what, p.message);
    if (!doc || !xmlDocGetRootElement(doc))
        return moon_err_set(err, MOON_PROTOCOL, MOON_SRC_ENGINE, 0, OP, "%s: no xml document",
                            what);
    *out = MOON_STEAL(doc);
    return 0;
}

static xmlNodePtr first_named(xmlNodePtr node, const char *name)
{
    for (; node; node = node->next) {
        if (node->type == XML_ELEMENT_NODE && (!name || strcmp(text_of(node->name), name) == 0))
            return node;
    }
    return NULL;
}

xmlNodePtr moon_xml_child(const xmlNode *parent, const char *name)
{
    return parent ? first_named(parent->children, name) : NULL;
}

xmlNodePtr moon_xml_next(const xmlNode *node, const char *name)
{
    return node ? first_named(node->next, name) : NULL;
}

xmlNodePtr moon_xml_path(const xmlNode *parent, const char *path)
{
    xmlNodePtr node = NULL;
    while (parent && *path) {
        char name[64];
        size_t len = strcspn(path, "/");
        if (len >= sizeof name)
            return NULL;
        memcpy(name, path, len);
        name[len] = '\0';
        node = moon_xml_child(parent, name);
        parent = node;
        path += len + (path[len] == '/');
    }
    return node;
}

static char *trimmed(const char *s)
{
    while (is_space(*s))
        s++;
    size_t len = strlen(s);
    while (len && is_space(s[len - 1]))
        len--;
    return moon_memory_got(strndup(s, len));
}

char *moon_xml_text(const xmlNode *node)
{
    if (!node)
        return NULL;
    xmlChar *content = moon_memory_got(xmlNodeGetContent(node));
    char *text = content ? trimmed(text_of(content)) : NULL;
    free(content); /* what xmlFree is unless somebody replaced libxml2's allocator */
    return text;
}

char *moon_xml_child_text(const xmlNode *parent, const char *name)
{
    return moon_xml_text(moon_xml_child(parent, name));
}

char *moon_xml_attr(const xmlNode *node, const char *name)
{
    if (!node || node->type != XML_ELEMENT_NODE)
        return NULL;
    for (const xmlAttr *a = node->properties; a; a = a->next) {
        if (strcmp(text_of(a->name), name) == 0)
            return moon_xml_text((const xmlNode *)a);
    }
    return NULL;
}

static int parse_int(const char *text, const xmlNode *node, const char *name, int64_t min,
                     int64_t max, int64_t *out, struct moon_err *err)
{
    const char *where = node ? text_of(node->name) : "";
    if (!text)
        return moon_err_set(err, MOON_NOT_FOUND, MOON_SRC_ENGINE, 0, OP, "<%s>: '%s' is missing",
                            where, name);
    char *end = NULL;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno || end == text || *end || !strchr("+-0123456789", *text) || value < min ||
        value > max)
        return moon_err_set(err, MOON_PROTOCOL, MOON_SRC_ENGINE, 0, OP,
                            "<%s>: '%s' is '%.64s', not a number from %lld to %lld", where, name,
                            text, (long long)min, (long long)max);
    *out = value;
    return 0;
}

int moon_xml_child_int(const xmlNode *parent, const char *name, int64_t min, int64_t max,
                       int64_t *out, struct moon_err *err)
{
    AUTO_FREE char *text = moon_xml_child_text(parent, name);
    return parse_int(text, parent, name, min, max, out, err);
}

int moon_xml_attr_int(const xmlNode *node, const char *name, int64_t min, int64_t max, int64_t *out,
                      struct moon_err *err)
{
    AUTO_FREE char *text = moon_xml_attr(node, name);
    return parse_int(text, node, name, min, max, out, err);
}

int moon_xml_child_bool(const xmlNode *parent, const char *name, bool *out, struct moon_err *err)
{
    static const char *const words[] = {"false", "true", "0", "1", "no", "yes", "off", "on"};
    const char *where = parent ? text_of(parent->name) : "";
    AUTO_FREE char *text = moon_xml_child_text(parent, name);
    if (!text)
        return moon_err_set(err, MOON_NOT_FOUND, MOON_SRC_ENGINE, 0, OP, "<%s>: '%s' is missing",
                            where, name);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(text, words[i]) == 0) {
            *out = i % 2 == 1;
            return 0;
        }
    }
    return moon_err_set(err, MOON_PROTOCOL, MOON_SRC_ENGINE, 0, OP,
                        "<%s>: '%s' is '%.64s', not true or false", where, name, text);
}

int moon_xml_escape(struct moon_buf *b, const char *text, struct moon_err *err)
{
    static const char *const refs[128] = {
        ['&'] = "&amp;",  ['<'] = "&lt;",  ['>'] = "&gt;",   ['"'] = "&quot;",
        ['\''] = "&#39;", ['\t'] = "&#9;", ['\n'] = "&#10;", ['\r'] = "&#13;",
    };
    size_t before = b->len;
    const unsigned char *s = (const unsigned char *)text;
    size_t left = strlen(text);
    int rc = 0;
    while (left && rc == 0) {
        size_t n = utf8_len(s, left);
        bool nonchar = n == 3 && s[0] == 0xef && s[1] == 0xbf && s[2] >= 0xbe; /* U+FFFE, U+FFFF */
        if (n == 0 || is_control(*s) || nonchar) {
            if (b->data) {
                b->len = before;
                b->data[before] = '\0';
            }
            return moon_err_set(err, MOON_INVALID, MOON_SRC_ENGINE, 0, "xml-escape",
                                "text: byte 0x%02x at offset %zu cannot be written in xml", *s,
                                (size_t)(s - (const unsigned char *)text));
        }
        const char *ref = *s < 128 ? refs[*s] : NULL;
        rc = ref ? moon_buf_adds(b, ref) : moon_buf_add(b, s, n);
        s += n;
        left -= n;
    }
    if (rc < 0) {
        if (b->data) {
            b->len = before;
            b->data[before] = '\0';
        }
        return moon_err_errno(err, ENOMEM, "xml-escape", "text");
    }
    return 0;
}

static int add_text(struct moon_buf *b, const xmlNode *node)
{
    for (const xmlNode *c = node->children; c; c = c->next) {
        if ((c->type == XML_TEXT_NODE || c->type == XML_CDATA_SECTION_NODE) && c->content &&
            moon_buf_adds(b, text_of(c->content)) < 0)
            return -1;
    }
    return 0;
}

/* NULL when there is no memory. The depth is bounded by the parser. */
static json_t *element(const xmlNode *node)
{
    AUTO_BUF struct moon_buf raw = {0};
    if (add_text(&raw, node) < 0)
        return NULL;
    AUTO_FREE char *text = trimmed(raw.data ? raw.data : "");
    AUTO_JSON json_t *attr = json_object();
    AUTO_JSON json_t *children = json_array();
    if (!text || !attr || !children)
        return NULL;
    for (const xmlAttr *a = node->properties; a; a = a->next) {
        AUTO_FREE char *value = moon_xml_text((const xmlNode *)a);
        if (!value || json_object_set_new(attr, text_of(a->name), json_string(value)) < 0)
            return NULL;
    }
    for (const xmlNode *c = moon_xml_child(node, NULL); c; c = moon_xml_next(c, NULL)) {
        if (json_array_append_new(children, element(c)) < 0)
            return NULL;
    }
    return json_pack("{s:s, s:O, s:s, s:O}", "name", text_of(node->name), "attr", attr, "text",
                     text, "children", children);
}

int moon_xml_to_json(const xmlNode *node, json_t **out, struct moon_err *err)
{
    if (!node || node->type != XML_ELEMENT_NODE)
        return moon_err_set(err, MOON_INVALID, MOON_SRC_ENGINE, 0, "xml-to-json",
                            "node: not an element");
    json_t *json = element(node);
    if (!json)
        return moon_err_errno(err, ENOMEM, "xml-to-json", "element '%.64s'", text_of(node->name));
    *out = json;
    return 0;
}
