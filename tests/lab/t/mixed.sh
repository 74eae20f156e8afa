#!/bin/bash
# Guests on LUNs and on NFS: discovered, backed up together, each restored from the snapshot, by checksum and counter.
set -uo pipefail
# shellcheck source=../world.sh
. /root/lab/world.sh
lab_sim
lab_conf
check_exit 'discover' 0 moon discover
check_match 'the LUN' "$OUT" 'san +running +vda +svm1 +/vol/vol_san/lun1'
check_match 'the LUN in a qtree' "$OUT" 'qtree +shut ?off +vda +svm1 +/vol/vol_san/qt/lun2'
check_match 'the file on NFS' "$OUT" 'nas +running +vda +svm1 +/vol/vol_nas/nas.img'
check 'the guest on the LUN counts' counts /dev/mapper/$LUN1
backup
check_eq 'both kinds are in it' "$(jq -r '[.guests[].name] | sort | join(" ")' "$OUT")" 'nas qtree san'
check 'they run on' counts /dev/mapper/$LUN1
then=$(counter "/srv/filer/svm1/vol_san/.snapshot/$SNAP/lun1")
sum=$(sum "/srv/filer/svm1/vol_san/.snapshot/$SNAP/lun1")

# the LUN: damaged while its guest is off, restored in place
virsh -q destroy san
dd if=/dev/urandom of=/dev/mapper/$LUN1 bs=1M count=4 oflag=direct status=none
before=$(paths_of $LUN1 | tr '\n' ' ')
over rest check_exit 'restore of a LUN' 0 restore san
check_eq 'its bytes are those of the snapshot' "$(sum /dev/mapper/$LUN1)" "$sum"
check_eq 'same map, same paths' "$(paths_of $LUN1 | tr '\n' ' ')" "$before"
check_eq 'same WWID' "$(cat "/sys/block/$(map_of $LUN1)/dm/uuid")" "mpath-$LUN1"
virsh -q start san
check 'the guest counts' counts /dev/mapper/$LUN1
now=$(counter /dev/mapper/$LUN1)
check 'on from the number in the snapshot' [ "$now" -gt "$then" ]
check 'and not from what was there' [ "$now" -lt $((then + 200)) ]

# running: stopped, restored, started again
over zapi check_exit 'restore of a running guest' 0 restore san
check_eq 'it runs again' "$(state san)" running
check 'and counts' counts /dev/mapper/$LUN1

# the file on NFS, over a real mount
virsh -q destroy nas
for api in zapi rest; do
  dd if=/dev/urandom of=/mnt/nas1/nas.img bs=1M count=2 conv=notrunc,fsync status=none
  over $api check_exit "restore of a file, $api" 0 restore nas
  check_eq "its bytes, through the mount, $api" "$(sum /mnt/nas1/nas.img)" "$(sum "/srv/filer/svm1/vol_nas/.snapshot/$SNAP/nas.img")"
done
virsh -q start nas
check 'it counts on' counts /mnt/nas1/nas.img
finish
