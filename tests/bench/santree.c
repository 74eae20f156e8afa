/* santree DIR MAPS [FILE]: the /sys and /dev of a host with so many multipath maps of two iSCSI paths
 * each, as tests/data/san/record.sh records one; device-mapper's tables in DIR/dm, one file per map.
 * The first path of each map is optimized, the second not. FILE: the LUNs' serial numbers, one a line. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *top;

static void die(const char *what)
{
    fprintf(stderr, "santree: %s: %s\n", what, strerror(errno));
    exit(1);
}

static char *path_of(const char *fmt, va_list ap)
{
    static char path[512];
    int n = snprintf(path, sizeof path, "%s/", top);
    vsnprintf(path + n, sizeof path - (size_t)n, fmt, ap);
    return path;
}

#define PATH(path)                                                                                 \
    va_list ap_;                                                                                   \
    va_start(ap_, fmt);                                                                            \
    char *path = path_of(fmt, ap_);                                                                \
    va_end(ap_)

/* With all its parents. */
static void dir(const char *fmt, ...)
{
    PATH(path);
    for (char *p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/')) {
        *p = '\0';
        if (mkdir(path, 0755) < 0 && errno != EEXIST)
            die(path);
        *p = '/';
    }
    if (mkdir(path, 0755) < 0 && errno != EEXIST)
        die(path);
}

static void put(const char *data, size_t len, const char *fmt, ...)
{
    PATH(path);
    FILE *f = fopen(path, "w");
    if (!f || fwrite(data, 1, len, f) != len || fclose(f) != 0)
        die(path);
}

static void text(const char *value, const char *fmt, ...)
{
    char line[1024];
    PATH(path);
    FILE *f = fopen(path, "w");
    snprintf(line, sizeof line, "%s\n", value);
    if (!f || fputs(line, f) < 0 || fclose(f) != 0)
        die(path);
}

static void link_to(const char *target, const char *fmt, ...)
{
    PATH(path);
    if (symlink(target, path) < 0)
        die(path);
}

/* 0 -> "sda", 26 -> "sdaa" */
static const char *disk_name(unsigned n)
{
    static char name[16];
    char *p = name + sizeof name - 1;
    *p = '\0';
    for (n++; n > 0; n = (n - 1) / 26)
        *--p = (char)('a' + (n - 1) % 26);
    *--p = 'd';
    *--p = 's';
    return p;
}

static char *say(const char *fmt, ...)
{
    static char text_[4][1024];
    static unsigned at;
    char *out = text_[at++ % 4];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(out, sizeof *text_, fmt, ap);
    va_end(ap);
    return out;
}

/* The identification page as far as it is read: one NAA designator. */
static void put_pages(const char *serial, const char *at)
{
    unsigned char id[24] = {0, 0x83, 0, 20, 1, 3, 0, 16, 0x60, 0x0a, 0x09, 0x80};
    unsigned char unit[16] = {0, 0x80, 0, 12};
    memcpy(id + 12, serial, 12);
    memcpy(unit + 4, serial, 12);
    put((char *)id, sizeof id, "%s/vpd_pg83", at);
    put((char *)unit, sizeof unit, "%s/vpd_pg80", at);
}

static void make_path(unsigned map, unsigned side, const char *serial, const char *hex)
{
    unsigned n = map * 2 + side, host = side;
    char scsi[256], name[16];
    snprintf(name, sizeof name, "%s", disk_name(n));
    snprintf(scsi, sizeof scsi, "sys/devices/platform/host%u/session%u/target%u:0:0/%u:0:0:%u",
             host, host + 1, host, host, map);
    const char *up = "../../../../../../../..";
    dir("%s/block/%s/holders", scsi, name);
    dir("%s/block/%s/slaves", scsi, name);
    link_to(say("../%s/block/%s", strchr(scsi, '/') + 1, name), "sys/block/%s", name);
    link_to(say("../../%s/block/%s", strchr(scsi, '/') + 1, name), "sys/class/block/%s", name);
    link_to(say("../../%s/block/%s", strchr(scsi, '/') + 1, name), "sys/dev/block/8:%u", n * 16);
    link_to(say("%s/virtual/block/dm-%u", up, map), "%s/block/%s/holders/dm-%u", scsi, name, map);
    link_to(say("../../../%u:0:0:%u", host, map), "%s/block/%s/device", scsi, name);
    link_to(say("../../../../%s/block/%s", strstr(scsi, "platform"), name),
            "sys/devices/virtual/block/dm-%u/slaves/%s", map, name);
    text(say("8:%u", n * 16), "%s/block/%s/dev", scsi, name);
    static const char *const block[][2] = {{"size", "41943040"}, {"ro", "0"}, {"removable", "0"}};
    for (size_t i = 0; i < sizeof block / sizeof *block; i++)
        text(block[i][1], "%s/block/%s/%s", scsi, name, block[i][0]);
    const char *attributes[][2] = {{"vendor", "NETAPP  "}, {"model", "LUN C-Mode      "},
                                   {"rev", "9141"},        {"state", "running"},
                                   {"type", "0"},          {"preferred_path", side ? "0" : "1"},
                                   {"dh_state", "alua"}};
    for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++)
        text(attributes[i][1], "%s/%s", scsi, attributes[i][0]);
    text(side ? "active/non-optimized" : "active/optimized", "%s/access_state", scsi);
    text(say("naa.600a0980%s", hex), "%s/wwid", scsi);
    put_pages(serial, scsi);
}

