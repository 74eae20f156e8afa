/* adversary SEQUENCES [SEED]: the proof that no answers of a controller make the client revert a whole volume.
 *
 * The transports are driven without a network: each verb gets arguments, sensible and hostile, and each of its
 * requests an answer that fits, lies, names harmful things, speaks of jobs, is damaged, or never comes. Every
 * request is looked at before it is answered: none may revert a volume, none may hit more than the one object
 * that it names. The first that does ends the program with exit code 1 and its seed. */
#include "adversary.h"

#include "xml.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

#define MAX_STEPS 200

static uint64_t state;

uint64_t adv_random(void)
{
    uint64_t z = (state += 0x9e3779b97f4a7c15U);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

void adv_seed(uint64_t seed)
{
    state = seed;
}

bool adv_chance(unsigned percent)
{
    return adv_random() % 100 < percent;
}

static unsigned mood = 100;

void adv_mood_swing(void)
{
    static const unsigned moods[] = {10, 40, 100};
    mood = ADV_PICK(moods);
}

bool adv_wrong(unsigned percent)
{
    return adv_random() % 10000 < percent * mood;
}

static struct {
    unsigned long sequences, requests, changing, replies, lost, endless, restores, luns, passed,
        failed;
} tally;

/* --- what a request must not be ----------------------------------------------------------- */

static const char *look_zapi(const struct moon_ontap_call *call, const struct moon_ontap_request *r)
{
    static const char *const never[] = {"snapshot-restore-volume", "snapshot-restore-volume-async",
                                        "cg-delete", "volume-destroy-async"};
    AUTO_XML xmlDocPtr doc = NULL;
    struct moon_err err;
    if (moon_xml_parse(r->body.data, r->body.len, "request", &doc, &err) < 0)
        return "the request is not XML";
    xmlNodePtr node = moon_xml_child(xmlDocGetRootElement(doc), NULL);
    if (!node || moon_xml_next(node, NULL))
        return "not exactly one call in a request";
    const char *name = (const char *)node->name;
    for (size_t i = 0; i < sizeof never / sizeof *never; i++) {
        if (strcmp(name, never[i]) == 0)
            return "a call that reverts or removes whole volumes";
    }
    if (strcmp(name, "snapmirror-restore") == 0 &&
        !json_is_true(json_object_get(call->args, "replace")))
        return "snapmirror-restore, which writes a whole volume, without replace";
    if (strcmp(name, "snapshot-restore-file") == 0) {
        AUTO_FREE char *path = moon_xml_child_text(node, "path");
        AUTO_FREE char *snapshot = moon_xml_child_text(node, "snapshot");
        if (!path || strncmp(path, "/vol/", 5) != 0 || !strchr(path + 5, '/') ||
            !strchr(path + 5, '/')[1] || strstr(path, "/../") || !snapshot || !*snapshot)
            return "snapshot-restore-file without a file's path or a snapshot";
        tally.restores++;
    }
    return NULL;
}

/* The decoded value of a query parameter, owned; NULL when it is not there. *count: how often. A name
 * that ends in * stands for all that begin so. */
static char *parameter(const char *url, const char *name, int *count)
{
    size_t most = name[strlen(name) - 1] == '*' ? strlen(name) - 1 : SIZE_MAX;
    char *found = NULL;
    const char *p = strchr(url, '?');
    *count = 0;
    while (p && *p) {
        p++;
        size_t len = strcspn(p, "&");
        AUTO_FREE char *pair = strndup(p, len);
        char *equals = pair ? strchr(pair, '=') : NULL;
        if (equals)
            *equals = '\0';
        char *key = pair ? curl_easy_unescape(NULL, pair, 0, NULL) : NULL;
        if (key && (most == SIZE_MAX ? strcmp(key, name) : strncmp(key, name, most)) == 0) {
            (*count)++;
            free(found);
            found = curl_easy_unescape(NULL, equals ? equals + 1 : "", 0, NULL);
        }
        curl_free(key);
        p += len;
    }
    return found;
}

/* Whether a document has a key that begins so, at any depth. */
static bool has_key(json_t *v, const char *begin)
{
    const char *key;
    json_t *member;
    size_t i;
    json_object_foreach (v, key, member) {
        if (strncmp(key, begin, strlen(begin)) == 0 || has_key(member, begin))
            return true;
    }
    json_array_foreach (v, i, member) {
        if (has_key(member, begin))
            return true;
    }
    return false;
}

static bool restores(const char *url, json_t *body)
{
    int count;
    free(parameter(url, "restore_to*", &count));
    return count || has_key(body, "restore_to");
}

/* What a controller handed out as a uuid names one object, or none, as long as it is one plain word. */
static bool is_word(const char *s, size_t len)
{
    size_t n = 0;
    while (n < len && (isalnum((unsigned char)s[n]) || s[n] == '-'))
        n++;
    return len > 0 && n == len;
}

/* A change must name one object by its uuid, and every part of a path must stand for itself. */
static const char *look_path(const char *method, const char *path, size_t len)
{
    const char *last = path;
    for (const char *p = path; p < path + len;) {
        size_t n = 0;
        while (p + n < path + len && p[n] != '/')
            n++;
        if (n == 0 || (n == 1 && *p == '.') || (n == 2 && p[0] == '.' && p[1] == '.') ||
            memchr(p, '*', n))
            return "a part of the address is empty, a wildcard or leads elsewhere";
        last = p;
        p += n + 1;
    }
    if (len && path[len - 1] == '/')
        return "the address ends in nothing";
    size_t n = (size_t)(path + len - last);
    bool change = strcmp(method, "PATCH") == 0 || strcmp(method, "DELETE") == 0;
    if (change && !strstr(path, "/files/") && !is_word(last, n))
        return "a change or a delete that does not name one object";
    return NULL;
}

static const char *look_volume_patch(const struct moon_ontap_call *call, const char *url,
                                     json_t *body)
{
    int paths, snapshots, ignored;
    AUTO_FREE char *path = parameter(url, "restore_to.path", &paths);
    AUTO_FREE char *snapshot = parameter(url, "restore_to.snapshot.name", &snapshots);
    AUTO_FREE char *ignore = parameter(url, "ignore_unknown_fields", &ignored);
    if (has_key(body, "restore_to"))
        return "restore_to in a body, where an old release may ignore the path";
    if (!restores(url, body))
        return NULL;
    if (paths != 1 || !path || !*path)
        return "restore_to without exactly one non-empty path: that reverts the volume";
    if (snapshots != 1 || !snapshot || !*snapshot)
        return "restore_to without exactly one snapshot";
    if (ignored)
        return "restore_to with ignore_unknown_fields";
    if (call->ontap->version && call->ontap->version < 91001)
        return "restore_to.path to a release that may ignore it";
    tally.restores++;
    return NULL;
}

static const char *look_cli(const char *path, size_t len, json_t *body)
{
    static const char only[] = "private/cli/volume/snapshot/restore-file";
    static const char *const needed[] = {"path", "snapshot", "volume"};
    if (len != sizeof only - 1 || strncmp(path, only, len) != 0)
        return "another command of the CLI than restore-file";
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        const char *text = json_string_value(json_object_get(body, needed[i]));
        if (!text || !*text)
            return "restore-file without path, snapshot or volume";
    }
    tally.restores++;
    return NULL;
}

