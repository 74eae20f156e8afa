/* The guests that calls of this process let stand still. Kept for as long as they do, however many calls come after:
 * of those l_trace.c has the last only. */
#include "moonlua.h"

#include <stdlib.h>
#include <string.h>

enum { SUSPENDED = 1, FROZEN = 2 };

static const struct way {
    const char *op;
    bool stops;
    unsigned what;
} ways[] = {
    {"domain.suspend", true, SUSPENDED},           {"domain.freeze", true, FROZEN},
    {"domain.resume", false, SUSPENDED},           {"domain.thaw", false, FROZEN},
    {"domain.destroy", false, SUSPENDED | FROZEN}, {NULL, false, 0},
};

/* A domain that a call is about, or one that stands still. */
struct moonlua_still {
    long call;
    bool stops;
    unsigned what;
    char *uri, *uuid, *name;
    struct moonlua_still *next;
};

static void free_one(struct moonlua_still *s)
{
    if (!s)
        return;
    free(s->uri);
    free(s->uuid);
    free(s->name);
    free(s);
}

static void free_list(struct moonlua_still *s)
{
    while (s) {
        struct moonlua_still *next = s->next;
        free_one(s);
        s = next;
    }
}

void moonlua_still_free(struct moonlua *m)
{
    free_list(m->stopping);
    free_list(m->still);
}

void moonlua_still_begins(struct moonlua *m, const char *op, const char *uri, const char *uuid,
                          const char *name)
{
    const struct way *w = ways;
    while (w->op && strcmp(w->op, op) != 0)
        w++;
    if (!w->op || m->call == 0)
        return;
    struct moonlua_still *s = calloc(1, sizeof *s);
    if (!s || !(s->uri = strdup(uri)) || !(s->uuid = strdup(uuid)) || !(s->name = strdup(name))) {
        free_one(s); /* a message will say less */
        return;
    }
    s->call = m->call;
    s->stops = w->stops;
    s->what = w->what;
    s->next = m->stopping;
    m->stopping = s;
}

static struct moonlua_still **find(struct moonlua *m, const struct moonlua_still *as)
{
    struct moonlua_still **at = &m->still;
    while (*at && (strcmp((*at)->uuid, as->uuid) != 0 || strcmp((*at)->uri, as->uri) != 0))
        at = &(*at)->next;
    return at;
}

void moonlua_still_ended(struct moonlua *m, long call, bool failed)
{
    struct moonlua_still **at = &m->stopping;
    while (*at && (*at)->call != call)
        at = &(*at)->next;
    struct moonlua_still *s = *at;
    if (!s)
        return;
    *at = s->next;
    s->next = NULL;
    struct moonlua_still **known = failed ? NULL : find(m, s);
    if (known && *known) {
        (*known)->what = s->stops ? (*known)->what | s->what : (*known)->what & ~s->what;
        struct moonlua_still *gone = *known;
        if (gone->what == 0) {
            *known = gone->next;
            free_one(gone);
        }
    } else if (known && s->stops) {
        *known = s;
        s = NULL;
    }
    free_one(s);
}

void moonlua_still_push(lua_State *L)
{
    lua_Integer n = 0;
    lua_newtable(L);
    for (const struct moonlua_still *s = moonlua_get(L)->still; s; s = s->next) {
        lua_createtable(L, 0, 5);
        lua_pushstring(L, s->name);
        lua_setfield(L, -2, "name");
        lua_pushstring(L, s->uuid);
        lua_setfield(L, -2, "uuid");
        lua_pushstring(L, s->uri);
        lua_setfield(L, -2, "uri");
        lua_pushboolean(L, s->what & SUSPENDED);
        lua_setfield(L, -2, "suspended");
        lua_pushboolean(L, s->what & FROZEN);
        lua_setfield(L, -2, "frozen");
        lua_rawseti(L, -2, ++n);
    }
}
