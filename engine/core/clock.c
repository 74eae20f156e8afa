#include "clock.h"

#include <string.h>
#include <time.h>

static double now(clockid_t id)
{
    struct timespec ts = {0};
    clock_gettime(id, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

double moon_clock_mono(void)
{
    return now(CLOCK_MONOTONIC);
}

double moon_clock_real(void)
{
    return now(CLOCK_REALTIME);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static size_t expand(char *out, size_t size, const char *format, const struct tm *tm)
{
    return strftime(out, size, format, tm);
}
#pragma GCC diagnostic pop

int moon_clock_format(double epoch, const char *format, bool utc, char *out, size_t size,
                      struct moon_err *err)
{
    static const char op[] = "clock-format";
    /* Years 1 to 9999: what every reader of a log can parse. */
    if (!(epoch >= -62135596800.0 && epoch < 253402300800.0))
        return moon_err_set(err, MOON_INVALID, MOON_SRC_ENGINE, 0, op,
                            "time %g: outside the years 1 to 9999", epoch);
    time_t t = (time_t)(epoch < 0 && epoch != (double)(time_t)epoch ? epoch - 1 : epoch);
    struct tm tm = {0};
    if (!(utc ? gmtime_r(&t, &tm) : localtime_r(&t, &tm)))
        return moon_err_set(err, MOON_INVALID, MOON_SRC_ENGINE, 0, op, "time %g: out of range",
                            epoch);
    char text[512];
    size_t len = expand(text, sizeof text, format, &tm);
    if (len == 0 || len >= size)
        return moon_err_set(err, MOON_INVALID, MOON_SRC_ENGINE, 0, op,
                            "time format '%.64s': gives no text or more than %zu bytes", format,
                            size ? size - 1 : 0);
    memcpy(out, text, len + 1);
    return 0;
}

static int digits(const char *s, int n)
{
    int value = 0;
    while (n--)
        value = value * 10 + (*s++ - '0');
    return value;
}

int moon_clock_parse_stamp(const char *stamp, bool local, int64_t *out, struct moon_err *err)
{
    static const char op[] = "clock-parse";
    if (strlen(stamp) != 14 || strspn(stamp, "0123456789") != 14)
        return moon_err_set(err, MOON_INVALID, MOON_SRC_ENGINE, 0, op,
                            "time stamp '%.32s': not 14 digits; write YYYYMMDDhhmmss", stamp);
    const struct tm want = {
        .tm_year = digits(stamp, 4) - 1900,
        .tm_mon = digits(stamp + 4, 2) - 1,
        .tm_mday = digits(stamp + 6, 2),
        .tm_hour = digits(stamp + 8, 2),
        .tm_min = digits(stamp + 10, 2),
        .tm_sec = digits(stamp + 12, 2),
        .tm_isdst = -1,
    };
    struct tm tm = want;
    time_t t = local ? mktime(&tm) : timegm(&tm);
    /* The C library moves what does not exist to what does; that would be another time. */
    if (tm.tm_year != want.tm_year || tm.tm_mon != want.tm_mon || tm.tm_mday != want.tm_mday ||
        tm.tm_hour != want.tm_hour || tm.tm_min != want.tm_min || tm.tm_sec != want.tm_sec)
        return moon_err_set(err, MOON_INVALID, MOON_SRC_ENGINE, 0, op,
                            "time stamp '%s': no such time", stamp);
    *out = (int64_t)t;
    return 0;
}
