#!/bin/bash
# Guests on LUNs, on hosts that were recorded (tests/data/san): who is found, who is left out and what is said of it,
# beside a guest on NFS. The guests on LUNs are shut off: these devices do not exist here.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
here=$(dirname "$(realpath "$0")")
LUN1=3600a0980383062716d5d5076684b6f66 LUN2=3600a0980383062716d5d5076684b6f67
LUN3=3600a0980383062716d5d5076684b6f78
luns='.svms[0].luns = [ { path: "/vol/vol1/one", size: 67108864, serial: "80bqm]PvhKof" },
  { path: "/vol/vol2/qt/two", size: 67108864, serial: "80bqm]PvhKog" } ]'
requires libvirtd virsh qemu-system-x86_64 curl jq as ld setpriv
world_up
sim_config "$WORLD_DIR/sim.json" "$luns"
sim_start
image_make "$SIM_ROOT/svm1/vol1/alpha.img"
guest_define alpha "$SIM_ROOT/svm1/vol1/alpha.img"
guest_define sanone "block:/dev/mapper/$LUN1"
guest_define santwo "block:/dev/disk/by-id/dm-uuid-mpath-$LUN2"
conf=$WORLD_DIR/etc/demo/kvm.conf
mapping() { sed -n 's/^KVM_VM_MAPPING=//p' "$conf"; }
# host NAME [KEY=VALUE ...]: this host is the recorded one of that name
host() {
  rm -rf "$WORLD_DIR/host"
  "$here/../lib/san_tree.sh" "$1" "$WORLD_DIR/host"
  moon_conf "KVM_DEVICE_ROOT=$WORLD_DIR/host" "${@:2}"
}

for api in zapi rest; do
  host plain "ONTAP_API=$api"
  check_exit "$api: discover" 0 moon discover
  check_eq "$api: LUNs beside NFS, one in a qtree" "$(mapping)" \
    'alpha:svm1:/vol/vol1/alpha.img;sanone:svm1:/vol/vol1/one;santwo:svm1:/vol/vol2/qt/two;'
  check_exit "$api: one backup of both kinds" 0 moon backup --policy daily --json
  check_eq "$api: with one snapshot per volume" "$(jq '.volumes | length' "$OUT")" 2
  next_second
done

host lost
check_exit 'no path is left: the guests are still known' 0 moon discover

host stopped
check_exit 'multipathd is stopped: the guests are known' 0 moon discover
check_match 'multipathd is stopped: both' <(mapping) 'sanone:.*santwo:'

# left_out NAME REGEX: a guest on SAN that cannot be backed up: named, and discovery ends with 1, or with
# APP_IGNORE_ERROR=Y goes on without it and ends in part
left_out() {
  check_exit "$1: discover ends with 1" 1 moon discover
  said "$1: the guest is named, with the reason" "$2"
  check_exit "$1: APP_IGNORE_ERROR=Y: discover, in part" 3 moon discover --params APP_IGNORE_ERROR=Y
  said "$1: APP_IGNORE_ERROR=Y: the guest is named" "$2"
}

# used by this host itself
for tree in lvm partition; do
  host $tree
  left_out "$tree" "santwo.*kvm-00013.*$([ $tree = lvm ] && echo vg0-lv0 || echo part1)"
  check_eq "$tree: the others are found" "$(mapping)" 'alpha:svm1:/vol/vol1/alpha.img;sanone:svm1:/vol/vol1/one;'
  snaps=$(snapshots vol1; snapshots vol2)
  check_exit "$tree: a backup ends before it begins" 1 moon backup --policy daily
  said "$tree: and says what to do" 'santwo.*KVM_EXCLUDE_VMS'
  check_eq "$tree: it takes no snapshot" "$(snapshots vol1; snapshots vol2)" "$snaps"
  host $tree APP_IGNORE_ERROR=Y
  check_exit "$tree: APP_IGNORE_ERROR=Y goes on without it" 3 moon backup --policy daily
  next_second
done

