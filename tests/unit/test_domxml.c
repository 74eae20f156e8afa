/* domxml.c, domxml_edit.c: guests as libvirt prints them (tests/data/domxml), and edits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "domxml.h"
#include "store.h"
#include "xml.h"

#include <string.h>

static char *load(const char *name)
{
    char path[256];
    char *text = NULL;
    size_t len = 0;
    struct moon_err err = {0};
    snprintf(path, sizeof path, "tests/data/domxml/%s", name);
    if (moon_store_read(path, 1 << 20, &text, &len, &err) < 0)
        fail_msg("%s", err.message);
    return text;
}

static json_t *parse(const char *xml)
{
    struct moon_err err = {0};
    json_t *out = NULL;
    if (moon_domxml_parse(xml, &out, &err) < 0)
        fail_msg("%s", err.message);
    return out;
}

static json_t *parse_file(const char *name)
{
    AUTO_FREE char *xml = load(name);
    return parse(xml);
}

/* The value at a path such as "disks.0.source.file" as compact JSON; "-" when absent. */
static void check(const json_t *json, const char *path, const char *want)
{
    char name[64];
    for (const char *s = path; *s && json;) {
        size_t len = strcspn(s, ".");
        snprintf(name, sizeof name, "%.*s", (int)len, s);
        json = json_is_array(json) ? json_array_get(json, strtoul(name, NULL, 10))
                                   : json_object_get(json, name);
        s += len + (s[len] == '.');
    }
    AUTO_FREE char *got =
        json ? json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS) : strdup("-");
    if (strcmp(got, want) != 0)
        fail_msg("%s: got %s, want %s", path, got, want);
}

static void test_whole(void **state)
{
    (void)state;
    AUTO_JSON json_t *got = parse_file("nfs-file.xml");
    AUTO_JSON json_t *want = json_loads(
        "{\"name\":\"nfs-web1\",\"uuid\":\"5f1b1b0e-8a43-4c1e-9a1c-0d5f6f0c1a01\","
        "\"title\":\"Web server 1\",\"type\":\"kvm\",\"memory_kib\":2097152,\"tpm\":false,"
        "\"os\":{\"type\":\"hvm\",\"arch\":\"x86_64\",\"boot\":[\"hd\"]},\"disks\":[{\"index\":0,"
        "\"device\":\"disk\",\"type\":\"file\",\"source\":{\"file\":"
        "\"/var/lib/libvirt/nfs/web1/web1.qcow2\"},\"path\":"
        "\"/var/lib/libvirt/nfs/web1/web1.qcow2\",\"target\":\"vda\",\"bus\":\"virtio\","
        "\"format\":\"qcow2\",\"driver\":{\"name\":\"qemu\",\"type\":\"qcow2\",\"cache\":\"none\","
        "\"io\":\"native\"},\"serial\":\"WEB1ROOT\",\"readonly\":false,\"shareable\":false,"
        "\"transient\":false,\"backing\":[],\"is_boot\":true}]}",
        0, NULL);
    assert_non_null(want);
    if (!json_equal(got, want))
        fail_msg("%s", json_dumps(got, JSON_INDENT(1)));
    AUTO_JSON json_t *inside = parse_file("snapshot.xml");
    assert_true(json_equal(inside, want));
}

