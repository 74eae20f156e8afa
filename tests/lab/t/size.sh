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
check_eq 'its bytes are those of the snapshot' "$(sum /dev/mapper/$LUN1)" "$(sum "/srv/filer/svm1/vol_san/.snapshot/$SNAP/lun1")"

# held by LVM
pvcreate -q -y -ff /dev/mapper/$LUN2 >/dev/null && vgcreate -q vg0 /dev/mapper/$LUN2 >/dev/null && lvcreate -q -y -L 16M -n lv0 vg0 >/dev/null
check_exit 'a LUN in use by LVM: discover' 1 moon discover
check_match 'names the holder' "$ERR" 'qtree.*lvm vg0-lv0'
check_exit 'and a restore of it is refused' 1 restore qtree
check_match 'naming it, too' "$ERR" 'lvm vg0-lv0'
vgremove -q -f vg0 >/dev/null
pvremove -q -y /dev/mapper/$LUN2 >/dev/null

# another LUN under the same path and number, made while a restore is prepared: after the guest was found on it
cat >replace <<'SH'
#!/bin/bash
# Deletes lun1 on the controller and makes another one of its name and number.
set -euo pipefail
. /root/lab/zapi.sh
path='<path>/vol/vol_san/lun1</path>'
zapi "<lun-unmap>$path<initiator-group>lab</initiator-group></lun-unmap>"
zapi "<lun-destroy>$path</lun-destroy>"
zapi "<lun-create-by-size>$path<size>67108864</size><ostype>linux</ostype></lun-create-by-size>"
zapi "<lun-map>$path<initiator-group>lab</initiator-group><lun-id>0</lun-id></lun-map>"
touch /root/lab/replaced
SH
{ echo '# shellcheck shell=bash' && declare -f zapi; } >zapi.sh
chmod 755 replace
lab_conf PRE_RESTORE_CMD01=SERVER:/root/lab/replace
marks() { sim GET /sim/requests | jq '[.log[] | select(.call | test("restore-file|^(POST|PATCH) .*(luns|restore-file)"))] | length'; }
sim DELETE /sim/requests >/dev/null
check_exit 'a LUN that was deleted and made anew: a restore is refused' 1 restore san
check 'it was replaced in between' test -f replaced
check_match 'it is another LUN' "$ERR" 'another LUN|does not exist|it is .* today|serial'
check_eq 'no restore was asked for' "$(marks)" 0
check_exit 'nor is the next one begun' 1 restore san
check_match 'for the same reason' "$ERR" 'another LUN|does not exist|no configured controller|it is .* today|serial|no LUN'
check_eq 'by any call' "$(marks)" 0
finish
