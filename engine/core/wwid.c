#include "wwid.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char OP[] = "lun";
static const char PREFIX[] = "600a0980";

/* The alphabet of clustered ONTAP: letters, digits and these. */
static const char MARKS[] = "/-#$%&*+?[!]^~@";

static int invalid(struct moon_err *err, const char *what, const char *text, const char *why)
{
    return moon_err_set(err, MOON_INVALID, MOON_SRC_ENGINE, 0, OP, "%s '%.64s': %s", what, text,
                        why);
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool in_alphabet(int c)
{
    return c > 0 && c < 128 && (isalnum(c) || strchr(MARKS, c));
}

int moon_wwid_serial(const char *wwid, char serial[MOON_SERIAL_LEN + 1], struct moon_err *err)
{
    const char *p = wwid;
    if (strncasecmp(p, "naa.", 4) == 0)
        p += 4;
    else if (*p == '3' && (strlen(p) == MOON_WWID_LEN || strncasecmp(p + 1, PREFIX, 8) == 0))
        p++;
    if (strncasecmp(p, "60a98000", 8) == 0)
        return invalid(err, "WWID", wwid, "a LUN of Data ONTAP 7-Mode, which is not supported");
    if (strncasecmp(p, PREFIX, sizeof PREFIX - 1) != 0)
        return invalid(err, "WWID", wwid, "not a LUN of ONTAP, whose WWIDs begin with 3600a0980");
    if (strlen(p) != MOON_WWID_LEN - 1)
        return invalid(err, "WWID", wwid,
                       "an ONTAP LUN has 33 characters: 3600a0980, then its serial");
    p += sizeof PREFIX - 1;
    for (int i = 0; i < MOON_SERIAL_LEN; i++) {
        int high = hex(p[2 * i]), low = hex(p[2 * i + 1]);
        if (high < 0 || low < 0 || !in_alphabet(high * 16 + low))
            return invalid(err, "WWID", wwid, "it does not hold an ONTAP serial number");
        serial[i] = (char)(high * 16 + low);
    }
    serial[MOON_SERIAL_LEN] = '\0';
    return 0;
}

int moon_serial_wwid(const char *serial, char wwid[MOON_WWID_LEN + 1], struct moon_err *err)
{
    if (strlen(serial) != MOON_SERIAL_LEN)
        return invalid(err, "LUN serial", serial, "must have 12 characters");
    int n = snprintf(wwid, MOON_WWID_LEN + 1, "3%s", PREFIX);
    for (const char *p = serial; *p; p++) {
        if (!in_alphabet((unsigned char)*p))
            return invalid(err, "LUN serial", serial,
                           "may hold letters, digits and / - # $ % & * + ? [ ! ] ^ ~ @ only");
        n += snprintf(wwid + n, 3, "%02x", (unsigned char)*p);
    }
    return 0;
}

/* The four bytes that every VPD page begins with: peripheral, page code, length. */
static int page_length(const unsigned char *page, size_t len, unsigned char code, size_t *out,
                       struct moon_err *err)
{
    size_t said = len >= 4 ? (size_t)page[2] << 8 | page[3] : 0;
    if (len < 4 || page[1] != code || said > len - 4)
        return moon_err_set(err, MOON_PROTOCOL, MOON_SRC_MULTIPATH, 0, OP,
                            "VPD page 0x%02x: %zu bytes that are no such page", code, len);
    *out = said;
    return 0;
}

int moon_vpd83_wwid(const unsigned char *page, size_t len, char wwid[MOON_WWID_LEN + 1],
                    struct moon_err *err)
{
    enum { NAA = 3, BINARY = 1, LOGICAL_UNIT = 0 };
    size_t total = 0;
    const unsigned char *best = NULL;
    if (page_length(page, len, 0x83, &total, err) < 0)
        return -1;
    for (size_t at = 4; at < 4 + total;) {
        size_t left = 4 + total - at;
        size_t n = left >= 4 ? page[at + 3] : 0;
        if (left < 4 || n > left - 4)
            return moon_err_set(err, MOON_PROTOCOL, MOON_SRC_MULTIPATH, 0, OP,
                                "VPD page 0x83: a designator at byte %zu is longer than the page",
                                at);
        const unsigned char *d = page + at;
        bool naa = (d[0] & 0xf) == BINARY && (d[1] & 0xf) == NAA &&
                   (d[1] >> 4 & 3) == LOGICAL_UNIT && (n == 8 || n == 16);
        if (naa && (!best || n > best[3]))
            best = d;
        at += 4 + n;
    }
    if (!best)
        return moon_err_set(err, MOON_NOT_FOUND, MOON_SRC_MULTIPATH, 0, OP,
                            "VPD page 0x83: no NAA designator of the logical unit");
    int at = snprintf(wwid, MOON_WWID_LEN + 1, "3");
    for (int i = 0; i < best[3]; i++)
        at += snprintf(wwid + at, 3, "%02x", best[4 + i]);
    return 0;
}

int moon_vpd80_serial(const unsigned char *page, size_t len, char *serial, size_t size,
                      struct moon_err *err)
{
    size_t n = 0;
    if (page_length(page, len, 0x80, &n, err) < 0)
        return -1;
    const unsigned char *p = page + 4;
    while (n > 0 && (p[n - 1] == '\0' || p[n - 1] == ' '))
        n--;
    for (; n > 0 && *p == ' '; p++)
        n--;
    for (size_t i = 0; i < n; i++) {
        if (p[i] < ' ' || p[i] > '~' || n >= size)
            return moon_err_set(err, MOON_PROTOCOL, MOON_SRC_MULTIPATH, 0, OP,
                                "VPD page 0x80: its serial number is %s",
                                n >= size ? "too long" : "not text");
    }
    memcpy(serial, p, n);
    serial[n] = '\0';
    return 0;
}
