/* observer URI                prints "MS NAME suspended|resumed" for each such event, MS on the
 * monotonic clock observer --measure CMD ...  runs CMD, prints "WALL_US PEAK_KIB" of it and its
 * children
 *
 * An independent witness for the benchmark: it knows nothing of who suspends the guests. */
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (long long)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int seen(virConnectPtr conn, virDomainPtr dom, int event, int detail, void *opaque)
{
    (void)conn;
    (void)detail;
    (void)opaque;
    const char *what = event == VIR_DOMAIN_EVENT_SUSPENDED ? "suspended"
                       : event == VIR_DOMAIN_EVENT_RESUMED ? "resumed"
                                                           : NULL;
    if (what) {
        long long us = now_us();
        printf("%lld.%03lld %s %s\n", us / 1000, us % 1000, virDomainGetName(dom), what);
        fflush(stdout);
    }
    return 0;
}

static int fail(const char *what)
{
    fprintf(stderr, "observer: %s: %s\n", what, virGetLastErrorMessage());
    return 1;
}

static int measure(char **argv)
{
    long long from = now_us();
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);
        dup2(null, STDIN_FILENO);
        dup2(null, STDOUT_FILENO);
        execvp(argv[0], argv);
        perror(argv[0]);
        _exit(127);
    }
    int status = 0;
    struct rusage use;
    if (pid < 0 || wait4(pid, &status, 0, &use) != pid) {
        perror("observer");
        return 1;
    }
    printf("%lld %ld\n", now_us() - from, use.ru_maxrss);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(int argc, char **argv)
{
    if (argc >= 3 && strcmp(argv[1], "--measure") == 0)
        return measure(argv + 2);
    if (argc != 2) {
        fprintf(stderr, "usage: observer URI | observer --measure CMD ...\n");
        return 2;
    }
    if (virEventRegisterDefaultImpl() < 0)
        return fail("event loop");
    virConnectPtr conn = virConnectOpenReadOnly(argv[1]);
    if (!conn)
        return fail(argv[1]);
    if (virConnectDomainEventRegisterAny(conn, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                         VIR_DOMAIN_EVENT_CALLBACK(seen), NULL, NULL) < 0)
        return fail("events");
    puts("ready");
    fflush(stdout);
    while (virEventRunDefaultImpl() == 0)
        continue;
    return fail("events");
}
