/* /sim/...: what a test says to the simulator itself. No login is needed here. */
#include "faults.h"
#include "mirror_source.h"
#include "requests.h"
#include "server.h"
#include "state.h"

#include <jansson.h>
#include <string.h>

static void json_reply(struct sim_http *h, unsigned status, char *text)
{
    h->status = status;
    h->type = "application/json";
    h->out.len = 0;
    sim_buf_addf(&h->out, "%s\n", text ? text : "{}");
    free(text);
}

static void json_error(struct sim_http *h, unsigned status, const char *text)
{
    json_t *doc = json_pack("{s:s}", "error", text);
    json_reply(h, status, doc ? json_dumps(doc, JSON_COMPACT) : NULL);
    json_decref(doc);
}

static void serve_requests(struct sim_http *h)
{
    uint64_t last = 10000;
    if (!strcmp(h->method, "GET")) {
        if (h->last && !sim_number(h->last, 0, 10000, &last)) {
            json_error(h, 400, "last must be a number up to 10000");
            return;
        }
        json_reply(h, 200, sim_requests_json((size_t)last));
    } else if (!strcmp(h->method, "DELETE")) {
        sim_requests_reset();
        json_reply(h, 200, NULL);
    } else {
        json_error(h, 405, "GET or DELETE");
    }
}

static void serve_faults(struct sim_http *h, const char *rest)
{
    uint64_t id = 0;
    struct sim_err err = {0};
    if (*rest) {
        if (strcmp(h->method, "DELETE") != 0)
            json_error(h, 405, "DELETE");
        else if (*rest != '/' || !sim_number(rest + 1, 1, INT64_MAX, &id) || !sim_fault_delete(id))
            json_error(h, 404, "no such rule");
        else
            json_reply(h, 200, NULL);
    } else if (!strcmp(h->method, "GET")) {
        json_reply(h, 200, sim_fault_json());
    } else if (!strcmp(h->method, "DELETE")) {
        sim_fault_clear();
        json_reply(h, 200, NULL);
    } else if (!strcmp(h->method, "POST")) {
        id = sim_fault_add(h->body, h->body_len, &err);
        if (id)
            json_reply(h, 201, sim_printf("{\"id\":%llu}", (unsigned long long)id));
        else
            json_error(h, 400, err.reason);
    } else {
        json_error(h, 405, "GET, POST or DELETE");
    }
}

/* Locked. Owners and dependency as given; what is not given is removed. */
static void set_in_use(struct sim_snap *snap, json_t *doc)
{
    const char *dependency = json_string_value(json_object_get(doc, "dependency"));
    json_t *owners = json_object_get(doc, "owners");
    size_t i;
    json_t *owner;
    for (size_t k = 0; k < snap->owner_count; k++)
        free(snap->owners[k]);
    snap->owner_count = 0;
    snap->owners = sim_grow(snap->owners, json_array_size(owners), sizeof(*snap->owners));
    json_array_foreach (owners, i, owner) {
        if (json_is_string(owner))
            snap->owners[snap->owner_count++] = sim_dup(json_string_value(owner));
    }
    free(snap->dependency);
    snap->dependency = sim_dup(dependency);
}

/* PUT {"svm","volume","snapshot","owners":[...],"dependency":"snapmirror"}, or {...,"created":EPOCH SECONDS} */
static void serve_snapshot(struct sim_http *h)
{
    const char *svm = NULL, *volume = NULL, *name = NULL;
    json_t *doc = json_loadb(h->body, h->body_len, 0, NULL);
    bool found = false;
    if (strcmp(h->method, "PUT") != 0) {
        json_error(h, 405, "PUT");
    } else if (!doc || json_unpack(doc, "{s:s, s:s, s:s}", "svm", &svm, "volume", &volume,
                                   "snapshot", &name)) {
        json_error(h, 400, "an object with svm, volume and snapshot is needed");
    } else {
        sim_lock();
        struct sim_svm *s = sim_svm_find(svm);
        struct sim_volume *vol = s ? sim_volume_find(s, volume) : NULL;
        struct sim_snap *snap = vol ? sim_snap_find(vol, name) : NULL;
        if (snap) {
            found = true;
            if (json_is_integer(json_object_get(doc, "created")))
                snap->created = json_integer_value(json_object_get(doc, "created"));
            else
                set_in_use(snap, doc);
            sim_state_save_volume(vol);
        }
        sim_unlock();
        if (found)
            json_reply(h, 200, NULL);
        else
            json_error(h, 404, "no such snapshot");
    }
    json_decref(doc);
}

/* POST: what a destination in another simulator asks its source. */
static void serve_source(struct sim_http *h)
{
    struct sim_err err = {0};
    json_t *question = json_loadb(h->body, h->body_len, 0, NULL);
    json_t *answer = NULL;
    if (strcmp(h->method, "POST") != 0) {
        json_error(h, 405, "POST");
    } else if (!json_is_object(question)) {
        json_error(h, 400, "an object is needed");
    } else if ((answer = sim_source_answer(question, &err))) {
        json_reply(h, 200, json_dumps(answer, JSON_COMPACT));
    } else {
        json_t *doc = json_pack("{s:i, s:s}", "errno", err.num, "reason", err.reason);
        json_reply(h, 409, doc ? json_dumps(doc, JSON_COMPACT) : NULL);
        json_decref(doc);
    }
    json_decref(answer);
    json_decref(question);
}

/* PUT {"transfer_ms", ...}: each as in the configuration, also for what runs already. */
static void serve_pace(struct sim_http *h)
{
    const struct {
        const char *key;
        unsigned *value;
    } known[] = {{"restore_ms", &sim.restore_ms}, {"transfer_ms", &sim.transfer_ms},
                 {"job_ms", &sim.job_ms},         {"job_keep_ms", &sim.job_keep_ms},
                 {"async_ms", &sim.async_ms},     {"split_ms", &sim.split_ms}};
    json_t *doc = json_loadb(h->body, h->body_len, 0, NULL);
    size_t done = 0;
    if (strcmp(h->method, "PUT") != 0) {
        json_error(h, 405, "PUT");
        json_decref(doc);
        return;
    }
    sim_lock();
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        json_int_t ms = json_integer_value(json_object_get(doc, known[i].key));
        if (json_is_integer(json_object_get(doc, known[i].key)) && ms >= 0 && ms <= 600000) {
            *known[i].value = (unsigned)ms;
            done++;
        }
    }
    sim_wake();
    sim_unlock();
    if (done && done == json_object_size(doc))
        json_reply(h, 200, NULL);
    else
        json_error(
            h, 400,
            "restore_ms, transfer_ms, job_ms, job_keep_ms, async_ms and split_ms are numbers "
            "up to 600000");
    json_decref(doc);
}

void sim_control_serve(struct sim_http *h)
{
    const char *rest = h->path + strlen("/sim/");
    if (!strcmp(rest, "requests"))
        serve_requests(h);
    else if (!strncmp(rest, "faults", 6) && (!rest[6] || rest[6] == '/'))
        serve_faults(h, rest + 6);
    else if (!strcmp(rest, "snapshot"))
        serve_snapshot(h);
    else if (!strcmp(rest, "pace"))
        serve_pace(h);
    else if (!strcmp(rest, "source"))
        serve_source(h);
    else
        json_error(h, 404,
                   "there is /sim/requests, /sim/faults, /sim/snapshot, /sim/pace and /sim/source");
}
