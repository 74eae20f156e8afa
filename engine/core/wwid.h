/* The names of an ONTAP LUN: its serial number (12 characters), the WWID that the host makes of it,
 * and the SCSI pages that carry both.
 *
 * A WWID as udev and multipath write it is "3" (NAA), "600a0980" (NetApp), then the serial's bytes in
 * hexadecimal: 33 characters. 7-Mode has 60a98000, E-Series other prefixes: those are no ONTAP LUNs.
 * Source: NetApp's LUN serial number documentation, and a published pair of both. */
#ifndef MOON_WWID_H
#define MOON_WWID_H

#include "err.h"

#include <stddef.h>

#define MOON_SERIAL_LEN 12
#define MOON_WWID_LEN   33

/* The serial of a WWID ("3600a0980...", also without the 3, or as "naa.600a0980..."; case does not
 * matter). MOON_INVALID: not the WWID of an ONTAP LUN; the message says what it looks like. */
int moon_wwid_serial(const char *wwid, char serial[MOON_SERIAL_LEN + 1], struct moon_err *err);

/* The WWID of a serial. MOON_INVALID when it has a character that no ONTAP serial has. */
int moon_serial_wwid(const char *serial, char wwid[MOON_WWID_LEN + 1], struct moon_err *err);

/* The NAA designator of a device identification page (VPD 0x83) as a WWID with its leading 3; the
 * longest one of the logical unit. MOON_NOT_FOUND when the page has none, MOON_PROTOCOL when its
 * lengths contradict each other. */
int moon_vpd83_wwid(const unsigned char *page, size_t len, char wwid[MOON_WWID_LEN + 1],
                    struct moon_err *err);

/* The unit serial number page (VPD 0x80), blanks at its ends removed; serial has `size` bytes. */
int moon_vpd80_serial(const unsigned char *page, size_t len, char *serial, size_t size,
                      struct moon_err *err);

#endif
