/* seeds DIR [TARGET ...]: every file below DIR/TARGET is given to that target, then inputs that are meant to
 * exhaust it: a line of 100 MB, deep nesting, entities. Each target, and each of these inputs, has a
 * process of its own with so much processor time and memory, so that one that fails hides no other.
 * Prints a line per target and input, and "N passed, N failed, 0 skipped". */
#include "bombs.h"
#include "fuzz.h"

#include <dirent.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define MAX_TARGETS 64
#define SECONDS     120 /* of processor time; what is not bounded needs days */
#define MEMORY_MIB  2048

static struct {
    const char *name;
    fuzz_target run;
} targets[MAX_TARGETS];
static int count, passed, failed;

void fuzz_register(const char *name, fuzz_target run)
{
    fuzz_check(count < MAX_TARGETS, "too many targets");
    targets[count].name = name;
    targets[count++].run = run;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static void limit_memory(void) /* their shadow takes terabytes of addresses */
{
}
#else
static void limit_memory(void)
{
    struct rlimit memory = {(rlim_t)MEMORY_MIB << 20, (rlim_t)MEMORY_MIB << 20};
    setrlimit(RLIMIT_AS, &memory);
}
#endif

static void tell(const char *target, const char *input, int status)
{
    bool good = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    passed += good;
    failed += !good;
    printf("%s - %s: %s", good ? "ok" : "not ok", target, input);
    if (WIFSIGNALED(status))
        printf(": ended by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else if (!good)
        printf(": exit code %d", WEXITSTATUS(status));
    puts("");
    fflush(stdout);
}

/* A child with its limits: 0 in it, its status in the parent. */
static bool in_child(int *status)
{
    fflush(stdout);
    pid_t pid = fork();
    fuzz_check(pid >= 0, "no process");
    if (pid == 0) {
        struct rlimit cpu = {SECONDS, SECONDS};
        setrlimit(RLIMIT_CPU, &cpu);
        limit_memory();
        return true;
    }
    fuzz_check(waitpid(pid, status, 0) == pid, "a process that is lost");
    return false;
}

static uint8_t *read_file(const char *path, size_t *size)
{
    AUTO_FCLOSE FILE *f = fopen(path, "rb");
    uint8_t *data = malloc(1 << 20);
    fuzz_check(f && data, path);
    *size = fread(data, 1, 1 << 20, f);
    return data;
}

/* All files of one target, in the order of their names; the last line of output names the one at fault. */
static void run_files(int t, const char *dir)
{
    struct dirent **names = NULL;
    char path[4096], what[64];
    int status = 0;
    snprintf(path, sizeof path, "%s/%s", dir, targets[t].name);
    int n = scandir(path, &names, NULL, alphasort);
    int files = 0;
    for (int i = 0; i < n; i++)
        files += names[i]->d_name[0] != '.';
    snprintf(what, sizeof what, "%d seeds", files);
    if (in_child(&status)) {
        for (int i = 0; i < n; i++) {
            if (names[i]->d_name[0] == '.')
                continue;
            snprintf(path, sizeof path, "%s/%s/%s", dir, targets[t].name, names[i]->d_name);
            size_t size;
            uint8_t *data = read_file(path, &size);
            fprintf(stderr, "  %s\n", path);
            targets[t].run(data, size);
            free(data);
        }
        _exit(files == 0); /* a target that has no seeds is not tested */
    }
    tell(targets[t].name, what, status);
    for (int i = 0; i < n; i++)
        free(names[i]);
    free(names);
}

static void run_bomb(int t, const struct bomb *bomb)
{
    int status = 0;
    if (in_child(&status)) {
        size_t size;
        uint8_t *data = bomb->make(&size);
        targets[t].run(data, size);
        free(data);
        _exit(0);
    }
    tell(targets[t].name, bomb->name, status);
}

static bool wanted(const char *name, char **names)
{
    bool any = *names != NULL;
    for (; *names; names++) {
        if (strcmp(*names, name) == 0)
            return true;
    }
    return !any;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fputs("usage: seeds DIR [TARGET ...]\n", stderr);
        return 2;
    }
    for (int t = 0; t < count; t++) {
        if (!wanted(targets[t].name, argv + 2))
            continue;
        run_files(t, argv[1]);
        for (const struct bomb *bomb = bombs; bomb->name; bomb++) {
            if (!bomb->target || strcmp(bomb->target, targets[t].name) == 0)
                run_bomb(t, bomb);
        }
    }
    printf("%d passed, %d failed, 0 skipped\n", passed, failed);
    return failed || !passed;
}
