/* Arguments that need no engine, and nothing else. */
#include "app.h"
#include "guard/guard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

/* The engine's memory holds passwords: no core dump of it, of its guard or of a site's command, whose
 * arguments may hold one, and no other process of the same user that reads it. The limit alone does not
 * do: a handler such as systemd-coredump gets a dump in spite of it. It is the soft one, so that a
 * command which wants a dump of itself can raise it. MOON_CORE=1: for who looks for an error. */
static void keep_memory(void)
{
    const char *core = getenv("MOON_CORE");
    struct rlimit limit;
    if (core && strcmp(core, "1") == 0)
        return;
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        perror("moonsnap: warning: core dumps stay allowed");
    if (getrlimit(RLIMIT_CORE, &limit) == 0) {
        limit.rlim_cur = 0;
        setrlimit(RLIMIT_CORE, &limit);
    }
}

int main(int argc, char **argv)
{
    keep_memory();
    if (argc == 3 && strcmp(argv[1], "--guard-process") == 0)
        return moon_guard_main(argv[2]);
    if (argc == 2 && (strcmp(argv[1], "version") == 0 || strcmp(argv[1], "--version") == 0)) {
        puts("moonsnap " MOON_VERSION);
        return 0;
    }
    return moon_app_run(argc, argv);
}