/* Without replace=true only files travel back. */
static const char *look_mirror(const struct moon_ontap_call *call, const char *path, size_t len,
                               json_t *body)
{
    bool transfers = len > 10 && strncmp(path + len - 10, "/transfers", 10) == 0;
    if (json_is_true(json_object_get(call->args, "replace")))
        return NULL;
    if (transfers && call->verb == MOON_ONTAP_MIRROR_RESTORE &&
        !json_array_size(json_object_get(body, "files")))
        return "a transfer of a whole volume without replace";
    if (!transfers && !json_array_size(json_object_get(call->args, "files")))
        return "a restore relationship for a whole volume without replace";
    return NULL;
}

static const char *look_lun(const struct moon_ontap_call *call, json_t *body)
{
    const json_t *source = json_object_get(json_object_get(body, "clone"), "source");
    const char *name = json_string_value(json_object_get(source, "name"));
    if (call->verb != MOON_ONTAP_LUN_RESTORE)
        return NULL;
    if (!name || strncmp(name, "/vol/", 5) != 0 || !strstr(name, "/.snapshot/"))
        return "a LUN restore from something that is no snapshot";
    tally.luns++;
    return NULL;
}

static const char *look_change(const struct moon_ontap_call *call,
                               const struct moon_ontap_request *r, const char *path, size_t len,
                               json_t *body)
{
    bool patch = strcmp(r->method, "PATCH") == 0, post = strcmp(r->method, "POST") == 0;
    const char *wrong = look_path(r->method, path, len);
    if (wrong)
        return wrong;
    if (patch && strncmp(path, "storage/volumes/", 16) == 0 && !memchr(path + 16, '/', len - 16))
        return look_volume_patch(call, r->url, body);
    if (restores(r->url, body))
        return "restore_to where it reverts a group or something unknown";
    if (strncmp(path, "private/cli/", 12) == 0)
        return look_cli(path, len, body);
    if (post && strncmp(path, "snapmirror/relationships", 24) == 0)
        return look_mirror(call, path, len, body);
    return patch && strncmp(path, "storage/luns/", 13) == 0 ? look_lun(call, body) : NULL;
}

