#include "journal.h"

#include "auto.h"
#include "buf.h"
#include "proc.h"
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>

#define MAX_JOURNAL ((size_t)16 << 20)

/* Where the last whole record ends; what a power loss left of one behind it is cut off. */
static off_t end_of_records(int fd)
{
    off_t end = lseek(fd, 0, SEEK_END), at = end;
    char c;
    while (at > 0 && pread(fd, &c, 1, at - 1) == 1 && c != '\n')
        at--;
    if (at != end && ftruncate(fd, at) < 0)
        return end;
    return at;
}

/* unquiesce writes to the journal of a living guard, hence the lock. One that is gone stays so: without its head it is no
 * journal, and every later start would stop at it. */
static int append(const char *path, const struct moon_buf *lines, struct moon_err *err)
{
    AUTO_CLOSE int fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC);
    if (fd < 0 || flock(fd, LOCK_EX) < 0)
        return moon_err_errno(err, errno, "journal", "journal %s", path);
    off_t before = end_of_records(fd);
    ssize_t n = write(fd, lines->data, lines->len);
    if (n == (ssize_t)lines->len && fdatasync(fd) == 0)
        return 0;
    int why = n < 0 || n == (ssize_t)lines->len ? errno : ENOSPC;
    if (before >= 0 && ftruncate(fd, before) < 0)
        why = errno;
    return moon_err_errno(err, why, "journal", "journal %s", path);
}

/* One record; a domain's name must not look like another. */
static int add_line(struct moon_buf *b, const char *text)
{
    size_t at = b->len;
    if (moon_buf_adds(b, text) < 0 || moon_buf_adds(b, "\n") < 0)
        return -1;
    for (size_t i = at; i + 1 < b->len; i++) {
        if (b->data[i] == '\n' || b->data[i] == '\r')
            b->data[i] = '?';
    }
    return 0;
}

static int no_memory(struct moon_err *err)
{
    return moon_err_set(err, MOON_INTERNAL, MOON_SRC_ENGINE, 0, "journal", "out of memory");
}

int moon_journal_add(const char *path, struct moon_err *err, const char *fmt, ...)
{
    AUTO_FREE char *text = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&text, fmt, ap);
    va_end(ap);
    AUTO_BUF struct moon_buf lines = {0};
    if (n < 0) {
        text = NULL;
        return no_memory(err);
    }
    return add_line(&lines, text) < 0 ? no_memory(err) : append(path, &lines, err);
}

static int add_words(struct moon_buf *b, const struct moon_journal_head *head)
{
    const char *const words[] = {head->profile, head->config, head->action};
    int rc = moon_buf_adds(b, "run");
    for (size_t i = 0; i < 3; i++) {
        rc |= moon_buf_adds(b, " ");
        size_t at = b->len;
        rc |= moon_buf_addf(b, "%.*s", i < 2 ? 255 : 63, words[i] && *words[i] ? words[i] : "-");
        for (; at < b->len; at++) {
            if (strchr(" \t\r\n\v\f", b->data[at]))
                b->data[at] = '?'; /* a record is split at blanks */
        }
    }
    return rc | moon_buf_adds(b, "\n");
}

static int add_process(struct moon_buf *b, const char *verb, pid_t pid)
{
    uint64_t start = 0;
    moon_proc_start_time(pid, &start, NULL);
    return moon_buf_addf(b, "%s %d %" PRIu64 "\n", verb, (int)pid, start);
}

int moon_journal_begin(const char *path, const struct moon_journal_head *head, struct moon_err *err)
{
    AUTO_BUF struct moon_buf b = {0};
    AUTO_FREE char *uri = NULL;
    if (asprintf(&uri, "uri %s", head->uri) < 0) {
        uri = NULL;
        return no_memory(err);
    }
    if (moon_buf_adds(&b, "moonsnap-journal 1\n") < 0 || add_words(&b, head) < 0 ||
        add_line(&b, uri) < 0 || add_process(&b, "engine", head->engine) < 0 ||
        add_process(&b, "guard", head->guard) < 0 ||
        moon_buf_addf(&b, "deadline %.0f\n", head->deadline) < 0)
        return no_memory(err);
    return moon_store_replace(path, b.data, b.len, 0600, err);
}

static int add_each(const char *path, const char *verb, const json_t *list, struct moon_err *err)
{
    AUTO_BUF struct moon_buf lines = {0};
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        const char *uuid = json_is_string(item) ? json_string_value(item)
                                                : json_string_value(json_object_get(item, "uuid"));
        const char *name = json_string_value(json_object_get(item, "name"));
        const char *word = json_is_true(json_object_get(item, "freeze")) ? "freeze" : verb;
        if (!uuid || !*uuid || strpbrk(uuid, " \r\n"))
            return moon_err_set(err, MOON_INVALID, MOON_SRC_ENGINE, 0, "journal",
                                "entry %zu is no uuid", i + 1);
        AUTO_FREE char *text = NULL;
        if (asprintf(&text, "%s %s%s%s", word, uuid, name ? " " : "", name ? name : "") < 0) {
            text = NULL;
            return no_memory(err);
        }
        if (add_line(&lines, text) < 0)
            return no_memory(err);
    }
    return lines.len ? append(path, &lines, err) : 0;
}

int moon_journal_hold(const char *path, const json_t *domains, struct moon_err *err)
{
    return add_each(path, "hold", domains, err);
}

int moon_journal_free(const char *path, const json_t *uuids, struct moon_err *err)
{
    return add_each(path, "free", uuids, err);
}

