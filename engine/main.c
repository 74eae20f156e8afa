/* Arguments that need no engine, and nothing else. */
#include "app.h"
#include "guard/guard.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--guard-process") == 0)
        return moon_guard_main(argv[2]);
    if (argc == 2 && (strcmp(argv[1], "version") == 0 || strcmp(argv[1], "--version") == 0)) {
        puts("moonsnap " MOON_VERSION);
        return 0;
    }
    return moon_app_run(argc, argv);
}
