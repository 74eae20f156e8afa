/* floor URI CONNECTIONS ONTAPI-URL CA-FILE SNAPSHOT VOLUME,... GUEST ...
 *
 * The shortest pause that this host and this controller allow: every guest suspended, every volume's
 * snapshot, every guest resumed, each step by as many threads as libvirtd serves at once, over
 * connections that are open and used before. No guard, no journal, no check of anything; for the
 * benchmark only. */
#include <curl/curl.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PER_CONNECTION 5   /* requests of one client that libvirtd serves at once */
#define MAX            128 /* guests, volumes, connections, threads */

static char **guests;
static int guest_count, connections;
static virConnectPtr conn[MAX];
static virDomainPtr dom[MAX][MAX]; /* of each connection, of each guest */
static const char *snapshot;
static char *volume[MAX];
static CURL *easy[MAX];
static int volume_count;
static atomic_int next_guest, failures;
static int (*guest_step)(virDomainPtr dom);

static void *guests_thread(void *arg)
{
    size_t c = (size_t)arg;
    int i;
    while ((i = atomic_fetch_add(&next_guest, 1)) < guest_count) {
        if (guest_step(dom[c][i]) < 0)
            atomic_fetch_add(&failures, 1);
    }
    return NULL;
}

static size_t keep(char *data, size_t size, size_t n, void *arg)
{
    char *reply = arg;
    size_t have = strlen(reply), more = size * n;
    if (have + more < 4096) {
        memcpy(reply + have, data, more);
        reply[have + more] = '\0';
    }
    return size * n;
}

static void call(CURL *e, const char *body)
{
    char text[1024], reply[4096] = "";
    snprintf(text, sizeof text,
             "<?xml version='1.0' encoding='UTF-8'?><netapp version='1.150' "
             "xmlns='http://www.netapp.com/filer/admin'>%s</netapp>",
             body);
    curl_easy_setopt(e, CURLOPT_POSTFIELDS, text);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, keep);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, (void *)reply);
    if (curl_easy_perform(e) != CURLE_OK || !strstr(reply, "status=\"passed\"")) {
        fprintf(stderr, "floor: %s: %s\n", body, reply);
        atomic_fetch_add(&failures, 1);
    }
}

static const char *volume_verb; /* NULL: a call that only warms up */

static void *volume_thread(void *arg)
{
    size_t i = (size_t)arg;
    char body[512] = "<system-get-ontapi-version/>";
    if (volume_verb)
        snprintf(body, sizeof body, "<%s><volume>%s</volume><snapshot>%s</snapshot></%s>",
                 volume_verb, volume[i], snapshot, volume_verb);
    call(easy[i], body);
    return NULL;
}

static void in_threads(void *(*fn)(void *), int count, int modulo)
{
    pthread_t id[MAX];
    for (int i = 0; i < count; i++)
        pthread_create(&id[i], NULL, fn, (void *)(size_t)(i % modulo));
    for (int i = 0; i < count; i++)
        pthread_join(id[i], NULL);
}

static void each_guest(int (*step)(virDomainPtr))
{
    guest_step = step;
    atomic_store(&next_guest, 0);
    int threads = connections * PER_CONNECTION;
    in_threads(guests_thread, threads < guest_count ? threads : guest_count, connections);
}

static void each_volume(const char *verb)
{
    volume_verb = verb;
    in_threads(volume_thread, volume_count, volume_count);
}

static int open_all(char **argv)
{
    connections = atoi(argv[2]);
    if (connections < 1 || connections > MAX / PER_CONNECTION)
        return -1;
    for (int c = 0; c < connections; c++) {
        conn[c] = virConnectOpen(argv[1]);
        for (int i = 0; conn[c] && i < guest_count; i++)
            dom[c][i] = virDomainLookupByName(conn[c], guests[i]);
        if (!conn[c] || !dom[c][guest_count - 1]) {
            fprintf(stderr, "floor: %s\n", virGetLastErrorMessage());
            return -1;
        }
    }
    for (char *v = strtok(argv[6], ","); v; v = strtok(NULL, ",")) {
        CURL *e = easy[volume_count] = curl_easy_init();
        volume[volume_count++] = v;
        curl_easy_setopt(e, CURLOPT_URL, argv[3]);
        curl_easy_setopt(e, CURLOPT_CAINFO, argv[4]);
        curl_easy_setopt(e, CURLOPT_USERPWD, "vsadmin:secret");
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 8 || argc - 7 > MAX) {
        fprintf(stderr,
                "usage: floor URI CONNECTIONS ONTAPI-URL CA-FILE SNAPSHOT VOLUME,... GUEST ...\n");
        return 2;
    }
    snapshot = argv[5];
    guests = argv + 7;
    guest_count = argc - 7;
    curl_global_init(CURL_GLOBAL_DEFAULT);
    if (open_all(argv) < 0)
        return 1;
    each_volume(NULL);
    each_guest(virDomainSuspend);
    each_volume("snapshot-create");
    each_guest(virDomainResume);
    each_volume("snapshot-delete");
    return atomic_load(&failures) ? 1 : 0;
}
