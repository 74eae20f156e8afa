/* Which CLI command stands behind a call: what a traditional role is asked for. */
#include "access.h"

#include <fnmatch.h>
#include <string.h>

/* By name. A command that only shows something is allowed by readonly access. */
static const struct {
    const char *call;
    const char *command;
} calls[] = {
    {"aggr-get-iter", "storage aggregate show"},
    {"cg-commit", "volume snapshot create"},
    {"cg-delete", "volume snapshot delete"},
    {"cg-start", "volume snapshot create"},
    {"clone-create", "volume file clone create"},
    {"cluster-identity-get", "cluster identity show"},
    {"cluster-node-get-iter", "cluster show"},
    {"ems-autosupport-log", "event generate-autosupport-log"},
    {"export-policy-create", "vserver export-policy create"},
    {"export-policy-destroy", "vserver export-policy delete"},
    {"export-rule-create", "vserver export-policy rule create"},
    {"fcp-interface-get-iter", "network interface show"},
    {"file-delete-file", "volume file delete"},
    {"file-get-file-info", "volume file show"},
    {"file-list-directory-iter", "volume file show"},
    {"file-rename-file", "volume file rename"},
    {"file-usage-get", "volume file show"},
    {"igroup-add", "lun igroup add"},
    {"igroup-create", "lun igroup create"},
    {"igroup-destroy", "lun igroup delete"},
    {"igroup-get-iter", "lun igroup show"},
    {"igroup-list-info", "lun igroup show"},
    {"igroup-remove", "lun igroup remove"},
    {"igroup-rename", "lun igroup rename"},
    {"iscsi-interface-get-iter", "network interface show"},
    {"iscsi-service-get-iter", "vserver iscsi show"},
    {"job-get", "job show"},
    {"job-get-iter", "job show"},
    {"lun-clone-create", "volume file clone create"},
    {"lun-create-by-size", "lun create"},
    {"lun-create-from-file", "lun create"},
    {"lun-destroy", "lun delete"},
    {"lun-get-comment", "lun show"},
    {"lun-get-geometry", "lun show"},
    {"lun-get-iter", "lun show"},
    {"lun-get-serial-number", "lun serial"},
    {"lun-has-scsi-reservations", "lun persistent-reservation show"},
    {"lun-initiator-list-map-info", "lun mapping show"},
    {"lun-map", "lun mapping create"},
    {"lun-map-get-iter", "lun mapping show"},
    {"lun-map-list-info", "lun mapping show"},
    {"lun-move", "lun move"},
    {"lun-offline", "lun offline"},
    {"lun-online", "lun online"},
    {"lun-resize", "lun resize"},
    {"lun-restore-status", "lun show"},
    {"lun-set-comment", "lun modify"},
    {"lun-set-serial-number", "lun serial"},
    {"lun-set-space-reservation-info", "lun modify"},
    {"lun-unmap", "lun mapping delete"},
    {"net-interface-get-iter", "network interface show"},
    {"qtree-create", "volume qtree create"},
    {"qtree-delete", "volume qtree delete"},
    {"qtree-list-iter", "volume qtree show"},
    {"qtree-rename", "volume qtree rename"},
    {"sis-get-iter", "volume efficiency show"},
    {"snapmirror-abort", "snapmirror abort"},
    {"snapmirror-break", "snapmirror break"},
    {"snapmirror-create", "snapmirror create"},
    {"snapmirror-destroy", "snapmirror delete"},
    {"snapmirror-destroy-iter", "snapmirror delete"},
    {"snapmirror-get", "snapmirror show"},
    {"snapmirror-get-destination-iter", "snapmirror list-destinations"},
    {"snapmirror-get-iter", "snapmirror show"},
    {"snapmirror-history-get-iter", "snapmirror show-history"},
    {"snapmirror-initialize", "snapmirror initialize"},
    {"snapmirror-modify", "snapmirror modify"},
    {"snapmirror-policy-add-rule", "snapmirror policy add-rule"},
    {"snapmirror-policy-create", "snapmirror policy create"},
    {"snapmirror-policy-delete", "snapmirror policy delete"},
    {"snapmirror-policy-get-iter", "snapmirror policy show"},
    {"snapmirror-policy-remove-rule", "snapmirror policy remove-rule"},
    {"snapmirror-quiesce", "snapmirror quiesce"},
    {"snapmirror-release", "snapmirror release"},
    {"snapmirror-release-iter", "snapmirror release"},
    {"snapmirror-restore", "snapmirror restore"},
    {"snapmirror-resume", "snapmirror resume"},
    {"snapmirror-resync", "snapmirror resync"},
    {"snapmirror-snapshot-owner-create", "snapmirror snapshot-owner create"},
    {"snapmirror-snapshot-owner-destroy", "snapmirror snapshot-owner delete"},
    {"snapmirror-snapshot-owner-get", "snapmirror snapshot-owner show"},
    {"snapmirror-update", "snapmirror update"},
    {"snapshot-create", "volume snapshot create"},
    {"snapshot-delete", "volume snapshot delete"},
    {"snapshot-get-iter", "volume snapshot show"},
    {"snapshot-list-info", "volume snapshot show"},
    {"snapshot-modify-iter", "volume snapshot modify"},
    {"snapshot-multicreate", "volume snapshot create"},
    {"snapshot-rename", "volume snapshot rename"},
    {"snapshot-restore-file", "volume snapshot restore-file"},
    {"snapshot-restore-file-info", "volume snapshot show"},
    {"snapshot-restore-volume", "volume snapshot restore"},
    {"system-get-ontapi-version", "version"},
    {"system-get-version", "version"},
    {"system-node-get-iter", "system node show"},
    {"volume-clone-create", "volume clone create"},
    {"volume-clone-get", "volume clone show"},
    {"volume-clone-get-iter", "volume clone show"},
    {"volume-clone-split-start", "volume clone split start"},
    {"volume-clone-split-status", "volume clone split show"},
    {"volume-clone-split-stop", "volume clone split stop"},
    {"volume-create", "volume create"},
    {"volume-destroy", "volume delete"},
    {"volume-get-iter", "volume show"},
    {"volume-get-root-name", "volume show"},
    {"volume-get-volume-path", "volume show"},
    {"volume-modify-iter", "volume modify"},
    {"volume-mount", "volume mount"},
    {"volume-offline", "volume offline"},
    {"volume-online", "volume online"},
    {"volume-rename", "volume rename"},
    {"volume-restrict", "volume restrict"},
    {"volume-size", "volume size"},
    {"volume-unmount", "volume unmount"},
    {"vserver-get", "vserver show"},
    {"vserver-get-iter", "vserver show"},
    {"vserver-peer-get-iter", "vserver peer show"},
};

