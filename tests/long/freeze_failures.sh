#!/bin/bash
# Frozen guests when something dies: an agent that does not answer, somebody else's thaw, a killed run, the time limit. No
# file system stays frozen.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
# shellcheck source=../lib/agent.sh
. "$(dirname "$(realpath "$0")")/../lib/agent.sh"
agent_scene
both=alpha:freeze,bravo:freeze

# --- an agent that does not answer ---

agent_mode alpha dead
moon_conf KVM_QUIESCE_METHOD=$both
forget
next_second
backup
check_eq 'dead: found before anything stands still, and suspended' "$(methods)" suspend,freeze,suspend
check 'dead: bravo did not wait for that' jq -e '.guests[1].pause_ms < 4000' "$RECORD"
agent_mode alpha ok
fine 'dead'

# frozen, and no answer to that: nobody can say; the guard process goes on when the run has ended
agent_mode alpha freeze-hang
moon_conf KVM_QUIESCE_METHOD=$both KVM_SUSPEND_TIMEOUT=3 KVM_CMD_RETRY_COUNT=0
next_second
check_exit 'hangs in the freeze' 5 moon backup --policy daily
said 'is said' '\[kvm-00017\].*alpha'
check_eq 'the other one is thawed' "$(agent_frozen bravo)" 0
check 'all guests run' all_running alpha bravo charlie
agent_mode alpha ok
check 'when the agent answers, the guard process thaws' poll 20 agent_is alpha 0
check 'and ends' poll 60 no_process "$MOONSNAP"

agent_mode alpha thaw-error
moon_conf KVM_QUIESCE_METHOD=$both KVM_CMD_RETRY_COUNT=0
next_second
check_exit 'a thaw that is refused' 5 moon backup --policy daily
said 'is said, too' '\[kvm-00017\].*alpha.*made to fail'
agent_mode alpha ok
check 'the guard process thaws' poll 20 agent_is alpha 0
check 'and ends' poll 60 no_process "$MOONSNAP"

# --- others, and death ---

moon_conf KVM_QUIESCE_METHOD=$both
held_snapshots
start_backup
check 'bravo is frozen' poll 10 agent_is bravo 3
check 'and alpha' poll 10 agent_is alpha 3
vsh domfsthaw alpha
held_ends
check_eq 'thawed by somebody else: exit' "$CODE" 3
check_match 'is said' "$WORLD_DIR/held.err" "agt-00008.*'alpha' was thawed by somebody else"

held_snapshots
start_backup
check 'bravo is frozen' poll 10 agent_is bravo 3
kill -KILL "$HELD"
held_ends 2>/dev/null
check 'killed: the guard process thaws' poll 10 agent_is bravo 0
check 'killed: the guard process ends' poll 60 no_process "$MOONSNAP"
fine 'killed'

held_snapshots
start_backup
check 'bravo is frozen' poll 10 agent_is bravo 3
guard=$(pgrep -P "$HELD" -f -- --guard-process)
kill -STOP "$guard" # or it would see its engine die
kill -KILL "$HELD" "$guard"
held_ends 2>/dev/null
check 'killed with its guard: both are gone' poll 20 gone "$guard" # recover leaves the guests of a living one to it
check_eq 'killed with its guard: bravo is frozen still' "$(agent_frozen bravo)" 3
check_exit 'recover' 0 moon recover
fine 'recover'

moon_conf KVM_QUIESCE_METHOD=$both SC_AGENT_UNQUIESCE_TIMEOUT=5
forget
held_snapshots
start_backup
check 'alpha is frozen' poll 10 grep -q fsfreeze-freeze "$WORLD_DIR/local/alpha/log"
check 'the time limit thaws it' poll 10 agent_is alpha 0
held_ends
check_eq 'the run says so: exit' "$CODE" 3
fine 'the time limit'

moon_conf KVM_QUIESCE_METHOD=$both
check_exit 'quiesce' 0 moon quiesce
said 'says who is frozen' 'alpha +frozen'
check_eq 'alpha stays frozen' "$(agent_frozen alpha)" 3
check_exit 'unquiesce' 0 moon unquiesce
fine 'unquiesce'
# it looks at the journal four times a second; a journal that is only gone lets nobody stand still unwatched
check 'unquiesce: the guard process ends' poll 10 no_process "$MOONSNAP"

finish
