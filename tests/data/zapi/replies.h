/* Canned ONTAPI replies for the server of server.h, and the lines of the data files beside this
 * one. */
#ifndef TEST_REPLIES_H
#define TEST_REPLIES_H

#include "server.h"

#include <jansson.h>
#include <stdio.h>

#define MAX_REPLIES 16

static struct moon_buf texts[MAX_REPLIES];
static struct answer replies[MAX_REPLIES];
static size_t nreplies;

static inline void reply_bytes(const char *status, const void *body, size_t len)
{
    assert_true(nreplies < MAX_REPLIES);
    struct moon_buf *b = &texts[nreplies];
    moon_buf_addf(b, "HTTP/1.1 %s\r\nContent-Type: text/xml\r\nContent-Length: %zu\r\n\r\n", status,
                  len);
    moon_buf_add(b, body, len);
    replies[nreplies++] = (struct answer){b->data, b->len, KEEP};
}

static inline void reply_text(const char *body)
{
    reply_bytes("200 OK", body, strlen(body));
}

#define XML_HEAD                                                                                   \
    "<?xml version='1.0' encoding='UTF-8' ?>\n<!DOCTYPE netapp SYSTEM "                            \
    "'file:/etc/netapp_gx.dtd'>\n<netapp version='1.191' "                                         \
    "xmlns='http://www.netapp.com/filer/admin'>\n"

/* The results element in its envelope. */
static inline void reply(const char *results)
{
    AUTO_BUF struct moon_buf b = {0};
    moon_buf_addf(&b, XML_HEAD "%s</netapp>\n", results);
    reply_text(b.data);
}

/* The next line of a data file without its end; false after the last one. */
static inline bool line_of(FILE *f, char *out, size_t size)
{
    if (!fgets(out, (int)size, f))
        return false;
    out[strcspn(out, "\n")] = '\0';
    return true;
}

static inline FILE *open_data(const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "tests/data/zapi/%s", name);
    FILE *f = fopen(path, "rb");
    if (!f)
        fail_msg("%s is missing", path);
    return f;
}

static inline void reply_file(const char *name)
{
    AUTO_FCLOSE FILE *f = open_data(name);
    AUTO_BUF struct moon_buf b = {0};
    char chunk[4096];
    size_t n;
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
        moon_buf_add(&b, chunk, n);
    reply_bytes("200 OK", b.data, b.len);
}

#define PASSED "<results status=\"passed\"/>"

/* --- what was asked, and data as text --- */

/* The text of JSON data, keys sorted. */
static inline void equals(const json_t *got, const char *want)
{
    AUTO_FREE char *text = json_dumps(got, JSON_SORT_KEYS | JSON_COMPACT | JSON_ENCODE_ANY);
    assert_string_equal(text ? text : "(none)", want);
}

#define ENVELOPE                                                                                   \
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<netapp xmlns=\"http://www.netapp.com/filer/"     \
    "admin\" version=\"1.21\""

static inline const char *body_of(int n)
{
    const char *end = strstr(request(n), "\r\n\r\n");
    assert_non_null(end);
    return end + 4;
}

static inline void sent(int n, const char *call)
{
    AUTO_BUF struct moon_buf b = {0};
    moon_buf_addf(&b, ENVELOPE ">%s</netapp>", call);
    assert_string_equal(body_of(n), b.data);
}

#define PAGE "<max-records>100</max-records>"

static inline json_t *parse(const char *text)
{
    json_t *j = json_loads(text, 0, NULL);
    if (!j)
        fail_msg("%s", text);
    return j;
}

#endif
