/* XML for everything that reads it: libvirt's documents, ONTAPI replies, workflows.
 *
 * No document makes this code read a file or the network, and none is expanded: a DOCTYPE with a
 * SYSTEM id is accepted and never loaded, a document that declares or uses an entity of its own is
 * refused. Nothing is printed. All functions are thread safe as long as one document is used by
 * one thread at a time; none blocks. Names are compared without their namespace. */
#ifndef MOON_XML_H
#define MOON_XML_H

#include "auto.h"
#include "buf.h"
#include "err.h"

#include <jansson.h>
#include <libxml/tree.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MOON_XML_MAX_BYTES      ((size_t)64 << 20)
#define MOON_XML_MAX_DEPTH      256
#define MOON_XML_MAX_ATTRIBUTES 256 /* of one element */

/* Control characters and broken UTF-8 inside a document become '?' instead of an error (ONTAP
 * controllers send both). Everything else, a cut-off document included, stays an error. */
#define MOON_XML_RECOVER 1u

/* Parse data[0..len). what names the document in messages ("domain xml", "reply of filer1").
 * *out is owned by the caller: xmlFreeDoc, or AUTO_XML. It always has a root element.
 * Errors: MOON_PROTOCOL with libxml2's text and line; MOON_INVALID for what is refused (entities,
 * declared attributes, size, depth, number of attributes); MOON_INTERNAL out of memory. */
int moon_xml_parse(const char *data, size_t len, const char *what, xmlDocPtr *out,
                   struct moon_err *err);

/* The same with flags: 0 or MOON_XML_RECOVER. */
int moon_xml_parse_with(const char *data, size_t len, const char *what, unsigned flags,
                        xmlDocPtr *out, struct moon_err *err);

/* The first child element of that name, or the next sibling element; name NULL means any. The
 * node given may be NULL. NULL when there is none. The result belongs to the document. */
xmlNodePtr moon_xml_child(const xmlNode *parent, const char *name);
xmlNodePtr moon_xml_next(const xmlNode *node, const char *name);

/* moon_xml_child along a path such as "os/nvram". */
xmlNodePtr moon_xml_path(const xmlNode *parent, const char *path);

/* Text of an element with all below it, of a child, of an attribute: owned (free), without
 * leading and trailing white space. NULL when the node, child or attribute is absent (or when
 * there is no memory); an empty element gives "". */
char *moon_xml_text(const xmlNode *node);
char *moon_xml_child_text(const xmlNode *parent, const char *name);
char *moon_xml_attr(const xmlNode *node, const char *name);

/* A child or an attribute as a decimal number in [min, max], a child as "true"/"false" (also
 * "1"/"0", "yes"/"no", "on"/"off"). Errors: MOON_NOT_FOUND when it is absent, MOON_PROTOCOL when
 * it is something else or out of range; both name the element. */
int moon_xml_child_int(const xmlNode *parent, const char *name, int64_t min, int64_t max,
                       int64_t *out, struct moon_err *err);
int moon_xml_attr_int(const xmlNode *node, const char *name, int64_t min, int64_t max, int64_t *out,
                      struct moon_err *err);
int moon_xml_child_bool(const xmlNode *parent, const char *name, bool *out, struct moon_err *err);

/* Add text to b so that it can stand in an element or in an attribute of either quote: & < > " '
 * and tab, line feed and carriage return as references. MOON_INVALID for what XML 1.0 cannot hold
 * (other control characters, bytes that are not UTF-8); b is then as it was. */
int moon_xml_escape(struct moon_buf *b, const char *text, struct moon_err *err);

/* An element as plain data: {name = string, attr = {name = string}, text = string, children =
 * [same]}. text is the element's own text without that of its children, trimmed. Comments and
 * processing instructions are left out. *out is a new reference. */
int moon_xml_to_json(const xmlNode *node, json_t **out, struct moon_err *err);

static inline void moon_auto_xml(xmlDocPtr *doc)
{
    if (*doc)
        xmlFreeDoc(*doc);
}

#define AUTO_XML MOON_AUTO(moon_auto_xml)

#endif
