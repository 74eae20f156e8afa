#!/bin/bash
# Libraries are loaded when they are used, and a missing one is named before any guest stands still.
set -euo pipefail
MOON_BUILD=${MOON_BUILD:-build}
# shellcheck source=../lib/world.sh
. "$(dirname "$(realpath "$0")")/../lib/world.sh"
# shellcheck source=../lib/check.sh
. "$(dirname "$(realpath "$0")")/../lib/check.sh"
world_up "" bare

# loaded CMD...: the libraries that the dynamic loader reports, without their directories
loaded() { LD_DEBUG=files "$@" 2>&1 >/dev/null | sed -nE 's/.*calling init: .*\/([^/]+)$/\1/p' | sort -u; }

if grep -q 'NEEDED.*libvirt' <(readelf -d "$MOONSNAP"); then
  skip 'libraries are loaded on their first use' 'this build is linked with all of them'
  finish
fi
check_eq 'version loads Lua, jansson and the C library' "$(loaded "$MOONSNAP" version | grep -cvE '^(lib(lua|jansson|m\.|c\.)|ld-)')" 0
loaded "$MOONSNAP" help >"$WORLD_DIR/help"
check_no_match 'help loads neither libvirt nor libcurl nor libxml2' "$WORLD_DIR/help" '^lib(virt|curl|xml2|sodium|devmapper)'
cat >"$WORLD_DIR/read.lua" <<'LUA'
print(require("engine.xml").parse("<a>text</a>"))
LUA
loaded "$MOONSNAP" run "$WORLD_DIR/read.lua" >"$WORLD_DIR/loaded"
check_match 'what reads XML loads libxml2' "$WORLD_DIR/loaded" '^libxml2'
check_no_match 'and still no libcurl' "$WORLD_DIR/loaded" '^libcurl'

# A library that is there and cannot be loaded: half a package, an upgrade under way.
mkdir "$WORLD_DIR/lib"
# shellcheck disable=SC2317 # called by check_exit
broken() { # SONAME CMD...
  rm -f "$WORLD_DIR"/lib/*
  head -c 4096 /dev/zero >"$WORLD_DIR/lib/$1"
  shift
  LD_LIBRARY_PATH=$WORLD_DIR/lib "$@"
}
check_exit 'a library that cannot be loaded' 1 broken libxml2.so.2 "$MOONSNAP" run "$WORLD_DIR/read.lua"
check_match 'is named with what to do' "$ERR" 'error: .*libxml2\.so\.2.*; install the package that has libxml2\.so\.2'
cat >"$WORLD_DIR/guard.lua" <<LUA
local guard = assert(require("engine.guard").start { journal = "$WORLD_DIR/journal", uri = "test:///default",
  profile = "p", config = "c", action = "guard", deadline = 30 })
assert(guard:finish())
LUA
check_exit 'the guard process starts' 0 "$MOONSNAP" run "$WORLD_DIR/guard.lua"
check_exit 'not where a library is missing that may be needed while guests stand still' 1 \
  broken libsodium.so.23 "$MOONSNAP" run "$WORLD_DIR/guard.lua"
check_match 'and it says which' "$ERR" 'install the package that has libsodium\.so\.23'
check_exit 'but the line editor may be missing' 0 broken libedit.so.2 "$MOONSNAP" run "$WORLD_DIR/guard.lua"
check 'no journal is left' test ! -e "$WORLD_DIR/journal"
finish
