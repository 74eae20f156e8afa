#include "fuzz.h"

#include "lazy.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Here every library is linked, none is loaded later. */
int moon_lazy_load(const char *library, struct moon_err *err)
{
    (void)library, (void)err;
    return 0;
}

void fuzz_check(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "fuzz: %s\n", what);
    abort();
}

bool fuzz_outcome(int rc, const struct moon_err *err)
{
    fuzz_check(rc == 0 || rc == -1, "a result that is neither 0 nor -1");
    if (rc == 0)
        return true;
    fuzz_check(err->code != MOON_OK, "a failure without a code");
    fuzz_check(memchr(err->message, '\0', sizeof err->message) != NULL, "a message without end");
    fuzz_check(err->message[0] != '\0', "a failure without a message");
    return false;
}

char *fuzz_text(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    fuzz_check(text != NULL, "no memory for the input");
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    return text;
}

const char *fuzz_file(const uint8_t *data, size_t size)
{
    static int fd = -1;
    static char path[64];
    if (fd < 0) {
        fd = memfd_create("fuzz", MFD_CLOEXEC);
        fuzz_check(fd >= 0 && fchmod(fd, 0600) == 0, "no memory file");
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    fuzz_check(ftruncate(fd, 0) == 0, "the memory file cannot be emptied");
    for (size_t at = 0; at < size;) {
        ssize_t n = pwrite(fd, data + at, size - at, (off_t)at);
        fuzz_check(n > 0, "the memory file cannot be written");
        at += (size_t)n;
    }
    return path;
}

uint8_t fuzz_byte(const uint8_t **data, size_t *size)
{
    if (!*size)
        return 0;
    (*size)--;
    return *(*data)++;
}
