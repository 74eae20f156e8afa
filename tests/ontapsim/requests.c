/* The request log behind /sim/requests. */
#include "requests.h"

#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { LOG_SIZE = 10000, CALLS = 512 };

struct entry {
    uint64_t n;
    double at; /* s since the epoch, when it was answered */
    const char *call;
    const char *status;
    int num;
    bool changing;
    char svm[64];
    char user[64];
    char object[320];
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct entry entries[LOG_SIZE];
static uint64_t total, changing;
static struct {
    const char *name;
    uint64_t count;
} calls[CALLS];

void sim_requests_add(const struct sim_request *r)
{
    const char *call = r->call ? r->call : "(unknown)";
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    pthread_mutex_lock(&mutex);
    struct entry *e = &entries[total % LOG_SIZE];
    *e = (struct entry){.at = (double)now.tv_sec + (double)now.tv_nsec / 1e9,
                        .n = ++total,
                        .call = call,
                        .status = r->status,
                        .num = r->num,
                        .changing = r->changing};
    snprintf(e->svm, sizeof(e->svm), "%s", r->svm ? r->svm : "");
    snprintf(e->user, sizeof(e->user), "%s", r->user ? r->user : "");
    snprintf(e->object, sizeof(e->object), "%s", r->object ? r->object : "");
    changing += r->changing;
    size_t i = 0;
    while (i < CALLS - 1 && calls[i].name && strcmp(calls[i].name, call) != 0)
        i++;
    calls[i].name = call;
    calls[i].count++;
    pthread_mutex_unlock(&mutex);
}

void sim_requests_reset(void)
{
    pthread_mutex_lock(&mutex);
    total = changing = 0;
    memset(calls, 0, sizeof(calls));
    pthread_mutex_unlock(&mutex);
}

/* A text that was cut in the middle of a character is no JSON string. */
static json_t *text(const char *s)
{
    json_t *v = json_string(s);
    for (size_t n = strlen(s); !v && n > 0; n--)
        v = json_stringn(s, n - 1);
    return v;
}

char *sim_requests_json(size_t last)
{
    json_t *log = json_array();
    json_t *counts = json_object();
    pthread_mutex_lock(&mutex);
    uint64_t have = total < LOG_SIZE ? total : LOG_SIZE;
    if (last > have)
        last = (size_t)have;
    for (uint64_t n = total - last; n < total; n++) {
        const struct entry *e = &entries[n % LOG_SIZE];
        json_array_append_new(log, json_pack("{s:I, s:f, s:s, s:o, s:o, s:b, s:s, s:i, s:o}", "n",
                                             (json_int_t)e->n, "at", e->at, "call", e->call, "svm",
                                             text(e->svm), "user", text(e->user), "changing",
                                             (int)e->changing, "status", e->status, "errno", e->num,
                                             "object", text(e->object)));
    }
    for (size_t i = 0; i < CALLS && calls[i].name; i++)
        json_object_set_new(counts, calls[i].name, json_integer((json_int_t)calls[i].count));
    json_t *doc = json_pack("{s:I, s:I, s:o, s:o}", "total", (json_int_t)total, "changing",
                            (json_int_t)changing, "calls", counts, "log", log);
    pthread_mutex_unlock(&mutex);
    char *out = doc ? json_dumps(doc, JSON_COMPACT) : NULL;
    json_decref(doc);
    return out;
}