static void test_fields(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        const char *path;
        const char *want;
    } cases[] = {
        {"boot-order.xml", "disks.0.boot_order", "3"},
        {"boot-order.xml", "disks.2.boot_order", "1"},
        {"boot-order.xml", "disks.2.readonly", "true"},
        {"boot-order.xml", "os.boot", "[]"},
        {"media.xml", "os.boot", "[\"cdrom\",\"hd\",\"fd\"]"},
        {"media.xml", "disks.0.device", "\"floppy\""},
        {"media.xml", "disks.3.path", "\"/srv/nfs/iso/install & tools.iso\""},
        {"media.xml", "disks.4.source", "-"},
        {"media.xml", "disks.4.path", "-"},
        {"media.xml", "disks.5.source",
         "{\"hosts\":[{\"name\":\"mirror.example\",\"port\":\"443\"}],\"name\":"
         "\"iso/rescue.iso\",\"protocol\":\"https\"}"},
        {"block-multipath.xml", "disks.0.path", "\"/dev/mapper/3600a0980383030386d5d4a30476465\""},
        {"block-multipath.xml", "disks.2.device", "\"lun\""},
        {"block-multipath.xml", "disks.2.shareable", "true"},
        {"block-multipath.xml", "disks.2.wwn", "\"600a0980383030ab\""},
        {"block-multipath.xml", "disks.1.serial", "\"SCRATCH\""},
        {"network-rbd.xml", "disks.0.path", "-"},
        {"network-rbd.xml", "disks.0.source.hosts.1.name", "\"mon2.example\""},
        {"network-rbd.xml", "disks.0.source.name", "\"vms/ceph1\""},
        {"network-rbd.xml", "disks.1.source.hosts.0",
         "{\"socket\":\"/run/nbd.sock\",\"transport\":\"unix\"}"},
        {"network-rbd.xml", "disks.2.type", "\"nvme\""},
        {"network-rbd.xml", "disks.2.source.namespace", "\"1\""},
        {"network-rbd.xml", "disks.3.source", "{\"dir\":\"/srv/share\"}"},
        {"network-rbd.xml", "disks.3.path", "-"},
        {"pool-volume.xml", "disks.0.source", "{\"pool\":\"default\",\"volume\":\"pool1.qcow2\"}"},
        {"pool-volume.xml", "disks.1.source.mode", "\"host\""},
        {"uefi-tpm.xml", "tpm", "true"},
        {"uefi-tpm.xml", "os.loader", "\"/usr/share/OVMF/OVMF_CODE_4M.fd\""},
        {"uefi-tpm.xml", "os.nvram",
         "{\"path\":\"/var/lib/libvirt/qemu/nvram/win1_VARS.fd\",\"template\":"
         "\"/usr/share/OVMF/OVMF_VARS_4M.fd\"}"},
        {"backing-chain.xml", "disks.0.backing",
         "[{\"format\":\"qcow2\",\"path\":\"/srv/nfs/chain1/mid.qcow2\",\"source\":{\"file\":"
         "\"/srv/nfs/chain1/mid.qcow2\"},\"type\":\"file\"},{\"format\":\"raw\",\"path\":"
         "\"/dev/mapper/golden\",\"source\":{\"dev\":\"/dev/mapper/golden\"},\"type\":\"block\"}]"},
        {"backing-chain.xml", "disks.1.backing", "[]"},
        {"backing-chain.xml", "disks.1.transient", "true"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        AUTO_JSON json_t *got = parse_file(cases[i].file);
        check(got, cases[i].path, cases[i].want);
    }
}

static void check_boot(const json_t *domain, const char *label, const char *want)
{
    size_t i = 0;
    const json_t *disk = NULL;
    const char *found = "none";
    json_array_foreach (json_object_get(domain, "disks"), i, disk) {
        if (json_is_true(json_object_get(disk, "is_boot"))) {
            assert_string_equal(found, "none");
            found = json_string_value(json_object_get(disk, "target"));
        }
    }
    if (strcmp(found, want) != 0)
        fail_msg("%s: boots from %s, want %s", label, found, want);
}

static void test_boot_files(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"nfs-file.xml", "vda"},       {"boot-order.xml", "vdb"},      {"media.xml", "hda"},
        {"media-unsorted.xml", "hda"}, {"block-multipath.xml", "vda"}, {"network-rbd.xml", "vda"},
        {"pool-volume.xml", "vda"},    {"uefi-tpm.xml", "sda"},        {"backing-chain.xml", "vda"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        AUTO_JSON json_t *domain = parse_file(cases[i][0]);
        check_boot(domain, cases[i][0], cases[i][1]);
    }
}

#define DISK(device, target, more)                                                                 \
    "<disk type='file' device='" device "'><target dev='" target "'/>" more "</disk>"

static char *guest(const char *disks)
{
    char *xml = NULL;
    assert_true(asprintf(&xml,
                         "<domain type='kvm'><name>g</name><uuid>5f1b1b0e8a434c1e9A1C0d5f6f0c1a01"
                         "</uuid><devices>%s</devices></domain>",
                         disks) > 0);
    return xml;
}

