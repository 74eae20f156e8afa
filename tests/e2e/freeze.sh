#!/bin/bash
# KVM_QUIESCE_METHOD=freeze over libvirt's own agent calls: guests whose agent answers, refuses, or is not there.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
# shellcheck source=../lib/agent.sh
. "$(dirname "$(realpath "$0")")/../lib/agent.sh"
agent_scene
both=alpha:freeze,bravo:freeze

# --- as it should be ---

moon_conf KVM_QUIESCE_METHOD=freeze
held_snapshots
events_start
forget
start_backup --json
check 'alpha is frozen in the backup' poll 10 agent_is alpha 3
check_eq 'and runs' "$(guest_state alpha)" running
check 'bravo is frozen, too' poll 5 agent_is bravo 3
check 'charlie, which has no agent, is suspended' wait_state charlie paused 5
check 'then the controller is asked for snapshots' poll 10 sim_hit
from=$(now_ms)
next_second
took=$(($(now_ms) - from))
held_ends
check_eq 'the backup ends well' "$CODE" 0
RECORD=$WORLD_DIR/held.out
check_eq 'each method is recorded' "$(methods)" freeze,freeze,suspend
check "the pause of a frozen guest is known (more than $took ms)" jq -e ".guests[0].pause_ms > $took" "$RECORD"
check_eq 'the copy is a good one' "$(jq -r .status "$RECORD")" ok
check_eq 'alpha was frozen and thawed once' "$(agent_log alpha)" freeze-freeze,freeze-thaw
check_eq 'and never suspended' "$(events_of alpha)" ''
fine 'a backup that freezes'

moon_conf KVM_QUIESCE_METHOD=alpha:freeze,charlie:none KVM_QUIESCE_MODE=parallel
sim_faults_clear
backup
check_eq 'methods of single guests' "$(methods)" freeze,suspend,none
check_eq 'a guest that is taken as it runs: the copy is crash-consistent' "$(jq -r .status "$RECORD")" crash-consistent
check_eq 'it has no pause' "$(guest_of charlie .pause_ms)" null

moon_conf KVM_QUIESCE_METHOD=$both KVM_QUIESCE_MODE=rolling
forget
backup
check_eq 'rolling: each group is frozen by itself' "$(methods)" freeze,freeze,suspend
check_eq 'rolling: bravo was frozen and thawed once' "$(agent_log bravo)" freeze-freeze,freeze-thaw
fine 'rolling'

# --- an agent that refuses ---

agent_mode alpha freeze-error
moon_conf KVM_QUIESCE_METHOD=$both
backup
check_eq 'refused: it is suspended' "$(methods)" suspend,freeze,suspend
check_match 'refused: the agent'"'"'s words are there' "$ERR" "'alpha' could not be frozen: .*made to fail.*KVM_FREEZE_FALLBACK=suspend"
fine 'refused'

moon_conf KVM_QUIESCE_METHOD=bravo:freeze,alpha:freeze KVM_FREEZE_FALLBACK=fail NTAP_SNAPSHOT_CLEANUP=Y
before=$(snapshots vol1; snapshots vol2)
check_exit 'refused, fallback fail' 1 moon backup --policy daily
said 'has its code' "guest 'alpha'.*made to fail"
check_eq 'there is no snapshot' "$(snapshots vol1; snapshots vol2)" "$before"
fine 'refused, fallback fail'
moon_conf KVM_QUIESCE_METHOD=$both KVM_FREEZE_FALLBACK=fail APP_IGNORE_ERROR=Y
next_second
check_exit 'with APP_IGNORE_ERROR it goes on' 3 moon backup --policy daily
said 'and says so' 'scf-00038.*alpha'

moon_conf KVM_QUIESCE_METHOD=$both KVM_FREEZE_FALLBACK=none
next_second
check_exit 'refused, fallback none' 3 moon backup --policy daily --json
RECORD=$OUT
check_eq 'it is taken as it runs' "$(methods) $(jq -r .status "$RECORD")" 'none,freeze,suspend crash-consistent'
fine 'refused, fallback none'

moon_conf KVM_QUIESCE_METHOD=frost
check_exit 'a method that does not exist' 2 moon backup --policy daily
said 'is named' "KVM_QUIESCE_METHOD: entry 1: 'frost' is neither suspend nor freeze nor none"
moon_conf KVM_QUIESCE_METHOD=freeze KVM_FREEZE_FALLBACK=pray
check_exit 'a fallback that does not exist' 2 moon backup --policy daily
said 'is named, too' "KVM_FREEZE_FALLBACK: 'pray' is not an allowed value; write one of suspend, fail, none"

# --- a script that goes to the agent past the guard process ---

cat >"$WORLD_DIR/agent.lua" <<LUA
local conn <close> = assert(require("engine.virt").open("$MOON_TEST_URI"))
local dom = conn:domain(assert(conn:lookup("${WORLD_PREFIX:-}alpha")))
for _, name in ipairs { "freeze", "freeze-list", "thaw", "\\\\u0066reeze" } do
  local reply, failed = dom:agent('{"execute":"guest-fsfreeze-' .. name .. '"}')
  assert(not reply and failed.code == "invalid" and failed.message:find("call dom:freeze(), and dom:thaw()", 1, true), name)
end
print(assert(dom:agent(' { "execute" : "guest-fsfreeze-status" } ')))
LUA
forget
check_exit 'the agent is told to freeze by a command' 0 "$MOONSNAP" run "$WORLD_DIR/agent.lua" --state-dir "$WORLD_DIR/state"
check_match 'to ask how it stands is no freeze' "$OUT" 'thawed'
check_eq 'the agent gets that one alone' "$(agent_log alpha)" freeze-status
fine 'none is frozen so'
finish
