#!/bin/bash
# Restore does nothing that was not asked for, keeps what it overwrites, and refuses what it cannot know to be right.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
scene alpha:vol1 bravo:vol2:off
backup
state() { sum "${IMG[bravo]}"; snapshots vol1; snapshots vol2; guest_state alpha; guest_state bravo; sim_changes; }
spoil "${IMG[bravo]}" 16
wreck=$(sum "${IMG[bravo]}")

# --- it asks ---

before=$(state)
run restore bravo
check "without a terminal and without --yes it refuses (exit $CODE)" test "$CODE" = 2 -o "$CODE" = 1
check_match 'and says what it wants' "$ERR" '--yes'
check_eq 'nothing changed' "$(state)" "$before"
check_exit '--dry-run' 0 restore bravo --dry-run
check_eq '--dry-run changes nothing' "$(state)" "$before"
check_exit '--dry-run --yes is still dry' 0 restore bravo --dry-run --yes
check_eq 'it changes nothing' "$(state)" "$before"

tty() { # answer: runs the restore of bravo on a terminal
  printf '%s\n' "$1" >"$WORLD_DIR/answer"
  CODE=0
  (
    sleep 1
    cat "$WORLD_DIR/answer"
    sleep 1
  ) | timeout 60 script -qec "'$MOONSNAP' restore --profile demo --config kvm --policy daily --backupName $SNAP \
    --params KVM_RESTORE_VM_LIST=bravo --config-dir '$WORLD_DIR/etc' --state-dir '$WORLD_DIR/state'" /dev/null \
    >"$OUT" 2>"$ERR" || CODE=$?
}
if command -v script >/dev/null; then
  tty n
  check_match 'on a terminal it names the guest' "$OUT" bravo
  check "no: not done (exit $CODE)" test "$CODE" != 0
  check_eq 'no: nothing changed' "$(state)" "$before"
  tty y
  if [ "$CODE" != 0 ]; then tty yes; fi
  check_eq 'yes: done' "$CODE" 0
  check_eq 'yes: the disk is back' "$(sum "${IMG[bravo]}")" "$(sum "$(copy bravo)")"
  spoil "${IMG[bravo]}" 16
  wreck=$(sum "${IMG[bravo]}")
else
  skip 'the question on a terminal' 'needs script'
fi

# --- the safety snapshot ---

old=$(snapshots vol2 | sort)
check_exit 'restore' 0 restore bravo --yes
check_eq 'the disk is back' "$(sum "${IMG[bravo]}")" "$(sum "$(copy bravo)")"
safety=$(comm -13 <(echo "$old") <(snapshots vol2 | sort))
check_eq 'one more snapshot on its volume' "$(wc -w <<<"$safety")" 1
check_eq 'it holds the disk as it was before' "$(sum "$SIM_ROOT/svm1/vol2/.snapshot/$safety/bravo.img")" "$wreck"
said 'it is named to the user' "$safety"
check_eq 'no snapshot of the other volume' "$(snapshots vol1)" "$SNAP"

moon_conf NTAP_RESTORE_SAFETY_SNAPSHOT=N
old=$(snapshots vol2)
check_exit 'restore with NTAP_RESTORE_SAFETY_SNAPSHOT=N' 0 restore bravo --yes
check_eq 'no more snapshot' "$(snapshots vol2)" "$old"
moon_conf
sim_fault '{"match": "snapshot-create", "action": "error"}'
spoil "${IMG[bravo]}" 1
wreck=$(sum "${IMG[bravo]}")
check_exit 'no safety snapshot, no restore' 1 restore bravo --yes
check_eq 'the disk is as it was' "$(sum "${IMG[bravo]}")" "$wreck"
sim_faults_clear

# --- a running guest ---

saved=$(guest_counter "$(copy alpha)")
wait_counter "${IMG[alpha]}" $((saved + 20)) # two a second: it is not there again when that is looked at
before=$(guest_counter "${IMG[alpha]}")
events_start
check_exit 'restore of a running guest' 0 restore alpha --yes
check_eq 'it was stopped, then started' "$(events_of alpha | grep -E 'Stopped|Started' | paste -sd,)" Stopped,Started
check_eq 'it runs' "$(guest_state alpha)" running
wait_counter "${IMG[alpha]}" $((saved + 1)) || true
check 'from its old number' test "$(guest_counter "${IMG[alpha]}")" -lt "$before"

