#!/bin/bash
# A restore of a disk that somebody else uses, too, or that saved memory belongs to, would destroy more than it brings
# back: refused, with nothing changed.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
scene alpha:vol1 bravo:vol2
vol1=$SIM_ROOT/svm1/vol1
backup
made=$SNAP
process_of() { cat "$WORLD_LV/run/libvirt/qemu/run/$1.pid"; }
process=$(process_of alpha)

# refused "name" GUEST CODE-OR-TEXT: exit 1, and nothing has changed, except what a running guest writes.
refused() {
  local name=$1 guest=$2 regex=$3 before
  before=$(still "${IMG[$guest]}"; sim_changes; snapshots vol1; snapshots vol2; vsh list --all)
  check_exit "$name: refused" 1 restore "$guest" --yes
  check_match "$name: by name" "$ERR" "$regex"
  check_eq "$name: nothing changed" "$(still "${IMG[$guest]}"; sim_changes; snapshots vol1; snapshots vol2; vsh list --all)" "$before"
}
# overlay_define NAME OVERLAY [BACKING-ELEMENT]: a guest whose disk is a qcow2 image.
overlay_define() {
  guest_define "$1" "$2"
  vsh undefine "$1"
  sed -i "s|type='raw'|type='qcow2'|; s|<target dev='vda'|${3:-}&|" "$WORLD_DIR/xml/$1.xml"
  vsh define "$WORLD_DIR/xml/$1.xml"
}

# --- another guest on the same disk ---

guest_define copycat "${IMG[alpha]}"
refused 'another guest has the image, it is off' alpha 'kvm-00012.*alpha.*copycat.*shutoff'
check_eq 'alpha still runs, in the same process' "$(guest_state alpha) $(process_of alpha)" "running $process"
check_exit 'a dry run says so, too' 1 restore alpha --dry-run
check_exit 'a guest of its own disk can be restored' 0 restore bravo --yes
guest_stop alpha
guest_start copycat
refused 'another guest has the image, it runs' alpha 'kvm-00012.*alpha.*copycat.*running'
check_eq 'copycat still runs' "$(guest_reason copycat)" 'running (booted)'
guest_stop copycat
vsh undefine copycat
ln -s "${IMG[alpha]}" "$vol1/other-name.img"
guest_define linked "$vol1/other-name.img"
refused 'another guest has the image by a link' alpha 'kvm-00012.*linked'
vsh undefine linked
image_make "$vol1/twin.img"
guest_define twin "$vol1/twin.img" "${IMG[alpha]}"
refused 'another guest has the image as its second disk' alpha 'kvm-00012.*twin'
vsh undefine twin

# --- as a backing file ---

overlay_make "$vol1/overlay.qcow2" "${IMG[alpha]}"
overlay_define overlay "$vol1/overlay.qcow2" \
  "<backingStore type='file'><format type='raw'/><source file='${IMG[alpha]}'/><backingStore/></backingStore>"
refused 'another guest has it as a backing file, it is off' alpha 'kvm-00012.*overlay'
vsh undefine overlay
# libvirt notes the chain of a guest only while it runs
overlay_define overlay "$vol1/overlay.qcow2"
guest_start overlay
refused 'another guest has it as a backing file, it runs' alpha 'kvm-00012.*overlay.*running'
check_eq 'it still runs' "$(guest_state overlay)" running
guest_stop overlay
refused 'another guest has it as a backing file that only the image names' alpha 'kvm-00012.*overlay'
vsh undefine overlay

# a guest that is not on this storage at all is no reason
image_make "$WORLD_DIR/local/far.img"
guest_define far "$WORLD_DIR/local/far.img"
# nor is one whose raw disk begins as if it stood upon alpha's: its guest wrote that
overlay_make "$vol1/claims.img" "${IMG[alpha]}"
guest_define claims "$vol1/claims.img"
next_second
check_exit 'without another user it is restored' 0 restore alpha --yes
check_eq 'alpha is back' "$(sum "${IMG[alpha]}")" "$(sum "$(copy alpha)")"

# --- upon an image that is not what it was: one layer of then and one of now are no disk ---

base=$vol1/base.img
image_make "$base"
overlay_make "$vol1/layered.qcow2" "$base"
overlay_define layered "$vol1/layered.qcow2"
IMG[layered]=$vol1/layered.qcow2
backup --params KVM_VMS=layered
check_eq 'the record has what the image stands upon' "$(guest_of layered '.disks[0].backing[0].path')" "$base"
check_exit 'upon what it stood upon it is restored' 0 restore layered --yes
next_second
cp -p "$base" "$WORLD_DIR/base.kept"
printf 'committed since' | dd of="$base" bs=1 seek=3000000 conv=notrunc status=none
refused 'what it stands upon was changed' layered "kvm-00008.*layered.*$base"
mv "$base" "$base.moved"
refused 'what it stands upon is gone' layered "kvm-00008.*layered.*$base"
rm "$base.moved"
cp -p "$WORLD_DIR/base.kept" "$base"
next_second
check_exit 'what it stands upon is as it was again: restored' 0 restore layered --yes
vsh undefine layered
SNAP=$made

# --- saved memory ---

guest_start alpha
wait_counter "${IMG[alpha]}" 1
vsh managedsave alpha
refused 'saved memory' alpha 'alpha.*saved memory.*managedsave-remove'
vsh dominfo alpha >"$OUT"
check_match 'the saved memory is still there' "$OUT" 'Managed save: +yes'
vsh managedsave-remove alpha
next_second
check_exit 'without saved memory it is restored' 0 restore alpha --yes
check_eq 'the backup itself is still there' "$(snapshots vol1 | grep -cx "$made")" 1
finish
