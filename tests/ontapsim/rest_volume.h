/* What the REST calls about volumes and their groups share. */
#ifndef SIM_REST_VOLUME_H
#define SIM_REST_VOLUME_H

#include "group.h"
#include "rest.h"

/* PATCH of a volume with "restore_to". files: this release knows "restore_to.path". */
int rest_restore(struct rest *r, struct sim_volume *vol, bool files);
/* PATCH and DELETE of the collection: the volumes that the query selects, owned. */
int rest_volumes_select(struct rest *r, struct sim_volume ***vols, size_t *count);
/* Locked. The group of the address; NULL with an error. */
struct sim_group *rest_group(struct rest *r);
/* An aggregate is a name only; this is its uuid. */
void rest_aggregate_uuid(char out[37], const char *name);

#endif
