/* What a guest has in its hand: answers of its agent, headers of its images. */
#include "fuzz.h"
#include "interp.h"

FUZZ(guest)
{
    return fuzz_lua("guest", data, size);
}
