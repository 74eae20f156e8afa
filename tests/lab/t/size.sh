#!/bin/bash
# A LUN that grew after the backup, one that was replaced under its number, one that this host's LVM holds.
set -uo pipefail
# shellcheck source=../world.sh
. /root/lab/world.sh
lab_sim
lab_conf
zapi() {
  curl -sS --cacert /srv/filer/.ontapsim/cert.pem -u vsadmin:secret -H 'Content-Type: text/xml' \
    https://127.0.0.1:8443/servlets/netapp.servlets.admin.XMLrequest_filer \
    -d '<?xml version="1.0"?><netapp version="1.150" xmlns="http://www.netapp.com/filer/admin">'"$1"'</netapp>' | grep -q 'status="passed"'
}
bytes() { blockdev --getsize64 "/dev/mapper/$1"; }
has_bytes() { [ "$(bytes "$1")" = "$2" ]; }
backup
virsh -q destroy san

# grown
check 'the LUN grows on the controller' zapi '<lun-resize><path>/vol/vol_san/lun1</path><size>100663296</size></lun-resize>'
for disk in $(paths_of $LUN1); do echo 1 >"/sys/block/$disk/device/rescan"; done
multipathd resize map $LUN1 >/dev/null
check 'and here' poll 30 has_bytes $LUN1 100663296
check_exit 'a restore is refused' 1 restore san
check_match 'with both sizes and what to do' "$ERR" '100663296.*67108864.*KVM_RESTORE_RESIZE=Y'
check_exit 'unless it is asked to take the old size' 0 restore san KVM_RESTORE_RESIZE=Y
check_eq 'which the map has, too' "$(bytes $LUN1)" 67108864
check_eq 'its bytes are those of the snapshot' "$(dd if=/dev/mapper/$LUN1 bs=1M iflag=direct status=none | sha256sum)" \
  "$(sha256sum <"/srv/filer/svm1/vol_san/.snapshot/$SNAP/lun1")"

# held by LVM
pvcreate -q -y -ff /dev/mapper/$LUN2 >/dev/null && vgcreate -q vg0 /dev/mapper/$LUN2 >/dev/null && lvcreate -q -y -L 16M -n lv0 vg0 >/dev/null
check_exit 'a LUN in use by LVM: discover' 1 moon discover
check_match 'names the holder' "$ERR" 'qtree.*lvm vg0-lv0'
check_exit 'and a restore of it is refused' 1 restore qtree
check_match 'naming it, too' "$ERR" 'lvm vg0-lv0'
vgremove -q -f vg0 >/dev/null
pvremove -q -y /dev/mapper/$LUN2 >/dev/null

# another LUN under the same number
check 'the LUN is unmapped' zapi '<lun-unmap><path>/vol/vol_san/lun1</path><initiator-group>lab</initiator-group></lun-unmap>'
check 'and renamed' zapi '<lun-move><path>/vol/vol_san/lun1</path><new-path>/vol/vol_san/old</new-path></lun-move>'
check 'another one is made' zapi '<lun-create-by-size><path>/vol/vol_san/lun1</path><size>67108864</size><ostype>linux</ostype></lun-create-by-size>'
check 'and mapped under its number' zapi '<lun-map><path>/vol/vol_san/lun1</path><initiator-group>lab</initiator-group><lun-id>0</lun-id></lun-map>'
check_not 'a restore is refused' restore san
restore san >"$OUT" 2>"$ERR"
check_match 'it is another LUN' "$ERR" 'another LUN|is LUN|does not exist|no configured controller|it is .* today'
finish
