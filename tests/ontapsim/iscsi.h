/* The iSCSI service of an SVM: there when one of its LIFs carries iSCSI. */
#ifndef SIM_ISCSI_H
#define SIM_ISCSI_H

#include "model.h"

enum { SIM_ISCSI_PORT = 3260 };

bool sim_iscsi_served(const struct sim_svm *svm);
/* Its target name: ONTAP's form, from the SVM's uuid. In the arena. */
const char *sim_iscsi_target(struct sim_arena *a, const struct sim_svm *svm);

#endif