static void drop_held(json_t *held, const char *uuid)
{
    for (size_t i = json_array_size(held); i > 0; i--) {
        const char *u = json_string_value(json_object_get(json_array_get(held, i - 1), "uuid"));
        if (u && strcmp(u, uuid) == 0)
            json_array_remove(held, i - 1);
    }
}

enum { NO_MEMORY = -2, NOT_TOLD = -3 };

/* A journal that was read in part must not pass for the whole: the guest that it lacks stays
 * suspended. */
static int kept(int rc)
{
    return rc < 0 ? NO_MEMORY : 0;
}

static int take_process(json_t *j, const char *key, const char *alive, const char *args)
{
    long long pid = 0;
    unsigned long long start = 0;
    if (sscanf(args, "%lld %llu", &pid, &start) != 2 || pid <= 0)
        return -1;
    uint64_t now = 0;
    struct moon_err err;
    int found = moon_proc_start_time((pid_t)pid, &now, &err);
    if (found < 0 && err.code != MOON_NOT_FOUND)
        return NOT_TOLD; /* taken for dead, its guests would be resumed in the middle of its run */
    bool lives = found == 0 && now == start;
    int rc = json_object_set_new(
        j, key, json_pack("{s:I, s:I}", "pid", (json_int_t)pid, "start", (json_int_t)start));
    return kept(rc | json_object_set_new(j, alive, json_boolean(lives)));
}

static int take_run(json_t *j, const char *args)
{
    char profile[256], config[256], action[64];
    if (sscanf(args, "%255s %255s %63s", profile, config, action) != 3)
        return -1;
    int rc = json_object_set_new(j, "profile", json_string_nocheck(profile));
    rc |= json_object_set_new(j, "config", json_string_nocheck(config));
    return kept(rc | json_object_set_new(j, "action", json_string_nocheck(action)));
}

static int take_hold(json_t *held, const char *args, bool freeze)
{
    const char *space = strchr(args, ' ');
    size_t len = space ? (size_t)(space - args) : strlen(args);
    if (len == 0 || len > 64)
        return -1;
    AUTO_FREE char *uuid = strndup(args, len);
    if (!uuid)
        return NO_MEMORY;
    drop_held(held, uuid);
    const char *name = space ? space + 1 : uuid;
    json_t *entry =
        json_pack("{s:s, s:o}", "uuid", uuid, "name", json_stringn_nocheck(name, strlen(name)));
    int rc = freeze ? json_object_set_new(entry, "freeze", json_true()) : 0;
    return kept(rc | json_array_append_new(held, entry));
}

/* 0 for a record that is understood; unknown ones are errors: a newer version wrote them. NO_MEMORY:
 * it cannot be kept. NOT_TOLD: of a process that cannot be looked at. */
static int take_record(json_t *j, const char *line)
{
    const char *args = strchr(line, ' ');
    size_t len = args ? (size_t)(args - line) : strlen(line);
    args = args ? args + 1 : "";
    json_t *held = json_object_get(j, "held");
#define IS(word) (len == sizeof word - 1 && memcmp(line, word, len) == 0)
    if (IS("run"))
        return take_run(j, args);
    if (IS("uri"))
        return kept(json_object_set_new(j, "uri", json_string_nocheck(args)));
    if (IS("engine"))
        return take_process(j, "engine", "engine_alive", args);
    if (IS("guard"))
        return take_process(j, "guard", "guard_alive", args);
    if (IS("deadline"))
        return kept(json_object_set_new(j, "deadline", json_real(strtod(args, NULL))));
    if (IS("hold") || IS("freeze"))
        return take_hold(held, args, IS("freeze"));
    if (IS("free")) {
        drop_held(held, args);
        return 0;
    }
    if (IS("detached") || IS("fired") || IS("gave_up") || IS("closed")) {
        char key[16] = {0};
        memcpy(key, line, len);
        return kept(json_object_set_new(j, key, json_true()));
    }
#undef IS
    return -1;
}

static void decref(json_t **j)
{
    json_decref(*j);
}

int moon_journal_read(const char *path, json_t **out, struct moon_err *err)
{
    AUTO_FREE char *data = NULL;
    size_t len = 0;
    if (moon_store_read(path, MAX_JOURNAL, &data, &len, err) < 0)
        return -1;
    __attribute__((cleanup(decref))) json_t *j =
        json_pack("{s:[], s:b, s:b, s:b, s:b, s:b, s:b}", "held", "detached", 0, "fired", 0,
                  "gave_up", 0, "closed", 0, "engine_alive", 0, "guard_alive", 0);
    if (!j)
        return no_memory(err);
    int number = 0;
    for (char *line = data, *end; (end = strchr(line, '\n')); line = end + 1) {
        *end = '\0';
        number++;
        bool head = number == 1 && strcmp(line, "moonsnap-journal 1") == 0;
        int rc = head ? 0 : number == 1 ? -1 : take_record(j, line);
        if (rc == NO_MEMORY)
            return no_memory(err);
        if (rc == NOT_TOLD)
            return moon_err_set(err, MOON_IO, MOON_SRC_ENGINE, 0, "journal",
                                "%s:%d: whether this process lives cannot be told now", path,
                                number);
        if (rc < 0)
            return moon_err_set(err, MOON_PROTOCOL, MOON_SRC_ENGINE, 0, "journal",
                                "%s:%d: not a record of a journal that this version knows", path,
                                number);
    }
    *out = MOON_STEAL(j);
    return 0;
}