static void test_boot(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", "none"},
        {DISK("cdrom", "sda", "") DISK("floppy", "fda", ""), "none"},
        {DISK("disk", "vdb", "") DISK("disk", "vda", ""), "vda"},
        {DISK("disk", "vdaa", "") DISK("disk", "vdz", ""), "vdz"},
        {DISK("disk", "vdb", "") DISK("disk", "sda", ""), "vdb"},
        {DISK("cdrom", "sda", "") DISK("disk", "vda", "") DISK("disk", "sdb", ""), "sdb"},
        {DISK("disk", "vda", "") DISK("disk", "sdb", "<boot order='9'/>"), "sdb"},
        {DISK("disk", "vda", "<boot order='10'/>") DISK("lun", "sda", "<boot order='9'/>"), "sda"},
        {DISK("cdrom", "sda", "<boot order='1'/>") DISK("disk", "vdb", "") DISK("disk", "vda", ""),
         "vda"},
        {DISK("disk", "nvme0", "") DISK("disk", "vda", ""), "nvme0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        AUTO_FREE char *xml = guest(cases[i][0]);
        AUTO_JSON json_t *domain = parse(xml);
        check_boot(domain, cases[i][0], cases[i][1]);
        check(domain, "uuid", "\"5f1b1b0e-8a43-4c1e-9a1c-0d5f6f0c1a01\"");
    }
}

static void test_defaults(void **state)
{
    (void)state;
    AUTO_FREE char *xml = guest("<disk><source file='/x' startupPolicy='optional'/><target "
                                "dev='xvda'/></disk><disk><source startupPolicy='optional'/>"
                                "<target dev='q'/></disk>");
    AUTO_JSON json_t *got = parse(xml);
    check(got, "disks.0.device", "\"disk\"");
    check(got, "disks.0.type", "\"file\"");
    check(got, "disks.0.bus", "\"xen\"");
    check(got, "disks.0.format", "\"raw\"");
    check(got, "disks.0.driver", "{}");
    check(got, "disks.1.source", "-");
    check(got, "disks.1.bus", "\"\"");
    check(got, "memory_kib", "-");
    check(got, "title", "-");
}

static void test_memory(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"<memory>7</memory>", "7"},
        {"<memory unit='b'>1025</memory>", "2"},
        {"<memory unit='KB'>1024</memory>", "1000"},
        {"<memory unit='GiB'>2</memory>", "2097152"},
        {"<memory unit='TiB'>1</memory>", "1073741824"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char xml[256];
        snprintf(xml, sizeof xml,
                 "<domain type='kvm'><name>g</name><uuid>5f1b1b0e8a434c1e9a1c0d5f6f0c1a01</uuid>"
                 "%s</domain>",
                 cases[i][0]);
        AUTO_JSON json_t *got = parse(xml);
        check(got, "memory_kib", cases[i][1]);
    }
}

#define UUID "<uuid>5f1b1b0e8a434c1e9a1c0d5f6f0c1a01</uuid>"

