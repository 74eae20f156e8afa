#include "record.h"

#include "auto.h"
#include "memory.h"
#include "store.h"

#include <string.h>

#define MAX_RECORD ((size_t)64 << 20)

int moon_record_rescued(const char *path, const json_t *held, double when, struct moon_err *err)
{
    AUTO_FREE char *text = NULL;
    size_t len = 0;
    if (moon_store_read(path, MAX_RECORD, &text, &len, err) < 0)
        return -1;
    AUTO_JSON json_t *record = moon_memory_parse(text, len, 0, NULL);
    const char *status = json_string_value(json_object_get(record, "status"));
    if (!status)
        return moon_err_set(err, MOON_PROTOCOL, MOON_SRC_ENGINE, 0, "record",
                            "%s: not a record of the catalog", path);
    if (strcmp(status, "started") != 0)
        return 0;
    json_t *names = json_array();
    size_t i;
    json_t *h;
    int rc = 0;
    json_array_foreach (held, i, h)
        rc |= json_array_append(names, json_object_get(h, "name"));
    rc |= json_object_set_new(record, "crash_consistent", json_true());
    rc |= json_object_set_new(record, "rescued",
                              json_pack("{s:I, s:o}", "time", (json_int_t)when, "guests", names));
    AUTO_FREE char *out = rc < 0 ? NULL : moon_memory_dump(record, JSON_INDENT(2) | JSON_SORT_KEYS);
    if (!out)
        return moon_err_set(err, MOON_INTERNAL, MOON_SRC_ENGINE, 0, "record", "out of memory");
    return moon_store_replace(path, out, strlen(out), 0, err);
}
