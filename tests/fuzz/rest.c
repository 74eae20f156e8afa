/* What a controller answers over REST. */
#include "replies.h"

FUZZ(rest)
{
    fuzz_replies(true, data, size);
    return 0;
}
