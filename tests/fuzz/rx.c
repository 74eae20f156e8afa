/* Regular expressions of a config (first line) on names of a controller (the rest): whatever the
 * pattern, a match has an end. */
#include "fuzz.h"

#include "rx.h"

FUZZ(rx)
{
    struct moon_err err = {0};
    AUTO_RX struct moon_rx *rx = NULL;
    AUTO_JSON json_t *match = NULL, *all = NULL;
    AUTO_FREE char *pattern = fuzz_text(data, size);
    size_t n = strcspn(pattern, "\n");
    const char *subject = pattern + n + (pattern[n] != '\0');
    size_t len = size - (size_t)(subject - pattern);
    pattern[n] = '\0';
    if (!fuzz_outcome(moon_rx_new(pattern, "", &rx, &err), &err))
        return 0;
    memset(&err, 0, sizeof err);
    fuzz_outcome(moon_rx_match(rx, subject, len, 0, &match, &err), &err);
    memset(&err, 0, sizeof err);
    fuzz_outcome(moon_rx_all(rx, subject, len, 100, &all, &err), &err);
    return 0;
}
