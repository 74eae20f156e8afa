#!/bin/bash
# A libvirtd that hangs when a program ends: closing a connection asks it, and the program ends all the same, in a few seconds,
# whoever held the connection last.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
export TSAN_OPTIONS=${TSAN_OPTIONS:-}:report_thread_leaks=0 # nobody can wait for the thread whose call hangs
scene alpha:vol1

cat >"$WORLD_DIR/holds.lua" <<'LUA'
local uri, pid, what = ...
local conn = assert(require("engine.virt").open(uri))
local dom = what == "domain" and conn:domain(assert(conn:lookup("alpha")))
local events = what == "events" and assert(conn:events())
require("engine.process").run { "/bin/kill", "-STOP", pid }
if what ~= "connection" then conn:close() end
return dom and dom:name() ~= "alpha" and 1 or 0
LUA
for what in connection closed domain events; do
  start=$(now_ms)
  check_exit "$what: it ends" 0 timeout -k 2 60 "$MOONSNAP" run "$WORLD_DIR/holds.lua" "$MOON_TEST_URI" "$WORLD_LIBVIRTD_PID" $what
  took=$(($(now_ms) - start))
  check "$what: libvirtd hung" grep -q '^State:.T' "/proc/$WORLD_LIBVIRTD_PID/status"
  kill -CONT "$WORLD_LIBVIRTD_PID"
  check "$what: soon ($took ms)" [ "$took" -lt 30000 ]
done
check 'the guest runs' all_running alpha
finish
