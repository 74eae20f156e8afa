/* Reading the configuration, inside: values of a JSON object, each with its own complaint. */
#ifndef SIM_CONFIG_PRIV_H
#define SIM_CONFIG_PRIV_H

#include "model.h"

#include <jansson.h>

struct cfg {
    const char *file;
    int mistakes;
};

/* where: the object's place in the file, "" at the top. */
void cfg_mistake(struct cfg *c, const char *where, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The object's keys are all in the list (NULL at its end). */
bool cfg_keys(struct cfg *c, json_t *obj, const char *where, const char *const *known);
/* Texts are owned. */
char *cfg_text(struct cfg *c, json_t *obj, const char *where, const char *key, const char *fallback,
               bool needed);
uint64_t cfg_number(struct cfg *c, json_t *obj, const char *where, const char *key,
                    uint64_t fallback, uint64_t min, uint64_t max);
bool cfg_flag(struct cfg *c, json_t *obj, const char *where, const char *key, bool fallback);
/* Names become directories: letters, digits and a few marks only. */
bool cfg_name_ok(const char *name);
char *cfg_name(struct cfg *c, json_t *obj, const char *where);
/* One of the allowed values, the first is the default. */
char *cfg_choice(struct cfg *c, json_t *obj, const char *where, const char *key,
                 const char *const *allowed);
/* The array below a key, or NULL after a mistake; a missing one counts as empty. */
json_t *cfg_list(struct cfg *c, json_t *obj, const char *where, const char *key);

/* config_svm.c */
void cfg_read_svm(struct cfg *c, json_t *obj, size_t index);

/* config_access.c */
/* The address of "listen": "ADDRESS:PORT"; NULL after a mistake, or when missing without one. */
char *cfg_listen(struct cfg *c, json_t *obj, const char *where, const char *fallback,
                 uint16_t *port);
void cfg_read_lifs(struct cfg *c, json_t *obj, const char *where, struct sim_svm *svm);
void cfg_read_users(struct cfg *c, json_t *top);

#endif