static const char *look_rest(const struct moon_ontap_call *call, const struct moon_ontap_request *r)
{
    size_t base = strlen(call->ontap->base);
    if (strncmp(r->url, call->ontap->base, base) != 0 || strncmp(r->url + base, "/api/", 5) != 0)
        return "an address outside /api/ of the controller";
    for (const char *p = r->url; *p; p++) {
        if ((unsigned char)*p <= ' ' || *p == '#')
            return "a character in the address that must be encoded";
    }
    if (strcmp(r->method, "GET") == 0)
        return NULL;
    const char *path = r->url + base + 5;
    json_t *body = r->body.len ? json_loadb(r->body.data, r->body.len, 0, NULL) : NULL;
    const char *wrong = r->body.len && !body ? "the body is not JSON"
                                             : look_change(call, r, path, strcspn(path, "?"), body);
    json_decref(body);
    return wrong;
}

static const char *look(const struct moon_ontap_call *call, const struct moon_ontap_request *r)
{
    tally.requests++;
    tally.changing += r->changes;
    return call->ops == &moon_ontap_zapi ? look_zapi(call, r) : look_rest(call, r);
}

/* --- one sequence --------------------------------------------------------------------------- */

static void request_free(struct moon_ontap_request *r)
{
    free(r->url);
    free(r->line);
    moon_buf_free(&r->body);
}

/* 1: another request; 0: done; -1: failed; -2: *wrong says why. */
static int step(struct moon_ontap_call *call, const char **wrong, char *shown, size_t size)
{
    __attribute__((cleanup(request_free))) struct moon_ontap_request r = {.method = "POST"};
    struct moon_http_reply reply = {0};
    if (call->ops->request(call, &r, &call->op.err) < 0)
        return -1;
    call->changes = r.changes;
    snprintf(shown, size, "%s %s\n%.2000s", r.method, r.url, r.body.data ? r.body.data : "");
    *wrong = look(call, &r);
    if (*wrong)
        return -2;
    if (adv_wrong(8) && call->ops->lost) {
        struct moon_err why;
        moon_err_set(&why, MOON_TIMEOUT, MOON_SRC_HTTP, 28, "http", "no answer");
        tally.lost++;
        call->op.err = why;
        return call->ops->lost(call, &why, &call->op.err);
    }
    adv_answer(call, &r, &reply);
    tally.replies++;
    int rc = call->ops->reply(call, &reply, &call->op.err);
    moon_buf_free(&reply.body);
    return rc;
}

