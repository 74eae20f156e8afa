#!/bin/sh
# embed.sh FILE...: C source on stdout that holds the files, zero-terminated, and the table of
# them that engine/lua/state.c reads.
set -eu
cat <<'C'
#include <stddef.h>
struct moon_embedded {
    const char *name, *data;
};
extern const struct moon_embedded moon_embedded[];
C
n=0
for f in "$@"; do
    n=$((n + 1))
    printf '__asm__(".pushsection .rodata\\nmoon_e%d:\\n.incbin \\"%s\\"\\n.byte 0\\n.popsection\\n");\n' \
        "$n" "$f"
    printf 'extern const char moon_e%d[];\n' "$n"
done
printf 'const struct moon_embedded moon_embedded[] = {\n'
n=0
for f in "$@"; do
    n=$((n + 1))
    # what the build made has a name that does not tell where it was built
    printf '    {"%s", moon_e%d},\n' "${f#build/}" "$n" | sed 's/"san-[a-z-]*\//"/'
done
printf '    {NULL, NULL},\n};\n'
