#!/bin/bash
# All paths lost: nothing hangs beyond its timeout, nobody stays paused, a restore is refused before it touches the LUN.
set -uo pipefail
# shellcheck source=../world.sh
. /root/lab/world.sh
lab_sim
lab_conf
backup
none_left() {
  filer cut 1
  filer cut 2
  check 'both portals are cut: no path is left' poll 120 has_usable $LUN1 0
}

# with a guest that runs and writes: its suspend waits for the paths
none_left
lab_conf KVM_SUSPEND_TIMEOUT=5
start=$(now_ms)
check_exit 'a suspend that hangs: page someone' 5 moon backup --policy daily
check 'soon: suspend' [ $(($(now_ms) - start)) -lt 120000 ]
check_match 'with the guest and the limit' "$ERR" "kvm-00003.*guest 'san'.*KVM_SUSPEND_TIMEOUT"
check_eq 'the guest on NFS runs on' "$(state nas)" running
check 'and counts on' counts /mnt/nas1/nas.img
filer uncut
check 'both paths are back' poll 120 has_usable $LUN1 2
check 'the guest on the LUN is resumed when its suspend comes at last' poll 90 grew /dev/mapper/$LUN1 "$(counter /dev/mapper/$LUN1)"
sleep 5
check_eq 'and stays so' "$(state san)" running

lab_conf
none_left
start=$(now_ms)
check_exit 'a restore is refused' 1 restore san
check 'soon' [ $(($(now_ms) - start)) -lt 90000 ]
check_match 'and says why' "$ERR" 'none of its paths runs|no usable path'
check_eq 'its guest was not powered off for it' "$(state san)" running
filer uncut
check 'the paths are back, and the guest counts' poll 120 grew /dev/mapper/$LUN1 "$(counter /dev/mapper/$LUN1)"
virsh -q destroy san
none_left
start=$(now_ms)
check_exit 'a backup goes on: the snapshot is made on the controller' 0 moon backup --policy daily
check 'soon: backup' [ $(($(now_ms) - start)) -lt 120000 ]
check_eq 'the guest on NFS runs' "$(state nas)" running
check 'and counts' counts /mnt/nas1/nas.img
check_eq 'nobody is paused' "$(virsh -q list --state-paused --name | tr -d '\n')" ''
filer uncut
check 'the paths are back' poll 120 has_usable $LUN1 2
check_exit 'and so is the restore' 0 restore san
finish
