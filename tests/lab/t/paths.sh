#!/bin/bash
# Paths that are cut and that come back, while a backup and a restore go on over what is left.
set -uo pipefail
# shellcheck source=../world.sh
. /root/lab/world.sh
lab_sim
lab_conf
backup
sum=$(sha256sum <"/srv/filer/svm1/vol_san/.snapshot/$SNAP/lun1")

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

filer takeover
check_exit 'takeover: a backup' 0 moon backup --policy daily
check 'its guest runs on' counts /dev/mapper/$LUN1
filer giveback
virsh -q destroy san
check_exit 'giveback: a restore' 0 restore san
check_eq 'of the same bytes' "$(dd if=/dev/mapper/$LUN1 bs=1M iflag=direct status=none | sha256sum)" "$sum"
finish
