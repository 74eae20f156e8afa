/* Times and durations as REST writes them, time stamps in snapshot names. */
#include "fuzz.h"

#include "clock.h"
#include "ontap_rest.h"

FUZZ(times)
{
    struct moon_err err = {0};
    json_int_t n = 0;
    int64_t epoch = 0;
    AUTO_FREE char *text = fuzz_text(data, size);
    rest_time(text, &n);
    if (rest_duration(text, &n))
        fuzz_check(n >= 0, "a duration below zero");
    rest_link_ok(text);
    fuzz_outcome(moon_clock_parse_stamp(text, false, &epoch, &err), &err);
    memset(&err, 0, sizeof err);
    fuzz_outcome(moon_clock_parse_stamp(text, true, &epoch, &err), &err);
    return 0;
}
