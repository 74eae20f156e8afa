/* Another simulator on this machine as the source of a relationship: asked over its own control
 * interface, whose address it leaves in its root directory. */
#include "mirror_source.h"
#include "mirror.h"
#include "store.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

enum { TIMEOUT_SECONDS = 60, URL_LIMIT = 4096 };

const struct sim_peer *sim_peer_of(const char *svm)
{
    for (size_t i = 0; i < sim.peer_count; i++) {
        AUTO_FREE char *path = sim_printf("%s/%s", sim.peers[i].root, svm);
        struct stat st;
        if (!stat(path, &st) && S_ISDIR(st.st_mode))
            return &sim.peers[i];
    }
    return NULL;
}

static size_t collect(char *data, size_t size, size_t count, void *arg)
{
    struct sim_buf *b = arg;
    sim_buf_add(b, data, size * count);
    return size * count;
}

/* Owned. */
static char *url_of(const struct sim_peer *peer)
{
    AUTO_FREE char *file = sim_printf("%s/.ontapsim/url", peer->root);
    size_t len = 0;
    AUTO_FREE char *read =
        peer->url ? sim_dup(peer->url) : sim_store_read(AT_FDCWD, file, URL_LIMIT, &len);
    if (!read)
        return NULL;
    read[strcspn(read, "\r\n")] = '\0';
    return sim_printf("%s/sim/source", read);
}

static int post(const struct sim_peer *peer, const char *url, const char *body, struct sim_buf *out,
                struct sim_err *err)
{
    AUTO_FREE char *ca = sim_printf("%s/.ontapsim/cert.pem", peer->root);
    CURL *c = curl_easy_init();
    long status = 0;
    if (!c)
        return sim_fail(err, SIM_EINTERNAL, "No HTTP client.");
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_PROXY, "");
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_TIMEOUT, (long)TIMEOUT_SECONDS);
    curl_easy_setopt(c, CURLOPT_CAINFO, ca);
    curl_easy_setopt(c, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, collect);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, out);
    CURLcode rc = curl_easy_perform(c);
    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(c);
    if (rc)
        return sim_fail(err, SIM_EMIRROR, "Peer \"%s\" at %s: %s.", peer->name, url,
                        curl_easy_strerror(rc));
    if (status != 200 && status != 409)
        return sim_fail(err, SIM_EMIRROR, "Peer \"%s\" at %s: HTTP %ld.", peer->name, url, status);
    return 0;
}

json_t *sim_peer_ask(const struct sim_peer *peer, json_t *question, struct sim_err *err)
{
    AUTO_FREE char *url = url_of(peer);
    AUTO_BUF struct sim_buf out = {0};
    if (!url) {
        sim_fail(err, SIM_EMIRROR, "Peer \"%s\": nothing runs in %s.", peer->name, peer->root);
        return NULL;
    }
    char *body = json_dumps(question, JSON_COMPACT);
    int rc = body ? post(peer, url, body, &out, err) : -1;
    free(body);
    if (rc)
        return NULL;
    json_t *answer = json_loadb(out.data ? out.data : "", out.len, 0, NULL);
    json_t *num = json_object_get(answer, "errno");
    if (answer && !num)
        return answer;
    const char *reason = json_string_value(json_object_get(answer, "reason"));
    sim_fail(err, num ? (int)json_integer_value(num) : SIM_EMIRROR, "%s",
             reason ? reason : "The peer's answer cannot be read.");
    json_decref(answer);
    return NULL;
}
