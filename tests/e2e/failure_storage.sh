#!/bin/bash
# The failure table: snapshots that cannot be taken, one by one and as a group, over both transports.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
# shellcheck source=../lib/rows.sh
. "$(dirname "$(realpath "$0")")/../lib/rows.sh"
scene alpha:vol1 bravo:vol2
group='{"name": "cg1", "svm": {"name": "svm1"}, "volumes": [{"name": "vol1", "provisioning_options": {"action": "add"}},
  {"name": "vol2", "provisioning_options": {"action": "add"}}]}'
sim_curl -u vsadmin:secret -X POST -H 'Content-Type: application/json' -d "$group" \
  "$SIM_URL/api/application/consistency-groups?return_timeout=15" >/dev/null

fails() { run moon backup --policy daily; }
fault() { for match in "$@"; do sim_fault "{\"match\": \"$match\", \"action\": \"error\"}"; done; }
hits() { sim_curl "$SIM_URL/sim/faults" | jq '[.. | .hits? // empty] | add // 0'; }
hit() { check "${FUNCNAME[1]#row_}, $API: the controller was asked" test "$(hits)" -gt 0; }

# The second of two: the first has been made, and goes again.
row_snapshot_fails() {
  row_conf "ONTAP_API=$API" NTAP_SNAPSHOT_CLEANUP=Y
  sim_fault '{"match": "snapshot-create", "nth": 2, "action": "error"}'
  sim_fault '{"match": "POST *storage/volumes/*/snapshots", "nth": 2, "action": "error"}'
  WHY='svm1:vol[12]'
  fails
  hit
}
row_group_start_fails() {
  row_conf "ONTAP_API=$API" NTAP_CONSISTENCY_GROUP_SNAPSHOT=Y
  fault cg-start 'POST *consistency-groups/*/snapshots'
  WHY="volumes vol1, vol2 of controller 'svm1'"
  fails
  hit
}
row_group_commit_fails() {
  row_conf "ONTAP_API=$API" NTAP_CONSISTENCY_GROUP_SNAPSHOT=Y
  fault cg-commit 'PATCH *consistency-groups/*/snapshots/*'
  WHY="controller 'svm1'"
  fails
  hit
}

for API in zapi rest; do rows failure_storage; done

last_snapshot() { jq -r .snapshot "$WORLD_DIR/state/catalog/demo/kvm/$(records | tail -n 1)"; }

# Without clean-up what was made stays, and is named; the record says that it failed.
ROW_IGNORE=N
for API in zapi rest; do
  next_second
  row_conf "ONTAP_API=$API" NTAP_SNAPSHOT_CLEANUP=N
  sim_fault '{"match": "snapshot-create", "nth": 2, "action": "error"}'
  sim_fault '{"match": "POST *storage/volumes/*/snapshots", "nth": 2, "action": "error"}'
  before=$(every_snapshot | wc -l)
  check_exit "$API: NTAP_SNAPSHOT_CLEANUP=N" 1 moon backup --policy daily
  check_eq "$API: NTAP_SNAPSHOT_CLEANUP=N: one copy stays" $(($(every_snapshot | wc -l) - before)) 1
  if snapshots vol1 | grep -qx "$(last_snapshot)"; then where=vol1; else where=vol2; fi
  said "$API: NTAP_SNAPSHOT_CLEANUP=N: it is named, with its volume" \
    "warning: Snapshot copy \[$(last_snapshot)\] of this backup stays on svm1:$where until retention deletes it"
  check_eq "$API: NTAP_SNAPSHOT_CLEANUP=N: the record" \
    "$(jq -r .status "$WORLD_DIR/state/catalog/demo/kvm/$(records | tail -n 1)")" failed
  sim_faults_clear
done
finish
