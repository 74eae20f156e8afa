#!/bin/bash
# One backup of guests on LUNs and on NFS whose two volumes are one consistency group, over each transport.
set -uo pipefail
# shellcheck source=../world.sh
. /root/lab/world.sh
lab_sim
group_of() { # TRANSPORT CALL: a backup as a group, with the call that shows it
  over "$1" backup
  check_eq "$1: both kinds are in it" "$(jq -r '[.guests[].name] | sort | join(" ")' "$OUT")" 'nas qtree san'
  check_eq "$1: one snapshot, on each volume" "$(find /srv/filer/svm1/*/.snapshot -maxdepth 1 -name "$SNAP" | wc -l)" 2
  calls >asked
  check_match "$1: made as one group" asked "$2"
  check_eq "$1: and no other way" "$(grep -cE '^(snapshot-create|POST /storage/volumes/[^/]+/snapshots)$' asked)" 0
  check_eq "$1: nobody is paused" "$(virsh -q list --state-paused --name | tr -d '\n')" ''
  check "$1: the guest on the LUN runs" counts /dev/mapper/$LUN1
  check "$1: the guest on NFS runs" counts /mnt/nas1/nas.img
}
# REST snapshots such a group only where the controller has one
add='{ "action": "add" }'
check 'the group is made on the controller' sim POST '/api/application/consistency-groups?return_timeout=60' \
  '{ "name": "lab", "svm": { "name": "svm1" }, "volumes": [ { "name": "vol_nas", "provisioning_options": '"$add"' },
     { "name": "vol_san", "provisioning_options": '"$add"' } ] }'
lab_conf NTAP_CONSISTENCY_GROUP_SNAPSHOT=Y NTAP_CONSISTENCY_GROUP_TIMEOUT=medium
group_of zapi '^cg-start$'
group_of rest '^POST /application/consistency-groups'

# what the group holds is a backup like any other
virsh -q destroy san
over rest check_exit 'a guest of the group is restored' 0 restore san
check_eq 'to the bytes in its snapshot' "$(sum /dev/mapper/$LUN1)" "$(sum "/srv/filer/svm1/vol_san/.snapshot/$SNAP/lun1")"
finish
