# shellcheck shell=bash
# setup.sh: runs once in the lab, before its state is saved: volumes, LUNs, mounts, running guests. The simulator is
# started by each scenario and finds all of this as its own content.
set -euo pipefail
exec 2>&1
filer init
mkdir -p /srv/filer/svm1/vol_nas /srv/filer/svm1/vol_san/qt
filer export vol_nas
lun() { # path below the aggregate's svm1, size; ONTAP's simulator knows a LUN by this mode
  truncate -s "$2" "/srv/filer/svm1/$1"
  chmod 1644 "/srv/filer/svm1/$1"
}
lun vol_san/lun1 64M
lun vol_san/qt/lun2 64M
chmod 1755 /srv/filer/svm1/vol_san/qt
lio-sync <<LUNS
0 80bqm]PvhKof 67108864 /srv/filer/svm1/vol_san/lun1
1 80bqm]PvhKog 67108864 /srv/filer/svm1/vol_san/qt/lun2
LUNS
filer login
LUN1=3600a0980383062716d5d5076684b6f66 LUN2=3600a0980383062716d5d5076684b6f67
filer waitmap $LUN1
filer waitmap $LUN2
mkdir -p /mnt/nas1
mount -t nfs4 -o vers=4.1,hard,timeo=50 nas1:/vol_nas /mnt/nas1

domain() { # name, disk element's type and source
  cat >"/root/$1.xml" <<XML
<domain type='qemu'>
  <name>$1</name><memory unit='MiB'>16</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os><features><acpi/></features>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type='$2' device='disk'><driver name='qemu' type='raw' cache='none' io='native'/>
      <source $3/><target dev='vda' bus='virtio'/></disk>
    <controller type='usb' model='none'/><memballoon model='none'/>
  </devices>
</domain>
XML
  virsh -q define "/root/$1.xml"
}
guest=/usr/local/share/labguest.bin
cp $guest /mnt/nas1/nas.img
truncate -s 16M /mnt/nas1/nas.img
for wwid in $LUN1 $LUN2; do dd if=$guest "of=/dev/mapper/$wwid" conv=nocreat,fsync status=none; done
domain nas file "file='/mnt/nas1/nas.img'"
domain san block "dev='/dev/mapper/$LUN1'"
domain qtree block "dev='/dev/disk/by-id/dm-uuid-mpath-$LUN2'"
for name in nas san; do virsh -q start $name; done
echo 'lab: set up'
