/* The guard's journal, which may have been cut by a power loss. Held guests can be let go by name. */
#include "fuzz.h"

#include "guard/journal.h"

FUZZ(journal)
{
    struct moon_err err = {0};
    AUTO_JSON json_t *j = NULL;
    const char *path = fuzz_file(data, size);
    if (!fuzz_outcome(moon_journal_read(path, &j, &err), &err))
        return 0;
    const json_t *held = json_object_get(j, "held"), *one;
    size_t i;
    fuzz_check(json_is_array(held), "a journal without a list");
    json_array_foreach (held, i, one) {
        const char *uuid = json_string_value(json_object_get(one, "uuid"));
        fuzz_check(uuid && *uuid && !strpbrk(uuid, " \n"), "a held guest without a uuid");
        fuzz_check(json_string_value(json_object_get(one, "name")) != NULL,
                   "a held guest without a name");
    }
    return 0;
}
