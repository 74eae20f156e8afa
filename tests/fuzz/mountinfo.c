/* The mount table: a file that containers and tests replace. */
#include "fuzz.h"

#include "mounts.h"

FUZZ(mountinfo)
{
    struct moon_err err = {0};
    AUTO_JSON json_t *list = NULL, *one = NULL;
    const char *path = fuzz_file(data, size);
    bool read = fuzz_outcome(moon_mount_list(path, &list, &err), &err);
    fuzz_check(!read || json_is_array(list), "no list of mounts");
    memset(&err, 0, sizeof err);
    bool found = fuzz_outcome(moon_mount_find(path, "/proc", &one, &err), &err);
    fuzz_check(!found || read, "a mount of a table that cannot be read");
    return 0;
}
