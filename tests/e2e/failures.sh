#!/bin/bash
# What goes wrong in the world or in the config: one clear line that names the object, the right exit code, every guest
# running, nothing changed.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
scene alpha:vol1 bravo:vol2
conf=$WORLD_DIR/etc/demo/kvm.conf

# fails "name" CODE REGEX CMD...: CODE is a regex; then nothing has changed and every guest runs.
fails() {
  local name=$1 want=$2 regex=$3 changes snaps
  shift 3
  changes=$(sim_changes | wc -l)
  snaps=$(snapshots vol1; snapshots vol2)
  run "$@"
  if [[ $CODE =~ ^($want)$ ]]; then ok "$name: exit $CODE"; else not_ok "$name: exit" "exit $CODE, not $want" "$OUT" "$ERR"; fi
  check_match "$name: stderr says why" "$ERR" "$regex"
  check_eq "$name: in one line" "$(grep -c 'error:' "$ERR")" 1
  check_no_match "$name: no stack trace" "$ERR" 'stack traceback|attempt to (index|call)'
  check "$name: the guests run" all_running alpha bravo
  check_eq "$name: no snapshot came or went" "$(snapshots vol1; snapshots vol2)" "$snaps"
  if [ "${MAY_CALL:-}" != 1 ]; then
    check_eq "$name: no call changed anything" "$(sim_changes | wc -l)" "$changes"
  fi
}
backup_daily() { moon backup --policy daily "$@"; }

# --- the controller ---

sim_fault '{"match": "snapshot-create", "nth": 2, "action": "error"}'
moon_conf NTAP_SNAPSHOT_CLEANUP=Y
MAY_CALL=1 fails 'snapshot fails on the second volume, clean-up on' 1 'vol[12]' backup_daily
check_eq 'the guests were resumed, and every pause ended' "$(guest_reason alpha), $(guest_reason bravo)" \
  'running (unpaused), running (unpaused)'
sim_faults_clear

sim_fault '{"match": "snapshot-create", "nth": 2, "action": "error"}'
moon_conf NTAP_SNAPSHOT_CLEANUP=N
check_exit 'snapshot fails on the second volume, clean-up off' 1 backup_daily
check_eq 'the copy made before stays' "$( (snapshots vol1; snapshots vol2) | wc -l)" 1
check 'the guests run' all_running alpha bravo
sim_faults_clear

moon_conf
sim_fault '{"match": "snapshot-create", "action": "nospace"}'
MAY_CALL=1 fails 'a full volume' 1 'vol[12].*(space|full)|(space|full).*vol[12]' backup_daily
sim_faults_clear

# No answer, or none that can be read: the engine may find out that the copy was made, or fail; it must not guess.
for action in garbage truncate drop lose; do
  next_second
  snaps=$(snapshots vol1; snapshots vol2)
  sim_fault '{"match": "snapshot-create", "action": "'$action'"}'
  run moon backup --policy daily --json
  if [ "$CODE" = 0 ]; then
    SNAP=$(jq -r .snapshot "$OUT")
    check "an answer that is $action: the copies that it reports are there" test -f "$(copy alpha)" -a -f "$(copy bravo)"
  else
    check_eq "an answer that is $action: exit" "$CODE" 1
    check_match "an answer that is $action: stderr says what" "$ERR" 'vol[12]'
  fi
  check "an answer that is $action: the guests run" all_running alpha bravo
  sim_faults_clear
done

moon_conf NTAP_USERS=svm1:vsadmin/wrong
fails 'a wrong password' '1|2' '(svm1|127\.0\.0\.1).*(password|auth|credential|401)|(password|auth|credential|401).*(svm1|127\.0\.0\.1)' backup_daily

moon_conf PORT=1
fails 'an unreachable controller' 1 'svm1|127\.0\.0\.1' backup_daily

moon_conf APP_AUTO_DISCOVERY=N 'KVM_VM_MAPPING=alpha:svm1:/vol/vol9/alpha.img;' VOLUMES=svm1:vol9
fails 'a volume that is not there' '1|2' 'vol9' backup_daily

