#!/bin/bash
# Names that no example has, words that belong to no option, and the machine's form of every answer.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
scene alpha:vol1 bravo:vol2

# one_document "name" FILE: exactly one JSON document and nothing else.
one_document() { check_eq "$1: one document on stdout" "$(jq -s length "$2" 2>&1)" 1; }
# full ARG ...: nobody can be told that it went well.
full() { CODE=0; moon "$@" --json >/dev/full 2>"$ERR" </dev/null || CODE=$?; }

# --- stray words ---

events_start
calls=$(sim_requests | jq .total)
check_exit 'backup ... dry-run' 2 moon backup --policy daily dry-run
check_match 'the word is named' "$ERR" "'dry-run'"
check_exit "Snap Creator's form: --action backup ... dry-run" 2 "$MOONSNAP" --profile demo --config kvm --action backup --policy daily \
  dry-run --config-dir "$WORLD_DIR/etc" --state-dir "$WORLD_DIR/state"
check_exit 'backupDel ... NAME' 2 moon backupDel --policy daily --backupName x --yes y
check_eq 'the controller was not asked anything' "$(sim_requests | jq .total)" "$calls"
check_eq 'no guest had an event' "$(events_of 'alpha|bravo')" ''
check_not 'no file was made' test -e "$WORLD_DIR/state/catalog"

# --- one document ---

for mode in '' --dry-run; do
  for action in 'backup --policy daily' discover volumeList 'backupList --policy daily' quiesce unquiesce; do
    run=${action%% *}
    if [ "$run" = backup ]; then next_second; fi
    # shellcheck disable=SC2086
    check_exit "$run --json $mode" 0 moon $action --json $mode
    one_document "$run --json $mode" "$OUT"
    if [ "$run$mode" = quiesce ]; then check_eq 'quiesce: the states' "$(jq -r '[.[].state] | unique | join(",")' "$OUT")" suspended; fi
    if [ "$run$mode" = unquiesce ]; then check_eq 'unquiesce: the number' "$(jq .resumed "$OUT")" 2; fi
  done
done
check 'all guests run' all_running alpha bravo
SNAP=$(snapshots vol1 | head -n 1)
for action in "backupDel --policy daily --backupName $SNAP --yes" "restore --policy daily --backupName $SNAP --yes --params KVM_RESTORE_VM_LIST=bravo"; do
  # shellcheck disable=SC2086
  check_exit "${action%% *} --json --dry-run" 0 moon $action --json --dry-run
  one_document "${action%% *} --json --dry-run" "$OUT"
  check "${action%% *} --json --dry-run: with its steps" jq -e '.dry_run and (.steps | length > 0)' "$OUT"
done
check_exit 'KVM_RESTORE_VM_LIST=alpha, bravo' 2 moon restore --policy daily --backupName "$SNAP" --yes --params KVM_RESTORE_VM_LIST=alpha, bravo
check_match 'KVM_RESTORE_VM_LIST=alpha, bravo: the word is named' "$ERR" "'bravo'"
check_eq 'KVM_RESTORE_VM_LIST=alpha, bravo: nothing is restored' "$(sim_requests | jq '.calls["snapshot-restore-file"] // 0')" 0
check_exit 'restore --json' 0 moon restore --policy daily --backupName "$SNAP" --yes --json --params KVM_RESTORE_VM_LIST=bravo
one_document 'restore --json' "$OUT"
check_exit 'backupDel --json' 0 moon backupDel --policy daily --backupName "$SNAP" --yes --json
one_document 'backupDel --json' "$OUT"
check_eq 'backupDel --json: what went' "$(jq -r '"\(.deleted) \(.volumes | join(","))"' "$OUT")" "$SNAP svm1:vol1,svm1:vol2"

for action in 'backup --policy daily' discover volumeList 'backupList --policy daily' quiesce unquiesce \
  'backup --policy daily --dry-run' 'discover --dry-run'; do
  if [[ $action = backup* ]]; then next_second; fi
  # shellcheck disable=SC2086
  full $action
  check "$action to a full device: exit $CODE" test "$CODE" = 1 -o "$CODE" = 3 -o "$CODE" = 5
  check_match "$action to a full device: said on stderr" "$ERR" 'standard output'
  # exit 1 says that nothing is left to repair
  if [ $CODE = 1 ]; then check "$action to a full device: all guests run" soon all_running alpha bravo; fi
done
full backupDel --policy daily --backupName "$(snapshots vol1 | tail -n 1)" --yes
check 'backupDel to a full device' test "$CODE" = 1

# --- odd names ---

guest_stop bravo
for name in a:b 'my guest'; do
  image_make "$SIM_ROOT/svm1/vol1/${name/[: ]/}.img"
  guest_define "$name" "$SIM_ROOT/svm1/vol1/${name/[: ]/}.img"
  guest_start "$name"
done
moon_conf KVM_VMS=
next_second
check_exit 'a guest named a:b' 0 moon backup --policy daily --json
RECORD=$WORLD_DIR/record.json
cp "$OUT" "$RECORD"
check_eq 'it is backed up, suspended' "$(guest_of a:b '"\(.state_before) \(.pause_ms > 0) \(.disks[0].path)"')" 'running true /vol/vol1/ab.img'
check_eq 'a guest with a blank, too' "$(guest_of 'my guest' '"\(.state_before) \(.pause_ms > 0)"')" 'running true'
check_match 'with a warning' "$ERR" "warn.*'a:b'.*KVM_VM_MAPPING"
check_no_match 'with none for the blank' "$ERR" 'my guest'
check_no_match 'the mapping does not have it' "$WORLD_DIR/etc/demo/kvm.conf" 'a:b'
next_second
check_exit 'again' 0 moon backup --policy daily
SNAP=$(jq -r .snapshot "$RECORD")
for name in a:b 'my guest'; do
  guest_stop "$name"
  image=$SIM_ROOT/svm1/vol1/${name/[: ]/}.img
  spoil "$image" 4
  check_exit "$name can be restored" 0 restore "$name" --yes
  check_eq "$name is back" "$(sum "$image")" "$(sum "$SIM_ROOT/svm1/vol1/.snapshot/$SNAP/${image##*/}")"
  guest_start "$name"
  next_second
done

check_exit 'quiesce' 0 moon quiesce
check_eq 'all are paused' "$(guest_state a:b), $(guest_state 'my guest'), $(guest_state alpha)" 'paused, paused, paused'
check_exit 'unquiesce' 0 moon unquiesce
check 'all run' all_running a:b 'my guest' alpha

mv "$WORLD_DIR/etc/demo/kvm.conf" "$WORLD_DIR/etc/demo/my kvm.conf"
blank="$WORLD_DIR/etc/demo/my kvm.conf"
check_exit 'a config with a blank: quiesce' 0 moon_with "$blank" quiesce
check_eq 'a config with a blank: all are paused' "$(guest_state a:b), $(guest_state 'my guest'), $(guest_state alpha)" 'paused, paused, paused'
check_exit 'a config with a blank: unquiesce' 0 moon_with "$blank" unquiesce
check_match 'a config with a blank: the number' "$OUT" '^3 guest'
check 'a config with a blank: all run' all_running a:b 'my guest' alpha
check_exit 'a config with a blank: backup' 0 moon_with "$blank" backup --policy daily
check 'no process is left' poll 10 no_process "$MOONSNAP"
finish
