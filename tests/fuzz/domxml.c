/* Domain XML as libvirt hands it out, and the edits of it: what an edit makes must be domain XML again,
 * with the same disks. */
#include "fuzz.h"

#include "domxml.h"

static json_t *edits_of(uint8_t bits, const json_t *guest)
{
    json_t *edits = json_object(), *disks = json_object();
    const char *target = json_string_value(
        json_object_get(json_array_get(json_object_get(guest, "disks"), 0), "target"));
    if (bits & 1)
        json_object_set_new(edits, "name", json_string("other <&> one"));
    if (bits & 2)
        json_object_set_new(edits, "uuid", json_string("new"));
    if (bits & 4)
        json_object_set_new(edits, "macs", json_string("new"));
    if (bits & 8)
        json_object_set_new(edits, "detach_media", json_true());
    if (bits & 16)
        json_object_set_new(edits, bits & 32 ? "drop_nvram" : "nvram",
                            bits & 32 ? json_true() : json_string("/nvram/a\"b&c"));
    if (bits & 64 && target)
        json_object_set_new(disks, target, json_pack("{s:s}", bits & 1 ? "file" : "dev", "/dev/x"));
    json_object_set_new(edits, "disks", disks);
    return edits;
}

FUZZ(domxml)
{
    struct moon_err err = {0};
    uint8_t bits = fuzz_byte(&data, &size);
    AUTO_FREE char *xml = fuzz_text(data, size);
    AUTO_FREE char *edited = NULL;
    AUTO_JSON json_t *guest = NULL, *again = NULL;
    bool read = fuzz_outcome(moon_domxml_parse(xml, &guest, &err), &err);
    AUTO_JSON json_t *edits = edits_of(bits, guest);
    memset(&err, 0, sizeof err);
    if (!fuzz_outcome(moon_domxml_edit(xml, edits, &edited, &err), &err) || !read)
        return 0;
    memset(&err, 0, sizeof err);
    bool back = fuzz_outcome(moon_domxml_parse(edited, &again, &err), &err);
    fuzz_check(back, "an edited guest cannot be read any more");
    fuzz_check(json_array_size(json_object_get(guest, "disks")) ==
                   json_array_size(json_object_get(again, "disks")),
               "an edit that loses a disk");
    return 0;
}
