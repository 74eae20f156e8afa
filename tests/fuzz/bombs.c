#include "bombs.h"

#include "fuzz.h"

#define LONG_LINE ((size_t)100 << 20)
#define MANY      ((size_t)1 << 20)
#define CONFIG    ((size_t)4 << 20) /* what a config file may have */

/* head, then `unit` so many times, then tail. */
static uint8_t *repeat(const char *head, const char *unit, size_t times, const char *tail,
                       size_t *size)
{
    size_t h = strlen(head), u = strlen(unit), t = strlen(tail);
    *size = h + u * times + t;
    char *data = malloc(*size + 1);
    fuzz_check(data != NULL, "no memory for an input");
    memcpy(data, head, h);
    for (size_t i = 0; i < times; i++)
        memcpy(data + h + i * u, unit, u);
    memcpy(data + h + times * u, tail, t + 1);
    return (uint8_t *)data;
}

#define BOMB(name, head, unit, times, tail)                                                        \
    static uint8_t *name(size_t *size)                                                             \
    {                                                                                              \
        return repeat(head, unit, times, tail, size);                                              \
    }

BOMB(long_line, "", "A", LONG_LINE, "")
BOMB(long_blanks, "c", " ", LONG_LINE, "x")
BOMB(many_lines, "", "A\n", LONG_LINE / 2, "")
BOMB(zero_bytes, "c\1", "\n", LONG_LINE, "")
BOMB(deep_xml, "\1", "<a>", MANY, "")
BOMB(deep_json, "\1", "[", MANY, "")
BOMB(deep_objects, "r", "{\"a\":", MANY, "")
BOMB(reply_xml, "400\n", "<a>", MANY, "")
BOMB(reply_json, "400\n", "{\"a\":", MANY, "")
BOMB(reply_rows, "400\n{\"records\":[", "{\"name\":\"s\",\"uuid\":\"u\"},", MANY, "{}]}")

/* A billion laughs: each entity is ten of the one before. */
#define LAUGH(n, m) "<!ENTITY l" #n " '&l" #m ";&l" #m ";&l" #m ";&l" #m ";&l" #m ";&l" #m ";'>"
#define LAUGHS                                                                                     \
    "<!DOCTYPE d [<!ENTITY l0 'lol'>" LAUGH(1, 0) LAUGH(2, 1) LAUGH(3, 2) LAUGH(4, 3) LAUGH(5, 4)  \
        LAUGH(6, 5) LAUGH(7, 6) LAUGH(8, 7) LAUGH(9, 8) LAUGH(10, 9)                               \
            LAUGH(11, 10) "]>"                                                                     \
                          "<domain><name>&l11;</name></domain>"
#define FOREIGN                                                                                    \
    "<!DOCTYPE d [<!ENTITY % p SYSTEM 'file:///etc/passwd'> %p; <!ENTITY x SYSTEM "                \
    "'/etc/passwd'>]>"                                                                             \
    "<netapp><results status='passed'><name>&x;</name></results></netapp>"
BOMB(laughs, "\1" LAUGHS, "", 0, "")
BOMB(foreign, "\1" FOREIGN, "", 0, "")
BOMB(reply_laughs, "400\n" LAUGHS, "", 0, "")
BOMB(reply_foreign, "400\n" FOREIGN, "", 0, "")
BOMB(many_attributes, "\1<a ", "b='' ", MANY, "/>")
BOMB(lua_xml, "j", "<a>", MANY, "")

/* Configs of the size that is read at all; a value has 64 KiB at most. */
BOMB(config_lines, "c", "A_B=%A_B\n", CONFIG / 9, "")
BOMB(config_keys, "c", "#\n", CONFIG / 2, "SNAME=x\n")
BOMB(value_blanks, "cSNAME=a", " ", 60000, "b\n")
BOMB(value_names, "cSNAME=", "%A", 30000, "\nA=%B%B%B%B\nB=%C%C%C%C\nC=%D%D%D%D\nD=%E%E%E%E\n")
BOMB(value_volumes, "cVOLUMES=c1:v", ",v", 30000, "\n")
BOMB(value_mapping, "cKVM_VM_MAPPING=", "a:b:/vol/c/d;", 5000, "\n")
BOMB(value_semicolons, "cNTAP_USERS=", ";", 60000, "\n")
BOMB(param_blanks, "pSNAME\na", " ", 60000, "b")
BOMB(sanlun_blanks, "s", " ", MANY, "x")
BOMB(sanlun_colons, "s", "a: /vol/", MANY / 8, "")
BOMB(log_lines, "d", "[", MANY, "")
BOMB(log_blanks, "dA=", " ", MANY, "x")
BOMB(comment_blanks, "d#", " #", MANY / 2, "x")
BOMB(command_words, "k", "a ", MANY / 2, "'")
BOMB(option_words, "o", "--a\n", MANY / 4, "")
BOMB(snapshot_names, "n", "demo-daily_20260101000000\n", 50000, "")
BOMB(table_blanks, "ta", " ", 60000, "b")
BOMB(records, "r{\"schema\":1,\"id\":\"a\",\"action\":\"backup\",\"status\":\"ok\",\"guests\":[",
     "{\"name\":\"g\",\"disks\":[]},", 50000, "{}]}")
