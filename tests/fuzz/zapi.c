/* What a controller answers over ONTAPI. */
#include "replies.h"

FUZZ(zapi)
{
    fuzz_replies(false, data, size);
    return 0;
}
