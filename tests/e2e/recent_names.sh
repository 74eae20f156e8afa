#!/bin/bash
# SNAP_TIMESTAMP_ONLY=N: the newest copy is called _recent, and gives that name up to the next one. It stays one copy:
# under one name on all volumes, in the catalog, fit for a restore.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
scene alpha:vol1 bravo:vol2
recent=demo-daily_recent
moon_conf SNAP_TIMESTAMP_ONLY=N

# made in different seconds on the two volumes
sim_fault '{"match": "snapshot-create", "volume": "vol2", "action": "delay", "ms": 1300}'
backup
sim_faults_clear
check_eq 'the first backup is the recent one' "$SNAP $(snapshots vol1) $(snapshots vol2)" "$recent $recent $recent"
first=$(sum "$(copy alpha)")
cp "$RECORD" "$WORLD_DIR/first.json"
wait_counter "${IMG[alpha]}" $(($(guest_counter "$(copy alpha)") + 2)) || true

# --- the rename fails ---

for nth in 1 2; do
  events_start
  before=$(snapshots vol1; snapshots vol2; records; sha256sum "$WORLD_DIR"/state/catalog/demo/kvm/*)
  sim_fault '{"match": "snapshot-rename", "nth": '$nth', "action": "error"}'
  check_exit "rename $nth fails: exit" 1 moon backup --policy daily
  check_match "rename $nth fails: volume and snapshot are named" "$ERR" 'demo-daily_recent.*vol[12]|vol[12].*demo-daily_recent'
  check_eq "rename $nth fails: names and catalog are as they were" \
    "$(snapshots vol1; snapshots vol2; records; sha256sum "$WORLD_DIR"/state/catalog/demo/kvm/*)" "$before"
  check_eq "rename $nth fails: nobody was suspended" "$(events_of 'alpha|bravo')" ''
  sim_faults_clear
done
# the controller renames, but its answer is lost
before=$(snapshots vol1; snapshots vol2)
sim_fault '{"match": "snapshot-rename", "nth": 2, "action": "drop", "after": true}'
run moon backup --policy daily
sim_faults_clear
if [ "$CODE" = 0 ]; then
  ok 'the answer of a rename is lost: the engine found out'
else
  check_eq 'the answer of a rename is lost: the names are as they were' "$(snapshots vol1; snapshots vol2)" "$before"
fi
check_exit 'and the copy is still in the catalog' 0 moon backupList --policy daily --json
check_eq 'with status ok, all of them' "$(jq -r '[.[].status] | unique | join(",")' "$OUT")" ok
next_second

# --- the rename works ---

backup
check_eq 'the next backup is the recent one' "$SNAP" "$recent"
old=$(snapshots vol1 | grep -E '^demo-daily_[0-9]{14}$' | head -n 1)
check_match 'the older one has a time-stamped name' <(echo "$old") '^demo-daily_[0-9]{14}$'
check_eq 'the same on both volumes' "$(snapshots vol1 | paste -sd' ')" "$(snapshots vol2 | paste -sd' ')"
check_exit 'backupList' 0 moon backupList --policy daily --json
check_eq 'both are listed with status ok, on both volumes, with both guests' \
  "$(jq -r --arg o "$old" --arg r $recent '.[] | select(.name == $o or .name == $r)
    | "\(.name) \(.status) \(.volumes | join(",")) \(.guests | join(","))"' "$OUT")" \
  "$old ok svm1:vol1,svm1:vol2 alpha,bravo
$recent ok svm1:vol1,svm1:vol2 alpha,bravo"
check_eq "the older one's record has the uuids of its snapshots still" \
  "$(jq -s -c --arg o "$old" '.[] | select(.snapshot == $o) | [.volumes[].snapshot_uuid]' "$WORLD_DIR"/state/catalog/demo/kvm/*-backup.json)" \
  "$(jq -c '[.volumes[].snapshot_uuid]' "$WORLD_DIR/first.json")"

newer=$(guest_counter "$SIM_ROOT/svm1/vol1/.snapshot/$recent/alpha.img")
guest_stop alpha
SNAP=$old
check_exit 'the older one can be restored' 0 restore alpha --yes
check_eq 'its disk is that of then' "$(sum "${IMG[alpha]}")" "$first"
check "which the newer one's is not" test "$(guest_counter "${IMG[alpha]}")" -lt "$newer"
next_second
SNAP=$recent
check_exit 'the recent one can be restored' 0 restore alpha --yes
check_eq 'its disk is that of the newer one' "$(sum "${IMG[alpha]}")" "$(sum "$(copy alpha)")"

# --- the time of the one that gives its name up is taken: it has come twice, when the clock was set back ---

id=$(jq -r 'select(.snapshot == "'$recent'") | .id' "$WORLD_DIR"/state/catalog/demo/kvm/*-backup.json)
zapi snapshot-create "<volume>vol2</volume><snapshot>demo-daily_${id%-*}</snapshot>" >/dev/null
next_second
backup
given=$(jq -r --arg id "$id" 'select(.id == $id) | .snapshot' "$WORLD_DIR"/state/catalog/demo/kvm/*-backup.json)
check_eq 'its time is taken: it gets another' "$SNAP $(test "$given" \> "demo-daily_${id%-*}" && snapshots vol1 | grep -cx "$given")" \
  "$recent 1"
check_eq 'its time is taken: the same on both volumes' "$(snapshots vol2 | grep -cx "$given")" 1
zapi snapshot-delete "<volume>vol2</volume><snapshot>demo-daily_${id%-*}</snapshot>" >/dev/null

# --- retention counts them ---

next_second
moon_conf SNAP_TIMESTAMP_ONLY=N NTAP_SNAPSHOT_RETENTIONS=daily:2
backup
for vol in vol1 vol2; do
  check_eq "$vol: daily:2 leaves two, one of them recent" "$(snapshots $vol | grep -c '^demo-daily_') $(snapshots $vol | grep -cx $recent)" '2 1'
done
check_eq 'and the record of the oldest is gone' "$(jq -r .snapshot "$WORLD_DIR"/state/catalog/demo/kvm/*-backup.json | grep -cx "$old")" 0

# --- over REST ---

moon_conf SNAP_TIMESTAMP_ONLY=N NTAP_SNAPSHOT_RETENTIONS=daily:9 ONTAP_API=rest
before=$(snapshots vol1; snapshots vol2)
next_second
sim_fault '{"match": "PATCH *storage/volumes/*/snapshots/*", "nth": 2, "action": "error"}'
check_exit 'REST: a rename fails: exit' 1 moon backup --policy daily
check_eq 'REST: a rename fails: the names are as they were' "$(snapshots vol1; snapshots vol2)" "$before"
sim_faults_clear
next_second
backup
check_eq 'REST: the next backup is the recent one' "$SNAP $(snapshots vol1 | grep -cx $recent) $(snapshots vol2 | grep -cx $recent)" \
  "$recent 1 1"
daily() { snapshots "$1" | grep '^demo-daily_' | paste -sd' '; }
check_eq 'REST: the older one was renamed, the same on both volumes' "$(daily vol1 | wc -w) $(daily vol1)" "3 $(daily vol2)"
finish
