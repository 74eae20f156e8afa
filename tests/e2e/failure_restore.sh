#!/bin/bash
# The failure table: a restore that fails before, in the middle, after, and while it is cleaned up, over both transports.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
# shellcheck source=../lib/rows.sh
. "$(dirname "$(realpath "$0")")/../lib/rows.sh"
scene alpha:vol1 bravo:vol2
# alpha has a data disk that is in no backup, so that something can be missing when it is to start
data=$WORLD_DIR/local/data.img
image_make "$data"
guest_stop alpha
vsh undefine alpha
guest_define alpha "${IMG[alpha]}" "$data"
guest_start alpha
wait_counter "${IMG[alpha]}" 1
backup

fault() { # ACTION
  sim_fault '{"match": "snapshot-restore-file", "action": "'"$1"'"}'
  sim_fault '{"match": "PATCH *storage/volumes/*", "action": "'"$1"'"}'
  sim_fault '{"match": "*snapshot/restore-file*", "action": "'"$1"'"}'
}
fails() {
  running=$(guest_pid)
  run restore alpha --yes
}
guest_pid() { cat "$WORLD_LV/run/libvirt/qemu/run/alpha.pid"; }
safety() { every_snapshot | grep -c -- '-restore_' || true; }

row_restore_pre_fails() {
  row_conf "ONTAP_API=$API" PRE_RESTORE_CMD01=SERVER:/bin/false
  WHY="nothing was restored.*PRE_RESTORE_CMD01: '/bin/false'"
  fails
  check_eq "$API: restore-pre-fails: alpha was not stopped" "$(guest_pid)" "$running"
}

row_restore_fails() {
  row_conf "ONTAP_API=$API"
  fault nospace
  WHY="guest 'alpha'.*/vol/vol1/alpha\.img"
  fails
}

# A controller that says that a restore is under way leaves a disk of which nobody knows what is in it.
row_restore_half_done() {
  row_conf "ONTAP_API=$API"
  if [ "$API" = zapi ]; then fault busy; else fault error; fi
  WHY="guest 'alpha' stays off.*demo-restore_[0-9]{14}"
  KEEPS=1
  fails
}
row_restore_half_done_after() {
  check_eq "$API: restore-half-done: alpha stays off" "$(guest_state alpha)" 'shut off'
  sim_faults_clear
  row_conf "ONTAP_API=$API" NTAP_RESTORE_SAFETY_SNAPSHOT=N
  check_exit "$API: restore-half-done: run again, as it was told" 0 restore alpha --yes
  guest_start alpha
}

row_restore_post_fails() {
  row_conf "ONTAP_API=$API" POST_RESTORE_CMD01=SERVER:/bin/false
  WHY="the guests are restored.*POST_RESTORE_CMD01: '/bin/false'"
  KEEPS=1
  fails
  check_eq "$API: restore-post-fails: the disk is restored" "$(still "${IMG[alpha]}")" "$(still "$(copy alpha)")"
}

row_restore_cleanup_fails() {
  row_conf "ONTAP_API=$API" "PRE_RESTORE_CMD01=SERVER:/bin/mv $data $data.away"
  fault nospace
  WHY="guest 'alpha'.*could not be started"
  fails
}
row_restore_cleanup_fails_after() {
  check_match "$API: restore-cleanup-fails: and why the restore failed" "$ERR" 'error:.*\[scf-00052\]'
  mv "$data.away" "$data"
  guest_start alpha
}

# The KVM plug-in has no file system plug-in beside it: said, and the restore is done.
row_fs_restore_pre_fails() { row_conf "ONTAP_API=$API" FS_NAME=ext4; WHY='FS_NAME is ignored: .*workflow'; KEEPS=1; fails; }
row_fs_restore_pre_ignored() { row_fs_restore_pre_fails; }
row_fs_restore_post_fails() { row_fs_restore_pre_fails; }
row_fs_restore_post_ignored() { row_fs_restore_pre_fails; }

API=zapi
rows failure_restore
API=rest
rows failure_restore '^restore-'
finish
