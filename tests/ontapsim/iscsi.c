/* The iSCSI service of an SVM. */
#include "iscsi.h"

bool sim_iscsi_served(const struct sim_svm *svm)
{
    for (size_t i = 0; i < svm->lif_count; i++) {
        if (svm->lifs[i].services & SIM_LIF_ISCSI)
            return true;
    }
    return false;
}

const char *sim_iscsi_target(struct sim_arena *a, const struct sim_svm *svm)
{
    char serial[33];
    size_t n = 0;
    for (const char *c = svm->uuid; *c && n < sizeof(serial) - 1; c++) {
        if (*c != '-')
            serial[n++] = *c;
    }
    serial[n] = '\0';
    return sim_arena_printf(a, "iqn.1992-08.com.netapp:sn.%s:vs.3", serial);
}
