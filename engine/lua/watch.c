/* Scripts that compute without ever waiting: the loop cannot run then, no timer fires and no signal is
 * read. A timer on the CPU time of the loop's thread sets a hook in what runs, and the hook looks at the
 * signals and at the time. A hook that is there all the time would do the same and make every instruction
 * of every script dearer.
 *
 * CPU time and not the clock's: a process that was stopped, or whose host slept, has not computed. */
#include "moonlua.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TICK      0.1  /* s of CPU time between two looks */
#define LIMIT     30.0 /* s that a script may compute without a wait */
#define MORE      5.0  /* s until the next error, in one that caught the first */
#define STRIKES   3    /* errors that it may catch; then every instruction raises one */
#define HOPELESS  3.0  /* times the limit, and a second: it computes where no hook is called */
#define OWN_TIMER SIGPROF

static struct moonlua *watched; /* the engine whose thread the timer is on; NULL: nobody's */

/* What is raised names the line that runs, which is level 0 for a hook. */
static void stop(lua_State *L, lua_Debug *ar, enum moon_code code, const char *what)
{
    struct moon_err err;
    lua_getinfo(L, "Sl", ar);
    moon_err_set(&err, code, MOON_SRC_ENGINE, 0, "task", "%s:%d: %s",
                 *ar->source == '@' ? ar->source + 1 : ar->short_src, ar->currentline, what);
    moonlua_pusherr(L, &err);
    lua_error(L);
}

static void look(lua_State *L, lua_Debug *ar)
{
    struct moonlua_watch *w = &moonlua_get(L)->watch;
    sigset_t pending;
    if (w->strikes < STRIKES)
        lua_sethook(L, NULL, 0, 0);
    if (sigpending(&pending) == 0 &&
        (sigismember(&pending, SIGINT) || sigismember(&pending, SIGTERM)))
        stop(L, ar, MOON_CANCELLED, "interrupted: the script held the loop when the signal came");
    double limit = w->strikes > 0 && w->limit > MORE ? MORE : w->limit;
    if (w->limit <= 0 || (w->ticks * TICK < limit && w->strikes < STRIKES))
        return;
    w->strikes++;
    w->ticks = 0;
    char what[160];
    snprintf(what, sizeof what,
             "the script computed for %g s without a wait and kept everything else from going on; "
             "let long computing call std.task.sleep(0) now and then",
             w->limit);
    stop(L, ar, MOON_TIMEOUT, what);
}

/* In a finalizer or in one call of a C function (a pattern, say) there is nobody to raise an error. */
static void give_up(void)
{
    static const char text[] = "moonsnap: error: the script computes where it cannot be stopped; "
                               "the process ends here, and its guard resumes the guests\n";
    ssize_t n = write(STDERR_FILENO, text, sizeof text - 1);
    (void)n;
    _exit(1);
}

static void on_tick(int sig)
{
    (void)sig;
    struct moonlua_watch *w = watched ? &watched->watch : NULL;
    lua_State *L = w ? w->current : NULL;
    if (!L)
        return;
    int saved = errno;
    w->ticks++;
    if (w->limit > 0 && w->ticks * TICK > HOPELESS * w->limit + 1)
        give_up();
    lua_sethook(L, look, LUA_MASKCOUNT, 1); /* may be called in a signal's handler */
    errno = saved;
}

void moonlua_watch_start(struct moonlua *m)
{
    struct sigaction action = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = OWN_TIMER};
    event._sigev_un._tid = gettid();
    struct itimerspec every = {.it_interval = {.tv_nsec = (long)(TICK * 1e9)},
                               .it_value = {.tv_nsec = (long)(TICK * 1e9)}};
    m->watch.limit = LIMIT;
    if (watched)
        return;
    sigemptyset(&action.sa_mask);
    /* Where there is no such timer scripts run unwatched, as they would under any other interpreter. */
    if (sigaction(OWN_TIMER, &action, NULL) < 0 ||
        timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &m->watch.timer) < 0)
        return;
    watched = m;
    timer_settime(m->watch.timer, 0, &every, NULL);
}

void moonlua_watch_stop(struct moonlua *m)
{
    if (watched != m)
        return;
    watched = NULL;
    timer_delete(m->watch.timer);
}

int moonlua_watch_resume(struct moonlua *m, lua_State *co, lua_State *from, int nargs,
                         int *nresults)
{
    lua_State *before = m->watch.current;
    if (!before)
        m->watch.ticks = m->watch.strikes = 0;
    m->watch.current = co;
    int rc = lua_resume(co, from, nargs, nresults);
    m->watch.current = before;
    return rc;
}
