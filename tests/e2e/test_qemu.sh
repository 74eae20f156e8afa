#!/bin/bash
# moonsnap test --qemu: the tests of a workflow's author with real guests, of which none is left, and none is taken that was
# there before.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
scene alpha:vol1
mine=$WORLD_DIR/mine
tests() { (cd "$mine" && MOON_TEST_TMP=$WORLD_DIR/local timeout 120 "$MOONSNAP" test "$@"); }
guests() { vsh list --all --name | grep . | sort | tr '\n' ' '; }

check_exit 'init' 0 "$MOONSNAP" init "$mine"
events_start
check_exit 'the tests that init writes pass with real guests' 0 tests --qemu --libvirt-uri "$MOON_TEST_URI" backup_test.lua
said 'both of them' '2 passed, 0 failed'
events_of web1 | tr '\n' ' ' >"$WORLD_DIR/seen"
check_match 'real guests were started, suspended and resumed' "$WORLD_DIR/seen" 'Started.*Suspended.*Resumed.*Stopped'
check_eq 'none is left' "$(guests)" 'alpha '
check 'and no file' test -z "$(ls "$WORLD_DIR/local")"

cat >"$mine/more_test.lua" <<'LUA'
local t, world = require "std.test", require "std.world"
local two = { guests = { { name = "web1", volume = "vol1" }, { name = "db1", disks = { "vol1", "vol2" }, off = true } },
  conf = { KVM_BACKUP_DATA_DISKS = "Y" } }
t.case("restored, byte for byte", function()
  local file = require "std.file"
  local w <close> = world.new(two)
  local run = w:run("backup", { policy = "daily" })
  t.eq(run.code, 0, run.log)
  local disk = w.sim:path("vol1") .. "/web1.img"
  local before = assert(file.read(disk))
  local again = w:run("restore", { args = { "--backupName", run.record.snapshot }, params = { KVM_RESTORE_VM_LIST = "web1" } })
  t.eq(again.code, 0, again.log)
  w:order { "domain.destroy web1", "ontap.file_restore svm1 vol1", "domain.start web1" }
  t.eq(file.read(disk) == before, true)
  t.eq(w:domain("web1"):state().state, "running")
end)
t.case("a dry run", function()
  local w <close> = world.new(two)
  local ops = {}
  for _, step in ipairs(w:plan("backup", { policy = "daily" }).steps) do ops[step.op] = (ops[step.op] or 0) + 1 end
  t.eq({ ops["domain.suspend"], ops["ontap.snapshot_create"] }, { 1, 2 })
end)
t.case("a call that fails", function()
  local w <close> = world.new(two)
  w:fail("domain.suspend", { object = "web1" })
  t.eq(w:run("backup", { policy = "daily" }).code, 1)
  t.eq(w:paused(), {})
end)
t.case("a wrong expectation", function()
  local w <close> = world.new(two)
  t.eq(w:paused(), { "web1" })
end)
return t.done()
LUA
check_exit 'a test that fails' 1 tests --qemu --libvirt-uri "$MOON_TEST_URI" more_test.lua
said 'how many, and which' 'FAILED more_test\.lua: 3 passed, 1 failed'
said 'with what it wanted' 'a wrong expectation.*want'
check_eq 'none is left of it' "$(guests)" 'alpha '

sed 's/"web1"/"alpha"/' "$mine/backup_test.lua" >"$mine/taken_test.lua"
check_exit 'a guest of that name is there' 1 tests --qemu --libvirt-uri "$MOON_TEST_URI" taken_test.lua
said 'its name is said' "'alpha' already exists"
check_eq 'it is still there' "$(guests)" 'alpha '
check 'and runs' all_running alpha
check_exit 'no libvirtd' 1 tests --libvirt-uri "qemu+unix:///session?socket=$WORLD_DIR/nosuch" backup_test.lua
said 'which one' "nosuch"
finish
