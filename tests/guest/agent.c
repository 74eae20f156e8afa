/* agent SOCKET STATE     a guest agent for a guest without an operating system
 *
 * QEMU and libvirt both connect to SOCKET, since the guest's channel is of mode 'connect'; whoever
 * speaks is answered as qemu-ga would. STATE is a directory: `mode` says how to behave, read before
 * each answer; `frozen` holds the number of file systems that are frozen, `log` each command.
 *
 *   ok             as it should be
 *   dead           nothing is answered
 *   freeze-error   a freeze is refused, nothing is frozen
 *   freeze-hang    a freeze is carried out, and from then on nothing is answered
 *   thaw-error     a thaw is refused
 *   thaw-hang      a thaw is not carried out and not answered */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { CLIENTS = 32, FILE_SYSTEMS = 3 };

static const char *state;
static int frozen;

static FILE *open_in(const char *name, const char *how)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", state, name);
    return fopen(path, how);
}

static const char *mode(void)
{
    static char text[64];
    FILE *f = open_in("mode", "r");
    text[0] = '\0';
    if (f) {
        if (fgets(text, sizeof text, f))
            text[strcspn(text, "\n")] = '\0';
        fclose(f);
    }
    return text;
}

static void note(const char *name, const char *how, const char *text)
{
    FILE *f = open_in(name, how);
    if (f) {
        fprintf(f, "%s\n", text);
        fclose(f);
    }
}

static void set_frozen(int n)
{
    char text[16];
    snprintf(text, sizeof text, "%d", n);
    frozen = n;
    FILE *f = open_in("frozen", "r+"); /* it is read at any time, and never empty */
    if (!f)
        f = open_in("frozen", "w");
    if (f) {
        fprintf(f, "%s\n", text);
        fclose(f);
    }
}

static void say(int fd, const char *text)
{
    if (write(fd, text, strlen(text)) < 0)
        perror("agent: write");
}

static void say_number(int fd, const char *before, long long n)
{
    char text[96];
    snprintf(text, sizeof text, "%s{\"return\": %lld}\n", before, n);
    say(fd, text);
}

static void refuse(int fd)
{
    say(fd, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"made to fail\"}}\n");
}

static void answer(int fd, const char *line)
{
    const char *how = mode(), *id = strstr(line, "\"id\":");
    char command[64] = "", *name = strstr(line, "\"execute\":\"");
    if (!name || sscanf(name, "\"execute\":\"%63[a-z-]", command) != 1)
        return;
    if (strcmp(how, "dead") == 0 || (strcmp(how, "freeze-hang") == 0 && frozen))
        return;
    if (strncmp(command, "guest-sync", 10) == 0) {
        say_number(fd, strstr(command, "delimited") ? "\xff" : "", id ? atoll(id + 5) : 0);
        return;
    }
    note("log", "a", command);
    if (strcmp(command, "guest-fsfreeze-freeze") == 0) {
        if (strcmp(how, "freeze-error") == 0) {
            refuse(fd);
            return;
        }
        set_frozen(FILE_SYSTEMS);
        if (strcmp(how, "freeze-hang") != 0)
            say_number(fd, "", frozen);
    } else if (strcmp(command, "guest-fsfreeze-thaw") == 0) {
        if (strcmp(how, "thaw-error") == 0)
            refuse(fd);
        if (strncmp(how, "thaw-", 5) == 0)
            return;
        int was = frozen;
        set_frozen(0);
        say_number(fd, "", was);
    } else if (strcmp(command, "guest-fsfreeze-status") == 0) {
        say(fd, frozen ? "{\"return\": \"frozen\"}\n" : "{\"return\": \"thawed\"}\n");
    } else if (strcmp(command, "guest-get-time") == 0) {
        say_number(fd, "", (long long)time(NULL) * 1000000000LL);
    } else {
        say(fd, "{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"unknown\"}}\n");
    }
}

struct client {
    char line[4096];
    size_t len;
};

static int take(int fd, struct client *c)
{
    ssize_t n = read(fd, c->line + c->len, sizeof c->line - 1 - c->len);
    if (n <= 0)
        return -1;
    c->len += (size_t)n;
    for (char *end; (end = memchr(c->line, '\n', c->len));) {
        *end = '\0';
        answer(fd, c->line);
        c->len -= (size_t)(end + 1 - c->line);
        memmove(c->line, end + 1, c->len);
    }
    return c->len < sizeof c->line - 1 ? 0 : -1;
}

int main(int argc, char **argv)
{
    static struct client clients[CLIENTS];
    struct pollfd fds[CLIENTS] = {0};
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    if (argc != 3 || strlen(argv[1]) >= sizeof a.sun_path) {
        fprintf(stderr, "usage: agent SOCKET STATE\n");
        return 2;
    }
    state = argv[2];
    strcpy(a.sun_path, argv[1]);
    unlink(argv[1]);
    fds[0] = (struct pollfd){.fd = socket(AF_UNIX, SOCK_STREAM, 0), .events = POLLIN};
    if (bind(fds[0].fd, (struct sockaddr *)&a, sizeof a) < 0 || listen(fds[0].fd, 8) < 0) {
        perror(argv[1]);
        return 1;
    }
    set_frozen(0);
    nfds_t n = 1;
    while (poll(fds, n, -1) > 0) {
        for (nfds_t i = n; i-- > 1;) {
            if (fds[i].revents && take(fds[i].fd, &clients[i]) < 0) {
                close(fds[i].fd);
                n--;
                fds[i] = fds[n];
                clients[i] = clients[n];
            }
        }
        if (fds[0].revents && n < CLIENTS) {
            fds[n] = (struct pollfd){.fd = accept(fds[0].fd, NULL, NULL), .events = POLLIN};
            clients[n].len = 0;
            n += fds[n].fd >= 0;
        }
    }
    return 1;
}
