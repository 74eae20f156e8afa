#!/bin/bash
# The main job: three running guests on two volumes are backed up; two disks are destroyed; one guest is restored
# while it runs. Its disk comes back, the other wreck and the third guest are left alone.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
scene
events_start

check_exit 'discover' 0 moon discover
mapping=$(sed -n 's/^KVM_VM_MAPPING=//p' "$WORLD_DIR/etc/demo/kvm.conf")
check_eq 'discover writes the mapping' "$mapping" \
  'alpha:svm1:/vol/vol1/alpha.img;bravo:svm1:/vol/vol2/bravo.img;charlie:svm1:/vol/vol1/charlie.img;'

check_exit 'backup' 0 moon backup --policy daily --json
RECORD=$WORLD_DIR/record.json
cp "$OUT" "$RECORD"
check 'the record is one JSON document, schema 1' jq -e '.schema == 1 and .status == "ok"' "$RECORD"
SNAP=$(jq -r .snapshot "$RECORD")
check 'the snapshot is named SNAME-policy_timestamp' grep -Eq '^demo-daily_[0-9]{14}$' <<<"$SNAP"
check_eq 'three guests are in the record' "$(jq -r '[.guests[].name] | join(",")' "$RECORD")" alpha,bravo,charlie
for guest in alpha bravo charlie; do
  check_eq "$guest: was running" "$(guest_of $guest .state_before)" running
  check "$guest: the pause is a number of ms, above 0 and below 10 s" pause_is_sane $guest
  check_eq "$guest: suspended once, resumed once" "$(events_of $guest | paste -sd,)" Suspended,Resumed
  check_eq "$guest: runs" "$(guest_state $guest)" running
  check_eq "$guest: uuid" "$(guest_of $guest .uuid)" "$(vsh domuuid $guest)"
  check_eq "$guest: disk in the record" "$(guest_of $guest '.disks[0] | "\(.target) \(.controller) \(.volume)"')" \
    "vda svm1 $(basename "${IMG[$guest]%/*}")"
  check "$guest: its disk is in the snapshot" test -f "$(copy $guest)"
  check "$guest: the copy is of this guest" test "$(still "$(copy $guest)")" = "$(still "${IMG[$guest]}")"
done
check_eq 'the same name on both volumes' "$(snapshots vol1) $(snapshots vol2)" "$SNAP $SNAP"
check 'the catalog has the run' grep -rqs "$SNAP" "$WORLD_DIR/state"

saved=$(guest_counter "$(copy alpha)")
wait_counter "${IMG[alpha]}" $((saved + 8))
spoil "${IMG[alpha]}" 16
guest_stop bravo
spoil "${IMG[bravo]}" 16
bravo_wreck=$(sum "${IMG[bravo]}")
charlie_still=$(still "${IMG[charlie]}")
charlie_counter=$(guest_counter "${IMG[charlie]}")
wait_counter "${IMG[alpha]}" $((saved + 8)) # into the wreck
before=$(guest_counter "${IMG[alpha]}")
events_start

check_exit 'restore of one guest while it runs' 0 restore alpha --yes
wait_counter "${IMG[alpha]}" $((saved + 1)) || true # two a second: it is looked at before it has counted to where it was
now=$(guest_counter "${IMG[alpha]}")
check_eq 'alpha: stopped, then started' "$(events_of alpha | grep -E 'Stopped|Started' | paste -sd,)" Stopped,Started
check_eq 'alpha: runs again' "$(guest_state alpha)" running
check "alpha: counts on from $saved ($before before the restore, $now now)" test "$now" -gt "$saved" -a "$now" -lt "$before"
check_eq 'alpha: the rest of its disk is the copy' "$(still "${IMG[alpha]}")" "$(still "$(copy alpha)")"
check_eq 'bravo: untouched' "$(sum "${IMG[bravo]}")" "$bravo_wreck"
check_eq 'bravo: still off' "$(guest_state bravo)" 'shut off'
check_eq 'charlie: untouched' "$(still "${IMG[charlie]}")" "$charlie_still"
check_eq 'charlie: no event at all' "$(events_of charlie | paste -sd,)" ''
check 'charlie: its counter went on' soon counter_from "${IMG[charlie]}" $((charlie_counter + 1))

check_exit 'restore of a guest that is off' 0 restore bravo --yes
check_eq 'bravo: byte for byte the copy' "$(sum "${IMG[bravo]}")" "$(sum "$(copy bravo)")"
check_eq 'bravo: stays off, as it was' "$(guest_state bravo)" 'shut off'
guest_start bravo
check 'bravo: counts on' wait_counter "${IMG[bravo]}" $(($(guest_counter "$(copy bravo)") + 1))

check_exit 'backupList' 0 moon backupList --policy daily
said 'backupList shows the backup' "$SNAP"
check_exit 'volumeList' 0 moon volumeList
said 'volumeList shows vol1' vol1
said 'volumeList shows vol2' vol2
check_exit 'backupDel' 0 moon backupDel --policy daily --backupName "$SNAP" --yes
check_eq 'backupDel removes it from both volumes' "$(snapshots vol1 | grep -cx "$SNAP") $(snapshots vol2 | grep -cx "$SNAP")" '0 0'
finish