static FILE *serials; /* NULL: invented ones */

static void serial_of(unsigned map, char serial[13])
{
    if (!serials)
        snprintf(serial, 13, "80bqm]P%05u", map);
    else if (fscanf(serials, "%12s", serial) != 1 || strlen(serial) != 12)
        die("serial number");
}

static void make_map(unsigned map)
{
    char serial[13], hex[25] = "", at[64];
    serial_of(map, serial);
    for (int i = 0; i < 12; i++)
        snprintf(hex + 2 * i, 3, "%02x", (unsigned char)serial[i]);
    const char *wwid = say("3600a0980%s", hex), *number = say("253:%u", map);
    snprintf(at, sizeof at, "sys/devices/virtual/block/dm-%u", map);
    dir("%s/dm", at), dir("%s/holders", at), dir("%s/slaves", at);
    const char *attributes[][2] = {{"dev", number},    {"size", "41943040"}, {"ro", "0"},
                                   {"removable", "0"}, {"dm/name", wwid},    {"dm/suspended", "0"}};
    for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++)
        text(attributes[i][1], "%s/%s", at, attributes[i][0]);
    char uuid[64], dm[64], target[64];
    snprintf(uuid, sizeof uuid, "mpath-%s", wwid);
    snprintf(target, sizeof target, "../dm-%u", map);
    snprintf(dm, sizeof dm, "../../dm-%u", map);
    text(uuid, "%s/dm/uuid", at);
    link_to(target, "dev/mapper/%s", wwid);
    link_to(dm, "dev/disk/by-id/dm-name-%s", wwid);
    link_to(dm, "dev/disk/by-id/dm-uuid-%s", uuid);
    link_to(dm, "dev/disk/by-id/wwn-0x%s", wwid + 1);
    link_to(dm, "dev/disk/by-id/scsi-%s", wwid);
    snprintf(target, sizeof target, "../devices/virtual/block/dm-%u", map);
    link_to(target, "sys/block/dm-%u", map);
    snprintf(target, sizeof target, "../../devices/virtual/block/dm-%u", map);
    link_to(target, "sys/class/block/dm-%u", map);
    link_to(target, "sys/dev/block/253:%u", map);
    char tables[1024];
    unsigned a = map * 32, b = a + 16;
    int n = snprintf(
        tables, sizeof tables,
        "table %s: 0 41943040 multipath 3 queue_if_no_path pg_init_retries 50 1 alua 2 1 "
        "service-time 0 1 2 8:%u 1 1 service-time 0 1 2 8:%u 1 1 \n"
        "status %s: 0 41943040 multipath 2 0 1 0 2 1 A 0 1 2 8:%u A 0 0 1 E 0 1 2 8:%u A 0 0 1 \n",
        wwid, a, b, wwid, a, b);
    put(tables, (size_t)n, "dm/%s", wwid);
    make_path(map, 0, serial, hex);
    make_path(map, 1, serial, hex);
}

int main(int argc, char **argv)
{
    unsigned maps = argc == 3 || argc == 4 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
    if (maps == 0 || maps > 30000) {
        fputs("usage: santree DIR MAPS (1 to 30000) [FILE]\n", stderr);
        return 2;
    }
    if (argc == 4 && !(serials = fopen(argv[3], "r")))
        die(argv[3]);
    top = argv[1];
    static const char *const dirs[] = {"sys/block",  "sys/class/block", "sys/dev/block",
                                       "dev/mapper", "dev/disk/by-id",  "dm"};
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++)
        dir("%s", dirs[i]);
    for (unsigned side = 0; side < 2; side++) {
        dir("sys/devices/platform/host%u/session%u/iscsi_session/session%u", side, side + 1,
            side + 1);
        text("iqn.1992-08.com.netapp:sn.lab:vs.1",
             "sys/devices/platform/host%u/session%u/iscsi_session/session%u/targetname", side,
             side + 1, side + 1);
    }
    for (unsigned i = 0; i < maps; i++)
        make_map(i);
    return 0;
}
