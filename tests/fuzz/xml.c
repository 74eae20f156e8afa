/* The reader that everything in XML goes through. The first byte says whether it forgives. */
#include "fuzz.h"

#include "xml.h"

FUZZ(xml)
{
    struct moon_err err = {0};
    AUTO_XML xmlDocPtr doc = NULL;
    AUTO_JSON json_t *tree = NULL;
    AUTO_BUF struct moon_buf b = {0};
    unsigned flags = fuzz_byte(&data, &size) & 1 ? MOON_XML_RECOVER : 0;
    AUTO_FREE char *text = fuzz_text(data, size);
    if (!fuzz_outcome(moon_xml_parse_with(text, size, "input", flags, &doc, &err), &err))
        return 0;
    xmlNodePtr root = xmlDocGetRootElement(doc);
    fuzz_check(root != NULL, "a document without an element");
    memset(&err, 0, sizeof err);
    fuzz_outcome(moon_xml_to_json(root, &tree, &err), &err);
    AUTO_FREE char *content = moon_xml_text(root);
    memset(&err, 0, sizeof err);
    if (content)
        fuzz_outcome(moon_xml_escape(&b, content, &err), &err);
    return 0;
}
