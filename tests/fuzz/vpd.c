/* VPD pages as the kernel hands them on from a LUN. The first byte chooses the page. */
#include "fuzz.h"

#include "wwid.h"

FUZZ(vpd)
{
    struct moon_err err = {0};
    char wwid[MOON_WWID_LEN + 1], serial[33];
    uint8_t which = fuzz_byte(&data, &size);
    /* a copy that ends where the page does, so that one byte more is noticed */
    AUTO_FREE unsigned char *page = malloc(size ? size : 1);
    fuzz_check(page != NULL, "no memory for the input");
    if (size)
        memcpy(page, data, size);
    if (which & 1) {
        if (fuzz_outcome(moon_vpd83_wwid(page, size, wwid, &err), &err))
            fuzz_check(strlen(wwid) == 17 || strlen(wwid) == MOON_WWID_LEN, "a WWID cut short");
        return 0;
    }
    size_t room = 1 + which / 8U;
    if (fuzz_outcome(moon_vpd80_serial(page, size, serial, room, &err), &err))
        fuzz_check(strlen(serial) < room, "a serial number longer than its room");
    return 0;
}
