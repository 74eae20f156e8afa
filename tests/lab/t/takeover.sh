#!/bin/bash
# A controller's node goes in the middle of a backup and of a restore: its portal answers no more, the other one becomes
# the optimized one; then it comes back.
set -uo pipefail
# shellcheck source=../world.sh
. /root/lab/world.sh
API=${LAB_API:-rest}
lab_sim '.restore_ms = 8000'
goes() { filer takeover && filer cut 1; }
comes() {
  filer uncut
  filer giveback
  check "$1: both paths are back" poll 120 has_usable $LUN1 2
}
lab_conf 'PRE_APP_QUIESCE_CMD01=SERVER:/usr/local/sbin/filer takeover' \
  'PRE_APP_QUIESCE_CMD02=SERVER:/usr/local/sbin/filer cut 1'
backup
check 'backup: the guest runs on over the other node' counts /dev/mapper/$LUN1
check_eq 'backup: nobody is paused' "$(virsh -q list --state-paused --name | tr -d '\n')" ''
check 'backup: the map has lost a path' poll 60 has_usable $LUN1 1
comes backup
lab_conf
wanted=$(sum "/srv/filer/svm1/vol_san/.snapshot/$SNAP/lun1")
virsh -q destroy san
restore_while san goes
check_eq 'restore: exit' "$CODE" 0
if [ "$CODE" != 0 ]; then cat "$ERR"; fi
check_eq 'restore: the bytes of the snapshot' "$(sum /dev/mapper/$LUN1)" "$wanted"
comes restore
virsh -q start san
check 'restore: the guest counts' counts /dev/mapper/$LUN1
finish
