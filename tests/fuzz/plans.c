/* Plans that `moonsnap apply` reads: as they stand, and made to fit by somebody who knows how. */
#include "fuzz.h"
#include "interp.h"

FUZZ(plans)
{
    return fuzz_lua("plans", data, size);
}
