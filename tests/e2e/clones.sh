#!/bin/bash
# Clones: made of the new snapshots when the guests run again, mapped, kept by number, and deleted only where the
# catalog, the name and the uuid agree; on both transports, and with failures in the middle.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
# shellcheck source=../lib/clones.sh
. "$(dirname "$(realpath "$0")")/../lib/clones.sh"

here=$(dirname "$(realpath "$0")")
scene alpha:vol1 bravo:vol2
sim_stop
sim_config "$WORLD_DIR/sim.json" '.svms[0].luns = [{ path: "/vol/vol2/lun1", size: 1048576, serial: "800Kb]Rj0Gde" },
    { path: "/vol/vol2/lun2", size: 1048576, serial: "800Kb]Rj0Gdf" }]
  | .svms[0].igroups = [{ name: "tape", protocol: "iscsi", os_type: "linux", initiators: ["iqn.1994-05.com.redhat:t"] },
    { name: "other", protocol: "iscsi", os_type: "linux" }]'
sim_start

conf() { moon_conf "ONTAP_API=$api" "$@"; }
svm_volumes() { zapi volume-get-iter | grep -o '<name>cl_[^<]*' | cut -d '>' -f 2 | sort; }
clones_of() { svm_volumes | grep "_$1_[0-9]*\$" || true; }
lun_paths() { zapi lun-get-iter | grep -o '<path>[^<]*' | cut -d '>' -f 2 | sort; }
maps() { zapi lun-map-get-iter | grep -o '<path>[^<]*' | cut -d '>' -f 2 | sort; }
no_clone() { ! zapi volume-clone-get-iter | grep -q "<volume>$1<"; }
export_policies() { sim_curl -u vsadmin:secret "$SIM_URL/api/protocols/nfs/export-policies?fields=name,rules"; }
policies() { export_policies | jq -r '.records[].name | select(startswith("cl_"))'; }
rules() { export_policies | jq -r --arg n "$1" '.records[] | select(.name == $n) | .rules[] |
  [.clients[0].match, .ro_rule[0], .rw_rule[0], .superuser[0]] | join(" ")'; }
mounted() { sim_curl -u vsadmin:secret "$SIM_URL/api/storage/volumes?name=$1&fields=nas.path,nas.export_policy.name" |
  jq -r '.records[].nas | "\(.path) \(.export_policy.name)"'; }
has_intent() { [ -n "$(clone_records)" ] && [ "$(clone_records)" != "$kept" ]; }
clone_made() { [ -n "$(clones_of vol1)" ]; }
kill_moon() { # the engine, not the timeout round it
  local pid
  pid=$(pgrep -P "$1" -x moonsnap) || pid=$(pgrep -P "$(pgrep -P "$1" -x timeout)" -x moonsnap)
  kill -KILL "$pid"
  wait "$1" || true
}

for api in zapi rest; do
  if [ $api = zapi ]; then
    map=lun-map delete=volume-destroy create=volume-clone-create export=volume-mount
  else
    map='POST /protocols/san/lun-maps' delete='DELETE /storage/volumes/{uuid}' create='POST /storage/volumes'
    export='PATCH /storage/volumes/{uuid}'
  fi

  # --- volumes ---

  conf NTAP_CLONE_IGROUP_MAP=svm1:vol2/tape
  changes=$(sim_changes | wc -l)
  check_exit "$api: a dry run" 0 moon cloneVol --policy daily --dry-run
  said "$api: the clone is in the plan" 'ontap\.volume_clone'
  said "$api: and its maps" 'ontap\.lun_map.*/vol/cl_demo_vol2_[0-9]*/lun1'
  check_eq "$api: nothing was called" "$(sim_changes | wc -l)" "$changes"
  check_eq "$api: and nothing noted" "$(clone_records)" ''
  check_exit "$api: NTAP_VOL_CLONE_RESERVE=volume: a dry run" 0 moon cloneVol --policy daily --dry-run \
    --params NTAP_VOL_CLONE_RESERVE=volume
  said "$api: NTAP_VOL_CLONE_RESERVE=volume: the call has it" 'ontap\.volume_clone.*reserve\W+volume'
  run moon cloneLun --policy daily --dry-run --params NTAP_LUN_CLONE_RESERVATION=true
  if [ $api = zapi ]; then
    said "$api: NTAP_LUN_CLONE_RESERVATION=true: the call has it" 'ontap\.lun_clone.*reserve\W+true'
  else
    said "$api: NTAP_LUN_CLONE_RESERVATION=true: refused, since REST has none" \
      "--params: NTAP_LUN_CLONE_RESERVATION: controller 'svm1' is reached over REST"
  fi
  check_eq "$api: NTAP_LUN_CLONE_RESERVATION=true: exit" "$CODE" "$([ $api = zapi ] && echo 0 || echo 2)"
  clone cloneVol
  check "$api: the guests run" all_running alpha bravo
  first=$(svm_volumes)
  check_eq "$api: a clone of each volume" "$(sed -E 's/_[0-9]{14}$/_/' <<<"$first" | tr '\n' ' ')" 'cl_demo_vol1_ cl_demo_vol2_ '
  check_eq "$api: they are told" "$(jq -r '.clones[].name' "$OUT" | sort)" "$first"
  of1=$(head -n 1 <<<"$first") of2=$(tail -n 1 <<<"$first")
  check_eq "$api: with the bytes of the snapshot" "$(sum "$SIM_ROOT/svm1/$of1/alpha.img")" "$(sum "$(copy alpha)")"
  check_eq "$api: its LUNs are mapped, no others" "$(maps | tr '\n' ' ')" "/vol/$of2/lun1 /vol/$of2/lun2 "
  check_exit "$api: cloneList" 0 moon cloneList
  said "$api: lists it" "$of1 +volume +vol1 +$SNAP .* ok"
  check_exit "$api: cloneDel by number" 0 moon cloneDel --policy daily
  check_eq "$api: keeps what the number allows" "$(svm_volumes)" "$first"

  clone cloneVol
  check_eq "$api: the next run replaces them" "$(svm_volumes | wc -l) $(svm_volumes | grep -cF "$first" || true)" '2 0'
  conf NTAP_NUM_VOL_CLONES=2
  clone cloneVol
  clone cloneVol
  check_eq "$api: two of each are kept" "$(clones_of vol1 | wc -l) $(clones_of vol2 | wc -l)" '2 2'
  conf
  check_exit "$api: cloneDel with one to keep" 0 moon cloneDel --policy daily
  check_eq "$api: leaves the newest" "$(svm_volumes | sed 's/.*_//' | sort -u)" "${SNAP##*_}"

  # A deletion that is refused: what is left is said, and the next one goes on from it.
  sim_fault "{\"match\": \"$delete\", \"action\": \"error\", \"errno\": 13001, \"count\": 1}"
  check_exit "$api: a clone that cannot be deleted" 1 moon cloneDel --policy daily --backupName "$SNAP" --yes
  said "$api: has its code and is named" "\[STORAGE-02142\].*volume clone svm1:cl_demo_vol1_${SNAP##*_} is left"
  sim_faults_clear
  check_exit "$api: without --yes nothing is deleted" 2 moon cloneDel --policy daily --backupName "$SNAP"
  check_exit "$api: the next one" 0 moon cloneDel --policy daily --backupName "$SNAP" --yes
  check_eq "$api: deletes all" "$(svm_volumes)$(clone_records)" ''
  check_exit "$api: and then there is none" 2 moon cloneDel --policy daily --backupName "$SNAP" --yes

  # --- failures in the middle ---

  conf NTAP_CLONE_IGROUP_MAP=svm1:vol2/tape
  sim_fault "{\"match\": \"$map\", \"nth\": 2, \"action\": \"error\", \"errno\": 9003}"
  check_exit "$api: the second map is refused: done in part" 3 moon cloneVol --policy daily
  said "$api: with both codes" "\[scf-00008\].*\[?STORAGE-03002.*lun2 to 'tape'"
  check_eq "$api: no clone and no map is left" "$(svm_volumes)$(maps)$(clone_records)" ''
  check "$api: the guests run" all_running alpha bravo
  said "$api: the backup is good" 'Deleting volume clone svm1:cl_demo_vol2'
  check_eq "$api: and recorded so" "$(jq -r .status "$WORLD_DIR/state/catalog/demo/kvm/$(records | tail -n 1)")" ok
  sim_faults_clear
  next_second

  sim_fault "{\"match\": \"$map\", \"action\": \"error\", \"errno\": 9003}"
  sim_fault "{\"match\": \"$delete\", \"action\": \"error\", \"errno\": 13001}"
  check_exit "$api: and it cannot be taken away either" 3 moon cloneVol --policy daily
  said "$api: it is named" '\[STORAGE-02142\].*volume clone svm1:cl_demo_vol2_[0-9]* is left'
  sim_faults_clear
  left=$(svm_volumes)
  next_second
  clone cloneVol
  check_eq "$api: the next run takes it away" "$(svm_volumes | wc -l) $(svm_volumes | grep -cF "$left" || true)" '2 0'

  sim_fault "{\"match\": \"$create\", \"action\": \"error\", \"errno\": 13025, \"nth\": 2}"
  check_exit "$api: the second clone is refused" 3 moon cloneVol --policy daily
  said "$api: with its code" '\[STORAGE-02038\].*volume clone svm1:cl_demo_vol2'
  check_eq "$api: the first is taken away" "$(svm_volumes)$(clone_records)" ''
  sim_faults_clear
  next_second

  sim_fault "{\"match\": \"$create\", \"action\": \"truncate\", \"count\": 1}"
  clone cloneVol
  check_eq "$api: an answer that is lost: the clone is found and kept" "$(svm_volumes | wc -l)" 2
  sim_faults_clear

  # Killed between the request and its answer: the clone is made all the same, and in the catalog by name only.
  sim_fault "{\"match\": \"$create\", \"action\": \"hold\", \"count\": 1}"
  kept=$(clone_records)
  MOON_LIMIT=60 moon cloneVol --policy daily >"$WORLD_DIR/killed" 2>&1 </dev/null &
  poll 20 has_intent || not_ok "$api: the clone is noted before it is made" "$WORLD_DIR/killed"
  poll 20 sim_hit || not_ok "$api: it is asked for" "$WORLD_DIR/killed"
  kill_moon $!
  sim_faults_clear
  poll 10 clone_made || not_ok "$api: the controller carries the request out" "$(svm_volumes)"
  check "$api: killed: the guests run" all_running alpha bravo
  check_exit "$api: killed: cloneList" 0 moon cloneList
  said "$api: killed: calls the clone incomplete" 'cl_demo_vol1_[0-9]* +volume .* incomplete'
  check_exit "$api: killed: cloneDel" 0 moon cloneDel --policy daily
  check_eq "$api: killed: takes it away" "$(svm_volumes)$(clone_records)" ''
  next_second
  clone cloneVol

  # --- somebody else's hands ---

  one=$(clones_of vol1) two=$(clones_of vol2)
  zapi lun-map "<path>/vol/$two/lun1</path><initiator-group>other</initiator-group>" >/dev/null
  check_exit "$api: a clone that somebody else has mapped: the backup stands" 3 moon cloneVol --policy daily
  said "$api: it is left alone, and said why" "LUN /vol/$two/lun1 is mapped to initiator group 'other'.*left alone"
  check_eq "$api: it is there" "$(clones_of vol2)" "$two"
  zapi lun-unmap "<path>/vol/$two/lun1</path><initiator-group>other</initiator-group>" >/dev/null
  next_second
  run moon cloneDel --policy daily --params NTAP_NUM_VOL_CLONES=1
  clone cloneVol
  one=$(clones_of vol1) two=$(clones_of vol2)

  zapi volume-clone-split-start "<volume>$one</volume>" >/dev/null
  poll 10 no_clone "$one" || true
  check_exit "$api: a clone that was split is no clone any more" 1 moon cloneDel --policy daily --backupName "$SNAP" --yes
  said "$api: and is left alone" "$one: it is no clone of volume vol1 \(any more\); it is left alone"
  zapi volume-unmount "<volume-name>$one</volume-name>" >/dev/null
  zapi volume-offline "<name>$one</name>" >/dev/null
  zapi volume-destroy "<name>$one</name>" >/dev/null
  zapi volume-clone-create "<parent-volume>vol1</parent-volume><parent-snapshot>$SNAP</parent-snapshot><volume>$one</volume>" >/dev/null
  check_exit "$api: another clone under its name" 1 moon cloneDel --policy daily --backupName "$SNAP" --yes
  said "$api: is not taken for it" "$one: another volume has its name now; it is left alone"
  check_eq "$api: and is there" "$(clones_of vol1)" "$one"
  check_exit "$api: cloneList" 0 moon cloneList --json
  check_eq "$api: calls it replaced, and the other one not ours" \
    "$(jq -r --arg n "$one" '[.[] | select(.name == $n) | .status] | join(",")' "$OUT")" 'replaced,not ours'
  zapi volume-offline "<name>$one</name>" >/dev/null
  zapi volume-destroy "<name>$one</name>" >/dev/null
  check_exit "$api: when it is gone the rest is deleted" 0 moon cloneDel --policy daily --backupName "$SNAP" --yes
  check_eq "$api: nothing is left" "$(svm_volumes)$(clone_records)" ''

  # --- exports ---

  conf NTAP_NFS_EXPORT_HOST=192.0.2.7
  clone cloneVol
  one=$(clones_of vol1)
  check_eq "$api: exported: one rule, to read only" "$(rules "$one")" '192.0.2.7 sys never none'
  check_eq "$api: exported: mounted under it" "$(mounted "$one")" "/$one $one"
  check_eq "$api: exported: the volume as before" "$(mounted vol1)" '/vol1 default'
  cp "$WORLD_DIR/mountinfo" "$WORLD_DIR/mountinfo.kept"
  echo "901 1 0:901 / /mnt/clone rw - nfs4 127.0.0.1:/$one rw,addr=127.0.0.1" >>"$WORLD_DIR/mountinfo"
  check_exit "$api: exported: mounted here" 1 moon cloneDel --policy daily --backupName "$SNAP" --yes
  said "$api: exported: it is left, and said where" "$one is left: it is mounted on this host at /mnt/clone"
  cp "$WORLD_DIR/mountinfo.kept" "$WORLD_DIR/mountinfo"
  conf NTAP_NFS_EXPORT_HOST=192.0.2.7 NTAP_NFS_EXPORT_ACCESS=root
  clone cloneVol
  check_eq "$api: exported: the policy went with its clone" "$(rules "$one")" ''
  one=$(clones_of vol1)
  check_eq "$api: exported: root" "$(rules "$one")" '192.0.2.7 sys sys sys'
  check_exit "$api: exported: cloneDel" 0 moon cloneDel --policy daily --backupName "$SNAP" --yes
  sim_fault "{\"match\": \"$export\", \"action\": \"error\", \"errno\": 13001, \"count\": 1}"
  check_exit "$api: an export that is refused" 3 moon cloneVol --policy daily
  said "$api: has its code" '\[STORAGE-02062\].*svm1:cl_demo_vol1_[0-9]* to 192.0.2.7'
  check_eq "$api: no clone and no policy is left" "$(svm_volumes)$(policies)$(clone_records)" ''
  sim_faults_clear
  next_second

  # --- for the time of the run only; the commands ---

  cat >"$WORLD_DIR/hook.sh" <<HOOK
#!/bin/sh
echo "\$1 \$(ls '$SIM_ROOT/svm1' | grep -c '^cl_')" >>'$WORLD_DIR/hooks'
[ "\$1" != "\$(cat '$WORLD_DIR/hook.fails' 2>/dev/null)" ]
HOOK
  chmod +x "$WORLD_DIR/hook.sh"
  echo "command: $WORLD_DIR/hook.sh" >"$WORLD_DIR/etc/allowed_commands.config"
  hooks=("PRE_CLONE_CREATE_CMD01=$WORLD_DIR/hook.sh pre" "POST_CLONE_CREATE_CMD01=$WORLD_DIR/hook.sh post"
    "APP_CLONE_FOLLOW_UP_CMD01=$WORLD_DIR/hook.sh follow" "MOUNT_CMD01=$WORLD_DIR/hook.sh mount"
    "UMOUNT_CMD01=$WORLD_DIR/hook.sh umount" "PRE_NTAP_CLONE_DELETE_CMD01=$WORLD_DIR/hook.sh predelete"
    "POST_NTAP_CMD01=$WORLD_DIR/hook.sh postntap")
  conf NTAP_CLONE_FOR_BACKUP=Y "${hooks[@]}"
  : >"$WORLD_DIR/hooks"
  clone cloneVol
  check_eq "$api: the commands, in their order and with so many clones" "$(tr '\n' ' ' <"$WORLD_DIR/hooks")" \
    'pre 0 post 2 mount 2 follow 2 postntap 2 umount 2 predelete 2 '
  check_eq "$api: the clones went with the run" "$(svm_volumes)$(clone_records)" ''
  echo follow >"$WORLD_DIR/hook.fails"
  check_exit "$api: a command fails" 3 moon cloneVol --policy daily
  check_eq "$api: the clones went all the same" "$(svm_volumes)$(clone_records)" ''
  rm "$WORLD_DIR/hook.fails"
  next_second

  # --- LUNs ---

  conf NTAP_CLONE_IGROUP_MAP=svm1:vol2/tape
  clone cloneLun
  check_eq "$api: a clone of each LUN" "$(lun_paths | grep -c '_CLONE$')" 2
  check_eq "$api: they are mapped" "$(maps | tr '\n' ' ')" '/vol/vol2/lun1_CLONE /vol/vol2/lun2_CLONE '
  check_eq "$api: with the bytes of the snapshot" "$(sum "$SIM_ROOT/svm1/vol2/lun1_CLONE")" \
    "$(sum "$SIM_ROOT/svm1/vol2/.snapshot/$SNAP/lun1")"
  clone cloneLun
  check_eq "$api: the next run replaces them, and clones no clone" "$(lun_paths | tr '\n' ' ')" \
    '/vol/vol2/lun1 /vol/vol2/lun1_CLONE /vol/vol2/lun2 /vol/vol2/lun2_CLONE '
  "$here/../lib/san_tree.sh" lvm "$WORLD_DIR/host.$api"
  zapi lun-offline '<path>/vol/vol2/lun2_CLONE</path>' >/dev/null
  zapi lun-set-serial-number '<path>/vol/vol2/lun2_CLONE</path><serial-number>80bqm]PvhKog</serial-number>' >/dev/null
  conf NTAP_CLONE_IGROUP_MAP=svm1:vol2/tape "KVM_DEVICE_ROOT=$WORLD_DIR/host.$api"
  check_exit "$api: a clone that this host uses" 1 moon cloneDel --policy daily --backupName "$SNAP" --yes
  said "$api: is named with its user, and left" 'lun2_CLONE is left: .*lun2_CLONE is in use on this host, .*vg0-lv0'
  check_eq "$api: and keeps its map" "$(maps | grep -c 'lun2_CLONE$')" 1
  conf NTAP_CLONE_IGROUP_MAP=svm1:vol2/tape
  clone cloneLun
  zapi lun-unmap '<path>/vol/vol2/lun1_CLONE</path><initiator-group>tape</initiator-group>' >/dev/null
  zapi lun-destroy '<path>/vol/vol2/lun1_CLONE</path>' >/dev/null
  zapi clone-create '<volume>vol2</volume><source-path>lun1</source-path><destination-path>lun1_CLONE</destination-path>' >/dev/null
  before=$(snapshots vol2)
  check_exit "$api: another LUN under the name of a clone" 1 moon cloneLun --policy daily
  said "$api: is left alone" 'LUN clone svm1:/vol/vol2/lun1_CLONE: another LUN has its path now; it is left alone'
  check_eq "$api: before a snapshot was made" "$(snapshots vol2)" "$before"
  zapi lun-destroy '<path>/vol/vol2/lun1_CLONE</path>' >/dev/null
  sim_fault "{\"match\": \"$map\", \"nth\": 2, \"action\": \"error\", \"errno\": 9003}"
  check_exit "$api: a LUN clone that is not mapped" 3 moon cloneLun --policy daily
  said "$api: has both codes" "\[scf-00008\].*STORAGE-03002.*lun2_CLONE to 'tape'"
  check_eq "$api: and is taken away" "$(lun_paths | grep -c '_CLONE$' || true)$(maps)$(clone_records)" 0
  sim_faults_clear
  next_second

  # --- refused before anything happens ---

  before=$(snapshots vol1)
  conf NTAP_CLONE_IGROUP_MAP=svm1:vol2/nobody
  check_exit "$api: an initiator group that is not there" 2 moon cloneVol --policy daily
  said "$api: is named with its line" "kvm.conf:[0-9]+: NTAP_CLONE_IGROUP_MAP: controller 'svm1' has no initiator group 'nobody'"
  conf KVM_VMS=alpha VOLUMES=svm1:vol1
  check_exit "$api: cloneLun where there is no LUN" 2 moon cloneLun --policy daily
  said "$api: says what would serve" '\[scf-00035\].*hold no LUN; use cloneVol'
  check_exit "$api: clone" 2 moon clone
  said "$api: gives Snap Creator's reason" '\[scf-00004\].*KVM plug-in does not support clones of its own'
  check_eq "$api: no snapshot was made" "$(snapshots vol1)" "$before"
done
finish
