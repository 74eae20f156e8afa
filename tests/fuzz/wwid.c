/* WWIDs and ONTAP serial numbers: each is made from the other, and back. */
#include "fuzz.h"

#include "wwid.h"

#include <strings.h>

FUZZ(wwid)
{
    struct moon_err err = {0};
    char serial[MOON_SERIAL_LEN + 1], wwid[MOON_WWID_LEN + 1], again[MOON_SERIAL_LEN + 1];
    AUTO_FREE char *text = fuzz_text(data, size);
    if (fuzz_outcome(moon_wwid_serial(text, serial, &err), &err)) {
        fuzz_check(moon_serial_wwid(serial, wwid, &err) == 0, "a serial that has no WWID");
        fuzz_check(strcasecmp(wwid + 1, text + strlen(text) - (MOON_WWID_LEN - 1)) == 0,
                   "a WWID that does not come back");
    }
    memset(&err, 0, sizeof err);
    if (fuzz_outcome(moon_serial_wwid(text, wwid, &err), &err)) {
        fuzz_check(moon_wwid_serial(wwid, again, &err) == 0, "a WWID that has no serial");
        fuzz_check(strcmp(again, text) == 0, "a serial that does not come back");
    }
    return 0;
}
