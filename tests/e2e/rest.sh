#!/bin/bash
# The main job with a controller that offers REST alone: discover, back up, restore by checksum, list, delete, keep by
# policy, and the failures that are the controller's.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
export MOON_SIM_API=rest
scene alpha:vol1 bravo:vol2
CREATE='POST *storage/volumes/*/snapshots'
hits() { sim_curl "$SIM_URL/sim/faults" | jq '[.. | .hits? // empty] | add // 0'; }

# rest METHOD PATH [JSON]: one request as vsadmin
rest() {
  sim_curl -u vsadmin:secret -X "$1" -H 'Content-Type: application/json' "$SIM_URL/api$2" ${3:+-d "$3"}
}
uuid_of() { rest GET "/storage/volumes?name=$1" | jq -r '.records[0].uuid'; }
hourly() { snapshots vol1 | grep -cE '^demo-hourly_[0-9]{14}$' || true; }

check_exit 'discover' 0 moon discover --verbose
said 'discover finds a guest and its volume' 'alpha +running +vda +svm1 +/vol/vol1/alpha\.img'
said 'which transport was taken, and why' 'finished successfully: ONTAP 9\.14\.1 over REST \(ONTAPI is not served there \(HTTP 404\)\)'

# --- backup ---

check_exit 'a dry run of the backup' 0 moon backup --policy daily --dry-run
check_eq 'changes nothing' "$(sim_changes | wc -l)" 0
backup
for guest in alpha bravo; do
  check "$guest: paused, and for how long is known" pause_is_sane $guest
  check_eq "$guest: runs" "$(guest_state $guest)" running
  check "$guest: the copy is of this guest" test "$(still "$(copy $guest)")" = "$(still "${IMG[$guest]}")"
done
check_eq 'the snapshot has label and comment' \
  "$(rest GET "/storage/volumes/$(uuid_of vol1)/snapshots?fields=comment,snapmirror_label" | jq -r --arg n "$SNAP" \
    '.records[] | select(.name == $n) | "\(.snapmirror_label) \(.comment)"' | cut -d' ' -f1-3)" \
  'daily moonsnap config=demo/kvm'
check_eq 'no request of ONTAPI was answered' "$(sim_requests | jq '[.calls | keys[] | select(test("^[a-z-]+$"))] | length')" 0

# --- restore ---

saved=$(guest_counter "$(copy alpha)")
wait_counter "${IMG[alpha]}" $((saved + 5))
spoil "${IMG[alpha]}" 16
guest_stop bravo
spoil "${IMG[bravo]}" 16
bravo_wreck=$(sum "${IMG[bravo]}")
check_exit 'restore of a guest that runs' 0 restore alpha --yes
check_eq 'alpha: runs again' "$(guest_state alpha)" running
check_eq 'alpha: the rest of its disk is the copy' "$(still "${IMG[alpha]}")" "$(still "$(copy alpha)")"
check_eq 'bravo: untouched' "$(sum "${IMG[bravo]}")" "$bravo_wreck"
next_second
check_exit 'restore of a guest that is off' 0 restore bravo --yes
check_eq 'bravo: byte for byte the copy' "$(sum "${IMG[bravo]}")" "$(sum "$(copy bravo)")"
check_eq 'no volume was reverted' "$(snapshots vol1 | grep -cx "$SNAP") $(snapshots vol2 | grep -cx "$SNAP")" '1 1'

# --- list and delete ---

check_exit 'volumeList' 0 moon volumeList
said 'volumeList shows a volume with its junction' '^svm1 +vol1 +online +rw .*/vol1$'
check_exit 'backupList' 0 moon backupList --policy daily
said 'backupList shows the backup' "$SNAP"
check_exit 'backupDel' 0 moon backupDel --policy daily --backupName "$SNAP" --yes
check_eq 'backupDel removes it from both volumes' "$(snapshots vol1 | grep -cx "$SNAP") $(snapshots vol2 | grep -cx "$SNAP")" '0 0'

# --- retention ---

moon_conf KVM_VMS=bravo # off, and one volume: what follows is about the controller
POLICY=hourly
for _ in 1 2 3; do backup; done
oldest=$(snapshots vol2 | grep -E '^demo-hourly_' | head -n 1)
sim_curl -X PUT "$SIM_URL/sim/snapshot" -d "{\"svm\": \"svm1\", \"volume\": \"vol2\", \"snapshot\": \"$oldest\", \"owners\": [\"snapmirror\"]}" >/dev/null
backup
said 'an owned copy stays, and is named with its owner' "\[$oldest\] on \[svm1:vol2\] would go, but: in use on the controller by snapmirror"
said 'the owned copy is counted' "\[svm1:vol2\]: 1 Snapshot copies beyond policy 'hourly' are in use and stay; the next run tries again"
check_eq 'it is there' "$(snapshots vol2 | grep -cx "$oldest")" 1
moon_conf KVM_VMS=bravo CMODE_SNAPSHOT_FORCE_DELETE=Y
backup
said 'that it cannot be forced over REST is said' "9\.19.*; on controller 'svm1' copies that something owns are kept"
check_eq 'it is there still' "$(snapshots vol2 | grep -cx "$oldest")" 1
moon_conf KVM_VMS=bravo
sim_curl -X PUT "$SIM_URL/sim/snapshot" -d "{\"svm\": \"svm1\", \"volume\": \"vol2\", \"snapshot\": \"$oldest\", \"owners\": []}" >/dev/null
backup
check_eq 'the next run takes it away' "$(snapshots vol2 | grep -cE '^demo-hourly_[0-9]{14}$') $(snapshots vol2 | grep -cx "$oldest")" '3 0'

