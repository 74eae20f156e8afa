/* Run a program without a shell, with a time limit and bounded output. */
#ifndef MOON_PROC_H
#define MOON_PROC_H

#include "err.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define MOON_PROC_MAX_OUTPUT ((size_t)1 << 20) /* for max_output 0 */

struct moon_proc_args {
    const char *const *argv; /* NULL-terminated; argv[0] a path, or a name looked up in PATH */
    /* NULL-terminated "NAME=value", or NULL. The program gets PATH, HOME and LANG (this process's
     * own, or /usr/sbin:/usr/bin:/sbin:/bin, / and C.UTF-8) and these; nothing else. */
    const char *const *env;
    const char *cwd;   /* NULL: this process's own */
    const void *input; /* standard input, NULL for none (then it is /dev/null) */
    size_t input_len;
    double timeout;    /* seconds; 0 or less: no limit */
    size_t max_output; /* bytes of each stream that are kept; 0: MOON_PROC_MAX_OUTPUT */
    const int *stop;   /* a descriptor, readable when the program is to end early; NULL: none */
};

/* Blocks until the program has ended; any thread may call it. The program runs in a process group
 * of its own with default signals and no inherited descriptors but 0, 1 and 2. When time is up
 * the group gets SIGTERM, 2 s later SIGKILL; that is a result, not an error. `stop` does the same at
 * once, and is an error; a program that was not started yet never is. A process left behind that holds
 * the output open delays the result by at most half a second. A program that not even SIGKILL ends within 3 s, since
 * it waits for a disk, say, is left as it is: guests may stand still until the caller goes on.
 *
 * *out: {status = exit code, or signal = number; stdout, stderr = bytes (any, not always UTF-8);
 * truncated (output was dropped), timed_out, left = booleans; seconds = real}.
 * Errors: MOON_NOT_FOUND, MOON_DENIED naming the program or directory that cannot be used;
 * MOON_INVALID for an empty argv; MOON_CANCELLED after `stop`; MOON_IO, MOON_INTERNAL. */
int moon_proc_run(const struct moon_proc_args *args, json_t **out, struct moon_err *err);

/* When a process started, in clock ticks since boot (field 22 of /proc/PID/stat): with the pid it
 * names one process for good. Does not block. MOON_NOT_FOUND when there is no such process, or a
 * zombie: it does nothing any more, and its parent may never look after it. */
int moon_proc_start_time(pid_t pid, uint64_t *ticks, struct moon_err *err);

#endif
