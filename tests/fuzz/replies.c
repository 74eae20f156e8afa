#include "replies.h"

#include "../contract/adversary.h"

#include <ctype.h>

#define MAX_STEPS 64

/* What the adversary's arguments are chosen by: here the input says it, so that one input is one case. */
static uint64_t chosen;

uint64_t adv_random(void)
{
    return chosen = chosen * 6364136223846793005U + 1442695040888963407U;
}

bool adv_chance(unsigned percent)
{
    return (adv_random() >> 33) % 100 < percent;
}

bool adv_wrong(unsigned percent)
{
    return adv_chance(percent);
}

static void request_free(struct moon_ontap_request *r)
{
    free(r->url);
    free(r->line);
    moon_buf_free(&r->body);
}

/* The next reply of the input, NULL at its end; *text moves on behind it. */
static const char *next_reply(char **text, size_t *len)
{
    char *from = *text;
    if (!from)
        return NULL;
    char *end = strstr(from, "\n----\n");
    *len = end ? (size_t)(end - from) : strlen(from);
    *text = end ? end + 6 : NULL;
    return from;
}

static int answer(struct moon_ontap_call *call, char **text)
{
    struct moon_http_reply reply = {.status = 200};
    size_t len = 0;
    const char *body = next_reply(text, &len);
    if (!body) {
        struct moon_err why;
        moon_err_set(&why, MOON_TIMEOUT, MOON_SRC_HTTP, 28, "http", "no answer");
        call->op.err = why;
        return call->ops->lost ? call->ops->lost(call, &why, &call->op.err) : -1;
    }
    if (len >= 4 && isdigit((unsigned char)body[0]) && isdigit((unsigned char)body[1]) &&
        isdigit((unsigned char)body[2]) && body[3] == ' ') {
        reply.status = strtol(body, NULL, 10);
        body += 4;
        len -= 4;
    }
    snprintf(reply.content_type, sizeof reply.content_type, "%s",
             call->ops == &moon_ontap_zapi ? "text/xml" : "application/json");
    fuzz_check(moon_buf_add(&reply.body, body, len) == 0, "no memory for a reply");
    int rc = call->ops->reply(call, &reply, &call->op.err);
    moon_buf_free(&reply.body);
    return rc;
}

static int step(struct moon_ontap_call *call, char **text)
{
    MOON_AUTO(request_free) struct moon_ontap_request r = {.method = "POST"};
    if (call->ops->request(call, &r, &call->op.err) < 0)
        return -1;
    fuzz_check(r.url != NULL, "a request without an address");
    call->changes = r.changes;
    return answer(call, text);
}

void fuzz_replies(bool rest, const uint8_t *data, size_t size)
{
    static const int releases[] = {0, 90500, 90901, 91001, 91101, 91401, 91901};
    struct moon_err err = {0};
    unsigned verb = fuzz_byte(&data, &size), args_of = fuzz_byte(&data, &size),
             release = fuzz_byte(&data, &size);
    if (size && *data == '\n')
        fuzz_byte(&data, &size);
    AUTO_FREE char *text = fuzz_text(data, size);
    AUTO_JSON json_t *options =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "host", "192.0.2.10", "name", "filer", "user",
                  "u", "password", "p", "api", rest ? "rest" : "zapi", "svm", "svm_kvm");
    struct moon_ontap *o = moon_ontap_new(options, &err);
    fuzz_check(o != NULL, "no client");
    o->version = releases[release % (sizeof releases / sizeof *releases)];
    chosen = args_of;
    verb = (verb + 256U - '0') % MOON_ONTAP_CALL;
    AUTO_JSON json_t *args = adv_arguments((enum moon_ontap_verb)verb);
    struct moon_op *op = moon_ontap_call_new(o, (enum moon_ontap_verb)verb, args, &err);
    struct moon_ontap_call *call = (struct moon_ontap_call *)op;
    char *rest_of = text;
    int rc = op ? 1 : -1;
    if (op)
        call->ops = o->ops;
    for (int steps = 0; rc > 0 && steps < MAX_STEPS; steps++)
        rc = step(call, &rest_of);
    if (rc <= 0)
        fuzz_outcome(rc, op ? &call->op.err : &err);
    moon_op_unref(op);
    moon_ontap_unref(o);
}
