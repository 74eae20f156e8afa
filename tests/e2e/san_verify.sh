#!/bin/bash
# discover --verify: what discovery found beside what NetApp's sanlun says, on a recorded host, with a program in its
# place that prints recorded output (tests/data/sanlun).
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
here=$(dirname "$(realpath "$0")")
LUN1=3600a0980383062716d5d5076684b6f66 LUN2=3600a0980383062716d5d5076684b6f67
requires libvirtd virsh qemu-system-x86_64 curl jq as ld setpriv
world_up
sim_config "$WORLD_DIR/sim.json" '.svms[0].luns = [ { path: "/vol/vol1/one", size: 67108864, serial: "80bqm]PvhKof" },
  { path: "/vol/vol2/qt/two", size: 67108864, serial: "80bqm]PvhKog" } ]'
sim_start
image_make "$SIM_ROOT/svm1/vol1/alpha.img"
guest_define alpha "$SIM_ROOT/svm1/vol1/alpha.img"
guest_define sanone "block:/dev/mapper/$LUN1"
guest_define santwo "block:/dev/disk/by-id/dm-uuid-mpath-$LUN2"
"$here/../lib/san_tree.sh" plain "$WORLD_DIR/host"
tool=$WORLD_DIR/santools
mkdir "$tool"
install -m 755 "$here/../lib/sanlun.sh" "$tool/sanlun"
# sanlun_says [SED]: the recorded output, both lists changed by a sed expression
sanlun_says() {
  local list
  rm -f "$tool/fails" "$tool/hangs"
  for list in maps paths; do sed "${1:-}" "$here/../data/sanlun/plain.$list" >"$tool/$list"; done
}
conf() { moon_conf "KVM_DEVICE_ROOT=$WORLD_DIR/host" "KVM_SANLUN=$tool/sanlun" "$@"; }
mapping() { sed -n 's/^KVM_VM_MAPPING=//p' "$WORLD_DIR/etc/demo/kvm.conf"; }
all='alpha:svm1:/vol/vol1/alpha.img;sanone:svm1:/vol/vol1/one;santwo:svm1:/vol/vol2/qt/two;'

for api in zapi rest; do
  conf "ONTAP_API=$api"
  sanlun_says
  check_exit "$api: both say the same" 0 moon discover --verify
  check_match "$api: per guest" "$OUT" '^santwo +vda +svm1:/vol/vol2/qt/two +svm1:/vol/vol2/qt/two +agrees$'
  check_no_match "$api: a guest on NFS is not compared" "$OUT" '^alpha.*(agrees|differs|unknown)'
  check_exit "$api: as JSON" 0 moon discover --verify --json
  check_eq "$api: one row per disk" \
    "$(jq -c '[.verify[] | [.guest, .target, .lun, .sanlun[0], .result]]' "$OUT")" \
    '[["sanone","vda","svm1:/vol/vol1/one","svm1:/vol/vol1/one","agrees"],["santwo","vda","svm1:/vol/vol2/qt/two","svm1:/vol/vol2/qt/two","agrees"]]'

  sanlun_says 's#/vol/vol1/one#/vol/vol1/other#'
  check_exit "$api: sanlun names another LUN" 1 moon discover --verify
  check_match "$api: the table has both" "$OUT" '^sanone +vda +svm1:/vol/vol1/one +svm1:/vol/vol1/other +differs$'
  said "$api: and so has the error" "kvm-00015.*sanone.*discovery found svm1:/vol/vol1/one, sanlun says svm1:/vol/vol1/other"
done

sanlun_says "/$LUN1/d"
sed -i '\#/vol/vol1/one#d' "$tool/paths"
check_exit 'sanlun does not know a LUN' 3 moon discover --verify
check_match 'it is marked' "$OUT" '^sanone +vda +svm1:/vol/vol1/one +- +unknown$'
said 'and said' 'sanone.*sanlun does not know device'

conf KVM_SANLUN=/nonexistent/sanlun
check_exit 'no sanlun: discovery is done, in part' 3 moon discover --verify
check_eq 'the mapping is written' "$(mapping)" "$all"
check_eq 'one line says so' "$(grep -c 'is not installed: nothing was compared.*KVM_SANLUN' "$ERR")" 1
check_match 'and the report does' "$OUT" '^not compared with sanlun$'
check_exit 'in JSON too' 3 moon discover --verify --json
check_match 'with the reason' <(jq -r .verify_failed "$OUT") 'is not installed'
check_exit 'without --verify nobody asks' 0 moon discover
conf KVM_SANLUN_TIMEOUT=1
sanlun_says
touch "$tool/hangs"
check_exit 'a sanlun that hangs' 3 moon discover --verify
said 'is ended in time' 'did not answer for 1 s, see KVM_SANLUN_TIMEOUT'
conf
sanlun_says
echo 'Must be root to run sanlun' >"$tool/fails"
check_exit 'one that fails' 3 moon discover --verify
said 'is repeated' 'exit code 1: Must be root to run sanlun'
sanlun_says 's/.*/garbage/'
check_exit 'one that says something else' 3 moon discover --verify
said 'is quoted' "cannot be read: 'garbage'"
check_exit 'a program of another name is refused' 2 moon discover --verify --params KVM_SANLUN=/bin/sh
said 'with what is wanted' "KVM_SANLUN.*full path of NetApp's sanlun"

sanlun_says
conf
check_exit 'a dry run compares, too' 0 moon discover --verify --dry-run
check_eq 'and writes nothing' "$(mapping)" ''
conf KVM_VMS=alpha
rm "$tool/sanlun"
check_exit 'no guest on a LUN: sanlun is not asked' 0 moon discover --verify
check_match 'which is said' "$OUT" 'no guest on a LUN: nothing to compare'
finish
