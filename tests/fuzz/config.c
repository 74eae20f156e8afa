/* Config files, with the global config and the policies that belong to them. */
#include "fuzz.h"
#include "interp.h"

FUZZ(config)
{
    return fuzz_lua("config", data, size);
}
