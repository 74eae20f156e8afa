#!/bin/bash
# NTAP_CLONE_SECONDARY: cloneVol clones the SnapMirror destinations of the backup's volumes after the transfer, with maps and
# exports there, counted, listed and deleted as on the primary; on both transports, and with failures in the middle.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
# shellcheck source=../lib/clones.sh
. "$(dirname "$(realpath "$0")")/../lib/clones.sh"
# shellcheck source=../lib/vault.sh
. "$(dirname "$(realpath "$0")")/../lib/vault.sh"
scene alpha:vol1 bravo:vol2
vault_up '.svms[0].luns = [{ path: "/vol/vol2/lun1", size: 1048576, serial: "800Kb]Rj0Gde" }]
  | (.svms[] | select(.name == "svm_vault")).igroups =
    [{ name: "tape", protocol: "iscsi", os_type: "linux", initiators: ["iqn.1994-05.com.redhat:t"] }]' m1 m2 n1 far
relate m1 vol1 MirrorAllSnapshots
relate m2 vol2 MirrorAllSnapshots

names() { at_vault volume-get-iter | grep -o '<name>cl_[^<]*' | cut -d '>' -f 2 | sort | paste -sd' '; }
shape() { names | sed -E 's/_[0-9]{14}/_/g'; }
maps() { at_vault lun-map-get-iter | grep -o '<path>[^<]*' | cut -d '>' -f 2 | sort | paste -sd' '; }
SECONDARY=(NTAP_CLONE_SECONDARY=Y NTAP_SNAPMIRROR_UPDATE=Y 'SNAPMIRROR_VOLUMES=svm1:vol1,vol2' NTAP_SNAPMIRROR_WAIT=1
  NTAP_SNAPMIRROR_USE_SNAPSHOT=Y)
conf() { moon_conf "${BOTH[@]}" "ONTAP_API=$api" "${SECONDARY[@]}" "$@"; }

