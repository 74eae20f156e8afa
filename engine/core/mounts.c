#include "mounts.h"

#include "auto.h"
#include "store.h"

#include <errno.h>
#include <ifaddrs.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static const char OP[] = "mount";
static const size_t MAX_BYTES = (size_t)16 << 20;

struct mount {
    int id;
    int parent;
    unsigned major;
    unsigned minor;
    char *root;
    char *mountpoint;
    char *options;
    char *fstype;
    char *source;
    char *super_options;
};

static bool is_octal(const char *s)
{
    return s[0] >= '0' && s[0] <= '3' && s[1] >= '0' && s[1] <= '7' && s[2] >= '0' && s[2] <= '7';
}

/* In place: the kernel writes space, tab, line feed and backslash as \040 and the like. */
static void unescape(char *s)
{
    char *to = s;
    while (*s) {
        if (*s == '\\' && is_octal(s + 1)) {
            *to++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
            s += 4;
        } else {
            *to++ = *s++;
        }
    }
    *to = '\0';
}

/* The next field of a line and the line moved behind it; NULL when it has ended. */
static char *field(char **line)
{
    char *s = *line;
    if (!s)
        return NULL;
    char *space = strchr(s, ' ');
    if (space)
        *space = '\0';
    *line = space ? space + 1 : NULL;
    return s;
}

static bool number(const char *s, char end, unsigned long max, unsigned long *out,
                   const char **rest)
{
    char *stop = NULL;
    if (!s || *s < '0' || *s > '9')
        return false;
    errno = 0;
    *out = strtoul(s, &stop, 10);
    if (errno || *stop != end || *out > max)
        return false;
    if (rest)
        *rest = stop + (end != '\0');
    return true;
}

/* 36 35 98:0 /root /mountpoint options [optional ...] - fstype source super_options */
static int parse_line(char *line, struct mount *m)
{
    unsigned long id = 0;
    unsigned long parent = 0;
    unsigned long major = 0;
    unsigned long minor = 0;
    const char *rest = NULL;
    if (!number(field(&line), '\0', INT32_MAX, &id, NULL) ||
        !number(field(&line), '\0', INT32_MAX, &parent, NULL) ||
        !number(field(&line), ':', UINT32_MAX, &major, &rest) ||
        !number(rest, '\0', UINT32_MAX, &minor, NULL))
        return -1;
    m->id = (int)id;
    m->parent = (int)parent;
    m->major = (unsigned)major;
    m->minor = (unsigned)minor;
    m->root = field(&line);
    m->mountpoint = field(&line);
    m->options = field(&line);
    const char *optional = NULL;
    do {
        optional = field(&line);
    } while (optional && strcmp(optional, "-") != 0);
    m->fstype = field(&line);
    m->source = field(&line);
    m->super_options = field(&line);
    if (!m->super_options || line || m->mountpoint[0] != '/' || !*m->root || !*m->fstype)
        return -1;
    unescape(m->root);
    unescape(m->mountpoint);
    unescape(m->options);
    unescape(m->fstype);
    unescape(m->source);
    unescape(m->super_options);
    return 0;
}

struct table {
    char *text; /* what the mounts' strings point into */
    struct mount *at;
    size_t count;
};

static void free_table(struct table *t)
{
    free(t->at);
    free(t->text);
}

static int read_table(const char *path, struct table *t, struct moon_err *err)
{
    path = path ? path : "/proc/self/mountinfo";
    size_t len = 0;
    if (moon_store_read(path, MAX_BYTES, &t->text, &len, err) < 0)
        return -1;
    size_t lines = 1;
    for (size_t i = 0; i < len; i++)
        lines += t->text[i] == '\n';
    t->at = calloc(lines, sizeof *t->at);
    if (!t->at)
        return moon_err_errno(err, ENOMEM, OP, "file '%s'", path);
    size_t n = 0;
    for (char *line = t->text; line < t->text + len;) {
        n++;
        char *end = memchr(line, '\n', (size_t)(t->text + len - line));
        char *next = end ? end + 1 : t->text + len;
        if (end)
            *end = '\0';
        if (strlen(line) != (size_t)((end ? end : next) - line) ||
            parse_line(line, &t->at[t->count]) < 0)
            return moon_err_set(err, MOON_PROTOCOL, MOON_SRC_OS, 0, OP,
                                "file '%s': line %zu is not a mountinfo line", path, n);
        t->count++;
        line = next;
    }
    return 0;
}

static json_t *bytes(const char *s, size_t len)
{
    return json_stringn_nocheck(s, len);
}

static json_t *str(const char *s)
{
    return bytes(s, strlen(s));
}

