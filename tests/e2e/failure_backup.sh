#!/bin/bash
# The failure table: what ends a backup before a guest stands still, and what the KVM plug-in has no step for.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
# shellcheck source=../lib/rows.sh
. "$(dirname "$(realpath "$0")")/../lib/rows.sh"
scene alpha:vol1 bravo:vol2
fails() { run moon backup --policy "${1:-daily}"; }

row_policy_unknown() { row_conf; WHY=nightly; fails nightly; }

row_agent_unreachable() {
  row_conf "KVM_LIBVIRT_URI=qemu+unix:///session?socket=$WORLD_DIR/none"
  WHY='libvirt at qemu\+unix.*/none'
  fails
}

row_agent_elsewhere() {
  row_conf SC_AGENT=kvm9.invalid:9090
  WHY='SC_AGENT: kvm9\.invalid is another host.*qemu\+ssh://kvm9\.invalid/system'
  fails
}

# An export's address that only the controller's list of interfaces can tell, and that list cannot be had.
row_discovery_fails() {
  row_conf "ONTAP_API=${DISCOVERY_API:-zapi}"
  cp "$WORLD_DIR/mountinfo" "$WORLD_DIR/mountinfo.plain"
  sed -i '/vol2/s/127\.0\.0\.1:/192.0.2.7:/; /vol2/s/addr=127\.0\.0\.1$/addr=192.0.2.7/' "$WORLD_DIR/mountinfo"
  sim_fault '{"match": "net-interface-get-iter", "action": "error"}'
  sim_fault '{"match": "GET /network/ip/interfaces", "action": "error"}'
  WHY="guest '(alpha|bravo)'.*svm1"
  fails
}
row_discovery_fails_after() { mv "$WORLD_DIR/mountinfo.plain" "$WORLD_DIR/mountinfo"; }

row_discovery_empty() { row_conf KVM_VMS= KVM_EXCLUDE_VMS=alpha,bravo KVM_VM_MAPPING=; WHY='domain'; fails; }

row_mapping_not_written() {
  row_conf
  config_before=$(sum "$WORLD_DIR/etc/demo/kvm.conf")
  WHY="KVM_VM_MAPPING in $WORLD_DIR/etc/demo/kvm\.conf"
  run as_guests backup --policy daily
}
row_mapping_not_written_after() {
  check_eq 'mapping-not-written: the file is as it was' "$(sum "$WORLD_DIR/etc/demo/kvm.conf")" "$config_before"
}

# What databases have: the parameter is ignored, with the reason, and the backup is made.
row_volumes_missing() { row_conf VALIDATE_VOLUMES=data; WHY='VALIDATE_VOLUMES is ignored: .*databases'; KEEPS=2; fails; }
row_volumes_none() { row_volumes_missing; }
row_fs_quiesce_fails() { row_conf FS_NAME=ext4; WHY='FS_NAME is ignored: .*workflow'; KEEPS=2; fails; }
row_fs_quiesce_ignored() { row_fs_quiesce_fails; }
row_fs_unquiesce_fails() { row_fs_quiesce_fails; }
row_fs_unquiesce_ignored() { row_fs_quiesce_fails; }
row_archive_log_fails() { row_conf ARCHIVE_LOG_ENABLE=Y; WHY='ARCHIVE_LOG_ENABLE: .*archive logs are not managed'; fails; }

rows failure_backup
check_eq 'nothing but backups of ignored parameters was made' "$(every_snapshot | wc -l)" \
  $((2 * $(records | wc -l)))
ROW_IGNORE=N DISCOVERY_API=rest row discovery-fails scf-00028 1
finish
