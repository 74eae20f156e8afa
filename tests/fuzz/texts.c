/* The library's smaller parsers: commands, substitution, sanlun, redaction, menus. */
#include "fuzz.h"
#include "interp.h"

FUZZ(texts)
{
    return fuzz_lua("texts", data, size);
}
