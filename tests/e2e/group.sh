#!/bin/bash
# Consistency groups: all volumes at one moment or none, on both transports; what is refused before a guest stands still.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
# shellcheck source=../lib/witness.sh
. "$(dirname "$(realpath "$0")")/../lib/witness.sh"
scene alpha:vol1 bravo:vol2
witness_start
cg=(NTAP_CONSISTENCY_GROUP_SNAPSHOT=Y)
calls() { sim_requests | jq -r "[.log[] | select(.call == \"$1\")] | length"; }
both_have() { test -f "$(copy alpha)" -a -f "$(copy bravo)"; }
nothing_left() { # name
  check_eq "$1: no half of a group is left" "$(snapshots vol1; snapshots vol2)" "$BEFORE"
  check "$1: the guests run" all_running alpha bravo
}

# --- ONTAPI ---

moon_conf "${cg[@]}"
check_exit 'a dry run' 0 moon backup --policy daily --dry-run
said 'a dry run: the group is in the plan' 'ontap\.cg_start'
said 'a dry run: and its commit' 'ontap\.cg_commit'
check_eq 'a dry run: nothing was called' "$(sim_changes | wc -l)" 0
fresh
backup
check 'both volumes have the snapshot' both_have
check 'all events come' poll 5 heard 4
check_eq 'between the first suspend and the last resume only the group is asked for' "$(asked_in_pause)" '1 cg-commit,1 cg-start'
check_eq 'as one group' "$(calls cg-start) $(calls cg-commit) $(calls snapshot-create)" '1 1 0'
for guest in alpha bravo; do check "$guest: paused, and for how long is known" pause_is_sane $guest; done
check_eq 'the copies are known as ours' "$(zapi snapshot-get-iter | grep -c 'moonsnap config=demo/kvm run=' || true)" 1
check_eq 'both have their label' "$(zapi snapshot-get-iter | grep -o '<snapmirror-label>daily<' | wc -l)" 2
check_exit 'a guest is restored from it' 0 restore alpha --yes
BEFORE=$(snapshots vol1; snapshots vol2)

next_second
sim_fault '{"match": "cg-start", "action": "error", "errno": 13700}'
check_exit 'a group that does not start' 1 moon backup --policy daily
said 'has its code, volumes and controller' "\[STORAGE-02003\].*volumes vol1, vol2 of controller 'svm1'"
nothing_left 'a group that does not start'
sim_faults_clear

next_second
sim_fault '{"match": "cg-commit", "action": "error", "errno": 13701}'
check_exit 'a group that is not committed' 1 moon backup --policy daily
said 'has its code' '\[STORAGE-02006\]'
nothing_left 'a group that is not committed'
sim_faults_clear

next_second
sim_fault '{"match": "cg-commit", "action": "lose", "volume": "vol2"}'
run moon backup --policy daily
check_eq 'a commit that says it passed, and one volume has no snapshot: exit' "$CODE" 1
nothing_left 'a volume without its snapshot'
sim_faults_clear

moon_conf "${cg[@]}" NTAP_CONSISTENCY_GROUP_SNAPSHOT_RETRY_COUNT=2 NTAP_CONSISTENCY_GROUP_SNAPSHOT_RETRY_WAIT=0
next_second
sim_fault '{"match": "cg-start", "nth": 1, "action": "error", "errno": 13700}'
backup
check 'a second try helps' both_have
said 'and is said' 'try 2 of 3 follows in 0 s'
sim_faults_clear
BEFORE=$(snapshots vol1; snapshots vol2)

next_second
started=$(calls cg-start)
sim_fault '{"match": "cg-start", "action": "error", "errno": 13003}'
check_exit 'what is not allowed' 1 moon backup --policy daily
check_eq 'is not tried again' $(($(calls cg-start) - started)) 1
nothing_left 'what is not allowed'
sim_faults_clear

# --- a consistency point before it ---

