/* Command lines, and what --params makes of a config. */
#include "fuzz.h"
#include "interp.h"

FUZZ(options)
{
    return fuzz_lua("options", data, size);
}
