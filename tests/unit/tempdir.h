/* A directory of one test program, and paths in it. */
#ifndef TESTS_TEMPDIR_H
#define TESTS_TEMPDIR_H

#include <stdio.h>

static char dir[64];

/* Valid until the fourth call after this one. */
static const char *at(const char *name)
{
    static char paths[4][256];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    return path;
}

#endif
