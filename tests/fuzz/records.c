/* What runs leave in the state directory: catalog, jobs, journals of applications. */
#include "fuzz.h"
#include "interp.h"

FUZZ(records)
{
    return fuzz_lua("records", data, size);
}
