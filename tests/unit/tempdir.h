/* A directory of one test program, and paths in it. */
#ifndef TESTS_TEMPDIR_H
#define TESTS_TEMPDIR_H

#include <stdio.h>
#include <stdlib.h>

static char dir[64];

/* Makes it, with this name in its own; in dir stands where it really is. 0, or -1. */
static inline int make_dir(const char *name)
{
    char temp[sizeof dir];
    snprintf(temp, sizeof temp, "/tmp/moon-%s-XXXXXX", name);
    if (!mkdtemp(temp))
        return -1;
    char *real = realpath(temp, NULL);
    snprintf(dir, sizeof dir, "%s", real ? real : temp);
    free(real);
    return 0;
}

/* Valid until the fourth call after this one of the same thread. */
static inline const char *at(const char *name)
{
    static _Thread_local char paths[4][256];
    static _Thread_local int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    return path;
}

#endif