moon_conf "${cg[@]}" NTAP_CONSISTENCY_GROUP_WAFL_SYNC=Y
next_second
check_exit 'WAFL sync: a dry run' 0 moon backup --policy daily --dry-run
said 'WAFL sync: is in the plan' 'wafl-sync'
check_eq 'WAFL sync: a dry run forces none' "$(calls wafl-sync)" 0
fresh
backup
check_eq 'WAFL sync: one call' "$(calls wafl-sync)" 1
check_eq 'WAFL sync: before the group' "$(sim_requests | jq -r '[.log[].call | select(. == "wafl-sync" or . == "cg-start")] | .[-2:] | join(" ")')" 'wafl-sync cg-start'
check 'WAFL sync: all events come' poll 5 heard 4
check_eq 'WAFL sync: not while guests stand still' "$(asked_in_pause)" '1 cg-commit,1 cg-start'
next_second
sim_fault '{"match": "wafl-sync", "action": "error", "errno": 13003}'
check_exit 'WAFL sync: refused: the backup goes on' 0 moon backup --policy daily
said 'WAFL sync: refused: is told' "NTAP_CONSISTENCY_GROUP_WAFL_SYNC: no consistency point is forced on volumes vol1, vol2 of controller 'svm1': .*13003"
sim_faults_clear

# --- REST: the group must stand on the controller ---

moon_conf "${cg[@]}" ONTAP_API=rest
changes=$(sim_changes | wc -l)
next_second
check_exit 'REST without a group object' 1 moon backup --policy daily
said 'says what would serve' '\[STORAGE-02003\].*of one consistency group on the controller; .*; make such a group there, or write ONTAP_API=zapi'
check_eq 'before anything was changed' "$(sim_changes | wc -l)" "$changes"
group='{"name": "cg1", "svm": {"name": "svm1"}, "volumes": [{"name": "vol1", "provisioning_options": {"action": "add"}},
  {"name": "vol2", "provisioning_options": {"action": "add"}}]}'
sim_curl -u vsadmin:secret -X POST -H 'Content-Type: application/json' -d "$group" \
  "$SIM_URL/api/application/consistency-groups?return_timeout=15" >/dev/null
fresh
backup
check 'REST: all events come' poll 5 heard 4
check_eq 'REST: between the first suspend and the last resume only the group is asked for' \
  "$(asked_in_pause | sed 's/{[a-z_.]*}/U/g')" '1 PATCH /application/consistency-groups/U/snapshots/U,1 POST /application/consistency-groups/U/snapshots'
check 'with the group: both volumes have the snapshot' both_have
check_exit 'and a guest is restored from it' 0 restore bravo --yes
check_eq 'in two steps' "$(sim_requests | jq -r '[.log[] | select(.call | test("consistency-groups")) | select(.changing) | .call | split(" ")[0]] | join(",")')" POST,PATCH
check_eq 'its snapshots are known as ours' "$(sim_curl -u vsadmin:secret "$SIM_URL/api/storage/volumes/*/snapshots?name=$SNAP&fields=comment,snapmirror_label" |
  jq -r '[.records[] | "\(.snapmirror_label) \(.comment | split(" run=")[0])"] | unique | join(",")')" 'daily moonsnap config=demo/kvm'
BEFORE=$(snapshots vol1; snapshots vol2)
next_second
sim_fault '{"match": "PATCH *consistency-groups/*/snapshots/*", "action": "error"}'
check_exit 'REST: a group that is not committed' 1 moon backup --policy daily
said 'REST: has its code' '\[STORAGE-02006\]'
nothing_left 'REST: a group that is not committed'
sim_faults_clear
moon_conf "${cg[@]}" ONTAP_API=rest NTAP_CONSISTENCY_GROUP_WAFL_SYNC=Y
next_second
check_exit 'REST: WAFL sync: the backup is made' 0 moon backup --policy daily
said 'REST: WAFL sync: is told' 'no consistency point is forced on .*: REST has no such call'
moon_conf "${cg[@]}" ONTAP_API=rest KVM_VMS=alpha VOLUMES=svm1:vol1
check_exit 'REST: a group with more volumes than the run' 1 moon backup --policy daily
said 'REST: the group is named with what is too much' "; group 'cg1' also has vol2;"
finish
