/* What the adversary asks for: arguments by a verb's signature, sensible and hostile. */
#include "adversary.h"

#include <string.h>

const char *adv_hostile(void)
{
    static const char *const texts[] = {
        "",
        ".",
        "..",
        "/",
        "*",
        "**",
        "?",
        "#",
        "%2e%2e",
        "%2F",
        "../vm_nfs02",
        "a/../../b",
        ".snapshot/snap1/x",
        "/vol/",
        "/vol/vm_san01",
        "/vol/vm_san01/",
        "/vol/vm_san01/../vm_san02/lun0",
        "x?restore_to.snapshot.name=snap1",
        "x&restore_to.snapshot.name=snap1",
        "x&restore_to.path=",
        "x&ignore_unknown_fields=true",
        "?restore_to.snapshot.name=snap1#",
        "</volume><snapshot-restore-volume/><volume>",
        "\"/><snapshot-restore-volume><volume>v",
        "]]>",
        "&lt;x/&gt;",
        "x\ny",
        "x\r\nX-Dot-SVM-Name: other",
        "x\ty",
        "\x01",
        "\xff\xfe",
        "a|b",
        "!x",
        "<1",
        "1..9",
        "\"",
        "\\",
        "{}",
        "null",
        "true",
        "0",
        "-1",
        "99999999999999999999",
        "private/cli/volume/snapshot/restore",
        "00000000-0000-0000-0000-000000000000?x=y",
        "*/snapshots",
    };
    static char lengthy[3001];
    if (adv_chance(3)) {
        memset(lengthy, 'n', sizeof lengthy - 1);
        return lengthy;
    }
    return ADV_PICK(texts);
}

/* What a string argument of that name usually is. */
static const char *usual(enum moon_ontap_verb verb, const char *key)
{
    static const char *const actions[] = {"quiesce", "resume", "abort",
                                          "break",   "resync", "initialize"};
    static const struct {
        const char *key, *value;
    } table[] = {{"volume", "vm_nfs01"},
                 {"snapshot", "snap1"},
                 {"to", "copy1"},
                 {"from", "web01/vda.qcow2"},
                 {"igroup", "kvmhost1"},
                 {"serial", "80BeR$M7hQwA"},
                 {"job", "c0ffee00-1f60-11f1-8a55-00a098f10001"},
                 {"id", "c0ffee00-1f60-11f1-8a55-00a098f10001"},
                 {"uuid", "6b1f0e0a-8012-11ee-9d1b-00a098f10001"},
                 {"destination", "svm_vault:vm_san01_v"},
                 {"source", "svm_kvm:vm_san01"},
                 {"transfer", "41d3a880-1e97-11f1-8a55-00a098f10002"},
                 {"junction", "/vm_nfs01"},
                 {"parent", "vm_nfs01"},
                 {"address", "192.0.2.21"},
                 {"access", "read-only"},
                 {"page", ""}};
    bool file = verb == MOON_ONTAP_FILE_RESTORE || verb == MOON_ONTAP_FILE_CLONE;
    if (strcmp(key, "action") == 0)
        return ADV_PICK(actions);
    if (strcmp(key, "path") == 0)
        return file ? "web01/vda.qcow2" : "/vol/vm_san01/web01_disk0";
    if (strcmp(key, "to") == 0 && verb == MOON_ONTAP_LUN_CLONE)
        return "/vol/vm_san01/copy1";
    if (strcmp(key, "name") == 0 && verb == MOON_ONTAP_VOLUMES)
        return "vm_nfs01";
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (strcmp(table[i].key, key) == 0)
            return table[i].value;
    }
    return "snap1";
}

static json_t *text(enum moon_ontap_verb verb, const char *key)
{
    return json_string_nocheck(adv_wrong(20) ? adv_hostile() : usual(verb, key));
}

static json_t *list(enum moon_ontap_verb verb, const char *key)
{
    json_t *out = json_array();
    for (uint64_t n = adv_random() % 4; n; n--) {
        json_array_append_new(
            out, strcmp(key, "files") == 0
                     ? json_pack("{s:o, s:o}", "from", text(verb, "from"), "to", text(verb, "from"))
                     : text(verb, "volume"));
    }
    return out;
}

static json_t *value(enum moon_ontap_verb verb, const char *key, char type)
{
    if (type == 's')
        return text(verb, key);
    if (type == 'b')
        return json_boolean(adv_chance(50));
    if (type == 'i')
        return json_integer((json_int_t)(adv_random() % 130) - 3);
    return list(verb, key);
}

/* The signature is words like "volume:s" or "{comment:s?" with ? for what may be left out. */
json_t *adv_arguments(enum moon_ontap_verb verb)
{
    json_t *args = json_object();
    const char *p = moon_ontap_verb_signature(verb);
    while (*p) {
        char key[40];
        size_t n;
        p += strspn(p, " {");
        n = strcspn(p, ":");
        if (!p[n] || n >= sizeof key)
            break;
        memcpy(key, p, n);
        key[n] = '\0';
        char type = p[n + 1];
        bool optional = p[n + 2] == '?';
        p += strcspn(p, " ");
        if (!optional || adv_chance(50))
            json_object_set_new(args, key, value(verb, key, type));
    }
    return args;
}
