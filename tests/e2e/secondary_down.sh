#!/bin/bash
# A secondary that does not answer: the primary is backed up and restored all the same, and the update says with its
# code what is missing; one that may hold a guest's disk still stops the run.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
# shellcheck source=../lib/vault.sh
. "$(dirname "$(realpath "$0")")/../lib/vault.sh"
scene alpha:vol1 bravo:vol2
vault_up . v1 v2
relate v1 vol1 kvm_vault
relate v2 vol2 kvm_vault

USERS='svm1:vsadmin/secret;svm_vault:vault/secret'
VAULT=(NTAP_SNAPVAULT_UPDATE=Y 'SNAPVAULT_VOLUMES=svm1:vol1,vol2' ONTAP_RETRIES=0)
last() { jq -r "$1" "$WORLD_DIR/state/catalog/demo/kvm/$(records | tail -n 1)"; }

for api in zapi rest; do
  conf() { moon_conf "ONTAP_API=$api" "${VAULT[@]}" "$@"; }
  # Nothing listens at 127.0.0.2.
  conf "NTAP_USERS=$USERS" 'MANAGEMENT_INTERFACES=svm1:127.0.0.1;svm_vault:127.0.0.2'
  check_exit "$api: the vault is down: the backup ends in part" 3 moon backup --policy daily
  said "$api: it is told at the start" "controller 'svm_vault'.*it holds copies only, and the run goes on without it"
  said "$api: and where it is needed, with its code" "\[scf-00018\].*controller 'svm_vault'"
  check "$api: the guests run" all_running alpha bravo
  check_eq "$api: the backup is good" "$(last .status)" ok
  check_match "$api: and there" <(snapshots vol1) "^$(last .snapshot)\$"
  SNAP=$(last .snapshot)
  next_second
  check_exit "$api: the vault is down: a restore from the primary" 0 \
    moon restore --backupName "$SNAP" --params KVM_RESTORE_VM_LIST=alpha --yes
  next_second

  # The next update brings the copy along. Its record outlives the primary's copy, and it can be restored.
  lost=$SNAP
  disk=$(still "$SIM_ROOT/svm1/vol1/.snapshot/$SNAP/alpha.img")
  conf "NTAP_USERS=$USERS" "${BOTH[@]}" NTAP_SNAPSHOT_RETENTIONS=daily:1
  check_exit "$api: the vault is back: a backup" 0 moon backup --policy daily
  check_not "$api: the vault is back: the primary has one copy only" grep -qx "$lost" <(snapshots vol1)
  check_match "$api: the vault is back: it has the copy that it missed" <(secondary v1) "$lost"
  check_eq "$api: the vault is back: the record says so" "$(jq -r --arg s "$lost" 'select(.snapshot == $s) | .replicated[] |
    "\(.source) \(.destination) \(.state)"' "$WORLD_DIR"/state/catalog/demo/kvm/*-backup.json | sort | paste -sd,)" \
    'svm1:vol1 svm_vault:v1 done,svm1:vol2 svm_vault:v2 done'
  printf 'written since' | dd of="${IMG[alpha]}" bs=1 seek=3000000 conv=notrunc status=none
  check_exit "$api: the vault is back: a restore of what it missed" 0 \
    moon restore --backupName "$lost" --params KVM_RESTORE_VM_LIST=alpha ONTAP_API=auto --yes
  check_eq "$api: the vault is back: the disk" "$(still "${IMG[alpha]}")" "$disk"
  next_second

  conf "NTAP_USERS=svm1:vsadmin/secret;svm_vault:vault/wrong" 'MANAGEMENT_INTERFACES=svm1:127.0.0.1;svm_vault:127.0.0.1'
  check_exit "$api: its password is wrong: the backup ends in part" 3 moon backup --policy daily
  said "$api: wrong password: the code" "\[scf-00018\].*controller 'svm_vault'"
  check_eq "$api: wrong password: the backup is good" "$(last .status)" ok
  next_second

  # Another one may be a destination as well: what was updated is good, what was not asked is told.
  conf "NTAP_USERS=$USERS;svm_far:far/secret" 'MANAGEMENT_INTERFACES=svm1:127.0.0.1;svm_vault:127.0.0.1;svm_far:127.0.0.2'
  check_exit "$api: one of two is down: ends in part" 3 moon backup --policy daily
  said "$api: one of two is down: which" "\[scf-00018\].*SnapVault: controller 'svm_far'"
  check_eq "$api: one of two is down: the other has its copies" "$(last '[.replicated[].state] | join(",")')" 'done,done'
  check_eq "$api: one of two is down: told once" "$(grep -c 'scf-00018' "$ERR")" 1
  next_second

  # The primary itself, and any controller of a config that replicates nothing.
  conf "NTAP_USERS=$USERS" 'MANAGEMENT_INTERFACES=svm1:127.0.0.2;svm_vault:127.0.0.1'
  check_exit "$api: the primary is down: nothing is done" 1 moon backup --policy daily
  said "$api: the primary is down: the code" "\[STORAGE-03033\].*controller 'svm1'"
  moon_conf "ONTAP_API=$api" ONTAP_RETRIES=0 "NTAP_USERS=$USERS" 'MANAGEMENT_INTERFACES=svm1:127.0.0.1;svm_vault:127.0.0.2'
  check_exit "$api: without replication every controller is needed" 1 moon backup --policy daily
  said "$api: without replication: the code" "\[STORAGE-03033\].*controller 'svm_vault'"

  # An image whose server nobody knows may lie on the one that is down: no guest is left out for that.
  cp "$WORLD_DIR/mountinfo" "$WORLD_DIR/mountinfo.kept"
  sed -i "\\| $SIM_ROOT/svm1/vol2 |s/127\.0\.0\.1/192.0.2.9/g" "$WORLD_DIR/mountinfo"
  conf "NTAP_USERS=$USERS" 'MANAGEMENT_INTERFACES=svm1:127.0.0.1;svm_vault:127.0.0.2'
  events_start
  check_exit "$api: a guest that may lie on it: nothing is done" 1 moon backup --policy daily
  said "$api: a guest that may lie on it: why" "STORAGE-03033.*controller 'svm_vault'"
  check_eq "$api: a guest that may lie on it: no guest was touched" "$(events_of 'alpha|bravo')" ''
  cp "$WORLD_DIR/mountinfo.kept" "$WORLD_DIR/mountinfo"
done
finish