moon_conf MANAGEMENT_INTERFACES=
fails 'a controller name that does not resolve' '1|2' 'svm1' backup_daily

moon_conf VOLUMES=svm2:vol1 NTAP_USERS=svm1:vsadmin/secret APP_AUTO_DISCOVERY=N 'KVM_VM_MAPPING=alpha:svm2:/vol/vol1/alpha.img;'
fails 'a controller without a user' '1|2' 'svm2.*(scf-00039)?' backup_daily

# the name is in use: every name of the next seconds exists
moon_conf
taken=() from=$EPOCHSECONDS
for i in $(seq 0 12); do
  name=demo-daily_$(date -d "@$((from + i))" +%Y%m%d%H%M%S)
  zapi snapshot-create "<volume>vol2</volume><snapshot>$name</snapshot>" >/dev/null
  taken+=("$name")
done
run moon backup --policy daily
if [ "$CODE" = 0 ]; then
  skip 'a snapshot name in use' 'the clock left the prepared names behind, or the engine took another name'
else
  check_eq 'a snapshot name in use: exit' "$CODE" 1
  check_match 'a snapshot name in use: named on stderr' "$ERR" 'demo-daily_[0-9]{14}'
  check 'a snapshot name in use: the guests run' all_running alpha bravo
fi
for name in "${taken[@]}"; do zapi snapshot-delete "<volume>vol2</volume><snapshot>$name</snapshot>" >/dev/null; done

# --- libvirt ---

moon_conf "KVM_LIBVIRT_URI=qemu+unix:///session?socket=$WORLD_DIR/none"
fails 'no libvirtd' '1|2' 'libvirt|socket' backup_daily

# --- the config ---

moon_conf
fails 'an unknown policy' 2 '(scf-00072.*nightly|nightly.*scf-00072)|nightly' moon backup --policy nightly
fails 'no policy' 2 'policy' moon backup
fails 'an unknown action' 2 'explode' moon explode
fails 'an unknown option' 2 'frobnicate' moon backup --policy daily --frobnicate
fails 'no such config' 2 'other' timeout 60 "$MOONSNAP" backup --profile demo --config other --policy daily --config-dir "$WORLD_DIR/etc" \
  --state-dir "$WORLD_DIR/state"

moon_conf
echo 'this is not a line of a config' >>"$conf"
fails 'a malformed line' 2 "kvm\.conf:$(wc -l <"$conf")" backup_daily

moon_conf NTAP_SNAPSHOT_RETENTIONS=daily=seven
fails 'malformed retentions' 2 'NTAP_SNAPSHOT_RETENTIONS' backup_daily
moon_conf NTAP_SNAPSHOT_RETENTIONS=daily:-1
fails 'a negative retention' 2 'NTAP_SNAPSHOT_RETENTIONS' backup_daily

moon_conf APP_AUTO_DISCOVERY=N KVM_VM_MAPPING=alpha:svm1
fails 'a malformed mapping' 2 'KVM_VM_MAPPING' backup_daily
moon_conf KVM_CMD_RETRY_COUNT=often
fails 'a number that is none' 2 'KVM_CMD_RETRY_COUNT' backup_daily
moon_conf TRANSPORT=PIGEON
fails 'a value that is not allowed' 2 'TRANSPORT' backup_daily
moon_conf USE_PROXY=Y
fails 'a refused parameter' 2 'USE_PROXY' backup_daily

next_second
moon_conf NTAP_PASWORD=x
check_exit 'an unknown parameter is a warning' 0 backup_daily
check_match 'which names it' "$ERR" 'NTAP_PASWORD'

# --- restore ---

moon_conf
next_second
backup
fails 'restore of an unknown guest' '1|2' 'zulu' restore zulu --yes
fails 'restore of a known and an unknown guest' '1|2' 'zulu' restore alpha,zulu --yes
fails 'restore of nothing' 2 'KVM_RESTORE_VM_LIST' moon restore --policy daily --backupName "$SNAP" --yes
SNAP=demo-daily_19700101000000
fails 'restore from a snapshot that is not there' '1|2' 'demo-daily_19700101000000' restore alpha --yes
finish
