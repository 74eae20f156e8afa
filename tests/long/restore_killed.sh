#!/bin/bash
# A restore that is killed in each of its steps: every disk is the old one or the backup's, the next start says which
# and how to go on, the safety snapshot is there, and the restore that is run again brings the guest back. The guest has
# two disks on two volumes: one of then and one of now are no guest, and must not look like one.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
# shellcheck source=../lib/two_disks.sh
. "$(dirname "$(realpath "$0")")/../lib/two_disks.sh"
two_disks
api=zapi

record() { find "$WORLD_DIR/state/catalog/demo/kvm" -name '*-restore.json' | sort | tail -n 1; }
step_is() { # guest's step, then those of its disks
  [ "$(jq -r '[.guests[0].step // "-", (.guests[0].disks[] | .step // "-")] | join(" ")' "$(record)" 2>/dev/null)" = "$*" ]
}
recorded() { [ -n "$(record)" ] && [ "$(jq -r .status "$(record)")" = started ]; }
# overwriting STEP ...: so says the record, and the controller has the request; the one comes before the other
overwriting() { step_is overwriting "$@" && [ "$(sim_curl "$SIM_URL/sim/faults" | jq '[.faults[].hits] | add')" -gt 0 ]; }
disks_are() { [ "$(which_are)" = "$1" ]; }
safety_there() { test -d "$SIM_ROOT/svm1/vol1/.snapshot/$1" -a -d "$SIM_ROOT/svm1/vol2/.snapshot/$1"; }
restore_again() { restore alpha --yes; }

# step "name" FAULT DISKS GUEST REGEX WHEN...: disks and guest after the kill, and what the next start says.
step() {
  local name="$api, $1" fault=$2 disks=$3 guest=$4 text=$5 pid safety
  shift 5
  rm -rf "$WORLD_DIR/state/catalog/demo/kvm/"*-restore.json
  spoil_both
  next_second
  if [ -n "$fault" ]; then sim_fault "$fault"; fi
  SNAP=$good
  "$MOONSNAP" restore "${MOON_ARGS[@]}" --config-dir "$WORLD_DIR/etc" --state-dir "$WORLD_DIR/state" --policy daily \
    --backupName "$good" --params KVM_RESTORE_VM_LIST=alpha --yes >"$OUT" 2>"$ERR" </dev/null &
  pid=$!
  poll 20 "$@" || { not_ok "$name: $*" "$OUT" "$ERR" "$(record)"; finish; }
  kill -KILL $pid
  wait $pid || true
  # A dead client's last request is carried out all the same.
  sim_faults_clear
  poll 10 disks_are "$disks" || true
  poll 10 settled_down || not_ok "$name: the controller comes to rest"
  safety=$(jq -r .safety "$(record)")
  check_eq "$name: the disks" "$(which_are)" "$disks"
  check "$name: the guest is $guest" wait_state alpha "$guest" 30
  run moon recover
  if [ -n "$text" ]; then
    said "$name: recover says what there is" "$text"
  else
    check_no_match "$name: recover has nothing to say" "$ERR" 'did not end'
  fi
  if [[ $text == *'do not start it'* ]]; then
    check_eq "$name: recover wants a person" "$CODE" 3
    said "$name: and names the way on and back" "--backupName $good --params KVM_RESTORE_VM_LIST=alpha.*$safety"
  else
    check_eq "$name: recover needs nobody" "$CODE" 0
  fi
  check "$name: gc keeps the safety snapshot" moon gc --yes
  if [ "$guest" != running ]; then check "$name: it is there" safety_there "$safety"; fi
  next_second
  check_exit "$name: the restore that is run again" 0 restore_again
  check_eq "$name: brings the disks back" "$(sum "$data") $(still "${IMG[alpha]}")" "$then2 $then1"
  run moon recover
  check_eq "$name: and settles the matter" "$CODE $(grep -c 'did not end' "$ERR")" '0 0'
  state_is alpha running || guest_start alpha
}
hold() { printf '{"match": "%s", "nth": %d, "action": "hold"}' "$1" "$2"; } # until the faults are cleared

for api in zapi rest; do
  if [ $api = zapi ]; then
    create=snapshot-create over=snapshot-restore-file
  else
    create='POST /storage/volumes/{uuid}/snapshots' over='PATCH /storage/volumes/{uuid}'
  fi
  moon_conf KVM_BACKUP_DATA_DISKS=Y "ONTAP_API=$api"
  mixed='do not start it.*may be old, the backup.s or a mix'
  step 'the safety snapshot' "$(hold "$create" 1)" 'old old' running '' recorded
  step 'the first disk' "$(hold "$over" 1)" 'backup old' 'shut off' "$mixed, vdb is as it was" \
    overwriting overwriting -
  step 'the second disk' "$(hold "$over" 2)" 'backup backup' 'shut off' "do not start it.*vda is the backup's, vdb may" \
    overwriting restored overwriting
done
api=zapi
moon_conf KVM_BACKUP_DATA_DISKS=Y
# A QEMU that is stopped does not go when it is asked to: libvirt takes some seconds.
stop_qemu() {
  recorded || return 1
  kill -STOP "$(cat "$WORLD_LV/run/libvirt/qemu/run/alpha.pid")"
  sim_faults_clear
  poll 10 step_is stopping - -
}
step 'powering off' "$(hold snapshot-create 1)" 'old old' 'shut off' 'its disks are as they were; .*start it' stop_qemu
finish
