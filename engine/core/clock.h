/* Time. Nothing here blocks; all of it is thread safe. */
#ifndef MOON_CLOCK_H
#define MOON_CLOCK_H

#include "err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Seconds of a clock that never jumps; for deadlines and durations only. */
double moon_clock_mono(void);

/* Seconds since 1970-01-01 00:00:00 UTC. */
double moon_clock_real(void);

/* Write epoch (seconds since 1970) into out[size] after a strftime format, in UTC or in local
 * time (TZ). MOON_INVALID when the result does not fit, is empty or the time is out of range; out
 * is then untouched. */
int moon_clock_format(double epoch, const char *format, bool utc, char *out, size_t size,
                      struct moon_err *err);

/* "YYYYMMDDhhmmss", exactly 14 digits, as local time or UTC, to whole seconds since 1970.
 * MOON_INVALID when it is anything else or no such time exists (30 February; the hour that is left
 * out when summer time begins). The hour that occurs twice when it ends is taken as the C library
 * takes it. */
int moon_clock_parse_stamp(const char *stamp, bool local, int64_t *out, struct moon_err *err);

#endif
