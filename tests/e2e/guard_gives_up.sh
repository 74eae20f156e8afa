#!/bin/bash
# A guard process whose libvirtd does not come back: it tries for a time, says that it gives up, and leaves the journal to
# moonsnap recover, however its run has ended.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
scene alpha:vol1
JOURNAL=$WORLD_DIR/state/journal/demo.kvm.test.journal
mkdir -p "${JOURNAL%/*}"
cat >"$WORLD_DIR/hold.lua" <<'LUA'
local how, uri, journal, log, go = ...
local file, virt = require "engine.file", require "engine.virt"
local task = require "std.task"
local conn = assert(virt.open(uri))
local row = assert(conn:lookup("alpha"))
local guard = assert(require("engine.guard").start { journal = journal, uri = uri, profile = "demo", config = "kvm",
  action = "backup", deadline = 60, give_up = 1, log = log })
assert(guard:hold { { uuid = row.uuid, name = row.name } })
assert(conn:domain(row):suspend())
while not file.stat(go) do task.sleep(0.05) end -- libvirtd is gone by then
if how == "detach" then
  assert(guard:begin(row.uuid, 1))
  assert(guard:detach())
end
if how == "finish" then assert(guard:finish()) end
LUA
no_guard() { no_process "$MOONSNAP"; }

for how in end finish detach; do
  rm -f "$WORLD_DIR/go" "$WORLD_DIR/guard.log"
  "$MOONSNAP" run "$WORLD_DIR/hold.lua" $how "$MOON_TEST_URI" "$JOURNAL" "$WORLD_DIR/guard.log" "$WORLD_DIR/go" \
    >"$OUT" 2>"$ERR" &
  RUN=$!
  poll 20 grep -q "^hold" "$JOURNAL" || { not_ok "$how: the guest is held" "$ERR"; finish; }
  wait_state alpha paused 20
  kill -KILL "$WORLD_LIBVIRTD_PID"
  poll 5 gone "$WORLD_LIBVIRTD_PID"
  : >"$WORLD_DIR/go"
  check "$how: without libvirtd the guard process ends after its time" poll 20 no_guard
  wait "$RUN" || true
  check_match "$how: its log says so" "$WORLD_DIR/guard.log" '1 guest\(s\) stand still and could not be resumed in 1 s; no more tries: run moonsnap recover'
  check_match "$how: the journal, too" "$JOURNAL" '^gave_up [0-9]+$'
  check_no_match "$how: nor says that all is well" "$JOURNAL" '^closed'
  libvirtd_start
  check_eq "$how: the guest stands still" "$(guest_state alpha)" paused
  if [ $how = end ]; then
    next_second
    check_exit 'the next run resumes it and goes on' 0 moon backup --policy daily
    said 'and says who did not' 'its guard process gave up'
  else
    check_exit "$how: recover" 0 moon recover
  fi
  check_eq "$how: the guest runs" "$(guest_state alpha)" running
  check_not "$how: no journal is left" test -e "$JOURNAL"
done
finish
