/* A table from a text to an object, for lookups that must not slow down with their number. */
#ifndef SIM_INDEX_H
#define SIM_INDEX_H

#include <stddef.h>

struct sim_slot {
    const char *key; /* NULL: free */
    void *value;
};

/* Zero-initialise it. */
struct sim_index {
    struct sim_slot *slots;
    size_t cap;  /* a power of two */
    size_t used; /* removed ones included */
    size_t live;
};

void *sim_index_find(const struct sim_index *index, const char *key);
/* The text stays the caller's and must live until sim_index_drop(). */
void sim_index_add(struct sim_index *index, const char *key, void *value);
void sim_index_drop(struct sim_index *index, const char *key);
void sim_index_free(struct sim_index *index);

#endif