# --- failures ---

# fails "name" CODE REGEX CMD...
fails() {
  local name=$1 want=$2 regex=$3 before
  shift 3
  next_second
  before=$(snapshots vol1; snapshots vol2)
  run "$@"
  if [[ $CODE =~ ^($want)$ ]]; then ok "$name: exit $CODE"; else not_ok "$name: exit" "exit $CODE, not $want" "$OUT" "$ERR"; fi
  check_match "$name: stderr says why" "$ERR" "$regex"
  check_eq "$name: the guest runs" "$(guest_state alpha)" running
  check_eq "$name: no snapshot came or went" "$(snapshots vol1; snapshots vol2)" "$before"
}
events() { sim_requests | jq '[.log[] | select(.call == "POST /support/ems/application-logs" and .status == "passed")] | length'; }
moon_conf NTAP_SNAPSHOT_CLEANUP=Y NTAP_ASUP_ERROR_ENABLE=Y
before=$(events)
sim_fault "{\"match\": \"$CREATE\", \"action\": \"nospace\"}"
fails 'a full volume' 1 'vol[12].*space' moon backup --policy daily
check 'a full volume: the controller was asked' test "$(hits)" -gt 0
check_eq 'a full volume: start and failure are in the event log' $(($(events) - before)) 2
sim_faults_clear
for action in garbage truncate drop; do
  sim_fault "{\"match\": \"$CREATE\", \"action\": \"$action\"}"
  next_second
  run moon backup --policy daily --json
  if [ "$CODE" = 0 ]; then
    SNAP=$(jq -r .snapshot "$OUT")
    check "an answer that is $action: the copies that it reports are there" test -f "$(copy alpha)" -a -f "$(copy bravo)"
  else
    check_eq "an answer that is $action: exit" "$CODE" 1
    check_match "an answer that is $action: stderr says what" "$ERR" 'vol[12]'
  fi
  check_eq "an answer that is $action: the guest runs" "$(guest_state alpha)" running
  check "an answer that is $action: so it was" test "$(hits)" -gt 0
  sim_faults_clear
done
moon_conf
sim_fault '{"match": "GET /storage/volumes", "action": "http", "status": 503, "count": 1}'
check_exit 'a busy controller is asked again' 0 moon volumeList
check_eq 'a busy controller: it was' "$(hits)" 1
sim_faults_clear
moon_conf ONTAP_RETRIES=0
sim_fault '{"match": "GET /storage/volumes", "action": "http", "status": 503, "count": 1}'
check_exit 'with ONTAP_RETRIES=0 it is not' 1 moon volumeList
sim_faults_clear
moon_conf NTAP_TIMEOUT=1
sim_fault '{"match": "GET /storage/volumes", "action": "delay", "ms": 4000}'
check_exit 'NTAP_TIMEOUT ends a call' 1 moon volumeList
said 'NTAP_TIMEOUT: what happened is said' "svm1.*(time|Timeout|timed out)"
sim_faults_clear
moon_conf
# all names of the next 20 s, on one connection: the backup must begin within them
taken=()
vol2=$(uuid_of vol2)
next_second
now=$EPOCHSECONDS
for i in $(seq 0 20); do
  printf -v name 'demo-daily_%(%Y%m%d%H%M%S)T' $((now + i))
  taken+=(--next -sS --max-time 20 --cacert "$SIM_CA" -u admin:secret -H 'Content-Type: application/json'
    -d "{\"name\": \"$name\"}" "$SIM_URL/api/storage/volumes/$vol2/snapshots?return_timeout=15")
done
curl "${taken[@]:1}" >/dev/null
run moon backup --policy daily
check_eq 'a snapshot name in use: exit' "$CODE" 1
check_match 'a snapshot name in use: named on stderr' "$ERR" 'demo-daily_[0-9]{14}.*in use'
moon_conf NTAP_USERS=svm1:vsadmin/wrong
before=$(sim_requests | jq '[.log[] | select(.status == "unauthorized")] | length')
fails 'a wrong password' '1|2' 'svm1.*(password|401)' moon backup --policy daily
check_eq 'a wrong password is sent once' $(($(sim_requests | jq '[.log[] | select(.status == "unauthorized")] | length') - before)) 1
for api in auto rest; do
  moon_conf NTAP_USERS=svm1:vsadmin/wrong ONTAP_API=$api
  before=$(sim_requests | jq '[.log[] | select(.status == "unauthorized")] | length')
  for action in backupList volumeList discover "restore --backupName $SNAP --params KVM_RESTORE_VM_LIST=alpha --yes"; do
    # shellcheck disable=SC2086
    run moon $action
  done
  check_eq "ONTAP_API=$api: other actions send a wrong password once each" \
    $(($(sim_requests | jq '[.log[] | select(.status == "unauthorized")] | length') - before)) 4
done
moon_conf PORT=1
fails 'an unreachable controller' 1 'svm1|127\.0\.0\.1' moon backup --policy daily
moon_conf ONTAP_API=zapi
fails 'a transport that is not offered' 1 'svm1.*(ONTAPI|ZAPI|HTTP 404)' moon backup --policy daily
finish