static void test_errors(void **state)
{
    (void)state;
    static const struct {
        const char *xml;
        enum moon_code code;
        const char *message;
    } cases[] = {
        {"", MOON_PROTOCOL, "domain xml: "},
        {"<network/>", MOON_PROTOCOL, "root is <network>"},
        {"<domainsnapshot/>", MOON_PROTOCOL, "no <domain>"},
        {"<domain type='kvm'>" UUID "</domain>", MOON_PROTOCOL, "<name> is missing"},
        {"<domain type='kvm'><name> </name>" UUID "</domain>", MOON_PROTOCOL, "<name> is missing"},
        {"<domain type='kvm'><name>g</name></domain>", MOON_PROTOCOL, "'g': <uuid> is missing"},
        {"<domain type='kvm'><name>g</name><uuid>12</uuid></domain>", MOON_PROTOCOL, "not a uuid"},
        {"<domain><name>g</name>" UUID "</domain>", MOON_PROTOCOL, "has no type"},
        {"<domain type='kvm'><name>g</name>" UUID "<memory unit='KiB'>x</memory></domain>",
         MOON_PROTOCOL, "<memory>"},
        {"<domain type='kvm'><name>g</name>" UUID "<memory unit='lots'>1</memory></domain>",
         MOON_PROTOCOL, "<memory>"},
        {"<domain type='kvm'><name>g</name>" UUID
         "<memory unit='TiB'>9000000000000</memory></domain>",
         MOON_PROTOCOL, "<memory>"},
        {"<domain type='kvm'><name>g</name>" UUID "<devices><disk/></devices></domain>",
         MOON_PROTOCOL, "disk 0 has no <target"},
        {"<domain type='kvm'><name>g</name>" UUID
         "<devices><disk><target dev='vda'/><boot order='0'/></disk></devices></domain>",
         MOON_PROTOCOL, "disk 'vda': <boot>: 'order'"},
        {"<!DOCTYPE d [<!ENTITY x 'y'>]><domain/>", MOON_INVALID, "entity"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct moon_err err = {0};
        json_t *out = NULL;
        assert_int_equal(moon_domxml_parse(cases[i].xml, &out, &err), -1);
        assert_null(out);
        assert_int_equal(err.code, cases[i].code);
        if (!strstr(err.message, cases[i].message))
            fail_msg("case %zu: %s", i, err.message);
    }
}

static char *edit(const char *file, const char *edits)
{
    struct moon_err err = {0};
    AUTO_FREE char *xml = load(file);
    AUTO_JSON json_t *todo = json_loads(edits, 0, NULL);
    assert_non_null(todo);
    char *out = NULL;
    if (moon_domxml_edit(xml, todo, &out, &err) < 0)
        fail_msg("%s", err.message);
    return out;
}

static void test_edit(void **state)
{
    (void)state;
    AUTO_FREE char *xml =
        edit("uefi-tpm.xml", "{\"name\":\"copy & <x>\",\"uuid\":\"new\",\"macs\":\"new\","
                             "\"disks\":{\"sda\":{\"dev\":\"/dev/mapper/new\",\"format\":\"raw\"}},"
                             "\"nvram\":\"/var/lib/copy.fd\"}");
    AUTO_JSON json_t *got = parse(xml);
    check(got, "name", "\"copy & <x>\"");
    check(got, "os.nvram.path", "\"/var/lib/copy.fd\"");
    check(got, "disks.0.type", "\"block\"");
    check(got, "disks.0.source", "{\"dev\":\"/dev/mapper/new\"}");
    check(got, "disks.0.format", "\"raw\"");
    assert_null(strstr(xml, "52:54:00:11:22:33"));
    assert_non_null(strstr(xml, "<mac address=\"52:54:00:"));
    assert_null(strstr(xml, "43dc0cf8-809b"));
    assert_null(strstr(xml, "5f1b1b0e"));
    const char *uuid = json_string_value(json_object_get(got, "uuid"));
    assert_int_equal(uuid[14], '4');
    assert_true(strchr("89ab", uuid[19]) != NULL);
    AUTO_FREE char *entry = NULL;
    assert_true(asprintf(&entry, "<entry name=\"uuid\">%s</entry>", uuid) > 0);
    assert_non_null(strstr(xml, entry));
    AUTO_FREE char *again = edit("uefi-tpm.xml", "{\"uuid\":\"new\"}");
    assert_null(strstr(again, uuid));
}

static void test_edit_media(void **state)
{
    (void)state;
    AUTO_FREE char *xml = edit("media.xml", "{\"detach_media\":true}");
    AUTO_JSON json_t *got = parse(xml);
    check(got, "disks.0.source", "-");
    check(got, "disks.1.path", "\"/srv/nfs/media/a.qcow2\"");
    check(got, "disks.3.source", "-");
    check(got, "disks.5.source", "-");
    check(got, "disks.5.type", "\"file\"");
    AUTO_FREE char *kept = edit("media.xml", "{\"detach_media\":false}");
    AUTO_JSON json_t *same = parse(kept);
    AUTO_JSON json_t *original = parse_file("media.xml");
    assert_true(json_equal(same, original));
}

static void test_edit_sources(void **state)
{
    (void)state;
    AUTO_FREE char *chain =
        edit("backing-chain.xml", "{\"disks\":{\"vda\":{\"file\":\"/n/a\"},\"vdb\":{\"file\":"
                                  "\"/n/b\"}},\"uuid\":\"AAAAAAAA8a434c1e9a1c0d5f6f0c1a08\"}");
    AUTO_JSON json_t *got = parse(chain);
    check(got, "uuid", "\"aaaaaaaa-8a43-4c1e-9a1c-0d5f6f0c1a08\"");
    check(got, "disks.0.backing", "[]");
    check(got, "disks.0.path", "\"/n/a\"");
    check(got, "disks.0.format", "\"qcow2\"");
    check(got, "disks.1.path", "\"/n/b\"");
    AUTO_FREE char *rbd = edit("network-rbd.xml", "{\"disks\":{\"vda\":{\"file\":\"/n/a\"}}}");
    AUTO_JSON json_t *moved = parse(rbd);
    check(moved, "disks.0.type", "\"file\"");
    check(moved, "disks.0.source", "{\"file\":\"/n/a\"}");
    AUTO_FREE char *fresh = edit("uefi-tpm.xml", "{\"drop_nvram\":true}");
    AUTO_JSON json_t *nvram = parse(fresh);
    check(nvram, "os.nvram", "{\"template\":\"/usr/share/OVMF/OVMF_VARS_4M.fd\"}");
    AUTO_FREE char *alone = edit("snapshot.xml", "{}");
    assert_int_equal(strncmp(alone, "<domain type=\"kvm\">", 19), 0);
}

static void test_edit_errors(void **state)
{
    (void)state;
    static const struct {
        const char *edits;
        enum moon_code code;
        const char *message;
    } cases[] = {
        {"[]", MOON_INVALID, "not a table"},
        {"{\"nam\":\"x\"}", MOON_INVALID, "edit 'nam': not known"},
        {"{\"name\":\"\"}", MOON_INVALID, "edit 'name'"},
        {"{\"name\":\"a/b\"}", MOON_INVALID, "edit 'name'"},
        {"{\"name\":5}", MOON_INVALID, "edit 'name'"},
        {"{\"uuid\":\"zz\"}", MOON_INVALID, "edit 'uuid'"},
        {"{\"macs\":\"old\"}", MOON_INVALID, "edit 'macs'"},
        {"{\"disks\":[]}", MOON_INVALID, "edit 'disks'"},
        {"{\"disks\":{\"vdz\":{\"file\":\"/x\"}}}", MOON_NOT_FOUND, "no disk 'vdz'"},
        {"{\"disks\":{\"vda\":{\"file\":\"x\"}}}", MOON_INVALID, "absolute path"},
        {"{\"disks\":{\"vda\":{\"file\":\"/x\",\"dev\":\"/y\"}}}", MOON_INVALID, "absolute path"},
        {"{\"disks\":{\"vda\":{\"file\":\"/x\",\"foo\":\"/y\"}}}", MOON_INVALID, "absolute path"},
        {"{\"disks\":{\"vda\":5}}", MOON_INVALID, "absolute path"},
        {"{\"detach_media\":1}", MOON_INVALID, "edit 'detach_media'"},
        {"{\"drop_nvram\":\"yes\"}", MOON_INVALID, "edit 'drop_nvram'"},
        {"{\"nvram\":\"x\"}", MOON_INVALID, "edit 'nvram'"},
    };
    AUTO_FREE char *xml = load("nfs-file.xml");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        AUTO_JSON json_t *todo = json_loads(cases[i].edits, 0, NULL);
        struct moon_err err = {0};
        char *out = NULL;
        assert_int_equal(moon_domxml_edit(xml, todo, &out, &err), -1);
        assert_null(out);
        assert_int_equal(err.code, cases[i].code);
        if (!strstr(err.message, cases[i].message))
            fail_msg("case %zu: %s", i, err.message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),       cmocka_unit_test(test_fields),
        cmocka_unit_test(test_boot_files),  cmocka_unit_test(test_boot),
        cmocka_unit_test(test_defaults),    cmocka_unit_test(test_memory),
        cmocka_unit_test(test_errors),      cmocka_unit_test(test_edit),
        cmocka_unit_test(test_edit_media),  cmocka_unit_test(test_edit_sources),
        cmocka_unit_test(test_edit_errors),
    };
    return cmocka_run_group_tests_name("domxml", tests, NULL, NULL);
}
