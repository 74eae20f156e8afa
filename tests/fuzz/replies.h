/* One call of the ONTAP client against replies that the input holds; for the targets zapi and rest. */
#ifndef FUZZ_REPLIES_H
#define FUZZ_REPLIES_H

#include "fuzz.h"

/* "V A R\n" then the replies, between lines "----": V chooses the verb ('0' is the first), A its
 * arguments, R the release of the controller. A reply may begin with its HTTP status, "503 ". When the
 * replies are used up, no answer comes any more. */
void fuzz_replies(bool rest, const uint8_t *data, size_t size);

#endif