# The controller refuses to restore: either the guest runs again on what it had, or, since its disk may be half
# restored, it stays off; then that is said, with the way back, and the exit code calls for somebody.
next_second
sim_fault '{"match": "snapshot-restore-file", "action": "error"}'
run restore alpha --yes
check_match 'a restore that fails: the disk is named' "$ERR" 'alpha\.img'
if [ "$CODE" = 5 ]; then
  check_eq 'a restore that fails: exit 5 for a guest that stays off' "$(guest_state alpha)" 'shut off'
  check_match 'a restore that fails: the safety snapshot is named' "$ERR" "$(snapshots vol1 | tail -n 1)"
  guest_start alpha
else
  check_eq 'a restore that fails: exit' "$CODE" 1
  check_eq 'a restore that fails: the guest runs again' "$(guest_state alpha)" running
fi
check 'a restore that fails: the guest can go on' wait_counter "${IMG[alpha]}" $(($(guest_counter "${IMG[alpha]}") + 1))
sim_faults_clear

# --- an interrupt while the safety snapshot is asked for, which the controller makes all the same ---

next_second
old=$(snapshots vol2 | sort)
sim_fault '{"match": "snapshot-create", "action": "hold", "count": 1}'
"$MOONSNAP" restore "${MOON_ARGS[@]}" --config-dir "$WORLD_DIR/etc" --state-dir "$WORLD_DIR/state" --policy $POLICY \
  --backupName "$SNAP" --params KVM_RESTORE_VM_LIST=bravo --yes --verbose >"$OUT" 2>"$ERR" </dev/null &
asking=$!
poll 20 sim_hit || not_ok 'the safety snapshot is asked for' "$OUT" "$ERR"
kill -TERM $asking
ended "$asking"
check_eq 'interrupted before anything is overwritten' "$(sum "${IMG[bravo]}")" "$wreck"
sim_faults_clear
came() { [ "$(comm -13 <(echo "$old") <(snapshots vol2 | sort) | wc -w)" = 1 ]; }
check 'the controller makes it later' poll 20 came
late=$(comm -13 <(echo "$old") <(snapshots vol2 | sort))
check_match 'it is named' "$ERR" "$late on svm1:vol2 was asked for"
recorded=$(find "$WORLD_DIR/state/catalog/demo/kvm" -name '*-restore.json' | sort | tail -n 1)
check_eq 'it stands in the record' "$(jq -r .safety "$recorded")" "$late"
check_exit 'gc finds it' 0 moon gc
check_match 'by its name' "$OUT" "$late"

# --- what it refuses ---

image_make "$SIM_ROOT/svm1/vol2/bravo2.img"
vsh dumpxml --inactive bravo | sed 's/bravo\.img/bravo2.img/' >"$WORLD_DIR/xml/bravo2.xml"
vsh define "$WORLD_DIR/xml/bravo2.xml"
new=$(sum "$SIM_ROOT/svm1/vol2/bravo2.img")
run restore bravo --yes
check "another disk in today's XML: refused (exit $CODE)" test "$CODE" != 0
check_match 'with both names' "$ERR" 'bravo2?\.img'
check_eq 'the old image is as it was' "$(sum "${IMG[bravo]}")" "$wreck"
check_eq 'the new image is as it was' "$(sum "$SIM_ROOT/svm1/vol2/bravo2.img")" "$new"

vsh undefine bravo
run restore bravo --yes
check "a guest that is not defined any more: refused (exit $CODE)" test "$CODE" != 0
check_match 'by name' "$ERR" bravo
check_eq 'its image is as it was' "$(sum "${IMG[bravo]}")" "$wreck"

# the same name, but another guest
guest_define bravo "${IMG[bravo]}"
run restore bravo --yes
if [ "$CODE" = 0 ]; then
  skip "a guest of the same name with another uuid" 'it is restored, since name and disk agree'
else
  check_match 'a guest of the same name with another uuid: refused by uuid' "$ERR" '[Uu][Uu][Ii][Dd]'
  check_eq 'its image is as it was' "$(sum "${IMG[bravo]}")" "$wreck"
fi

# --- what changes between the first look and the disk ---

# safety_held: a restore of bravo hangs where its safety snapshot is asked for; goes_on lets it, its exit code in CODE
safety_held() {
  next_second
  sim_fault '{"match": "snapshot-create", "action": "hold", "count": 1}'
  moon restore --policy $POLICY --backupName "$SNAP" --params KVM_RESTORE_VM_LIST=bravo --yes >"$OUT" 2>"$ERR" </dev/null &
  asking=$!
  poll 20 sim_hit || not_ok 'the safety snapshot is asked for' "$OUT" "$ERR"
}
goes_on() { sim_faults_clear; ended "$asking"; }

