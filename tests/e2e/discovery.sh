#!/bin/bash
# Discovery: what a guest's disks are taken for, what is left out and said, and what happens to the config file.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
scene alpha:vol1:off
vol1=$SIM_ROOT/svm1/vol1 vol2=$SIM_ROOT/svm1/vol2
conf=$WORLD_DIR/etc/demo/kvm.conf
mapping() { sed -n 's/^KVM_VM_MAPPING=//p' "$conf"; }

# bravo: by symbolic links, one of them relative; CD-ROM and floppy before its disk
image_make "$vol2/deep/er/bravo.img"
mkdir -p "$WORLD_DIR/links"
ln -s "$vol2/deep" "$WORLD_DIR/links/deep"
ln -s deep/er/bravo.img "$WORLD_DIR/links/bravo.img"
truncate -s 1M "$vol1/install.iso" "$vol1/drivers.vfd"
guest_define bravo "$WORLD_DIR/links/bravo.img" "cdrom:$vol1/install.iso" "floppy:$vol1/drivers.vfd"
# charlie: a data disk on the other volume
image_make "$vol1/charlie.img"
image_make "$vol2/charlie-data.img"
guest_define charlie "$vol1/charlie.img" "$vol2/charlie-data.img"
# delta: on a local directory
image_make "$WORLD_DIR/local/delta.img"
guest_define delta "$WORLD_DIR/local/delta.img"
# echo: a name with a blank in its path
image_make "$vol1/my disks/echo 1.img"
guest_define echo "$vol1/my disks/echo 1.img"
# foxtrot: no disk at all
sed '/<disk/d; s/<name>.*<\/name>/<name>foxtrot<\/name>/' "$WORLD_DIR/xml/alpha.xml" >"$WORLD_DIR/xml/foxtrot.xml"
vsh define "$WORLD_DIR/xml/foxtrot.xml"
# golf: its image is gone
guest_define golf "$vol1/golf.img"

moon_conf KVM_VMS=
check_exit 'discover' 0 moon discover
map=$(mapping)
has() { [[ ";$map" == *";$1;"* ]]; }
check 'an image on a volume' has 'alpha:svm1:/vol/vol1/alpha.img'
check 'symbolic links are followed' has 'bravo:svm1:/vol/vol2/deep/er/bravo.img'
check 'of two disks the first counts' has 'charlie:svm1:/vol/vol1/charlie.img'
check 'a blank in the path' has 'echo:svm1:/vol/vol1/my disks/echo 1.img'
check_not 'CD-ROM and floppy are not in the mapping' grep -Eq 'install\.iso|drivers\.vfd' "$conf"
check_not 'a guest on a local directory is not in the mapping' grep -q 'delta:' "$conf"
said 'CD-ROM: said' 'bravo.*(CD-?ROM|removable).*install\.iso'
said 'floppy: said' 'bravo.*([Ff]loppy|removable).*drivers\.vfd'
said 'data disk: said, with its target' 'charlie.*vdb|vdb.*charlie'
said 'local directory: said' 'delta'
said 'no disk: said' 'foxtrot'
said 'missing image: said' 'golf'

# only the guests that KVM_VMS lists
moon_conf KVM_VMS=alpha
check_exit 'discover of one guest' 0 moon discover
check_eq 'KVM_VMS limits it' "$(mapping)" 'alpha:svm1:/vol/vol1/alpha.img;'
moon_conf KVM_VMS=alpha,zulu
run moon discover
said 'a listed guest that is not defined is named' zulu

# data disks
moon_conf KVM_VMS=charlie
check_exit 'backup of a guest with a data disk' 0 moon backup --policy daily --json
RECORD=$OUT
check_eq 'one disk is in the record' "$(guest_of charlie '.disks | length')" 1
moon_conf KVM_VMS=charlie KVM_BACKUP_DATA_DISKS=Y
next_second
check_exit 'backup with KVM_BACKUP_DATA_DISKS=Y' 0 moon backup --policy daily --json
check_eq 'two disks are in the record' "$(guest_of charlie '[.disks[] | "\(.target) \(.volume)"] | join(",")')" 'vda vol1,vdb vol2'
SNAP=$(jq -r .snapshot "$RECORD")
check 'the data disk is in the snapshot of its volume' test -f "$vol2/.snapshot/$SNAP/charlie-data.img"

# the config file: every other line stays as it is, to the byte
moon_conf KVM_VMS=alpha
{
  printf '########## Connection Options ##########\n\n'
  printf '# a comment with trailing blanks   \n'
  printf 'MY_OWN = some   value  \n'
  printf 'POST_NTAP_CMD01="/bin/true %%SNAME"\n'
  printf 'LAST=without newline'
} >>"$conf"
chmod 700 "$conf"
cp -p "$conf" "$WORLD_DIR/before"
inode=$(stat -c %i "$conf")
check_exit 'discover with APP_CONF_PERSISTENCE=Y' 0 moon discover
check_eq 'exactly one line differs' "$(diff "$WORLD_DIR/before" "$conf" | grep -c '^[<>]')" 2
check_eq 'and that is the mapping' "$(diff "$WORLD_DIR/before" "$conf" | sed -n 's/^> //p')" \
  'KVM_VM_MAPPING=alpha:svm1:/vol/vol1/alpha.img;'
check 'all else is the same to the byte' cmp <(grep -v ^KVM_VM_MAPPING= "$WORLD_DIR/before"; echo x) <(grep -v ^KVM_VM_MAPPING= "$conf"; echo x)
check 'no newline was added at the end' test "$(tail -c 1 "$conf")" = e
check_eq 'the mode is kept' "$(stat -c %a "$conf")" 700
check 'it was replaced, not rewritten in place' test "$(stat -c %i "$conf")" != "$inode"
check_eq 'nothing else lies beside it' "$(find "$WORLD_DIR/etc/demo" -mindepth 1 -printf '%f\n')" kvm.conf
cp -p "$conf" "$WORLD_DIR/before"
inode=$(stat -c %i "$conf")
check_exit 'discover again' 0 moon discover
check 'changes nothing' cmp "$WORLD_DIR/before" "$conf"

moon_conf KVM_VMS=alpha APP_CONF_PERSISTENCE=N
cp "$conf" "$WORLD_DIR/before"
check_exit 'discover with APP_CONF_PERSISTENCE=N' 0 moon discover
check 'leaves the file alone' cmp "$WORLD_DIR/before" "$conf"
said 'but prints what it found' 'alpha'

# nothing found
moon_conf KVM_VMS=delta
run moon backup --policy daily
check "a backup of nothing is no success (exit $CODE)" test "$CODE" != 0
said 'with its code' 'scf-00029'
finish