/* The value of addr= in an option list, NULL when there is none. */
static json_t *address(const char *options)
{
    for (const char *s = options; s; s = strchr(s, ',')) {
        s += *s == ',';
        if (strncmp(s, "addr=", 5) == 0)
            return bytes(s + 5, strcspn(s + 5, ","));
    }
    return NULL;
}

/* "server:/export" or "[fe80::1]:/export"; a source of another form leaves the fields out. */
static int add_nfs(json_t *json, const struct mount *m)
{
    const char *server = m->source;
    const char *colon = strstr(server, ":/");
    if (server[0] == '[') {
        const char *close = strchr(server, ']');
        colon = close && close[1] == ':' && close[2] == '/' ? close + 1 : NULL;
    }
    if (!colon || colon == server)
        return 0;
    size_t skip = server[0] == '[';
    const char *root = strcmp(m->root, "/") == 0 ? "" : m->root;
    const char *export = strcmp(colon + 1, "/") == 0 && *root ? "" : colon + 1;
    size_t export_len = strlen(export);
    while (*root && export_len && export[export_len - 1] == '/')
        export_len--;
    AUTO_FREE char *full = NULL;
    if (asprintf(&full, "%.*s%s", (int)export_len, export, root) < 0) {
        full = NULL;
        return -1;
    }
    json_t *addr = address(m->super_options);
    if (addr && json_object_set_new(json, "address", addr) < 0)
        return -1;
    size_t server_len = (size_t)(colon - server) - 2 * skip;
    return json_object_set_new(json, "server", bytes(server + skip, server_len)) < 0 ||
                   json_object_set_new(json, "export", str(full)) < 0
               ? -1
               : 0;
}

static json_t *record(const struct mount *m)
{
    bool nfs = strcmp(m->fstype, "nfs") == 0 || strcmp(m->fstype, "nfs4") == 0;
    json_t *json = json_pack(
        "{s:i, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b}", "id", m->id, "parent", m->parent,
        "device", json_sprintf("%u:%u", m->major, m->minor), "mountpoint", str(m->mountpoint),
        "fstype", str(m->fstype), "source", str(m->source), "root", str(m->root), "options",
        str(m->options), "super_options", str(m->super_options), "nfs", nfs);
    if (json && nfs && add_nfs(json, m) < 0) {
        json_decref(json);
        return NULL;
    }
    return json;
}

int moon_mount_list(const char *mountinfo, json_t **out, struct moon_err *err)
{
    __attribute__((cleanup(free_table))) struct table t = {0};
    if (read_table(mountinfo, &t, err) < 0)
        return -1;
    json_t *list = json_array();
    for (size_t i = 0; list && i < t.count; i++) {
        if (json_array_append_new(list, record(&t.at[i])) < 0) {
            json_decref(list);
            list = NULL;
        }
    }
    if (!list)
        return moon_err_errno(err, ENOMEM, OP, "mounts");
    *out = list;
    return 0;
}

/* What of path lies below dir, without a leading slash; NULL when path is not in it. */
static const char *below(const char *path, const char *dir)
{
    size_t len = strlen(dir);
    while (len && dir[len - 1] == '/')
        len--;
    if (strncmp(path, dir, len) != 0 || (path[len] != '/' && path[len] != '\0'))
        return NULL;
    path += len;
    return path + strspn(path, "/");
}

static const struct mount *best(const struct table *t, const char *path, const struct stat *st)
{
    const struct mount *found = NULL;
    for (size_t i = 0; i < t->count; i++) {
        const struct mount *m = &t->at[i];
        if (st && (m->major != major(st->st_dev) || m->minor != minor(st->st_dev)))
            continue;
        if (below(path, m->mountpoint) &&
            (!found || strlen(m->mountpoint) >= strlen(found->mountpoint)))
            found = m;
    }
    return found;
}

int moon_mount_find(const char *mountinfo, const char *path, json_t **out, struct moon_err *err)
{
    struct stat st;
    AUTO_FREE char *real = realpath(path, NULL);
    if (!real || stat(real, &st) < 0)
        return moon_err_errno(err, errno, OP, "file '%s'", path);
    __attribute__((cleanup(free_table))) struct table t = {0};
    if (read_table(mountinfo, &t, err) < 0)
        return -1;
    /* Device numbers tell hidden mounts apart; btrfs subvolumes have none in mountinfo. */
    const struct mount *m = mountinfo ? NULL : best(&t, real, &st);
    m = m ? m : best(&t, real, NULL);
    if (!m)
        return moon_err_set(err, MOON_NOT_FOUND, MOON_SRC_OS, 0, OP,
                            "file '%s': lies on no mount of '%s'", path,
                            mountinfo ? mountinfo : "/proc/self/mountinfo");
    json_t *json = record(m);
    if (!json || json_object_set_new(json, "path", str(real)) < 0 ||
        json_object_set_new(json, "relative", str(below(real, m->mountpoint))) < 0) {
        json_decref(json);
        return moon_err_errno(err, ENOMEM, OP, "file '%s'", path);
    }
    *out = json;
    return 0;
}

