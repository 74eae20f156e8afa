#include "err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const code_names[MOON_CODE_COUNT] = {
    [MOON_OK] = "ok",
    [MOON_NOT_FOUND] = "not_found",
    [MOON_EXISTS] = "exists",
    [MOON_DENIED] = "denied",
    [MOON_BUSY] = "busy",
    [MOON_TIMEOUT] = "timeout",
    [MOON_CANCELLED] = "cancelled",
    [MOON_UNSUPPORTED] = "unsupported",
    [MOON_INVALID] = "invalid",
    [MOON_PROTOCOL] = "protocol",
    [MOON_IO] = "io",
    [MOON_UNREACHABLE] = "unreachable",
    [MOON_CONFLICT] = "conflict",
    [MOON_NO_SPACE] = "no_space",
    [MOON_PARTIAL] = "partial",
    [MOON_INTERNAL] = "internal",
};

static const char *const source_names[MOON_SOURCE_COUNT] = {
    [MOON_SRC_ENGINE] = "engine",       [MOON_SRC_LIBVIRT] = "libvirt", [MOON_SRC_ONTAP] = "ontap",
    [MOON_SRC_MULTIPATH] = "multipath", [MOON_SRC_HTTP] = "http",       [MOON_SRC_OS] = "os",
};

const char *moon_code_name(enum moon_code code)
{
    return (unsigned)code < MOON_CODE_COUNT ? code_names[code] : "internal";
}

const char *moon_source_name(enum moon_source source)
{
    return (unsigned)source < MOON_SOURCE_COUNT ? source_names[source] : "engine";
}

/* Messages are single lines: libvirt's may hold line ends and a controller's anything at all. */
static void flatten(char *s)
{
    for (; *s; s++) {
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            *s = ' ';
    }
}

static void fill(struct moon_err *err, enum moon_code code, enum moon_source source, int native,
                 const char *op)
{
    err->code = code;
    err->source = source;
    err->native = native;
    snprintf(err->op, sizeof err->op, "%s", op ? op : "");
}

int moon_err_set(struct moon_err *err, enum moon_code code, enum moon_source source, int native,
                 const char *op, const char *fmt, ...)
{
    if (!err)
        return -1;
    /* The message is built aside, since an argument may be err->message itself. */
    char text[sizeof err->message];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    flatten(text);
    fill(err, code, source, native, op);
    memcpy(err->message, text, sizeof text);
    return -1;
}

static enum moon_code code_of_errno(int errnum)
{
    switch (errnum) {
    case ENOENT:
    case ENOTDIR:
        return MOON_NOT_FOUND;
    case EEXIST:
        return MOON_EXISTS;
    case EACCES:
    case EPERM:
    case EROFS:
        return MOON_DENIED;
    case EAGAIN:
    case EBUSY:
        return MOON_BUSY;
    case ETIMEDOUT:
        return MOON_TIMEOUT;
    case EINVAL:
    case ENAMETOOLONG:
    case ELOOP:
        return MOON_INVALID;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return MOON_NO_SPACE;
    case ECONNREFUSED:
    case EHOSTUNREACH:
    case ENETUNREACH:
        return MOON_UNREACHABLE;
    case ENOMEM:
        return MOON_INTERNAL;
    default:
        return MOON_IO;
    }
}

int moon_err_errno(struct moon_err *err, int errnum, const char *op, const char *fmt, ...)
{
    if (!err)
        return -1;
    char text[sizeof err->message];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    flatten(text);
    fill(err, code_of_errno(errnum), MOON_SRC_OS, errnum, op);
    snprintf(err->message, sizeof err->message, "%.*s: %s", (int)(sizeof text - 128), text,
             strerror(errnum));
    return -1;
}
