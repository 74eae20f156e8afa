#include "edit.h"

#include "../lazy.h"
#include "auto.h"
#include "op.h"

#include <errno.h>
#include <histedit.h>
#include <locale.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <wchar.h>

#define KEPT    500 /* lines of history */
#define LISTED  80  /* completions that are shown */
#define COLUMNS 4   /* of them in a line */

struct moon_edit {
    atomic_int refs;
    int wake_fd;
    EditLine *el;
    History *history;
    char *path;
    pthread_mutex_t lock; /* one reads: the one before may not have noticed its stop yet */
    const char *prompt;
    const json_t *words;
    const atomic_bool *stop; /* of the one that reads */
};

static struct moon_edit *of(EditLine *el)
{
    struct moon_edit *e = NULL;
    el_get(el, EL_CLIENTDATA, &e);
    return e;
}

static char *prompt_of(EditLine *el)
{
    return (char *)(uintptr_t)of(el)->prompt; /* libedit does not write there */
}

/* One character from the terminal, or the end of the waiting. */
static int next_char(EditLine *el, wchar_t *c)
{
    struct moon_edit *e = of(el);
    mbstate_t state = {0};
    for (;;) {
        struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                               {.fd = e->wake_fd, .events = POLLIN}};
        if (poll(fds, 2, -1) < 0 && errno == EINTR)
            continue;
        if (fds[1].revents) {
            eventfd_t woken;
            eventfd_read(e->wake_fd, &woken);
            if (atomic_load(e->stop))
                return -1;
            continue; /* meant for one before */
        }
        char byte;
        ssize_t n = read(STDIN_FILENO, &byte, 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return (int)n;
        size_t used = mbrtowc(c, &byte, 1, &state);
        if (used == (size_t)-1) /* no character: it is left out */
            memset(&state, 0, sizeof state);
        else if (used != (size_t)-2)
            return 1;
    }
}

/* The common beginning of the words that begin like this; count: how many they are. */
static size_t common(const json_t *words, const char *begin, size_t len, const char **first,
                     size_t *count)
{
    size_t i, same = 0;
    *count = 0;
    for (i = 0; i < json_array_size(words); i++) {
        const char *word = json_string_value(json_array_get(words, i));
        if (!word || strncmp(word, begin, len) != 0)
            continue;
        if ((*count)++ == 0) {
            *first = word;
            same = strlen(word);
        } else {
            size_t k = len;
            while (k < same && word[k] == (*first)[k])
                k++;
            same = k;
        }
    }
    return same;
}

static void list(const json_t *words, const char *begin, size_t len)
{
    size_t i, shown = 0;
    for (i = 0; i < json_array_size(words) && shown < LISTED; i++) {
        const char *word = json_string_value(json_array_get(words, i));
        if (word && strncmp(word, begin, len) == 0)
            printf("%s%-26s", shown++ % COLUMNS == 0 ? "\n" : " ", word);
    }
    printf(shown == LISTED ? "\n...\n" : "\n");
    fflush(stdout);
}

