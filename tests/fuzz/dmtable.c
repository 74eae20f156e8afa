/* device-mapper's table and status lines: as words, and recorded in a file. */
#include "fuzz.h"

#include "dmtable.h"

FUZZ(dmtable)
{
    struct moon_err err = {0};
    AUTO_JSON json_t *map = NULL;
    AUTO_FREE char *table = NULL, *status = NULL;
    AUTO_FREE char *text = fuzz_text(data, size);
    if (fuzz_outcome(moon_dm_read(fuzz_file(data, size), "mpatha", &table, &status, &err), &err)) {
        fuzz_check(table && status, "a map without table or status");
        memset(&err, 0, sizeof err);
        fuzz_outcome(moon_dm_parse(table, status, &map, &err), &err);
        return 0;
    }
    char *second = strchr(text, '\n');
    if (second)
        *second++ = '\0';
    memset(&err, 0, sizeof err);
    if (fuzz_outcome(moon_dm_parse(text, second ? second : "", &map, &err), &err))
        fuzz_check(json_is_object(json_object_get(map, "paths")), "a map without paths");
    return 0;
}
