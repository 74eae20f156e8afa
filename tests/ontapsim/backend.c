#include "backend.h"
#include "lun.h"

#include <errno.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>

extern char **environ;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* one command at a time */
static char *told;

/* Locked. A LUN that is mapped to several groups has one number here: the first group's. */
static void list_luns(struct sim_buf *b)
{
    for (size_t i = 0; i < sim.svm_count; i++) {
        const struct sim_svm *svm = sim.svms[i];
        for (size_t k = 0; k < svm->volume_count; k++) {
            const struct sim_volume *vol = svm->volumes[k];
            for (size_t n = 0; n < vol->lun_count; n++) {
                const struct sim_lun *lun = vol->luns[n];
                if (lun->online && lun->map_count)
                    sim_buf_addf(b, "%u %s %llu %s/%s/%s/%s\n", lun->maps[0].id, lun->serial,
                                 (unsigned long long)lun->size, sim.root, svm->name, vol->name,
                                 lun->name);
            }
        }
    }
}

static int run(const char *input, size_t len)
{
    char *const argv[] = {sim.backend, NULL};
    posix_spawn_file_actions_t files;
    int ends[2], status = -1;
    pid_t pid = 0;
    if (pipe(ends))
        return -1;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, ends[0], 0);
    posix_spawn_file_actions_addclose(&files, ends[0]);
    posix_spawn_file_actions_addclose(&files, ends[1]);
    int rc = posix_spawn(&pid, sim.backend, &files, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&files);
    close(ends[0]);
    for (size_t at = 0; !rc && at < len;) {
        ssize_t n = write(ends[1], input + at, len - at);
        if (n < 0 && errno != EINTR)
            break; /* it does not read all: its exit code tells */
        at += n > 0 ? (size_t)n : 0;
    }
    close(ends[1]);
    if (rc)
        return -1;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

int sim_backend_sync(struct sim_err *err)
{
    AUTO_BUF struct sim_buf b = {0};
    int rc = 0;
    if (!sim.backend)
        return 0;
    pthread_mutex_lock(&mutex);
    sim_lock();
    list_luns(&b);
    sim_unlock();
    if (!told || strcmp(told, b.data ? b.data : "") != 0) {
        rc = run(b.data, b.len);
        free(told);
        told = rc ? NULL : sim_dup(b.data ? b.data : "");
    }
    pthread_mutex_unlock(&mutex);
    return rc ? sim_fail(err, SIM_EINTERNAL, "The backend %s has failed.", sim.backend) : 0;
}
