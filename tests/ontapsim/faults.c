/* Fault rules: which call, which occurrence, what goes wrong. */
#include "faults.h"
#include "model.h"

#include <fnmatch.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* HOLD_MS: how long a call is held whose rule nobody removes and which does not say it. */
enum { RULES = 256, HOLD_MS = 60000 };

struct rule {
    uint64_t id; /* 0: free */
    json_t *source;
    char match[160];
    char svm[256];
    bool reused;    /* only on a connection that has served a request before */
    uint64_t nth;   /* 0: every one */
    uint64_t count; /* 0: for ever */
    uint64_t seen;
    uint64_t hits;
    struct sim_fault fault;
};

static const char *const actions[] = {
    [SIM_FAULT_NONE] = "",
    [SIM_FAULT_ERROR] = "error",
    [SIM_FAULT_BUSY] = "busy",
    [SIM_FAULT_NOSPACE] = "nospace",
    [SIM_FAULT_SUSPENDED] = "suspended",
    [SIM_FAULT_AUTH] = "auth",
    [SIM_FAULT_HTTP] = "http",
    [SIM_FAULT_REDIRECT] = "redirect",
    [SIM_FAULT_DROP] = "drop",
    [SIM_FAULT_RESET] = "reset",
    [SIM_FAULT_GARBAGE] = "garbage",
    [SIM_FAULT_LOGIN] = "login",
    [SIM_FAULT_JOB_FAIL] = "job_fail",
    [SIM_FAULT_JOB_LIES] = "job_lies",
    [SIM_FAULT_JOB_LOST] = "job_lost",
    [SIM_FAULT_TRUNCATE] = "truncate",
    [SIM_FAULT_CONTROL] = "control",
    [SIM_FAULT_MUTATE] = "mutate",
    [SIM_FAULT_DELAY] = "delay",
    [SIM_FAULT_HOLD] = "hold",
    [SIM_FAULT_LOSE] = "lose",
    [SIM_FAULT_REPEAT] = "repeat",
    [SIM_FAULT_SLOW] = "slow",
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct rule rules[RULES]; /* oldest first */
static size_t rule_count;
static uint64_t next_id = 1;
static _Thread_local unsigned ordinal; /* of the request on its connection */

void sim_fault_connection(unsigned n)
{
    ordinal = n;
}

static bool applies(const struct rule *r, const char *call, const char *svm,
                    const char *const *volumes, size_t count)
{
    bool hit = !r->fault.volume[0];
    if (fnmatch(r->match, call, FNM_NOESCAPE) != 0 || (r->reused && ordinal < 2))
        return false;
    if (r->fault.action == SIM_FAULT_SUSPENDED && strchr(call, ' '))
        return false; /* REST goes on */
    if (r->svm[0] && strcmp(r->svm, svm) != 0)
        return false;
    for (size_t i = 0; i < count; i++)
        hit = hit || !strcmp(r->fault.volume, volumes[i]);
    return hit;
}

bool sim_fault_match(const char *call, const char *svm, const char *const *volumes, size_t count,
                     struct sim_fault *out)
{
    bool fired = false;
    pthread_mutex_lock(&mutex);
    for (size_t i = 0; i < rule_count; i++) {
        struct rule *r = &rules[i];
        if (!applies(r, call, svm, volumes, count))
            continue;
        r->seen++;
        if (fired || (r->nth && r->seen != r->nth) || (r->count && r->hits >= r->count))
            continue;
        r->hits++;
        *out = r->fault;
        out->rule = r->id;
        out->hit = r->hits;
        fired = true;
    }
    pthread_mutex_unlock(&mutex);
    return fired;
}

static bool take_text(json_t *v, char *out, size_t size)
{
    if (!json_is_string(v) || strlen(json_string_value(v)) >= size)
        return false;
    snprintf(out, size, "%s", json_string_value(v));
    return true;
}

static bool take_number(json_t *v, uint64_t min, uint64_t max, uint64_t *out)
{
    json_int_t n = json_integer_value(v);
    if (!json_is_integer(v) || n < 0 || (uint64_t)n < min || (uint64_t)n > max)
        return false;
    *out = (uint64_t)n;
    return true;
}

static bool take_action(json_t *v, struct sim_fault *f)
{
    const char *text = json_string_value(v);
    for (size_t i = 1; text && i < sizeof(actions) / sizeof(actions[0]); i++) {
        if (!strcmp(actions[i], text))
            f->action = (enum sim_action)i;
    }
    return f->action != SIM_FAULT_NONE;
}

static bool take_flag(json_t *v, bool *out)
{
    *out = json_is_true(v);
    return json_is_boolean(v);
}

static bool take_int(json_t *v, uint64_t min, uint64_t max, int *out)
{
    uint64_t n = 0;
    bool ok = take_number(v, min, max, &n);
    *out = (int)n;
    return ok;
}

static bool take_unsigned(json_t *v, uint64_t min, uint64_t max, unsigned *out)
{
    uint64_t n = 0;
    bool ok = take_number(v, min, max, &n);
    *out = (unsigned)n;
    return ok;
}

/* Whom the rule is for. */
static bool take_condition(struct rule *r, const char *key, json_t *v, bool *known)
{
    *known = true;
    if (!strcmp(key, "match"))
        return take_text(v, r->match, sizeof(r->match)) && r->match[0];
    if (!strcmp(key, "svm"))
        return take_text(v, r->svm, sizeof(r->svm));
    if (!strcmp(key, "volume"))
        return take_text(v, r->fault.volume, sizeof(r->fault.volume));
    if (!strcmp(key, "nth"))
        return take_number(v, 1, INT64_MAX, &r->nth);
    if (!strcmp(key, "count"))
        return take_number(v, 1, INT64_MAX, &r->count);
    if (!strcmp(key, "reused"))
        return take_flag(v, &r->reused);
    *known = false;
    return false;
}

/* What goes wrong. */
static bool take_effect(struct sim_fault *f, const char *key, json_t *v)
{
    if (!strcmp(key, "action"))
        return take_action(v, f);
    if (!strcmp(key, "reason"))
        return take_text(v, f->reason, sizeof(f->reason));
    if (!strcmp(key, "location"))
        return take_text(v, f->location, sizeof(f->location));
    if (!strcmp(key, "after"))
        return take_flag(v, &f->after);
    if (!strcmp(key, "errno"))
        return take_int(v, 1, 999999, &f->num);
    if (!strcmp(key, "code"))
        return take_int(v, 1, INT32_MAX, &f->code);
    if (!strcmp(key, "status"))
        return take_unsigned(v, 300, 599, &f->status);
    if (!strcmp(key, "retry_after"))
        return take_unsigned(v, 0, 3600, &f->retry_after);
    if (!strcmp(key, "ms"))
        return take_unsigned(v, 0, 600000, &f->ms);
    return !strcmp(key, "seed") && take_number(v, 0, INT64_MAX, &f->seed);
}

static bool take_key(struct rule *r, const char *key, json_t *v)
{
    bool known;
    bool ok = take_condition(r, key, v, &known);
    return known ? ok : take_effect(&r->fault, key, v);
}

static int check(const struct rule *r, struct sim_err *err)
{
    const struct sim_fault *f = &r->fault;
    if (!r->match[0] || f->action == SIM_FAULT_NONE)
        return sim_fail(err, 1, "\"match\" and \"action\" are needed");
    if (f->action == SIM_FAULT_HTTP && !f->status)
        return sim_fail(err, 1, "action \"http\" needs \"status\"");
    if (f->action == SIM_FAULT_REDIRECT && !f->location[0])
        return sim_fail(err, 1, "action \"redirect\" needs \"location\"");
    return 0;
}

uint64_t sim_fault_add(const char *json, size_t len, struct sim_err *err)
{
    struct rule r = {.match = ""};
    json_error_t jerr;
    const char *key;
    json_t *v;
    json_t *doc = json_loadb(json, len, JSON_REJECT_DUPLICATES, &jerr);
    if (!json_is_object(doc))
        sim_fail(err, 1, "a rule is a JSON object%s%s", doc ? "" : ": ", doc ? "" : jerr.text);
    json_object_foreach (doc, key, v) {
        if (!err->num && !take_key(&r, key, v))
            sim_fail(err, 1, "key \"%.40s\" is unknown or has a bad value", key);
    }
    if (!err->num)
        check(&r, err);
    pthread_mutex_lock(&mutex);
    if (!err->num && rule_count == RULES)
        sim_fail(err, 1, "no room for more than %d rules", RULES);
    if (!err->num) {
        r.id = next_id++;
        if (r.fault.action == SIM_FAULT_HOLD && !r.fault.ms)
            r.fault.ms = HOLD_MS;
        r.source = json_incref(doc);
        rules[rule_count++] = r;
    }
    pthread_mutex_unlock(&mutex);
    json_decref(doc);
    return err->num ? 0 : r.id;
}

/* The mutex is held. */
static struct rule *find(uint64_t id)
{
    for (size_t i = 0; i < rule_count; i++) {
        if (rules[i].id == id)
            return &rules[i];
    }
    return NULL;
}

bool sim_fault_exists(uint64_t id)
{
    pthread_mutex_lock(&mutex);
    bool found = find(id) != NULL;
    pthread_mutex_unlock(&mutex);
    return found;
}

/* Calls that a rule holds look whether it is still there. */
static void release(void)
{
    sim_lock();
    sim_wake();
    sim_unlock();
}

bool sim_fault_delete(uint64_t id)
{
    pthread_mutex_lock(&mutex);
    struct rule *r = find(id);
    bool found = r != NULL;
    if (r) {
        json_decref(r->source);
        rule_count--;
        memmove(r, r + 1, (size_t)(&rules[rule_count] - r) * sizeof(rules[0]));
    }
    pthread_mutex_unlock(&mutex);
    release();
    return found;
}

void sim_fault_clear(void)
{
    pthread_mutex_lock(&mutex);
    while (rule_count)
        json_decref(rules[--rule_count].source);
    pthread_mutex_unlock(&mutex);
    release();
}

char *sim_fault_json(void)
{
    json_t *list = json_array();
    pthread_mutex_lock(&mutex);
    for (size_t i = 0; i < rule_count; i++) {
        json_t *item = json_deep_copy(rules[i].source);
        json_object_set_new(item, "id", json_integer((json_int_t)rules[i].id));
        json_object_set_new(item, "seen", json_integer((json_int_t)rules[i].seen));
        json_object_set_new(item, "hits", json_integer((json_int_t)rules[i].hits));
        json_array_append_new(list, item);
    }
    pthread_mutex_unlock(&mutex);
    json_t *doc = json_pack("{s:o}", "faults", list);
    char *out = doc ? json_dumps(doc, JSON_COMPACT) : NULL;
    json_decref(doc);
    return out;
}
