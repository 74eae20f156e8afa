/* A directory of one test program, and paths in it. */
#ifndef TESTS_TEMPDIR_H
#define TESTS_TEMPDIR_H

#include <stdio.h>

static char dir[64];

/* Valid until the fourth call after this one of the same thread. */
static const char *at(const char *name)
{
    static _Thread_local char paths[4][256];
    static _Thread_local int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    return path;
}

#endif
