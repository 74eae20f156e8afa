#!/bin/bash
# The guard process beside the engine: limits of single guests, a guest that cannot be resumed and keeps nobody else
# waiting, and who is told of what it did: the host's log, the catalog, jobStatus.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
requires cc
scene alpha:vol1 bravo:vol2 charlie:vol1
cc -std=c17 -D_GNU_SOURCE -O1 -o "$WORLD_DIR/dgram" "$WORLD_LIB/dgram.c"
setpriv --pdeathsig TERM -- "$WORLD_DIR/dgram" "$WORLD_DIR/log.sock" >>"$WORLD_DIR/hostlog" &
poll 10 test -S "$WORLD_DIR/log.sock" || world_fail 'no socket for the host'\''s log'
conf() { moon_conf "KVM_SYSLOG=$WORLD_DIR/log.sock" "$@"; }
no_guard() { no_process "$MOONSNAP"; }
record() { find "$WORLD_DIR/state/catalog/demo/kvm" -name '*-backup.json' | sort | tail -n 1; }
qemu_of() { cat "$WORLD_LV/run/libvirt/qemu/run/$1.pid"; }
start_backup() { # returns when the controller has been asked for a snapshot; it answers at `ends`
  next_second
  : >"$WORLD_DIR/hostlog"
  sim_fault '{"match": "snapshot-create", "action": "hold"}'
  "$MOONSNAP" backup "${MOON_ARGS[@]}" --config-dir "$WORLD_DIR/etc" --state-dir "$WORLD_DIR/state" --policy daily \
    >"$OUT" 2>"$ERR" </dev/null &
  RUN=$!
  poll 20 sim_hit || { not_ok 'the backup suspends all guests' "$ERR"; finish; }
}
ends() { sim_faults_clear; ended "$RUN"; }
# The guard process has let go of a guest whose time was up. Until then it looks at it each 3 s, and resumes it: on a busy
# machine the first look may not see that all are back.
let_go() { grep -qs "^free $(vsh domuuid "$1" | grep .)\$" "$WORLD_DIR"/state/journal/*.journal; }
# A disk that does not answer: here somebody holds the lock on the journal.
stop_disk() {
  local file
  file=$(find "$WORLD_DIR/state/journal" -name 'demo.*.journal')
  (
    exec 9<>"$file"
    flock 9
    exec setpriv --pdeathsig KILL sleep 100
  ) &
  DISK=$!
  poll 5 is_locked "$file" || not_ok 'the lock is held'
}
is_locked() { ! flock -n "$1" true; }

# --- a backup that ends well leaves no word ---

conf
start_backup
guard=$(pgrep -P "$RUN" -f -- --guard-process)
check_eq 'the guard process has a session of its own' "$(ps -o sid= -p "$guard" | tr -d ' ')" "$guard"
check_eq 'it works from the root directory' "$(readlink "/proc/$guard/cwd")" /
if [ "$(id -u)" = 0 ]; then
  case $MOON_BUILD in
    *san-*) skip 'memory that is locked' 'a sanitizer makes nothing of mlockall' ;;
    *) check_match 'its memory is locked' "/proc/$guard/status" '^VmLck:[[:space:]]+[1-9]' ;;
  esac
  if (echo -900 >/proc/self/oom_score_adj) 2>/dev/null; then
    check_eq 'when memory runs out, others are chosen' "$(cat "/proc/$guard/oom_score_adj")" -900
  else
    skip 'when memory runs out, others are chosen' 'not allowed here, though root'
  fi
else
  skip 'memory that is locked' 'needs root'
fi
ends
check_eq 'a backup that ends well: exit' "$CODE" 0
check_eq 'the host'\''s log has no word of it' "$(wc -c <"$WORLD_DIR/hostlog")" 0

# --- a run that dies ---

start_backup
kill -KILL "$RUN"
check 'a run is killed: the guests run again' poll 5 all_running alpha bravo charlie
ends
check 'the host'\''s log says so' poll 5 grep -q 'the guests run again$' "$WORLD_DIR/hostlog"
check_match 'with priority, name, pid, profile, config and reason' "$WORLD_DIR/hostlog" \
  '^<28>moonsnap-guard\[[0-9]+\]: profile demo, config kvm: moonsnap has ended without resuming: the guests run again$'
check 'the guard process ends' poll 60 no_guard
check_eq 'in the catalog the run is crash-consistent' "$(jq -r '"\(.status) \(.crash_consistent) \(.rescued.guests | sort | join(","))"' \
  "$(record)")" 'started true alpha,bravo,charlie'
moon jobStatus >"$OUT"
check_match 'jobStatus says who resumed its guests' "$OUT" 'the run died and the guard process resumed its guests'
check_exit 'gc' 0 moon gc --yes

# --- a limit of one guest ---

conf KVM_MAX_PAUSE=60,bravo:1
start_backup
check 'a guest whose own time is up runs again' wait_state bravo running 2 # 8 s, as poll counts
check_eq 'the others wait for the snapshot' "$(guest_state alpha) $(guest_state charlie)" 'paused paused'
ends
check_eq 'the backup is crash-consistent only: exit' "$CODE" 3
said 'with its code' agt-00008
check_eq 'in the catalog, too' "$(jq -r .status "$(record)")" crash-consistent
check 'the guests run' all_running alpha bravo charlie
check_match 'the host'\''s log says so' "$WORLD_DIR/hostlog" 'the time limit has passed: those guests run again$'
conf KVM_MAX_PAUSE=alpha:5 # longer than quiesce itself takes on a busy machine
next_second
check_exit 'quiesce, with a limit of one guest' 0 moon quiesce
check 'that guest runs again' wait_state alpha running 5
check_eq 'the others wait for unquiesce' "$(guest_state bravo) $(guest_state charlie)" 'paused paused'
run moon unquiesce
check 'which resumes them' all_running alpha bravo charlie
check 'the guard process ends' poll 10 no_guard
conf KVM_MAX_PAUSE=30,alpha:never
check_exit 'a limit that is none' 2 moon backup --policy daily
said 'is named' "KVM_MAX_PAUSE.*'never'"

# --- a guest that cannot be resumed: its QEMU does not answer ---

conf
start_backup
kill -STOP "$(qemu_of alpha)"
kill -KILL "$RUN"
check 'a run dies, and one guest does not answer: the others run again' poll 5 all_running bravo charlie
ends
check 'the host'\''s log cries' poll 15 grep -q '^<26>.*1 guest(s) stand still' "$WORLD_DIR/hostlog"
check_not 'the guard process stays' no_guard
kill -CONT "$(qemu_of alpha)"
check 'and resumes it when it answers' wait_state alpha running 40
check "which is said, too" poll 5 grep -qE '^<28>.*the guests run again$' "$WORLD_DIR/hostlog"
check 'then it ends' poll 60 no_guard

conf SC_AGENT_UNQUIESCE_TIMEOUT=8 # time enough to stop a QEMU before
start_backup
kill -STOP "$(qemu_of alpha)"
check 'the time limit passes, and one guest does not answer: the others run again' poll 7 all_running bravo charlie
kill -CONT "$(qemu_of alpha)"
check 'and it, when it answers' wait_state alpha running 40
ends
check_eq 'crash-consistent only: exit' "$CODE" 3

conf SC_AGENT_UNQUIESCE_TIMEOUT=3
start_backup
stop_disk
check 'the time limit passes, and the journal cannot be written: the guests run again' poll 3 all_running alpha bravo charlie
kill -KILL $DISK
check 'it is noted when the disk answers' poll 10 let_go bravo
vsh suspend bravo
check_not 'what somebody else suspends after that stays so' wait_state bravo running 1 # 4 s, as poll counts; the guard process looks each 3 s
kill -TERM "$RUN"
ends
check_eq 'also when the run ends' "$(guest_state bravo)" paused
vsh resume bravo
start_backup
check 'the time limit passes once more' poll 10 all_running alpha bravo charlie
check 'which is noted' poll 10 let_go bravo
vsh suspend bravo
kill -KILL "$RUN"
ends
check 'the run dies: the guard process ends' poll 20 no_guard
check_eq 'and leaves what somebody else has suspended' "$(guest_state bravo)" paused
vsh resume bravo

# Two groups stand still, and the first that runs again finds the journal's disk hung.
conf KVM_QUIESCE_MODE=rolling KVM_QUIESCE_GROUPS=2 SC_AGENT_UNQUIESCE_TIMEOUT=9
sim_fault '{"match": "snapshot-create", "volume": "vol2", "action": "delay", "ms": 5000}'
start_backup
check 'two groups stand still' wait_state bravo paused 5
stop_disk
check 'it cannot be written that the first runs again' wait_state bravo running 5
check 'the other waits no longer than its time for that' poll 4 all_running alpha bravo charlie
check 'all the while' kill -KILL $DISK
ends
check_eq 'crash-consistent only, again: exit' "$CODE" 3
check 'the guard process has ended' poll 20 no_guard
check_eq 'no journal is left' "$(find "$WORLD_DIR/state/journal" -name 'demo.*.journal')" ''

conf
start_backup
kill -STOP "$(qemu_of alpha)"
sim_faults_clear
check 'the engine itself: the others do not wait for a guest that does not answer' poll 10 all_running bravo charlie
kill -CONT "$(qemu_of alpha)"
check 'nor is it forgotten' wait_state alpha running 40
ends
check_eq 'the backup is good: exit' "$CODE" 0

# --- a plain script that leaves guests to its end ---

cat >"$WORLD_DIR/plain.lua" <<LUA
local file, sleep = require "engine.file", require("std.task").sleep
local conn <close> = assert(require("engine.virt").open("$MOON_TEST_URI"))
for _, name in ipairs { "alpha", "bravo" } do assert(conn:domain(assert(conn:lookup(name))):suspend()) end
while not file.stat("$WORLD_DIR/go") do sleep(0.05) end
LUA
two_paused() { [ "$(vsh list --state-paused --name | grep -c .)" = 2 ]; }
"$MOONSNAP" run "$WORLD_DIR/plain.lua" --state-dir "$WORLD_DIR/state" >"$OUT" 2>"$ERR" </dev/null &
RUN=$!
check 'a plain script suspends two guests' poll 20 two_paused
kill -STOP "$(qemu_of alpha)"
touch "$WORLD_DIR/go"
check 'at its end one does not answer: the other does not wait for it' poll 10 all_running bravo
kill -CONT "$(qemu_of alpha)"
check 'nor is that forgotten' wait_state alpha running 40
ends
check 'no guard process stays' poll 40 no_guard
rm "$WORLD_DIR/go"
sed -i "1a require('engine.guard').standby('$WORLD_DIR/state/journal', 'run', 5)" "$WORLD_DIR/plain.lua"
"$MOONSNAP" run "$WORLD_DIR/plain.lua" --state-dir "$WORLD_DIR/state" >"$OUT" 2>"$ERR" </dev/null &
RUN=$!
check 'one more suspends two' poll 20 two_paused
check 'and their time passes' poll 10 all_running alpha bravo
check 'which is noted' poll 10 let_go alpha
vsh suspend alpha
check_not 'what somebody else suspends after that stays so' wait_state alpha running 1
touch "$WORLD_DIR/go"
ended "$RUN"
check_eq 'also when the script ends' "$CODE $(guest_state alpha)" '0 paused'
said 'which says that the time was up' "guest 'alpha' may have run before: its time was up"
vsh resume alpha
check 'no guard process stays' poll 40 no_guard

# Suspended by the script once more, after its time was up: that is nobody else's.
cat >"$WORLD_DIR/plain.lua" <<LUA
require("engine.guard").standby("$WORLD_DIR/state/journal", "run", 2)
local sleep = require("std.task").sleep
local conn <close> = assert(require("engine.virt").open("$MOON_TEST_URI"))
local dom = conn:domain(assert(conn:lookup("alpha")))
assert(dom:suspend())
while dom:state().state == "paused" or not io.open("$WORLD_DIR/go"):read("a"):find("noted") do sleep(0.05) end
assert(dom:suspend())
LUA
: >"$WORLD_DIR/go"
"$MOONSNAP" run "$WORLD_DIR/plain.lua" --state-dir "$WORLD_DIR/state" >"$OUT" 2>"$ERR" </dev/null &
RUN=$!
check 'the time of a suspend passes' poll 20 let_go alpha
echo noted >"$WORLD_DIR/go"
ended "$RUN"
check_eq 'the script suspends it once more and ends: exit, and the guest' "$CODE $(guest_state alpha)" '0 running'
check 'no guard process stays' poll 40 no_guard
finish
