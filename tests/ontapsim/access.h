/* Who asks, on which LIF, for which SVM, and whether the account's role allows it. Both front ends
 * go through here, so that a login, a scope and a role mean the same over ZAPI and REST. */
#ifndef SIM_ACCESS_H
#define SIM_ACCESS_H

#include "model.h"

struct sim_http;

enum sim_access {
    SIM_ACCESS_NONE,
    SIM_ACCESS_READONLY,
    SIM_ACCESS_READ_CREATE,
    SIM_ACCESS_READ_MODIFY,
    SIM_ACCESS_READ_CREATE_MODIFY,
    SIM_ACCESS_ALL,
};

struct sim_right {
    char *what; /* a CLI command or command directory, or the path of an API */
    enum sim_access access;
};

struct sim_role {
    char *name;
    struct sim_right *commands;
    size_t command_count;
    struct sim_right *apis;
    size_t api_count;
};

/* Whom the request's password or client certificate proves, or NULL: HTTP 401. An SVM's LIF knows
 * the accounts of that SVM only. */
const struct sim_user *sim_login(const struct sim_http *h);

/* The SVM that a request acts on (NULL: the cluster): the LIF's or the account's own, or the one
 * that a cluster administrator names (vfiler, X-Dot-SVM-Name, X-Dot-SVM-UUID; NULL: none named).
 * 0, or -1 with 15698. */
int sim_scope(const struct sim_http *h, const struct sim_user *user, const char *name,
              const char *uuid, struct sim_svm **svm, struct sim_err *err);
/* How a call that only the cluster has fails for an SVM: 13003 or 13005, as configured. -1. */
int sim_scope_refuse(const char *call, struct sim_err *err);

/* A ZAPI call is allowed when the role allows the CLI command that it stands for. */
bool sim_may_call(const struct sim_user *user, const char *call);
/* path: "/api/...", with real uuids in it. A role with APIs is asked for the path; one with
 * commands only for the command of the same meaning. */
bool sim_may_rest(const struct sim_user *user, const char *method, const char *path);

const struct sim_role *sim_role_find(const char *name);

/* access_map.c: the CLI command behind a call, or NULL; *reads: it changes nothing. */
const char *sim_command_of_call(const char *call, bool *reads);
/* Owned. */
char *sim_command_of_rest(const char *method, const char *path, bool *reads);

#endif