BOMB(plan_steps,
     "f{\"run\":{\"format\":1,\"made\":1,\"version\":\"\",\"host\":\"\",\"user\":0,\"directory\":"
     "\"\",\"id\":\"i\",\"args\":[],"
     "\"stamp\":\"20260101000000\",\"plain\":true,\"program\":\"\",\"script\":{\"name\":\"\","
     "\"digest\":\"\"},\"modules\":{}},"
     "\"digests\":{},\"facts\":{},\"steps\":[",
     "{\"op\":\"domain.resume\",\"side\":1},", 10000, "{\"op\":\"x\"}]}")
BOMB(plan_deep, "f{\"run\":{\"format\":1},\"digests\":{},\"plan\":", "[", MANY, "")

BOMB(mount_fields, "1 2 0:1 / / rw", " x", MANY, " - nfs a:/b rw\n")
BOMB(dm_words, "table mpatha: 0 1 multipath 0 0 1 1\nstatus mpatha: 0 1 multipath 0 0 1024", " 1",
     MANY, "\n")
BOMB(journal_holds, "moonsnap-journal 1\n", "hold u n\n", 100000, "")
BOMB(journal_guests, "moonsnap-journal 1\nhold ", "u", 100000, "\n")
BOMB(pattern_stars, "(a*)*(a|aa)*$\n", "a", 100000, "b")
BOMB(pattern_deep, "", "(", 100000, "\nx")
BOMB(headers, "HTTP/1.1 200 OK\r\n", "Location: x\r\n", 200000, "\r\n")
BOMB(header_line, "HTTP/1.1 200 OK\r\nRetry-After: ", "9", MANY, "\r\n\r\n")
BOMB(body, "HTTP/1.1 200 OK\r\n\r\n", "x", LONG_LINE, "")
BOMB(key_file, "\1moonsnap-key-1 ", "A", MANY, "")
BOMB(sealed, "\2sealed:1.", "A", MANY, "")

/* clang-format off */
const struct bomb bombs[] = {
    {NULL, "a line of 100 MB", long_line},
    {NULL, "100 MB of blanks", long_blanks},
    {NULL, "50 million lines", many_lines},
    {NULL, "100 million empty lines", zero_bytes},
    {"xml", "a million elements deep", deep_xml}, {"xml", "a million attributes", many_attributes},
    {"xml", "a billion laughs", laughs}, {"xml", "entities of other files", foreign},
    {"domxml", "a million elements deep", deep_xml}, {"domxml", "a billion laughs", laughs},
    {"domxml", "entities of other files", foreign},
    {"mpathd", "a million lists deep", deep_json},
    {"zapi", "a million elements deep", reply_xml}, {"zapi", "a billion laughs", reply_laughs},
    {"zapi", "entities of other files", reply_foreign},
    {"rest", "a million objects deep", reply_json}, {"rest", "a million rows", reply_rows},
    {"config", "config: 4 MiB of lines", config_lines}, {"config", "config: 4 MiB of comments", config_keys},
    {"config", "config: blanks within a value", value_blanks}, {"config", "config: names in names", value_names},
    {"config", "config: 30,000 volumes", value_volumes}, {"config", "config: 5,000 guests", value_mapping},
    {"config", "config: separators", value_semicolons}, {"params", "a value with blanks within", param_blanks},
    {"texts", "sanlun: a line of blanks", sanlun_blanks}, {"texts", "sanlun: colons", sanlun_colons},
    {"texts", "redact: brackets", log_lines}, {"texts", "redact: blanks", log_blanks},
    {"texts", "redact: comment marks", comment_blanks}, {"texts", "a command of 500,000 words", command_words},
    {"options", "250,000 options", option_words}, {"names", "50,000 snapshots", snapshot_names},
    {"texts", "a table with a wide cell", table_blanks}, {"records", "a record of 50,000 guests", records},
    {"records", "a million objects deep", deep_objects}, {"texts", "a million elements deep", lua_xml},
    {"plans", "a plan of 10,000 steps", plan_steps}, {"plans", "a plan a million lists deep", plan_deep},
    {"mountinfo", "a million fields", mount_fields}, {"dmtable", "a million words", dm_words},
    {"journal", "100,000 holds of one guest", journal_holds}, {"journal", "a long uuid", journal_guests},
    {"rx", "stars in stars", pattern_stars}, {"rx", "100,000 groups deep", pattern_deep},
    {"http", "200,000 headers", headers}, {"http", "a header of 1 MB", header_line},
    {"http", "a body of 100 MB", body},
    {"seal", "a key file of 1 MB", key_file}, {"seal", "a sealed text of 1 MB", sealed},
    {NULL, NULL, NULL},
};
/* clang-format on */
