/* One run of moonsnap: loop, Lua state, the command line's work, teardown in one fixed order. */
#ifndef MOON_APP_H
#define MOON_APP_H

/* The process's exit status. */
int moon_app_run(int argc, char **argv);

#endif