static struct moon_ontap *new_client(bool rest)
{
    static const int versions[] = {0, 0, 90500, 90901, 91001, 91101, 91401, 91901};
    struct moon_err err;
    json_t *options = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s*}", "host", "192.0.2.10", "name",
                                "filer", "user", "u", "password", "p", "api",
                                rest ? "rest" : "zapi", "svm", adv_chance(50) ? "svm_kvm" : NULL);
    struct moon_ontap *o = moon_ontap_new(options, &err);
    json_decref(options);
    if (o)
        o->version = ADV_PICK(versions);
    return o;
}

static int one_call(struct moon_ontap *o)
{
    enum moon_ontap_verb verb = (enum moon_ontap_verb)(adv_random() % MOON_ONTAP_CALL);
    static const enum moon_ontap_verb liked[] = {MOON_ONTAP_FILE_RESTORE, MOON_ONTAP_LUN_RESTORE,
                                                 MOON_ONTAP_MIRROR_RESTORE,
                                                 MOON_ONTAP_RESTORE_STATUS, MOON_ONTAP_CG_START};
    struct moon_err err;
    if (adv_chance(40))
        verb = ADV_PICK(liked);
    adv_mood_swing();
    json_t *args = adv_arguments(verb);
    struct moon_op *op = moon_ontap_call_new(o, verb, args, &err);
    char *text = json_dumps(args, JSON_COMPACT), shown[4096] = "";
    struct moon_ontap_call *call = (struct moon_ontap_call *)op;
    const char *wrong = NULL;
    int rc = op ? 1 : -1, steps = 0;
    json_decref(args);
    if (op)
        call->ops = o->ops;
    while (op && rc > 0 && steps++ < MAX_STEPS)
        rc = step(call, &wrong, shown, sizeof shown);
    tally.endless += rc > 0;
    tally.passed += rc == 0;
    tally.failed += rc == -1;
    if (op && rc == -1 && (call->op.err.code == MOON_OK || !call->op.err.message[0]))
        wrong = "a call failed without an error";
    if (wrong)
        printf("FAILED: %s\n  verb %s %s\n  request %s\n", wrong, moon_ontap_verb_name(verb),
               text ? text : "", shown);
    free(text);
    moon_op_unref(op);
    return wrong ? -1 : 0;
}

int main(int argc, char **argv)
{
    unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    if (!count) {
        fputs("usage: adversary SEQUENCES [SEED]\n", stderr);
        return 2;
    }
    for (unsigned long i = 0; i < count; i++) {
        adv_seed(seed + i);
        struct moon_ontap *o = new_client(i & 1);
        int rc = o ? 0 : -1;
        /* A few calls of one client: what one learned (uuids, release) serves the next. */
        for (uint64_t n = adv_random() % 4 + 1; o && n && rc == 0; n--)
            rc = one_call(o);
        moon_ontap_unref(o);
        tally.sequences++;
        if (rc < 0) {
            printf("  to see it again: adversary 1 %llu\n", (unsigned long long)(seed + i));
            return 1;
        }
    }
    printf("%lu sequences from seed %llu: %lu requests (%lu that change something), %lu replies "
           "tried, "
           "%lu lost; calls: %lu passed, %lu failed, %lu cut off after %d steps\n"
           "file restores sent %lu, LUN restores %lu, whole-volume restores 0\n",
           tally.sequences, (unsigned long long)seed, tally.requests, tally.changing, tally.replies,
           tally.lost, tally.passed, tally.failed, tally.endless, MAX_STEPS, tally.restores,
           tally.luns);
    return 0;
}
