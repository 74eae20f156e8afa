/* ontapsim: an ONTAP controller for tests, demos and workflow authors. Arguments, signals, order of
 * start and stop. */
#include "backend.h"
#include "cg.h"
#include "config.h"
#include "faults.h"
#include "group.h"
#include "mirror.h"
#include "job.h"
#include "restore.h"
#include "server.h"
#include "state.h"
#include "volume.h"

#include <curl/curl.h>
#include <getopt.h>
#include <gnutls/gnutls.h>
#include <libxml/parser.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#ifndef MOON_VERSION
#define MOON_VERSION "0"
#endif

static const char help[] = "usage: ontapsim --config FILE [--http]\n"
                           "\n"
                           "An ONTAP controller made of directories.\n"
                           "  --config FILE  configuration, JSON\n"
                           "  --http         plain HTTP instead of HTTPS\n"
                           "  --help         this text\n"
                           "  --version      version\n"
                           "\n"
                           "Prints one line when it is ready; ends on SIGTERM or SIGINT.\n";

/* 0 to go on, else the exit code + 1. */
static int arguments(int argc, char **argv, const char **config, bool *http)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"http", no_argument, NULL, 'p'},
                                            {"help", no_argument, NULL, 'h'},
                                            {"version", no_argument, NULL, 'v'},
                                            {NULL, 0, NULL, 0}};
    for (int opt; (opt = getopt_long(argc, argv, "c:h", options, NULL)) != -1;) {
        switch (opt) {
        case 'c':
            *config = optarg;
            break;
        case 'p':
            *http = true;
            break;
        case 'h':
            fputs(help, stdout);
            return 1;
        case 'v':
            puts("ontapsim " MOON_VERSION);
            return 1;
        default:
            fputs("ontapsim: try --help\n", stderr);
            return 3;
        }
    }
    if (optind < argc) {
        sim_log("unexpected argument \"%s\"; try --help", argv[optind]);
        return 3;
    }
    if (!*config) {
        sim_log("--config FILE is needed; try --help");
        return 3;
    }
    return 0;
}

/* A volume keeps two directories open. */
static void many_files(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit))
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static int serve(const sigset_t *signals)
{
    int sig = 0;
    struct sim_err err = {0};
    many_files();
    if (sim_state_open())
        return 1;
    sim_group_load();
    if (sim_mirror_load())
        return 1;
    sim_volume_resume();
    if (sim_cg_timer_start() || sim_server_start())
        return 1;
    sim_mirror_resume_all();
    if (sim_backend_sync(&err)) {
        sim_log("%s", err.reason);
        return 1;
    }
    sim_server_announce();
    while (sigwait(signals, &sig))
        ;
    return 0;
}

int main(int argc, char **argv)
{
    const char *config = NULL;
    bool http = false;
    sigset_t signals;
    int stop = arguments(argc, argv, &config, &http);
    if (stop)
        return stop - 1;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL); /* inherited by every thread */
    signal(SIGPIPE, SIG_IGN);
    xmlInitParser();
    curl_global_init(CURL_GLOBAL_DEFAULT);
    int rc = 2;
    if (!sim_config_load(config)) {
        sim.http = sim.http || http;
        rc = serve(&signals);
    }
    sim_stop();
    sim_server_stop();
    sim_mirror_free();
    sim_cg_free();
    sim_group_free();
    sim_restore_free();
    sim_job_free();
    sim_fault_clear();
    sim_free();
    curl_global_cleanup();
    xmlCleanupParser();
    return rc;
}
