/* Open addressing; removed entries leave a mark until the table grows. */
#include "index.h"
#include "util.h"

#include <string.h>

static const char removed[] = "";

static size_t hash(const char *key)
{
    uint64_t h = 14695981039346656037U;
    for (; *key; key++)
        h = (h ^ (unsigned char)*key) * 1099511628211U;
    return (size_t)(h ^ (h >> 32));
}

static struct sim_slot *find(const struct sim_index *index, const char *key)
{
    for (size_t i = hash(key); index->cap; i++) {
        struct sim_slot *s = &index->slots[i & (index->cap - 1)];
        if (!s->key)
            return NULL;
        if (s->key != removed && !strcmp(s->key, key))
            return s;
    }
    return NULL;
}

static void put(struct sim_index *index, const char *key, void *value)
{
    size_t i = hash(key);
    while (index->slots[i & (index->cap - 1)].key)
        i++;
    index->slots[i & (index->cap - 1)] = (struct sim_slot){key, value};
    index->used++;
    index->live++;
}

static void grow(struct sim_index *index)
{
    struct sim_index bigger = {.cap = 64};
    while (bigger.cap < index->live * 4)
        bigger.cap *= 2;
    bigger.slots = sim_alloc(bigger.cap, sizeof(*bigger.slots));
    for (size_t i = 0; i < index->cap; i++) {
        const struct sim_slot *s = &index->slots[i];
        if (s->key && s->key != removed)
            put(&bigger, s->key, s->value);
    }
    free(index->slots);
    *index = bigger;
}

void *sim_index_find(const struct sim_index *index, const char *key)
{
    const struct sim_slot *s = find(index, key);
    return s ? s->value : NULL;
}

void sim_index_add(struct sim_index *index, const char *key, void *value)
{
    sim_index_drop(index, key);
    if ((index->used + 1) * 2 > index->cap)
        grow(index);
    put(index, key, value);
}

void sim_index_drop(struct sim_index *index, const char *key)
{
    struct sim_slot *s = find(index, key);
    if (!s)
        return;
    *s = (struct sim_slot){removed, NULL};
    index->live--;
}

void sim_index_free(struct sim_index *index)
{
    free(index->slots);
    *index = (struct sim_index){0};
}
