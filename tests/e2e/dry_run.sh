#!/bin/bash
# --dry-run: no call that changes something, no guest suspended or stopped, no file changed; yet the plan is told.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
scene
backup # so that there is something to restore and to delete

moon_conf # the mapping is empty again: a dry discover must leave it so
files() { find "$WORLD_DIR/etc" "$WORLD_DIR/state" -type f -not -name '*.log' -exec sha256sum {} + | sort; }
events_start
files_before=$(files)
changes_before=$(sim_changes)
snapshots_before=$(snapshots vol1; snapshots vol2)
calls_before=$(sim_requests | jq .total)

check_exit 'discover --dry-run' 0 moon discover --dry-run
check_exit 'backup --dry-run' 0 moon backup --policy daily --dry-run
for guest in alpha bravo charlie; do said "the plan of a backup names $guest" $guest; done
said 'the plan of a backup names the volumes' 'vol1|vol2'
check_exit 'backup --dry-run --json' 0 moon backup --policy daily --dry-run --json
check 'the plan is one JSON document' jq -e . "$OUT"
check_exit 'restore --dry-run' 0 restore alpha --dry-run
said 'the plan of a restore names the guest' alpha
said 'the plan of a restore names the snapshot' "$SNAP"
check_exit 'backupDel --dry-run' 0 moon backupDel --policy daily --backupName "$SNAP" --dry-run
said 'the plan of backupDel names the snapshot' "$SNAP"
check_exit 'quiesce --dry-run' 0 moon quiesce --dry-run
check_exit 'unquiesce --dry-run' 0 moon unquiesce --dry-run
check_exit "--dry-run in Snap Creator's form" 0 "$MOONSNAP" --profile demo --config kvm --action backup --policy daily \
  --dry-run --config-dir "$WORLD_DIR/etc" --state-dir "$WORLD_DIR/state"

echo "require('std.process').run { '/bin/touch', '$WORLD_DIR/touched' }" >"$WORLD_DIR/plain.lua"
check_exit 'a plain script --dry-run' 0 "$MOONSNAP" run "$WORLD_DIR/plain.lua" --dry-run
said 'its steps are told' '1\. process\.run /bin/touch'
check_exit 'a plain script --dry-run --json' 0 "$MOONSNAP" run "$WORLD_DIR/plain.lua" --dry-run --json
check_eq 'its steps as a document' "$(jq -c '[.steps[].op]' "$OUT")" '["process.run"]'
check 'it did nothing' test ! -e "$WORLD_DIR/touched"
echo 'return require("std.workflow").extend("backup", {})' >>"$WORLD_DIR/plain.lua"
check_exit 'a workflow that changes something as it is loaded' 0 moon backup --policy daily --script "$WORLD_DIR/plain.lua" --dry-run
said 'this is a step, too' '1\. process\.run /bin/touch'
check 'and is not done' test ! -e "$WORLD_DIR/touched"

check 'the controller was asked something' test "$(sim_requests | jq .total)" -gt "$calls_before"
check_eq 'no call that changes something' "$(sim_changes)" "$changes_before"
check_eq 'no snapshot came or went' "$(snapshots vol1; snapshots vol2)" "$snapshots_before"
check_eq 'no file changed' "$(files)" "$files_before"
check_eq 'no guest had an event' "$(events_of 'alpha|bravo|charlie')" ''
check 'all guests run' all_running alpha bravo charlie
finish
