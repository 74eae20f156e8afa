/* Names of snapshots, and which of them go. */
#include "fuzz.h"
#include "interp.h"

FUZZ(names)
{
    return fuzz_lua("names", data, size);
}