# --- another config restores the same guest ---

other_conf other SNAME=other
check_exit 'another config has a backup, too' 0 moon_with other backup --policy daily --json
theirs=$(jq -r .snapshot "$OUT")
next_second
backup
sim_fault '{"match": "snapshot-restore-file", "action": "hold", "count": 1}'
moon restore --policy $POLICY --backupName "$SNAP" --params KVM_RESTORE_VM_LIST=bravo --yes >"$WORLD_DIR/first.out" \
  2>"$WORLD_DIR/first.err" </dev/null &
asking=$!
poll 20 sim_hit || not_ok 'the first restore is under way' "$WORLD_DIR/first.err"
next_second
check_exit 'another restore of the guest is under way: exit' 4 moon_with other restore --policy daily --backupName "$theirs" \
  --params KVM_RESTORE_VM_LIST=bravo --yes
check_match 'another restore of the guest is under way: whose' "$ERR" "guest 'bravo' is being restored by .*config kvm"
check_eq 'another restore of the guest is under way: one was asked for' "$(sim_curl "$SIM_URL/sim/faults" | jq '[.faults[].hits] | add')" 1
sim_faults_clear
ended "$asking"
check_eq 'the first one ends well' "$CODE" 0
rm "$WORLD_DIR/etc/demo/other.conf"
next_second

# --- what changes between the first look and the disk ---

backup
spoil "${IMG[bravo]}" 4
wreck=$(sum "${IMG[bravo]}")
safety_held
zapi volume-unmount '<volume-name>vol1</volume-name>' >/dev/null
zapi volume-unmount '<volume-name>vol2</volume-name>' >/dev/null
zapi volume-mount '<volume-name>vol1</volume-name><junction-path>/vol2</junction-path>' >/dev/null
zapi volume-mount '<volume-name>vol2</volume-name><junction-path>/vol1</junction-path>' >/dev/null
goes_on
check_eq 'another volume is mounted there meanwhile: refused' "$CODE" 1
check_match 'another volume is mounted there meanwhile: both are named' "$ERR" 'kvm-00008.*it is svm1:/vol/vol1/bravo.img today and was svm1:/vol/vol2/bravo.img'
check_eq 'another volume is mounted there meanwhile: the disk is as it was' "$(sum "${IMG[bravo]}")" "$wreck"
zapi volume-unmount '<volume-name>vol1</volume-name>' >/dev/null
zapi volume-unmount '<volume-name>vol2</volume-name>' >/dev/null
zapi volume-mount '<volume-name>vol1</volume-name><junction-path>/vol1</junction-path>' >/dev/null
zapi volume-mount '<volume-name>vol2</volume-name><junction-path>/vol2</junction-path>' >/dev/null

zapi snapshot-rename "<volume>vol2</volume><current-name>$SNAP</current-name><new-name>${SNAP}_unlimited</new-name>" >/dev/null
check_exit 'a snapshot that was renamed: refused' 1 restore bravo --yes
check_match 'a snapshot that was renamed: what it is called now' "$ERR" "STORAGE-02025.*it is called ${SNAP}_unlimited there now"
check_eq 'a snapshot that was renamed: the disk is as it was' "$(sum "${IMG[bravo]}")" "$wreck"
zapi snapshot-rename "<volume>vol2</volume><current-name>${SNAP}_unlimited</current-name><new-name>$SNAP</new-name>" >/dev/null

safety_held
zapi snapshot-delete "<volume>vol2</volume><snapshot>$SNAP</snapshot>" >/dev/null
zapi snapshot-create "<volume>vol2</volume><snapshot>$SNAP</snapshot>" >/dev/null
check 'another snapshot has its name meanwhile' test -d "$SIM_ROOT/svm1/vol2/.snapshot/$SNAP"
spoil "${IMG[bravo]}" 6
wreck=$(sum "${IMG[bravo]}")
goes_on
check_eq 'another snapshot has its name meanwhile: refused' "$CODE" 1
check_match 'another snapshot has its name meanwhile: said' "$ERR" "kvm-00008.*snapshot $SNAP on svm1:vol2 is another one"
check_eq 'another snapshot has its name meanwhile: the disk is as it was' "$(sum "${IMG[bravo]}")" "$wreck"
finish
