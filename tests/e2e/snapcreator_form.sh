#!/bin/bash
# Snap Creator's own command form, its banners in their order, and the line that field scripts search for.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
scene alpha:vol1 bravo:vol2

form() {
  "$MOONSNAP" --profile demo --config kvm --action "$@" --config-dir "$WORLD_DIR/etc" --state-dir "$WORLD_DIR/state"
}
log=$WORLD_DIR/log

check_exit 'backup' 0 form backup --policy daily --verbose
cat "$OUT" "$ERR" >"$log"
check_match 'the success line' "$log" "$(success backup)"
check_eq 'the success line is printed once' "$(grep -Ec "$(success backup)" "$log")" 1
check_match 'a line has time and level' "$log" '^\[[A-Z][a-z]{2} [A-Z][a-z]{2} [ 0-9]?[0-9] [0-9:]{8} [0-9]{4}\] INFO: '
check_match 'the policy is validated' "$log" 'Validating policy: daily finished successfully'

last=0
for banner in 'Detecting Data ONTAP mode for svm1' 'Agent validation' 'Plugin validation' 'Running storage discovery' \
  'Post Data Transfer commands' 'Post Ntap commands' 'ARCHIVE COMMANDS' 'Running Snapshot copy Delete on Primary' \
  'Agent Workflow Finalization'; do
  line=$(grep -nF "########## $banner ##########" "$log" | head -n 1 | cut -d: -f1) || line=''
  if [ -n "$line" ] && [ "$line" -gt "$last" ]; then
    ok "banner: $banner"
    last=$line
  else
    not_ok "banner: $banner" "line ${line:-none}, after line $last"
  fi
done
check_eq 'one snapshot on each volume' "$(snapshots vol1 | wc -l) $(snapshots vol2 | wc -l)" '1 1'
check_eq 'under one name' "$(snapshots vol1)" "$(snapshots vol2)"
check_match 'the controller mode is named after its controller only' "$log" 'svm1'

next_second
check_exit 'without --verbose' 0 form backup --policy hourly
check_no_match 'the log is not printed' "$ERR" '##########'

check_exit 'discover' 0 form discover --verbose
said 'discover: the success line' "$(success discover)"
check_exit 'backupList' 0 form backupList --policy daily --verbose
said 'backupList: the success line' "$(success backupList)"
check_exit 'restore in the form of a script' 0 form restore --policy daily --nonInteractive --cntName svm1 --volName vol1 \
  --backupName "$(snapshots vol1 | head -n 1)" --params KVM_RESTORE_VM_LIST=alpha --verbose
said 'restore: the success line' "$(success restore)"
check_eq 'alpha runs' "$(guest_state alpha)" running

run form backup --policy nightly --verbose
check_eq 'an unknown policy is refused' "$CODE" 2
check_no_match 'a failed run has no success line on stdout' "$OUT" 'finished successfully "'
check_no_match 'a failed run has no success line on stderr' "$ERR" 'finished successfully "'
finish
