/* wwid.c: ONTAP serial numbers, WWIDs and the SCSI pages that carry them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wwid.h"

#include <stdio.h>
#include <string.h>

static void test_wwid(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"80BeR$M7hQwA", "3600a09803830426552244d3768517741"},
        {"80BeR$M7hQw?", "3600a09803830426552244d376851773f"},
        {"81C91$QXsh5a", "3600a0980383143393124515873683561"},
        {"80bqm]PvhKof", "3600a0980383062716d5d5076684b6f66"},
        {"/-#$%&*+?[!]", "3600a09802f2d232425262a2b3f5b215d"},
        {"^~@000000000", "3600a09805e7e40303030303030303030"},
    };
    char wwid[MOON_WWID_LEN + 1], serial[MOON_SERIAL_LEN + 1];
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        assert_int_equal(moon_serial_wwid(pairs[i][0], wwid, NULL), 0);
        assert_string_equal(wwid, pairs[i][1]);
        assert_int_equal(moon_wwid_serial(pairs[i][1], serial, NULL), 0);
        assert_string_equal(serial, pairs[i][0]);
    }
    assert_int_equal(moon_wwid_serial("naa.600A0980383062716D5D5076684B6F66", serial, NULL), 0);
    assert_string_equal(serial, "80bqm]PvhKof");
    assert_int_equal(moon_wwid_serial("600a0980383062716d5d5076684b6f66", serial, NULL), 0);
}

static void test_not_ours(void **state)
{
    (void)state;
    static const struct {
        const char *wwid, *says;
    } bad[] = {
        {"", "not a LUN of ONTAP"},
        {"3600a0980383062716d5d5076684b6f6", "33 characters"},
        {"3600a0980383062716d5d5076684b6f666", "33 characters"},
        {"360a98000383062716d5d5076684b6f66", "7-Mode"},
        {"3600508b400105e210000900000490000", "not a LUN of ONTAP"},
        {"3600a0980383062716d5d5076684b6f6g", "serial number"},
        {"3600a098038306271005d5076684b6f66", "serial number"},
        {"3600a098038306271205d5076684b6f66", "serial number"},
        {"0QEMU_QEMU_HARDDISK_drive-scsi0-0", "not a LUN of ONTAP"},
    };
    char serial[MOON_SERIAL_LEN + 1];
    struct moon_err err;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(moon_wwid_serial(bad[i].wwid, serial, &err), -1);
        assert_int_equal(err.code, MOON_INVALID);
        if (!strstr(err.message, bad[i].says))
            fail_msg("%s", err.message);
    }
    char wwid[MOON_WWID_LEN + 1];
    assert_int_equal(moon_serial_wwid("80BeR$M7hQw", wwid, &err), -1);
    assert_int_equal(moon_serial_wwid("80BeR$M7hQw ", wwid, &err), -1);
    assert_int_equal(moon_serial_wwid("80BeR$M7hQw\"", wwid, &err), -1);
}

/* A page with two designators: T10 text, then NAA with those bytes. */
static size_t page83(unsigned char *page, unsigned naa_len, unsigned association)
{
    static const unsigned char t10[] = {0x02, 0x01, 0, 4, 'N', 'A', 'P', 'P'};
    size_t n = 4;
    memcpy(page + n, t10, sizeof t10);
    n += sizeof t10;
    page[n] = 1;
    page[n + 1] = (unsigned char)(association << 4 | 3);
    page[n + 2] = 0;
    page[n + 3] = (unsigned char)naa_len;
    for (unsigned i = 0; i < naa_len; i++)
        page[n + 4 + i] = (unsigned char)(0x60 + i);
    n += 4 + naa_len;
    page[0] = 0;
    page[1] = 0x83;
    page[2] = (unsigned char)((n - 4) >> 8);
    page[3] = (unsigned char)(n - 4);
    return n;
}

static void test_pages(void **state)
{
    (void)state;
    unsigned char page[256];
    char wwid[MOON_WWID_LEN + 1], serial[32];
    struct moon_err err;
    size_t n = page83(page, 16, 0);
    assert_int_equal(moon_vpd83_wwid(page, n, wwid, &err), 0);
    assert_string_equal(wwid, "3606162636465666768696a6b6c6d6e6f");
    assert_int_equal(moon_vpd83_wwid(page, page83(page, 8, 0), wwid, &err), 0);
    assert_string_equal(wwid, "36061626364656667");
    /* a target port's name is not the LUN's */
    assert_int_equal(moon_vpd83_wwid(page, page83(page, 16, 1), wwid, &err), -1);
    assert_int_equal(err.code, MOON_NOT_FOUND);
    n = page83(page, 16, 0);
    for (size_t cut = 0; cut < n; cut++) {
        assert_int_equal(moon_vpd83_wwid(page, cut, wwid, &err), -1);
        assert_int_equal(err.code, MOON_PROTOCOL);
    }
    page[15] = 200; /* longer than the page */
    assert_int_equal(moon_vpd83_wwid(page, n, wwid, &err), -1);
    assert_int_equal(err.code, MOON_PROTOCOL);

    static const unsigned char p80[] = {0,   0x80, 0,   14,  ' ', '8', '0', 'B', 'e', 'R',
                                        '$', 'M',  '7', 'h', 'Q', 'w', 'A', ' ', '!', '!'};
    assert_int_equal(moon_vpd80_serial(p80, sizeof p80, serial, sizeof serial, &err), 0);
    assert_string_equal(serial, "80BeR$M7hQwA");
    assert_int_equal(moon_vpd80_serial(p80, sizeof p80, serial, 8, &err), -1);
    assert_int_equal(moon_vpd80_serial(p80, 10, serial, sizeof serial, &err), -1);
    assert_int_equal(moon_vpd83_wwid(p80, sizeof p80, wwid, &err), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_wwid), cmocka_unit_test(test_not_ours),
                                       cmocka_unit_test(test_pages)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