static void auto_addrinfo(struct addrinfo **list)
{
    if (*list)
        freeaddrinfo(*list);
}

static bool contains(const json_t *list, const char *text)
{
    size_t i = 0;
    const json_t *item = NULL;
    json_array_foreach (list, i, item) {
        if (strcmp(json_string_value(item), text) == 0)
            return true;
    }
    return false;
}

int moon_mount_addresses(const char *host, json_t **out, struct moon_err *err)
{
    static const char op[] = "resolve";
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    __attribute__((cleanup(auto_addrinfo))) struct addrinfo *found = NULL;
    int rc = *host ? getaddrinfo(host, NULL, &hints, &found) : EAI_NONAME;
    if (rc == EAI_SYSTEM)
        return moon_err_errno(err, errno, op, "host '%s'", host);
    if (rc != 0)
        return moon_err_set(err,
                            rc == EAI_AGAIN    ? MOON_UNREACHABLE
                            : rc == EAI_MEMORY ? MOON_INTERNAL
                                               : MOON_NOT_FOUND,
                            MOON_SRC_OS, rc, op, "host '%s': %s", host, gai_strerror(rc));
    json_t *list = json_array();
    for (const struct addrinfo *a = found; list && a; a = a->ai_next) {
        char text[NI_MAXHOST];
        if (getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST) != 0)
            continue;
        if (!contains(list, text) && json_array_append_new(list, json_string(text)) < 0) {
            json_decref(list);
            list = NULL;
        }
    }
    if (!list)
        return moon_err_errno(err, ENOMEM, op, "host '%s'", host);
    *out = list;
    return 0;
}

/* Equal, or one is the other without its domain. */
static bool same_host(const char *a, const char *b)
{
    size_t n = strcspn(a, "."), m = strcspn(b, ".");
    if (a[n] == '\0' || b[m] == '\0')
        return n == m && n > 0 && strncasecmp(a, b, n) == 0;
    return strcasecmp(a, b) == 0;
}

static void auto_ifaddrs(struct ifaddrs **list)
{
    if (*list)
        freeifaddrs(*list);
}

/* An address of an interface, or one of the loopback net, which Debian gives to the host name. */
static bool is_own_address(const char *address, const struct ifaddrs *own)
{
    if (strncmp(address, "127.", 4) == 0)
        return true;
    for (const struct ifaddrs *i = own; i; i = i->ifa_next) {
        char text[NI_MAXHOST];
        if (!i->ifa_addr ||
            (i->ifa_addr->sa_family != AF_INET && i->ifa_addr->sa_family != AF_INET6))
            continue;
        socklen_t len = i->ifa_addr->sa_family == AF_INET ? sizeof(struct sockaddr_in)
                                                          : sizeof(struct sockaddr_in6);
        if (getnameinfo(i->ifa_addr, len, text, sizeof text, NULL, 0, NI_NUMERICHOST) != 0)
            continue;
        /* A link-local address has its interface behind a '%', which a config does not name. */
        size_t n = strcspn(text, "%");
        if (strlen(address) == n && strncmp(address, text, n) == 0)
            return true;
    }
    return false;
}

int moon_mount_is_local(const char *host, json_t **out, struct moon_err *err)
{
    static const char op[] = "resolve";
    char own[256] = "", plain[256];
    gethostname(own, sizeof own - 1);
    size_t len = strlen(host);
    bool bracketed = len > 1 && host[0] == '[' && host[len - 1] == ']';
    if (snprintf(plain, sizeof plain, "%.*s", (int)(len - (bracketed ? 2 : 0)), host + bracketed) >=
        (int)sizeof plain)
        return moon_err_set(err, MOON_INVALID, MOON_SRC_ENGINE, 0, op, "host '%.64s...': too long",
                            host);
    bool local = same_host(plain, own) || same_host(plain, "localhost");
    AUTO_JSON json_t *addresses = NULL;
    if (!local && moon_mount_addresses(plain, &addresses, NULL) == 0) {
        __attribute__((cleanup(auto_ifaddrs))) struct ifaddrs *list = NULL;
        if (getifaddrs(&list) < 0)
            return moon_err_errno(err, errno, op, "host '%s': addresses of this host", host);
        size_t i;
        json_t *address;
        json_array_foreach (addresses, i, address)
            local = local || is_own_address(json_string_value(address), list);
    }
    *out = json_boolean(local);
    return 0;
}
