/* What clients asked for, for tests: totals, a count per call, the last 10000 requests. */
#ifndef SIM_REQUESTS_H
#define SIM_REQUESTS_H

#include "util.h"

struct sim_request {
    const char *call; /* a name from a table, or NULL: unknown */
    const char *svm;
    const char *user;
    const char *status; /* passed, failed, unauthorized, dropped */
    const char *object;
    int num;
    bool changing;
};

void sim_requests_add(const struct sim_request *r);
void sim_requests_reset(void);
/* JSON, owned. last: how many entries of the log. */
char *sim_requests_json(size_t last);

#endif