for api in zapi rest; do
  if [ $api = zapi ]; then
    map=lun-map create=volume-clone-create update=snapmirror-update
  else
    map='POST /protocols/san/lun-maps' create='POST /storage/volumes' update='POST /snapmirror/relationships/*/transfers'
  fi
  # The group of m2's clone is written for its source, as Snap Creator has it.
  conf NTAP_CLONE_IGROUP_MAP=svm1:vol2/tape
  changes=$(sim_changes | wc -l)
  check_exit "$api: a dry run" 0 moon cloneVol --policy daily --dry-run
  said "$api: the clone is in the plan" 'ontap\.volume_clone.*m1'
  check_eq "$api: nothing was called" "$(sim_changes | wc -l)$(clone_records)" "$changes"
  next_second
  clone cloneVol
  check "$api: the guests run" all_running alpha bravo
  check_eq "$api: a clone of each destination" "$(shape)" 'cl_demo_m1_ cl_demo_m2_'
  check_eq "$api: none on the primary" "$(zapi volume-get-iter | grep -c '<name>cl_' || true)" 0
  first=$(names)
  check_eq "$api: with the bytes of the snapshot" "$(sum "$SIM_ROOT/svm_vault/${first%% *}/alpha.img")" "$(sum "$(copy alpha)")"
  check_eq "$api: it stands on the transferred snapshot" \
    "$(at_vault volume-clone-get-iter | grep -o '<parent-snapshot>[^<]*' | cut -d '>' -f 2 | sort -u)" "$SNAP"
  check_eq "$api: its LUN is mapped" "$(maps)" "/vol/${first##* }/lun1"
  check_exit "$api: cloneList" 0 moon cloneList
  said "$api: lists it" "svm_vault +cl_demo_m1_[0-9]* +volume +m1 +$SNAP .* ok"
  clone cloneVol
  check_eq "$api: the next run replaces them" "$(shape) $(names | grep -cF "${first%% *}" || true)" 'cl_demo_m1_ cl_demo_m2_ 0'
  conf NTAP_NUM_VOL_CLONES=2
  clone cloneVol
  check_eq "$api: two of each are kept" "$(names | wc -w)" 4
  conf
  check_exit "$api: cloneDel with one to keep" 0 moon cloneDel --policy daily
  check_eq "$api: leaves the newest" "$(names | tr ' ' '\n' | sed 's/.*_//' | sort -u)" "${SNAP##*_}"
  check_exit "$api: cloneDel of a backup" 0 moon cloneDel --policy daily --backupName "$SNAP" --yes
  check_eq "$api: deletes all" "$(names)$(clone_records)" ''

  conf NTAP_NFS_EXPORT_HOST=192.0.2.7 NTAP_CLONE_SECONDARY_VOLUMES='svm1:svm_vault/m1;svm1:svm_vault/m2'
  clone cloneVol
  check_match "$api: exported at the secondary" \
    <(sim_curl -u vault:secret "$SIM_URL/api/storage/volumes?name=cl_demo_m1_*&fields=nas.path" | jq -r '.records[].nas.path') '^/cl_demo_m1_'
  conf NTAP_CLONE_FOR_BACKUP=Y
  clone cloneVol
  check_eq "$api: for the run only: those of before stay, its own went" "$(names | wc -w)" 2
  check_exit "$api: cloneDel" 0 moon cloneDel --policy daily --params NTAP_NUM_VOL_CLONES=1
  left=$(clone_records | head -n 1 | xargs jq -r .snapshot)
  check_exit "$api: cloneDel of the exported" 0 moon cloneDel --policy daily --backupName "$left" --yes

  # --- failures in the middle ---

  conf NTAP_CLONE_IGROUP_MAP=svm1:vol2/tape
  sim_fault "{\"match\": \"$map\", \"action\": \"error\", \"errno\": 9003}"
  check_exit "$api: the map is refused: done in part" 3 moon cloneVol --policy daily
  said "$api: with both codes" "\[scf-00008\].*\[?STORAGE-03002.*svm_vault:/vol/cl_demo_m2_[0-9]*/lun1 to 'tape'"
  check_eq "$api: no clone and no map is left" "$(names)$(maps)$(clone_records)" ''
  sim_faults_clear
  next_second
  clone cloneVol
  before=$(names)
  sim_fault "{\"match\": \"$update\", \"action\": \"error\"}"
  check_exit "$api: no transfer, no clone" 3 moon cloneVol --policy daily
  said "$api: no transfer: its code" '\[scf-00021\]'
  check_eq "$api: no transfer: the clones of before stay" "$(names)" "$before"
  sim_faults_clear
  next_second
  sim_fault "{\"match\": \"$create\", \"action\": \"error\", \"errno\": 13025, \"nth\": 2}"
  check_exit "$api: the second clone is refused" 3 moon cloneVol --policy daily
  said "$api: with its code" '\[STORAGE-02038\].*volume clone svm_vault:cl_demo_m2'
  check_eq "$api: the first is taken away" "$(names)$(clone_records)" ''
  sim_faults_clear
  check "$api: the guests run" all_running alpha bravo
  next_second

  # --- refused before anything happens ---

  before=$(snapshots vol1)
  refused() { check_exit "$api: $1" "$2" moon "${ACT:-cloneVol}" --policy daily; said "$api: $1: why" "$3"; }
  ACT=cloneLun refused 'cloneLun' 2 'NTAP_CLONE_SECONDARY: a SnapMirror destination is read-only.*use cloneVol'
  conf NTAP_SNAPMIRROR_UPDATE=N
  refused 'no update' 2 'NTAP_CLONE_SECONDARY: .*write NTAP_SNAPMIRROR_UPDATE=Y'
  conf NTAP_SNAPMIRROR_WAIT=
  refused 'no wait' 2 'NTAP_CLONE_SECONDARY: .*write NTAP_SNAPMIRROR_WAIT='
  conf SNAPMIRROR_VOLUMES=svm1:vol1
  refused 'a volume without destination' 2 'svm1:vol2 is in the backup and not in SNAPMIRROR_VOLUMES'
  conf NTAP_CLONE_SECONDARY_VOLUMES=svm1:svm_vault/m1
  refused 'a volume that is not named' 2 'svm1:vol2 has the SnapMirror destinations svm_vault/m2; name one'
  conf NTAP_CLONE_SECONDARY_VOLUMES=svm1:m1
  refused 'a word that is no volume' 2 "NTAP_CLONE_SECONDARY_VOLUMES: .*'m1' is not secondary/volume"
  conf NTAP_CLONE_IGROUP_MAP=svm1:vol2/nobody
  refused 'a group that the secondary has not' 2 "controller 'svm_vault' has no initiator group 'nobody'"
  conf ONTAP_RETRIES=0 'MANAGEMENT_INTERFACES=svm1:127.0.0.1;svm_vault:127.0.0.2'
  refused 'the secondary is down' 1 "\[scf-00016\].*controller 'svm_vault'"
  check_eq "$api: no snapshot was made" "$(snapshots vol1)" "$before"
done

# A policy that brings only its own snapshots: the clone would be of another state.
vault snapmirror-policy-create '<policy-name>latest</policy-name><type>async_mirror</type>'
relate n1 vol1 latest
moon_conf "${BOTH[@]}" "${SECONDARY[@]}" NTAP_SNAPMIRROR_USE_SNAPSHOT=N KVM_VMS=alpha VOLUMES=svm1:vol1 SNAPMIRROR_VOLUMES=svm1:vol1 \
  NTAP_CLONE_SECONDARY_VOLUMES=svm1:svm_vault/n1
check_exit 'the snapshot did not come along' 3 moon cloneVol --policy daily
said 'the snapshot did not come along: why' 'STORAGE-02038.*svm_vault:n1, the destination of svm1:vol1, has no snapshot demo-daily_[0-9]* after the transfer; write NTAP_SNAPMIRROR_USE_SNAPSHOT=Y'
check_eq 'the snapshot did not come along: no clone' "$(names)$(clone_records)" ''
moon_conf "${BOTH[@]}" "${SECONDARY[@]}" KVM_VMS=alpha VOLUMES=svm1:vol1 SNAPMIRROR_VOLUMES=svm1:vol1
next_second
check_exit 'two destinations' 2 moon cloneVol --policy daily
said 'two destinations: named' 'svm1:vol1 has the SnapMirror destinations svm_vault/m1, svm_vault/n1; name one of them in NTAP_CLONE_SECONDARY_VOLUMES'
finish
