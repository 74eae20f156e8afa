# shellcheck shell=bash
# two_disks.sh: a guest, alpha, with two disks on two volumes and a backup of it, for what a restore may leave of them. One
# disk of then and one of now are no guest. Sourced after scene.sh.
#
#   two_disks       scene and backup; sets good (the backup's name) and data (the second disk)
#   spoil_both      both disks become others, the guest runs again
#   which_are       what each disk is: "old", "backup" or "mix"
#   settled_down    the controller restores no file

good='' data='' then1='' then2='' now1='' now2=''

two_disks() {
  scene alpha:vol1:off
  data=$SIM_ROOT/svm1/vol2/data.img
  image_make "$data"
  vsh undefine alpha
  guest_define alpha "${IMG[alpha]}" "$data"
  guest_start alpha
  wait_counter "${IMG[alpha]}" 1
  moon_conf KVM_BACKUP_DATA_DISKS=Y
  backup
  good=$SNAP
  then1=$(still "$(copy alpha)") then2=$(sum "$SIM_ROOT/svm1/vol2/.snapshot/$good/data.img")
}

# The last call of a run that was killed may turn it on or off just now.
turned_off() { state_is alpha 'shut off' || { vsh destroy alpha; return 1; }; }

spoil_both() {
  poll 20 turned_off
  spoil "$data" 1
  # the boot disk stays one that boots: only what the guest never reads becomes other
  dd if=/dev/urandom of="${IMG[alpha]}" bs=1M seek=2 count=1 conv=notrunc,fsync status=none
  now1=$(still "${IMG[alpha]}") now2=$(sum "$data")
  guest_start alpha
}

which_are() {
  local one=mix two=mix
  case $(still "${IMG[alpha]}") in "$now1") one=old ;; "$then1") one=backup ;; esac
  case $(sum "$data") in "$now2") two=old ;; "$then2") two=backup ;; esac
  echo "$one $two"
}

# While the controller restores a file, it makes no snapshot of the volume.
settled_down() {
  local vol
  for vol in vol1 vol2; do
    zapi snapshot-create "<volume>$vol</volume><snapshot>probe</snapshot>" >/dev/null
    test -d "$SIM_ROOT/svm1/$vol/.snapshot/probe" || return 1
    zapi snapshot-delete "<volume>$vol</volume><snapshot>probe</snapshot>" >/dev/null
  done
}