static unsigned char complete(EditLine *el, int key)
{
    (void)key;
    static const char name[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:";
    const LineInfo *line = el_line(el);
    const struct moon_edit *e = of(el);
    const char *begin = line->cursor, *first = NULL;
    while (begin > line->buffer && strchr(name, begin[-1]))
        begin--;
    size_t len = (size_t)(line->cursor - begin), count;
    size_t same = common(e->words, begin, len, &first, &count);
    if (count == 0)
        return CC_ERROR;
    if (same > len) {
        AUTO_FREE char *rest = strndup(first + len, same - len);
        return rest && el_insertstr(el, rest) == 0 ? CC_REFRESH : CC_ERROR;
    }
    if (count == 1)
        return CC_NORM;
    list(e->words, begin, len);
    return CC_REDISPLAY;
}

static void destroy(struct moon_edit *e)
{
    if (e->history)
        history_end(e->history);
    if (e->el)
        el_end(e->el);
    if (e->wake_fd >= 0)
        close(e->wake_fd);
    pthread_mutex_destroy(&e->lock);
    free(e->path);
    free(e);
}

int moon_edit_new(const char *history_path, struct moon_edit **out, struct moon_err *err)
{
    if (moon_lazy_load("libedit", err) < 0)
        return -1;
    struct moon_edit *e = calloc(1, sizeof *e);
    if (!e)
        return moon_err_set(err, MOON_INTERNAL, MOON_SRC_ENGINE, 0, "edit", "out of memory");
    atomic_init(&e->refs, 1);
    pthread_mutex_init(&e->lock, NULL);
    setlocale(LC_CTYPE, "C.UTF-8"); /* what a character is */
    e->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    e->el = el_init("moonsnap", stdin, stdout, stderr);
    e->history = history_init();
    e->path = history_path ? strdup(history_path) : NULL;
    if (e->wake_fd < 0 || !e->el || !e->history || (history_path && !e->path)) {
        destroy(e);
        return moon_err_set(err, MOON_IO, MOON_SRC_OS, 0, "edit", "the terminal cannot be used");
    }
    HistEvent event;
    history(e->history, &event, H_SETSIZE, KEPT);
    history(e->history, &event, H_SETUNIQUE, 1);
    if (e->path)
        history(e->history, &event, H_LOAD, e->path);
    el_set(e->el, EL_CLIENTDATA, e);
    el_set(e->el, EL_EDITOR, "emacs");
    el_set(e->el, EL_SIGNAL, 0);
    el_set(e->el, EL_PROMPT, prompt_of);
    el_set(e->el, EL_GETCFN, next_char);
    el_set(e->el, EL_HIST, history, e->history);
    el_set(e->el, EL_ADDFN, "moon-complete", "complete a name", complete);
    el_set(e->el, EL_BIND, "^I", "moon-complete", NULL);
    el_source(e->el, NULL); /* what the user wants to be otherwise */
    *out = e;
    return 0;
}

struct moon_edit *moon_edit_ref(struct moon_edit *e)
{
    atomic_fetch_add(&e->refs, 1);
    return e;
}

void moon_edit_unref(struct moon_edit *e)
{
    if (e && atomic_fetch_sub(&e->refs, 1) == 1)
        destroy(e);
}

/* Without what follows a blank at its begin, and without its end. */
static void keep(struct moon_edit *e, const char *line)
{
    HistEvent event;
    if (*line == ' ' || *line == '\n' || *line == '\0')
        return;
    history(e->history, &event, H_ENTER, line);
    if (e->path)
        history(e->history, &event, H_SAVE, e->path); /* a line less in the history stops nobody */
}

static const char *gets_line(struct moon_edit *e, int *n)
{
    el_resize(e->el);
    /* libedit does this once the prompt is out: a ctrl-d that answers the prompt at once would be no end, but a zero byte. */
    el_set(e->el, EL_PREP_TERM, 1);
    return el_gets(e->el, n);
}

int moon_edit_read(struct moon_edit *e, const char *prompt, const json_t *words,
                   const atomic_bool *stop, json_t **out, struct moon_err *err)
{
    int n = 0, rc = 0;
    pthread_mutex_lock(&e->lock);
    e->prompt = prompt;
    e->words = words;
    e->stop = stop;
    const char *line = atomic_load(stop) ? NULL : gets_line(e, &n);
    if (!line && atomic_load(stop)) {
        rc = moon_err_set(err, MOON_CANCELLED, MOON_SRC_ENGINE, 0, "edit", "cancelled");
    } else if (!line || n <= 0) {
        rc = moon_op_give(out, json_null(), "edit", err);
    } else {
        keep(e, line);
        rc = moon_op_give(out, json_stringn_nocheck(line, strcspn(line, "\n")), "edit", err);
    }
    pthread_mutex_unlock(&e->lock);
    return rc;
}

void moon_edit_stop(struct moon_edit *e, atomic_bool *stop)
{
    atomic_store(stop, true);
    eventfd_write(e->wake_fd, 1);
}
