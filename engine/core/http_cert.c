#include "http_cert.h"

#include "auto.h"
#include "http_priv.h"
#include "memory.h"

#include <curl/curl.h>
#include <string.h>
#include <strings.h>

#define DEFAULT_TIMEOUT 10.0

struct cert_op {
    struct moon_op op;
    json_t *args;
};

static const char *text(const struct cert_op *c, const char *key)
{
    return json_string_value(json_object_get(c->args, key));
}

static void easy_free(CURL **easy)
{
    if (*easy)
        curl_easy_cleanup(*easy);
}

/* "Expire date:Nov 24 12:00:00 2027 GMT" and the like, of the first certificate: the server's own. */
static void read_field(json_t *out, const char *line)
{
    static const struct {
        const char *label, *key;
        bool date;
    } fields[] = {
        {"Subject:", "subject", false},  {"Issuer:", "issuer", false},
        {"Start date:", "starts", true}, {"Expire date:", "expires", true},
        {"Cert:", "pem", false},         {"X509v3 Subject Alternative Name:", "names", false},
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        size_t n = strlen(fields[i].label);
        if (strncasecmp(line, fields[i].label, n) != 0)
            continue;
        const char *value = line + n;
        time_t when = fields[i].date ? curl_getdate(value, NULL) : -1;
        if (!fields[i].date)
            json_object_set_new(out, fields[i].key, json_stringn_nocheck(value, strlen(value)));
        else if (when != -1)
            json_object_set_new(out, fields[i].key, json_integer((json_int_t)when));
    }
}

/* One connection; the certificate's fields go into `out`. */
static CURLcode look(const struct cert_op *c, bool verify, json_t *out, char *error)
{
    moon_http_init();
    __attribute__((cleanup(easy_free))) CURL *e = curl_easy_init();
    const char *host = text(c, "host");
    AUTO_FREE char *url = NULL;
    bool bare6 = strchr(host, ':') && host[0] != '[';
    if (!e || asprintf(&url, "https://%s%s%s:%d/", bare6 ? "[" : "", host, bare6 ? "]" : "",
                       (int)json_integer_value(json_object_get(c->args, "port"))) < 0) {
        url = NULL;
        return CURLE_OUT_OF_MEMORY;
    }
    json_t *t = json_object_get(c->args, "timeout");
    double timeout = json_number_value(t) > 0 ? json_number_value(t) : DEFAULT_TIMEOUT;
    CURLcode rc = CURLE_OK;
    moon_http_text(e, CURLOPT_URL, url, &rc);
    moon_http_text(e, CURLOPT_PROTOCOLS_STR, "https", &rc);
    moon_http_text(e, CURLOPT_PROXY, "", &rc);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, error);
    curl_easy_setopt(e, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(e, CURLOPT_CERTINFO, 1L);
    curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, timeout > 3600 ? 3600000L : (long)(timeout * 1000) + 1);
    if (text(c, "ca_file"))
        moon_http_trust(e, text(c, "ca_file"), &rc);
    if (text(c, "pin") && verify)
        moon_http_text(e, CURLOPT_PINNEDPUBLICKEY, text(c, "pin"), &rc);
    if (!verify || text(c, "pin")) {
        curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (rc == CURLE_OK)
        rc = curl_easy_perform(e);
    struct curl_certinfo *info = NULL;
    if (rc == CURLE_OK && curl_easy_getinfo(e, CURLINFO_CERTINFO, &info) == CURLE_OK && info &&
        info->num_of_certs > 0)
        for (struct curl_slist *l = info->certinfo[0]; l; l = l->next)
            read_field(out, l->data);
    return rc;
}

static void run(struct moon_op *op)
{
    struct cert_op *c = (struct cert_op *)op;
    char error[CURL_ERROR_SIZE] = "", ignored[CURL_ERROR_SIZE] = "";
    op->result = json_object();
    CURLcode rc = look(c, true, op->result, error);
    if (rc == CURLE_OK) {
        const char *by = text(c, "pin") ? "pin" : text(c, "ca_file") ? "ca_file" : "system";
        json_object_set_new(op->result, "verified", json_string(by));
        return;
    }
    const char *why = error[0] ? error : curl_easy_strerror(rc);
    bool reached = rc != CURLE_COULDNT_RESOLVE_HOST && rc != CURLE_COULDNT_CONNECT &&
                   rc != CURLE_OPERATION_TIMEDOUT && rc != CURLE_OUT_OF_MEMORY;
    /* Once more without a check, to see what it is that is not trusted. */
    if (reached && look(c, false, op->result, ignored) == CURLE_OK) {
        json_object_set_new(op->result, "problem", json_stringn_nocheck(why, strlen(why)));
        return;
    }
    op->failed = true;
    moon_err_set(&op->err,
                 reached                          ? MOON_PROTOCOL
                 : rc == CURLE_OPERATION_TIMEDOUT ? MOON_TIMEOUT
                                                  : MOON_UNREACHABLE,
                 MOON_SRC_HTTP, (int)rc, "certificate", "%s: %s", text(c, "host"), why);
}

static void destroy(struct moon_op *op)
{
    json_decref(((struct cert_op *)op)->args);
}

struct moon_op *moon_http_certificate_op(const json_t *args, struct moon_err *err)
{
    static const struct moon_op_kind kind = {.name = "certificate", .run = run, .destroy = destroy};
    const char *host = json_string_value(json_object_get(args, "host"));
    json_int_t port = json_integer_value(json_object_get(args, "port"));
    if (!host || !*host || strpbrk(host, "/@?# \t\r\n") || port < 1 || port > 65535) {
        moon_err_set(err, MOON_INVALID, MOON_SRC_HTTP, 0, "certificate",
                     "'%s' port %d is not an address", host ? host : "", (int)port);
        return NULL;
    }
    struct cert_op *c = calloc(1, sizeof *c);
    json_t *copy = moon_memory_copy(args);
    if (!c || !copy) {
        free(c);
        json_decref(copy);
        moon_err_set(err, MOON_INTERNAL, MOON_SRC_ENGINE, 0, "certificate", "out of memory");
        return NULL;
    }
    moon_op_init(&c->op, &kind);
    c->args = copy;
    return &c->op;
}
