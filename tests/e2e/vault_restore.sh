#!/bin/bash
# A backup that only a vault still has: its disks are fetched beside the originals while the guests run, and restored in
# place from there; whatever fails on the way, the guest runs on as it was and nothing is left behind.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
# shellcheck source=../lib/vault.sh
. "$(dirname "$(realpath "$0")")/../lib/vault.sh"
# shellcheck source=../lib/dialogue.sh
. "$(dirname "$(realpath "$0")")/../lib/dialogue.sh"
requires script
scene alpha:vol1 bravo:vol2
vault_up . v1 v2
relate v1 vol1 kvm_vault
relate v2 vol2 kvm_vault

conf() {
  moon_conf "${BOTH[@]}" "ONTAP_API=$api" NTAP_SNAPVAULT_UPDATE=Y 'SNAPVAULT_VOLUMES=svm1:vol1,vol2' \
    NTAP_SNAPSHOT_RETENTIONS=daily:1,hourly:1 NTAP_SNAPVAULT_RETENTIONS=daily:9 "$@"
}
beside() { find "$SIM_ROOT/svm1/vol1" "$SIM_ROOT/svm1/vol2" -path '*/.snapshot' -prune -o -name '*.moonsnap_*' -print; }
relations() { sim_curl "$SIM_URL/api/snapmirror/relationships?fields=restore" | jq '[.records[] | select(.restore)] | length'; }
# by_hand: an administrator's own restore from the vault to vol1 is about to begin
by_hand() {
  sim_curl -X POST -H 'Content-Type: application/json' -d '{"source": {"path": "svm_vault:v1"}, "destination": {"path":
    "svm1:vol1"}, "restore": true}' "$SIM_URL/api/snapmirror/relationships?return_timeout=15" >/dev/null
}
forget_relations() {
  local id
  for id in $(sim_curl "$SIM_URL/api/snapmirror/relationships?fields=restore" | jq -r '.records[] | select(.restore).uuid'); do
    sim_curl -X DELETE "$SIM_URL/api/snapmirror/relationships/$id?return_timeout=15" >/dev/null
  done
}
no_relation() { [ "$(relations)" = 0 ]; }
safety() { snapshots vol1 | grep -c restore || true; }
in_vault() { still "$SIM_ROOT/svm_vault/v1/.snapshot/$SNAP/alpha.img"; }
restore() { moon restore --backupName "$SNAP" --params KVM_RESTORE_VM_LIST=alpha --yes "$@"; }
last() { find "$WORLD_DIR/state/catalog/demo/kvm" -name '*-restore.json' | sort | tail -n 1 | xargs jq -r "$1"; }
abort_transfer() {
  local id
  id=$(sim_curl "$SIM_URL/api/snapmirror/relationships?fields=restore,transfer" | jq -r '.records[] |
    select(.restore and .transfer.state == "transferring") | "\(.uuid)/transfers/\(.transfer.uuid)"')
  [ -n "$id" ] && sim_curl -X PATCH -H 'Content-Type: application/json' -d '{"state": "aborted"}' \
    "$SIM_URL/api/snapmirror/relationships/$id"
}
noted() { [ "$(last '.beside[0].relation // ""')" != '' ]; }
fetching() { [ -n "$(beside)" ] || [ "$(relations)" != 0 ]; }
untouched() { # NAME: the guest runs on as it was, and nothing is left
  check_eq "$1: the guest was not touched" "$(events_of alpha)" ''
  check "$1: the guests run" all_running alpha bravo
  check_eq "$1: the disk is as it was" "$(still "${IMG[alpha]}")" "$now"
  check "$1: no relationship is left" poll 10 no_relation
  check_eq "$1: no file and no safety snapshot is left" "$(beside)$(safety)" "$kept"
}

for api in auto rest; do
  conf
  next_second
  backup
  old=$SNAP
  next_second
  backup
  SNAP=$old
  check_eq "$api: the backup is in the vault only" "$(snapshots vol1 | grep -cx "$SNAP" || true) $(secondary v1 | grep -c "$SNAP")" '0 1'
  spoil "${IMG[alpha]}" 3
  now=$(still "${IMG[alpha]}")
  check_not "$api: the disk differs from its copy" test "$now" = "$(in_vault)"
  kept=$(safety)

  # --- the menu ---

  dialogue 'restore --policy daily' "$NUMBER" q
  check_match "$api: the menu offers what only the vault has" <(screen) "^ *[0-9]+  $SNAP  .* ok +alpha,bravo +svm_vault:v1 \\(secondary\\),svm_vault:v2 \\(secondary\\)$"
  dialogue 'restore --policy daily --volName nowhere'
  check_match "$api: not where its guests had no volume" <(screen) 'has no backup to choose'
  number=$(moon backupList --policy daily --json | jq -r --arg n "$SNAP" 'map(.name) | index($n) + 1')
  dialogue 'restore --policy daily --dry-run' "$NUMBER" "$number" "$NUMBERS" 1
  check_eq "$api: chosen there: a dry run" "$CODE" 0
  check_match "$api: chosen there: is of the vault" <(screen) 'from the vault svm_vault:v1'

  # --- what stops it ---

  changes=$(sim_changes | wc -l)
  check_exit "$api: a dry run" 0 restore --dry-run
  said "$api: it fetches, and restores from there" 'ontap\.mirror_restore'
  said "$api: it says where from" "disk vda  svm1:/vol/vol1/alpha.img, from the vault svm_vault:v1"
  check_eq "$api: a dry run changes nothing" "$(sim_changes | wc -l)" "$changes"

  events_start
  sim_fault '{"match": "POST /snapmirror/relationships/*/transfers", "action": "error"}'
  check_exit "$api: the transfer is refused" 1 restore
  said "$api: the transfer is refused: its code" 'STORAGE-02025.*svm1:/vol/vol1/alpha.img from the vault svm_vault:v1'
  sim_faults_clear
  untouched "$api: refused"

  by_hand
  sim_fault '{"match": "POST /snapmirror/relationships", "action": "nospace"}'
  check_exit "$api: somebody else's restore is in the way" 1 restore
  sim_faults_clear
  check_eq "$api: it is left to him" "$(relations)" 1
  forget_relations
  untouched "$api: in the way"

  # a transfer that goes on until something is done about it
  sim_pace '{"transfer_ms": 120000}'
  events_start
  sim_fault '{"match": "GET /snapmirror/relationships", "action": "slow"}' # its first page has no rows
  MOON_LIMIT=60 moon restore --backupName "$SNAP" --params KVM_RESTORE_VM_LIST=alpha --yes >"$WORLD_DIR/bg.out" 2>"$WORLD_DIR/bg.err" </dev/null &
  pid=$!
  poll 20 noted || not_ok "$api: it fetches" "$WORLD_DIR/bg.err"
  sim_faults_clear
  check_not "$api: its relationship is noted" test "$(last '.beside[0].relation')" = gone
  check_eq "$api: the guest runs meanwhile" "$(guest_state alpha)" running
  poll 20 abort_transfer || not_ok "$api: the transfer can be aborted" "$WORLD_DIR/bg.err"
  CODE=0
  wait $pid || CODE=$?
  check_eq "$api: the transfer is aborted by somebody: exit" $CODE 1
  check_match "$api: the transfer is aborted: said" "$WORLD_DIR/bg.err" 'STORAGE-02025.*alpha.img from the vault svm_vault:v1: .*abort'
  sim_pace '{"transfer_ms": 200}'
  untouched "$api: aborted"

  # In the moment of the restore in place: the fetched one is in the safety snapshot by then.
  events_start
  sim_fault '{"match": "snapshot-create", "volume": "vol1", "action": "nospace"}'
  sim_fault '{"match": "POST /storage/volumes/{uuid}/snapshots", "action": "nospace"}'
  check_exit "$api: no safety snapshot" 1 restore
  sim_faults_clear
  untouched "$api: no safety snapshot"

  # --- it works ---

  next_second
  events_start
  conf NTAP_RESTORE_SAFETY_SNAPSHOT=N
  check_exit "$api: the restore" 0 restore
  conf
  check_eq "$api: byte for byte" "$(still "${IMG[alpha]}")" "$(in_vault)"
  check "$api: the guest runs" wait_state alpha running
  wait_counter "${IMG[alpha]}" 1 || not_ok "$api: the guest counts"
  check_eq "$api: bravo was not touched" "$(events_of bravo)" ''
  check_eq "$api: nothing fetched is left" "$(beside)" ''
  check "$api: no relationship is left" poll 10 no_relation
  check_eq "$api: a safety snapshot even with N: the restore comes from it" "$(safety)" $((kept + 1))
  check_eq "$api: the record says from where" "$(last '.status + " " + .guests[0].disks[0].vault')" 'ok svm_vault:v1'
  check_eq "$api: and has nothing beside" "$(last .beside)" null

  # A run that died in the middle: the next one takes away what it had fetched.
  next_second
  sim_pace '{"transfer_ms": 120000}'
  MOON_LIMIT=60 moon restore --backupName "$SNAP" --params KVM_RESTORE_VM_LIST=alpha --yes >"$WORLD_DIR/bg.out" 2>"$WORLD_DIR/bg.err" </dev/null &
  pid=$!
  poll 20 fetching || not_ok "$api: it fetches" "$WORLD_DIR/bg.err"
  poll 20 noted || not_ok "$api: its transfer is noted" "$(last .beside)"
  kill -KILL "$(pgrep -P "$(pgrep -P $pid -x timeout || echo $pid)" -x moonsnap)"
  wait $pid || true
  check_eq "$api: killed: the guest runs" "$(guest_state alpha)" running
  if [ $api = auto ]; then # the controller goes on with the transfer
    check_exit 'killed: gc' 0 moon gc
    said 'killed: gc lists what it fetches' 'fetched disk +svm1 +vol1:alpha\.img\.moonsnap_.* found'
    check_exit 'killed: gc --yes, a dry run' 0 moon gc --yes --dry-run
    said 'killed: a dry run of gc names the file' 'file\.remove .*alpha\.img\.moonsnap_'
    check_exit 'killed: gc --yes' 0 moon gc --yes
    said 'killed: gc --yes removes it' 'fetched disk .* removed'
    check 'killed: gc ends the transfer, too' poll 10 no_relation # by itself it goes on for longer
    sim_pace '{"transfer_ms": 200}'
    check_eq 'killed: gc: nothing is left' "$(beside)" ''
  else
    sim_pace '{"transfer_ms": 200}'
    poll 10 no_relation || not_ok "$api: killed: the transfer ends by itself" "$(relations)"
    check_not "$api: killed: something was left" test -z "$(beside)"
    by_hand
    check_exit 'killed: gc --yes beside a restore by hand' 0 moon gc --yes
    check_eq 'killed: which goes on' "$(relations)" 1
    forget_relations
  fi
  next_second
  check_exit "$api: killed: the next restore" 0 restore
  check_eq "$api: killed: leaves nothing of both" "$(beside)" ''

  # The copy in the vault goes, too.
  next_second
  sim_curl -u vault:secret "$SIM_URL/api/storage/volumes?name=v1" >/dev/null
  at_vault snapshot-delete "<volume>v1</volume><snapshot>$SNAP</snapshot>" >/dev/null
  check_exit "$api: it is nowhere any more" 1 restore
  said "$api: it is nowhere any more: said" "STORAGE-02025.*snapshot $SNAP is not on svm1:vol1 any more"
done

# --- what is refused ---

api=zapi conf
next_second
backup
old=$SNAP
next_second
backup
SNAP=$old
changes=$(sim_changes | wc -l)
check_exit 'ONTAPI alone' 2 restore
said 'ONTAPI alone: what to do' "snapshot $SNAP is only in the vault svm_vault:v1, and single files come back from there over REST alone: .*ONTAP_API=zapi.*clone the volume at the secondary"
check_eq 'ONTAPI alone: nothing was done' "$(sim_changes | wc -l)" "$changes"
api=rest conf ONTAP_RETRIES=0 'MANAGEMENT_INTERFACES=svm1:127.0.0.1;svm_vault:127.0.0.2'
check_exit 'the vault is down' 1 restore
said 'the vault is down: said' "STORAGE-02025.*snapshot $SNAP of svm1:vol1: .*controller 'svm_vault'|STORAGE-02025.*svm1:vol1: .*svm_vault"
dialogue 'restore --policy daily' "$NUMBER" q
check_match 'the vault is down: the menu has the rest, and tells' <(screen) 'the copies on the secondary svm_vault:v1 are not shown'
api=rest conf NTAP_USERS=svm1:vsadmin/secret
check_exit 'the vault has no login' 1 restore
said 'the vault has no login: said' "its vault's controller 'svm_vault' is not in NTAP_USERS"
finish
