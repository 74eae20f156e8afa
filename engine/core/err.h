/* The error value of the C core: explicit, fixed size, so that it can be copied between threads. */
#ifndef MOON_ERR_H
#define MOON_ERR_H

/* The one closed list of codes; err.c holds their names, and std.err must agree (tests/lua). */
enum moon_code {
    MOON_OK = 0,
    MOON_NOT_FOUND,
    MOON_EXISTS,
    MOON_DENIED,
    MOON_BUSY,
    MOON_TIMEOUT,
    MOON_CANCELLED,
    MOON_UNSUPPORTED,
    MOON_INVALID,
    MOON_PROTOCOL,
    MOON_IO,
    MOON_UNREACHABLE,
    MOON_CONFLICT,
    MOON_NO_SPACE,
    MOON_PARTIAL,
    MOON_INTERNAL,
    MOON_CODE_COUNT
};

enum moon_source {
    MOON_SRC_ENGINE = 0,
    MOON_SRC_LIBVIRT,
    MOON_SRC_ONTAP,
    MOON_SRC_MULTIPATH,
    MOON_SRC_HTTP,
    MOON_SRC_OS,
    MOON_SOURCE_COUNT
};

struct moon_err {
    enum moon_code code;
    enum moon_source source;
    int native;         /* errno, virErrorNumber, ONTAP errno, HTTP status; 0 when there is none */
    char op[48];        /* what was being done, e.g. "snapshot-create" */
    char message[1024]; /* one line, object first, lower case, no full stop */
};

/* "not_found" for MOON_NOT_FOUND, and so on; never NULL. */
const char *moon_code_name(enum moon_code code);
const char *moon_source_name(enum moon_source source);

/* Fill *err. err may be NULL. Always returns -1, so that `return moon_err_set(...)` reads well. */
int moon_err_set(struct moon_err *err, enum moon_code code, enum moon_source source, int native,
                 const char *op, const char *fmt, ...) __attribute__((format(printf, 6, 7)));

/* The same from an errno value: code by meaning, the system's text appended to the message. */
int moon_err_errno(struct moon_err *err, int errnum, const char *op, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#endif