/* The first row that fits counts. command: a whole one, or a directory to which the method adds
 * show, create, modify or delete. */
static const struct {
    const char *method; /* NULL: any */
    const char *path;
    const char *command;
} routes[] = {
    {"GET", "/api/cluster", "cluster identity show"},
    {"GET", "/api/cluster/nodes*", "version"},
    {NULL, "/api/cluster/jobs*", "job"},
    {NULL, "/api/svm/svms*", "vserver"},
    {NULL, "/api/svm/peers*", "vserver peer"},
    {NULL, "/api/protocols/san/iscsi/services*", "vserver iscsi"},
    {NULL, "/api/network/*/interfaces*", "network interface"},
    {"POST", "/api/storage/file/clone*", "volume file clone create"},
    {NULL, "/api/storage/file/clone*", "volume file clone"},
    {NULL, "/api/storage/volumes/*/snapshots*", "volume snapshot"},
    {NULL, "/api/storage/volumes/*/files*", "volume file"},
    {NULL, "/api/storage/volumes*", "volume"},
    {NULL, "/api/storage/qtrees*", "volume qtree"},
    {NULL, "/api/storage/luns*", "lun"},
    {NULL, "/api/storage/aggregates*", "storage aggregate"},
    {NULL, "/api/protocols/nfs/export-policies*", "vserver export-policy"},
    {NULL, "/api/protocols/san/lun-maps*", "lun mapping"},
    {NULL, "/api/protocols/san/igroups*", "lun igroup"},
    {NULL, "/api/application/consistency-groups*", "consistency-group"},
    {"POST", "/api/snapmirror/relationships/*/transfers*", "snapmirror update"},
    {"PATCH", "/api/snapmirror/relationships/*/transfers*", "snapmirror abort"},
    {NULL, "/api/snapmirror/policies*", "snapmirror policy"},
    {NULL, "/api/snapmirror/relationships*", "snapmirror"},
    {"POST", "/api/support/ems/application-logs*", "event generate-autosupport-log"},
    {NULL, "/api/support/ems*", "event log"},
};

static bool only_shows(const char *command)
{
    static const char *const words[] = {" show", " show-history", " list-destinations", " serial"};
    size_t n = strlen(command);
    if (!strcmp(command, "version"))
        return true;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        size_t m = strlen(words[i]);
        if (n > m && !strcmp(command + n - m, words[i]))
            return true;
    }
    return false;
}

const char *sim_command_of_call(const char *call, bool *reads)
{
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        if (strcmp(calls[i].call, call) != 0)
            continue;
        *reads = only_shows(calls[i].command) && strcmp(call, "lun-set-serial-number") != 0;
        return calls[i].command;
    }
    return NULL;
}

static const char *verb_of(const char *method)
{
    static const char *const verbs[][2] = {
        {"POST", "create"}, {"PATCH", "modify"}, {"DELETE", "delete"}};
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (!strcmp(verbs[i][0], method))
            return verbs[i][1];
    }
    return "show";
}

/* The passthrough says the command itself: its words are the path. A verb of its own stands at the
 * end of a POST; a role that allows it covers what is added here, too. */
static char *passthrough(const char *method, const char *words)
{
    char *command = sim_printf("%s %s", words, verb_of(method));
    for (char *p = command; *p; p++) {
        if (*p == '/')
            *p = ' ';
    }
    return command;
}

char *sim_command_of_rest(const char *method, const char *path, bool *reads)
{
    static const char cli[] = "/api/private/cli/";
    char *command = NULL;
    if (!strncmp(path, cli, sizeof(cli) - 1))
        command = passthrough(method, path + sizeof(cli) - 1);
    for (size_t i = 0; !command && i < sizeof(routes) / sizeof(routes[0]); i++) {
        if ((routes[i].method && strcmp(routes[i].method, method) != 0) ||
            fnmatch(routes[i].path, path, 0) != 0)
            continue;
        bool whole = routes[i].method != NULL;
        command = whole ? sim_dup(routes[i].command)
                        : sim_printf("%s %s", routes[i].command, verb_of(method));
    }
    *reads = command && only_shows(command);
    return command;
}
