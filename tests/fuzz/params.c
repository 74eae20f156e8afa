/* The values of single parameters: mapping, users, volumes, retentions, pins. */
#include "fuzz.h"
#include "interp.h"

FUZZ(params)
{
    return fuzz_lua("params", data, size);
}
