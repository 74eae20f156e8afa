/* Levelled logging with redaction. Thread safe.
 *
 * Lines have Snap Creator's form: `[Wed Mar  5 14:17:13 2014] INFO: text`. Every registered
 * secret is replaced by `********` wherever it stands. */
#ifndef MOON_LOG_H
#define MOON_LOG_H

#include "err.h"

#include <stdbool.h>

enum moon_level {
    MOON_LOG_ERROR,
    MOON_LOG_WARN,
    MOON_LOG_INFO,
    MOON_LOG_CMD,    /* an external command and its return code */
    MOON_LOG_OUTPUT, /* storage API calls */
    MOON_LOG_DEBUG,
    MOON_LOG_TRACE, /* storage API result objects */
    MOON_LOG_LEVELS
};

struct moon_log_options {
    const char *out;     /* file for CMD and above, verbose; NULL: none */
    const char *debug;   /* file for everything; NULL: none */
    const char *error;   /* file for errors, always appended; NULL: none */
    bool verbose;        /* lines up to CMD also on the console */
    bool console_debug;  /* all lines also on the console */
    bool console_stdout; /* the console is stdout instead of stderr */
    bool trace;          /* TRACE lines are written at all */
    bool quiet;          /* no warnings on stderr; errors always */
};

/* Opens the files (mode 0600). May be called again; the earlier files are closed. Until it is
 * called, errors and warnings go to stderr. */
int moon_log_open(const struct moon_log_options *options, struct moon_err *err);
void moon_log_close(void);

/* A string that must never appear; shorter than two bytes is ignored. 0; -1 when it could not be kept, out of
 * memory. */
int moon_log_secret(const char *secret);

/* The text with every secret replaced: owned. */
char *moon_log_redact(const char *text);

void moon_log(enum moon_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Whether a line of that level would go anywhere: for lines that are costly to make. */
bool moon_log_wants(enum moon_level level);
/* -1 for a name that is none. */
int moon_log_level(const char *name);

#endif
