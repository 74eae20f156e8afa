#!/bin/bash
# Paths that are cut and that come back, while a backup and a restore go on over what is left.
set -uo pipefail
# shellcheck source=../world.sh
. /root/lab/world.sh
lab_sim '.restore_ms = 8000'
lab_conf
backup
wanted=$(sum "/srv/filer/svm1/vol_san/.snapshot/$SNAP/lun1")

filer cut 2
check 'one portal is cut: the map loses a path' poll 90 has_usable $LUN1 1
check_exit 'a backup goes on' 0 moon backup --policy daily
sleep 1.1
check 'its guest runs' counts /dev/mapper/$LUN1
check_exit 'a restore goes on over the other path' 0 restore san
said_left_out() { grep -q 'does not run; the restore goes on' "$ERR"; }
check 'and says so' said_left_out
check_eq 'the guest runs again' "$(state san)" running
filer uncut
check 'both paths are back' poll 120 has_usable $LUN1 2

# in the middle of one
virsh -q destroy san
restore_while san filer cut 2
check_eq 'a path is cut during a restore: exit' "$CODE" 0
if [ "$CODE" != 0 ]; then cat "$ERR"; fi
check_eq 'the bytes of the snapshot' "$(sum /dev/mapper/$LUN1)" "$wanted"
filer uncut
check 'both paths are back again' poll 120 has_usable $LUN1 2

# in the middle of a backup
lab_conf 'PRE_APP_QUIESCE_CMD01=SERVER:/usr/local/sbin/filer cut 2'
virsh -q start san
backup
check 'a path is cut during a backup: its guest runs on' counts /dev/mapper/$LUN1
check_eq 'nobody is paused' "$(virsh -q list --state-paused --name | tr -d '\n')" ''
finish
