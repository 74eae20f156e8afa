#!/bin/bash
# A run died, and a guest of it does not come back: its guard process goes on trying, and other configs' backups do not
# wait for that. Only one with that guest does.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
scene alpha:vol1 bravo:vol2
alpha=$(cat "$WORLD_LV/run/libvirt/qemu/run/alpha.pid")
other_conf other SNAME=other KVM_VMS=bravo VOLUMES=svm1:vol2
other_conf both SNAME=both
moon_conf KVM_VMS=alpha VOLUMES=svm1:vol1
sim_fault '{"match": "snapshot-create", "action": "hold"}'
"$MOONSNAP" backup "${MOON_ARGS[@]}" --config-dir "$WORLD_DIR/etc" --state-dir "$WORLD_DIR/state" --policy daily \
  >"$OUT" 2>"$ERR" </dev/null &
RUN=$!
wait_state alpha paused 20 || { not_ok 'the backup suspends its guest' "$ERR"; finish; }
kill -STOP "$alpha"
kill -KILL "$RUN"
wait "$RUN" || true
sim_faults_clear
MOON_LIMIT=120 check_exit 'the backup of another config: done' 0 moon_with other backup --policy daily
said 'it says what it does not wait for' 'guard process of a dead run is still at work.*its guests are left to it'
check_eq 'its guest runs' "$(guest_state bravo)" running
next_second
MOON_LIMIT=120 check_exit 'one with that guest, too: refused' 4 moon_with both backup --policy daily
said 'which is named' "guest 'alpha' is still held by the guard process of a dead run of config kvm"
MOON_LIMIT=120 check_exit 'its own config: refused' 4 moon backup --policy daily
kill -CONT "$alpha"
check 'it answers again: it runs' wait_state alpha running 60
next_second
MOON_LIMIT=120 check_exit 'and is backed up' 0 moon backup --policy daily
finish
