#!/bin/bash
# Rolling and parallel backups that fail: a group that gets no snapshot, a time limit, a kill. No guest stays suspended.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
# shellcheck source=../lib/witness.sh
. "$(dirname "$(realpath "$0")")/../lib/witness.sh"
scene alpha:vol1 bravo:vol2 charlie:vol1
witness_start

# --- rolling: what fails ---

moon_conf KVM_QUIESCE_MODE=rolling KVM_QUIESCE_GROUPS=1 NTAP_SNAPSHOT_CLEANUP=Y
before=$(snapshots vol1; snapshots vol2)
fresh
sim_fault '{"match": "snapshot-create", "nth": 2, "action": "error", "errno": 13001}'
check_exit 'the second group fails' 1 moon backup --policy daily
said 'with its code' 'STORAGE-02009'
check 'all guests run' all_running alpha bravo charlie
check_eq 'the first group has lost its snapshot again' "$(snapshots vol1; snapshots vol2)" "$before"

fresh
sim_fault '{"match": "snapshot-create", "nth": 1, "action": "error", "errno": 13001}'
check_exit 'the first group fails' 1 moon backup --policy daily
check 'its guests run' all_running alpha bravo charlie
check_eq 'the second group is not begun' "$(pauses | grep -c bravo || true)" 0

fresh
sim_fault '{"match": "snapshot-create", "nth": 2, "action": "hold"}'
kill_backup bravo
check_eq 'the first group runs' "$(guest_state alpha)" running
check 'killed then: the guard process resumes it' poll 10 all_running alpha bravo charlie
check 'and ends' poll 60 no_process "$MOONSNAP"
sim_faults_clear

moon_conf KVM_QUIESCE_MODE=rolling KVM_QUIESCE_GROUPS=1 SC_AGENT_UNQUIESCE_TIMEOUT=1
fresh
sim_fault '{"match": "snapshot-create", "nth": 2, "action": "delay", "ms": 2500}'
check_exit 'one group stands still for too long' 3 moon backup --policy daily
said 'with its code' 'agt-00008'
check 'all guests run' all_running alpha bravo charlie

# --- parallel: what fails ---

moon_conf KVM_QUIESCE_MODE=parallel NTAP_SNAPSHOT_CLEANUP=Y
before=$(snapshots vol1; snapshots vol2)
fresh
sim_fault '{"match": "snapshot-create", "nth": 2, "action": "error", "errno": 13001}'
check_exit 'parallel: a snapshot that fails' 1 moon backup --policy daily
check 'parallel: all guests run' all_running alpha bravo charlie
check_eq 'parallel: the other snapshot is gone again' "$(snapshots vol1; snapshots vol2)" "$before"

fresh
sim_fault '{"match": "snapshot-create", "nth": 1, "action": "hold"}'
kill_backup charlie
check 'parallel, killed then: the guard process resumes all' poll 10 all_running alpha bravo charlie
check 'and ends' poll 60 no_process "$MOONSNAP"
sim_faults_clear
finish
