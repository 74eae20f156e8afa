#!/bin/bash
# The host at its worst in the middle of a restore: no room for what is written down, a state directory that cannot be
# written, libvirtd killed. The disk is the old one or the backup's, and a guest that stays off was said to.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
# shellcheck source=../lib/two_disks.sh
. "$(dirname "$(realpath "$0")")/../lib/two_disks.sh"
two_disks
SNAP=$good
whole() { [[ $(which_are) = 'old old' || $(which_are) = 'backup backup' ]]; }

in_mount() { # COMMANDS, then a restore in a mount namespace of its own that they have changed
  # shellcheck disable=SC2016
  timeout 120 unshare -m /bin/bash -c 'set -e; cd "$1"; eval "$2"; shift 2; exec "$@"' - "$WORLD_DIR/state" "$1" "$MOONSNAP" \
    restore "${MOON_ARGS[@]}" --config-dir "$WORLD_DIR/etc" --state-dir "$WORLD_DIR/state" --policy daily --backupName "$good" \
    --params KVM_RESTORE_VM_LIST=alpha --yes
}
# The catalog on a file system of that size, full but for so many bytes.
nearly_full() { # LEFT
  echo "cp -a catalog/demo/kvm kept; mount -t tmpfs -o size=256k none catalog/demo/kvm; cp -a kept/. catalog/demo/kvm;
    head -c \$((256 * 1024)) /dev/zero >catalog/demo/kvm/ballast 2>/dev/null || true; truncate -s -$1 catalog/demo/kvm/ballast"
}

if unshare -m true 2>/dev/null; then
  for left in 0 4096 8192 12288; do
    rm -rf "$WORLD_DIR/state/kept"
    spoil_both
    next_second
    run in_mount "$(nearly_full $left)"
    check "a catalog with $left bytes left: the disks belong together (exit $CODE: $(which_are))" whole
    if [ "$CODE" = 0 ]; then
      check_eq "a catalog with $left bytes left: the backup's disks" "$(which_are)" 'backup backup'
    else
      said "a catalog with $left bytes left: it is named" 'catalog.*[Nn]o space'
    fi
    if [ $left = 0 ]; then
      check_eq 'without room for a record nothing is overwritten: exit' "$CODE $(which_are)" '1 old old'
    fi
    if [ "$(guest_state alpha)" != running ]; then
      said "a catalog with $left bytes left: a guest that is off was said to be" 'alpha.*off'
    fi
    rm -f "$WORLD_DIR/state/catalog/demo/kvm/"*-restore.json
  done
  spoil_both
  next_second
  run in_mount 'mount --bind . . && mount -o remount,ro,bind . && cd .'
  check_eq 'a read-only state directory: nothing is overwritten, exit' "$CODE $(which_are)" '1 old old'
  said 'it is named' "$WORLD_DIR/state.*[Rr]ead-only"
  check_eq 'the guest runs' "$(guest_state alpha)" running
else
  skip 'a full and a read-only state directory' 'no right to make a mount namespace'
fi

# --- libvirtd is killed while the controller overwrites the disks, and comes back ---

moon_conf KVM_BACKUP_DATA_DISKS=Y KVM_CMD_RETRY_COUNT=30 KVM_CMD_RETRY_WAIT=1
spoil_both
next_second
sim_fault '{"match": "snapshot-restore-file", "nth": 1, "action": "delay", "ms": 4000}'
sim_fault '{"match": "PATCH *storage/volumes/*", "nth": 1, "action": "delay", "ms": 4000}'
restore alpha --yes >"$OUT" 2>"$ERR" </dev/null &
RUN=$!
wait_state alpha 'shut off' 20 || not_ok 'the restore turns the guest off' "$ERR"
kill -KILL "$WORLD_LIBVIRTD_PID"
poll 5 gone "$WORLD_LIBVIRTD_PID"
world_libvirtd
ended "$RUN"
sim_faults_clear
check "libvirtd is killed and comes back: the disks belong together (exit $CODE: $(which_are))" whole
if [ "$CODE" = 0 ]; then
  check 'the guest runs' wait_state alpha running 20
else
  said 'a guest that is off was said to be' 'alpha.*(off|started)'
fi
finish