# an image file on a file system of this host that is on a LUN: on a partition of it, and on a logical volume
vsh undefine santwo
image_make "$WORLD_DIR/local/onlun/fs.img"
guest_define santwo "$WORLD_DIR/local/onlun/fs.img"
for tree in lvm partition; do
  case $tree in lvm) source=/dev/mapper/vg0-lv0 ;; *) source=/dev/mapper/$LUN2-part1 ;; esac
  cp "$WORLD_DIR/mountinfo" "$WORLD_DIR/mountinfo.$tree"
  echo "950 1 253:2 / $WORLD_DIR/local/onlun rw,relatime - ext4 $source rw" >>"$WORLD_DIR/mountinfo.$tree"
  host $tree "KVM_MOUNTINFO=$WORLD_DIR/mountinfo.$tree"
  left_out "an image file on a LUN ($tree)" "santwo.*kvm-00013.*fs\.img lies on a file system \(ext4, $source\) on LUN $LUN2"
done
host partition KVM_VMS= # one that the config names would be missed
check_exit 'an image file on a disk of this host is left out, and no error' 0 moon discover
vsh undefine santwo
guest_define santwo "block:/dev/mapper/vg0-lv0"
host lvm
left_out 'a guest on a logical volume' 'santwo.*logical volume.*vg0-lv0'
vsh undefine santwo
guest_define santwo block:/dev/sdc
host unmapped
left_out 'a guest on a single path' 'santwo.*single path.*multipathd'
vsh undefine santwo
guest_define santwo "block:/dev/mapper/$LUN1"
host plain
left_out 'two guests on one LUN' 'kvm-00012.*/vol/vol1/one is used by sanone and santwo'
vsh undefine santwo
guest_define santwo "block:/dev/mapper/$LUN2"

# The LUN was deleted and another one made under its path; the guest was put on that one, under its old name and uuid.
host plain
backup
zapi_all() { # CALL XML ...
  while [ $# -gt 0 ]; do
    zapi "$1" "<path>/vol/vol2/qt/two</path>$2" | grep -q 'status="passed"' || world_fail "$1: $(zapi "$1" "$2")"
    shift 2
  done
}
zapi_all lun-destroy '<force>true</force>' lun-create-by-size '<size>67108864</size><ostype>linux</ostype>' lun-offline '' \
  lun-set-serial-number '<serial-number>80bqm]PvhKox</serial-number>' lun-online ''
vsh dumpxml --inactive santwo | sed "s/$LUN2/$LUN3/" >"$WORLD_DIR/xml/santwo.xml"
vsh define "$WORLD_DIR/xml/santwo.xml"
for api in zapi rest; do
  host replaced "ONTAP_API=$api"
  check_exit "$api: the LUN was replaced, and the guest with it: discover" 0 moon discover
  changes=$(sim_changes)
  check_exit "$api: a restore of the old LUN's data is refused" 1 restore santwo --yes
  said "$api: with both serial numbers, and what to do" \
    "kvm-00008.*santwo.*vda.*svm1:/vol/vol2/qt/two has serial number 80bqm\]PvhKox today and had 80bqm\]PvhKog.*give it"
  check_eq "$api: before anything is changed" "$(sim_changes)" "$changes"
done
zapi_all lun-offline '' lun-set-serial-number '<serial-number>80bqm]PvhKog</serial-number>' lun-online ''
vsh undefine santwo
guest_define santwo "block:/dev/mapper/$LUN2"

# another LUN has taken the place of the one that the guest names
host replaced
check_exit 'the LUN was replaced: the old name is gone' 1 moon discover
said 'the missing device is named' "santwo.*$LUN2.*does not exist"

# the controller does not know the LUN, or does not tell
sim_stop
rm -rf "$SIM_ROOT/svm1/vol2/qt" "$SIM_ROOT"/.ontapsim/volumes/svm1/vol2.json
sim_config "$WORLD_DIR/sim.json" "$luns | .svms[0].luns |= .[:1]"
sim_start
host plain
left_out 'a LUN of no configured controller' 'santwo.*80bqm\]PvhKog.*NTAP_USERS'
sim_fault '{"match":"lun-get-iter","action":"error","errno":13003}'
sim_fault '{"match":"GET /storage/luns","action":"error","code":6,"status":403}'
for api in zapi rest; do
  host plain "ONTAP_API=$api"
  check_exit "$api: no right to list LUNs: NFS goes on" 3 moon backup --policy daily
  said "$api: with a warning" 'kvm-00014'
  check_eq "$api: and SAN is left out" "$(mapping)" 'alpha:svm1:/vol/vol1/alpha.img;'
  next_second
done
sim_faults_clear
finish
