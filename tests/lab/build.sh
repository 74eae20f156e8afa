#!/bin/bash
# build.sh DIR: the lab's virtual machine, as vmlinuz, initrd and root.img in DIR. Needs root and the packages of
# `tests/lib/deps.sh lab`. Everything in it comes from this machine's own apt sources.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
mkdir -p "$1"
cd "$1"

packages=systemd-sysv,udev,dbus,kmod,iproute2,openssh-server,procps,psmisc,nftables,e2fsprogs,btrfs-progs
packages+=,multipath-tools,open-iscsi,nfs-common,nfs-kernel-server,sg3-utils,lvm2,fdisk,kpartx
packages+=,libvirt-daemon-system,libvirt-clients,qemu-system-x86,qemu-utils,curl,jq
# what the programs under test are linked against
packages+=,liblua5.4-0,libcurl4,libjansson4,libmicrohttpd12,libpcre2-8-0,libxml2,libgnutls30,libdevmapper1.02.1,libsodium23
modules='virtio_pci virtio_blk virtio_net virtio_rng ext4 btrfs loop fuse sd_mod sg iscsi_tcp dm_multipath
  dm_service_time dm_round_robin dm_queue_length scsi_dh_alua dm_snapshot target_core_mod target_core_iblock
  iscsi_target_mod nfs nfsv3 nfsv4 nfsd nf_tables nft_ct nft_reject_inet tun bridge autofs4 configfs crc32c_generic
  rpcsec_gss_krb5'
unwanted='apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service
  fstrim.timer logrotate.timer systemd-networkd-wait-online.service libvirt-guests.service systemd-pstore.service
  nfs-blkmap.service systemd-tmpfiles-clean.timer getty@tty1.service open-iscsi.service systemd-update-utmp.service
  systemd-update-utmp-runlevel.service systemd-binfmt.service proc-sys-fs-binfmt_misc.mount
  proc-sys-fs-binfmt_misc.automount virtlockd.socket modprobe@drm.service dev-hugepages.mount
  lvm2-monitor.service lvm2-lvmpolld.socket blk-availability.service'

sources=/etc/apt/sources.list
for file in /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list.d/*.sources; do
  if [ ! -s "$sources" ] && [ -f "$file" ]; then sources=$file; fi
done
rm -rf root kernel ird
mmdebstrap --quiet --mode=root --variant=minbase --format=directory \
  --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' --dpkgopt=force-unsafe-io \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' --include="$packages" bookworm root "$sources"

# The kernel is extracted, never installed. The cloud flavour lacks scsi_dh_alua, without which multipathd loads no
# map of an ALUA LUN.
kernel=$(apt-cache depends linux-image-amd64 | awk '/Depends:/ { print $2; exit }')
compgen -G "${kernel}_*.deb" >/dev/null || apt-get -qq download "$kernel" 2>/dev/null
dpkg-deb -x "$(compgen -G "${kernel}_*.deb" | head -n 1)" kernel
version=$(ls kernel/lib/modules)
depmod -b kernel "$version"
cp "kernel/boot/vmlinuz-$version" vmlinuz
needed() { # modules: their files, in the order in which they load
  local m
  for m in "$@"; do
    modprobe -d kernel -S "$version" -D "$m" 2>/dev/null || echo "lab: this kernel has no module $m" >&2
  done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }'
}
# shellcheck disable=SC2086
for file in $(needed $modules); do install -D -m 644 "$file" "root/usr/lib/${file#*kernel/lib/}"; done
cp kernel/lib/modules/"$version"/modules.{order,builtin,builtin.modinfo} "root/usr/lib/modules/$version/"
depmod -b root "$version"

mkdir -p ird/{bin,lib,dev,root}
cp /bin/busybox ird/bin/
for file in $(needed virtio_pci virtio_blk ext4); do
  cp "$file" ird/lib/
  basename "$file" >>ird/lib/order
done
cat >ird/init <<'INIT'
#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
for m in $(/bin/busybox cat /lib/order); do /bin/busybox insmod /lib/$m; done
/bin/busybox mount -t ext4 -o noatime /dev/vda /root || exec /bin/busybox sh
/bin/busybox mount --move /dev /root/dev
exec /bin/busybox switch_root /root /sbin/init "$@"
INIT
chmod +x ird/init
(cd ird && find . | cpio --quiet -o -H newc | gzip -1) >initrd

[ -f key ] || ssh-keygen -q -t ed25519 -N '' -C lab -f key
install -d -m 700 root/root/.ssh
install -m 600 key.pub root/root/.ssh/authorized_keys
echo lab >root/etc/hostname
printf '127.0.0.1 localhost lab nas1 svm1\n' >root/etc/hosts
printf '/dev/vda / ext4 noatime 0 0\n' >root/etc/fstab
cat >root/etc/systemd/network/10-lab.network <<'NET'
[Match]
Driver=virtio_net
[Network]
Address=10.0.2.15/24
Gateway=10.0.2.2
LinkLocalAddressing=no
IPv6AcceptRA=no
NET
printf 'defaults {\n    user_friendly_names no\n    find_multipaths yes\n    polling_interval 2\n}\n' \
  >root/etc/multipath.conf
# The host's LVM looks at multipath devices only, never below them or at the storage box's own loop devices.
sed -i 's|^\(\s*\)# filter = .*|\1filter = [ "a\|^/dev/mapper/3600\|", "r\|.*\|" ]|' root/etc/lvm/lvm.conf
sed -i 's/^\(node.session.timeo.replacement_timeout =\).*/\1 5/
  s/^\(node.conn\[0\].timeo.noop_out_interval =\).*/\1 1/
  s/^\(node.conn\[0\].timeo.noop_out_timeout =\).*/\1 2/' root/etc/iscsi/iscsid.conf
echo 'InitiatorName=iqn.1993-08.org.debian:01:lab' >root/etc/iscsi/initiatorname.iscsi
printf 'UseDNS no\nGSSAPIAuthentication no\nMaxSessions 50\n' >root/etc/ssh/sshd_config.d/lab.conf
install -m 755 "$here/filer" "$here/lio-sync" root/usr/local/sbin/
as --32 -o guest.o "$here/../guest/guest.S"
ld -m elf_i386 -Ttext 0x7c00 --oformat binary -o root/usr/local/share/labguest.bin guest.o
chroot root passwd -qd root
chroot root systemctl -q enable systemd-networkd ssh
# shellcheck disable=SC2086
chroot root systemctl -q mask $unwanted
rm -f root.img
truncate -s 2G root.img
mke2fs -q -t ext4 -O '^has_journal' -E root_owner=0:0 -d root root.img
rm -rf root kernel ird guest.o ./*.deb
