#!/bin/bash
# Done in part: a restore whose second guest fails, a mapping of which not all is known today, volumes without guests,
# copies that go from one volume and stay on the other. What is said and kept fits what is there.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
scene alpha:vol1 bravo:vol2
conf=$WORLD_DIR/etc/demo/kvm.conf
mapping() { sed -n 's/^KVM_VM_MAPPING=//p' "$conf" | tr ';' '\n' | grep . | sort | paste -sd' '; }
all='alpha:svm1:/vol/vol1/alpha.img bravo:svm1:/vol/vol2/bravo.img'

# --- the second restore of two fails ---

backup
for how in error:3 busy:5; do
  next_second
  dd if=/dev/urandom of="${IMG[alpha]}" bs=1M seek=8 count=1 conv=notrunc,fsync status=none
  sim_fault '{"match": "snapshot-restore-file", "nth": 2, "action": "'${how%:*}'"}'
  check_exit "the second restore fails (${how%:*}): exit" "${how#*:}" restore alpha,bravo --yes
  check_match "the second restore fails (${how%:*}): the first is named as restored" "$ERR" "alpha.*restored already"
  check_no_match "the second restore fails (${how%:*}): the second is not" "$ERR" 'bravo.*restored already'
  check_match "the second restore fails (${how%:*}): the second is named as failed" "$ERR" 'error:.*bravo'
  check_eq "the second restore fails (${how%:*}): alpha runs" "$(guest_state alpha)" running
  check_eq "the second restore fails (${how%:*}): alpha has its old disk" "$(still "${IMG[alpha]}")" "$(still "$(copy alpha)")"
  sim_faults_clear
done
check_eq 'a restore that may have begun: bravo stays off' "$(guest_state bravo)" 'shut off'
check_match 'a restore that may have begun: the way back is named' "$ERR" 'bravo.*stays off.*demo-restore_[0-9]{14}'
guest_start bravo
check_exit 'who has looked at the disk says so' 0 moon gc --yes --safety

# --- what was not found this time is not forgotten ---

check_exit 'discover writes the mapping' 0 moon discover
check_eq 'of both guests' "$(mapping)" "$all"
next_second
check_exit 'a backup of alpha only, by --params' 0 moon backup --policy daily --params KVM_VMS=alpha --json
check_eq 'it has alpha only' "$(jq -r '[.guests[].name] | join(",")' "$OUT")" alpha
check_eq 'the mapping in the file keeps bravo' "$(mapping)" "$all"
check_exit 'discover of bravo only' 0 moon discover --params KVM_VMS=bravo
check_eq 'the mapping in the file keeps alpha' "$(mapping)" "$all"

# vol2 comes from an address that only the list of LIFs tells
cp "$WORLD_DIR/mountinfo" "$WORLD_DIR/mountinfo.plain"
sed -i '/vol2/s/127\.0\.0\.1:/192.0.2.7:/; /vol2/s/addr=127\.0\.0\.1$/addr=192.0.2.7/' "$WORLD_DIR/mountinfo"
sim_stop
sim_config "$WORLD_DIR/sim.json" '.svms[0].lifs += [{ name: "lif2", address: "192.0.2.7" }]'
sim_start
moon_conf KVM_VMS=
check_exit 'discover by LIFs' 0 moon discover
check_eq 'finds both guests' "$(mapping)" "$all"
cp "$conf" "$WORLD_DIR/before"
events_start
for action in discover backup; do
  next_second
  often=$([ $action = backup ] || echo '"count": 1,')
  sim_fault '{"match": "net-interface-get-iter", '"$often"' "action": "error"}'
  changes=$(sim_changes)
  run moon "$action" --policy daily
  check_eq "the LIFs cannot be read: $action fails" "$CODE" 1
  check_match "the LIFs cannot be read: $action says so" "$ERR" 'error:.*svm1.*net-interface-get-iter'
  check "the LIFs cannot be read: $action leaves the config byte for byte" cmp "$conf" "$WORLD_DIR/before"
  check_eq "the LIFs cannot be read: $action changes nothing" "$(sim_changes)" "$changes"
  sim_faults_clear
done
check_eq 'the LIFs cannot be read: no guest had an event' "$(events_of 'alpha|bravo')" ''
cp "$WORLD_DIR/mountinfo.plain" "$WORLD_DIR/mountinfo"

# --- volumes that the administrator names ---

next_second
moon_conf KVM_VMS=alpha APP_AUTO_DISCOVERY=N 'KVM_VM_MAPPING=alpha:svm1:/vol/vol1/alpha.img;'
backup
check_eq 'without discovery a volume of VOLUMES without guests is in the record' \
  "$(jq -r '[.volumes[].volume] | sort | join(",")' "$RECORD")" vol1,vol2
check 'and in the backup' test -d "$SIM_ROOT/svm1/vol2/.snapshot/$SNAP"
moon_conf KVM_VMS=alpha
backup
check_eq 'with discovery it is not' "$(jq -r '[.volumes[].volume] | join(",")' "$RECORD")" vol1

# --- records go with their copies ---

has() { jq -r .snapshot "$WORLD_DIR"/state/catalog/demo/kvm/*-backup.json | grep -cx "$1" || true; }
POLICY=hourly
moon_conf NTAP_SNAPSHOT_RETENTIONS=hourly:1,daily:9
backup
first=$SNAP
check_eq 'the record of a copy' "$(has "$first")" 1
backup
check_eq 'retention: the copy is gone' "$( (snapshots vol1; snapshots vol2) | grep -cx "$first")" 0
check_eq 'retention: its record, too' "$(has "$first")" 0
check_eq 'retention: the record of the newer one stays' "$(has "$SNAP")" 1

# one volume now, the other at the next run
second=$SNAP
sim_fault '{"match": "snapshot-delete", "volume": "vol2", "action": "busy"}'
run moon backup --policy hourly
check_eq 'a copy that stays on vol2' "$(snapshots vol1 | grep -cx "$second") $(snapshots vol2 | grep -cx "$second")" '0 1'
check_eq 'keeps its record' "$(has "$second")" 1
sim_faults_clear
next_second
backup
check_eq 'when it has gone from there as well' "$( (snapshots vol1; snapshots vol2) | grep -cx "$second")" 0
check_eq 'its record goes, too' "$(has "$second")" 0

check_exit 'backupDel on one volume' 0 moon backupDel --policy hourly --backupName "$SNAP" --cntName svm1 --volName vol1 --yes
check_eq 'the copy stays on the other' "$(snapshots vol1 | grep -cx "$SNAP") $(snapshots vol2 | grep -cx "$SNAP")" '0 1'
check_eq 'and its record' "$(has "$SNAP")" 1
check_exit 'backupDel of the rest' 0 moon backupDel --policy hourly --backupName "$SNAP" --yes
check_eq 'the copy is gone' "$(snapshots vol2 | grep -cx "$SNAP")" 0
check_eq 'and its record' "$(has "$SNAP")" 0
check_exit 'a restore from it' 2 restore alpha --yes
finish
