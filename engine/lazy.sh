#!/bin/bash
# lazy.sh CC OBJECTS -- LIBRARY...: C source on stdout that binds, on the first call, each function of the libraries
# (virt for libvirt) that the objects use; engine/lazy.c does the rest. Without a library: a program that is linked
# as usual. Stops when an object uses a library's variable, which has no first call.
set -euo pipefail
cc=$1 objects=()
shift
while [ $# -gt 0 ] && [ "$1" != -- ]; do objects+=("$1") && shift; done
shift

used=$(nm -u "${objects[@]}" | awk 'NF == 2 { print $2 }' | sort -u)
libraries='' symbols='' stubs='' count=0 library=0
for name in "$@"; do
  file=$("$cc" -print-file-name="lib$name.so")
  soname=$(readelf -d "$file" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p')
  libraries+="    \"$soname\",\n"
  # a symbol's version follows an @, two for the one that is meant when none is named
  while read -r type symbol; do
    case $type in
      T | W | i) ;;
      *) echo "lazy.sh: $symbol of lib$name is not a function: use one that gives it" >&2 && exit 1 ;;
    esac
    symbols+="    {\"$symbol\", $library},\n"
    stubs+="MOON_LAZY_STUB($count, $symbol);\n"
    count=$((count + 1))
  done < <(nm -D --defined-only "$file" | awk '{ sub(/@.*/, "", $3); print $2, $3 }' | sort -u | sort -k 2 | join -1 2 -o 1.1,1.2 - <(echo "$used"))
  library=$((library + 1))
done

cat <<C
#include "engine/lazy.h"
const char *const moon_lazy_libraries[] = {
$(printf '%b' "$libraries")
    NULL,
};
const struct moon_lazy_symbol moon_lazy_symbols[] = {
$(printf '%b' "$symbols")
    {NULL, 0},
};
void *moon_lazy_address[$count + 1];
void *moon_lazy_handle[$library + 1];
$(printf '%b' "$stubs")
C
