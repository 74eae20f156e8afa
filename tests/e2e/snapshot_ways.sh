#!/bin/bash
# Snapshots that the controller does not simply make: by command, of another product, of metadata volumes after the
# resume; and their deletion by command. On both transports.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
scene alpha:vol1
trail=$WORLD_DIR/trail
zapi_of() { printf '<volume>%s</volume><snapshot>%s</snapshot>' "$1" "$2"; }
make_snap() { zapi snapshot-create "$(zapi_of "$1" "$2")" | grep -q 'status="passed"' || world_fail "cannot make $2"; }
drop_snap() { zapi snapshot-delete "$(zapi_of "$1" "$2")" >/dev/null; }
clean() { for vol in vol1 vol2; do for s in $(snapshots $vol); do drop_snap $vol "$s"; done; done; rm -f "$trail"; }
last() { jq -r "$1" "$WORLD_DIR/state/catalog/demo/kvm/$(records | tail -n 1)"; }
# snap.sh create|delete NAME VOLUME...: what a site's own tool may look like
tool=$WORLD_DIR/snap.sh
cat >"$tool" <<TOOL_END
#!/bin/bash
set -e
echo "\$1 \$2 \$(virsh -q -c '$MOON_TEST_URI' domstate alpha)" >>'$trail'
for vol in "\${@:3}"; do
  curl -sS --cacert '$SIM_CA' -u vsadmin:secret '$SIM_URL/servlets/netapp.servlets.admin.XMLrequest_filer' -d \
    "<?xml version='1.0'?><netapp version='1.150' xmlns='http://www.netapp.com/filer/admin'><snapshot-\$1><volume>\$vol</volume><snapshot>\$2</snapshot></snapshot-\$1></netapp>" |
    grep -q 'status="passed"'
done
TOOL_END
chmod 755 "$tool"
own "$WORLD_DIR"

for api in zapi rest; do
  case $api in zapi) create=snapshot-create ;; rest) create='POST /storage/volumes/{uuid}/snapshots' ;; esac
  both=('VOLUMES=svm1:vol1,vol2' "ONTAP_API=$api")

  # --- metadata volumes ---

  moon_conf "${both[@]}" META_DATA_VOLUME=svm1:vol2 NTAP_SNAPSHOT_CLEANUP=Y
  clean
  next_second
  events_start
  check_exit "$api, metadata: a backup" 0 moon backup --policy daily --json
  snap=$(jq -r .snapshot "$OUT")
  check_eq "$api, metadata: both volumes have the copy" "$(snapshots vol1) $(snapshots vol2)" "$snap $snap"
  log=$(find "$WORLD_DIR/state/log/demo" -name 'kvm.out.*' | sort | tail -n 1)
  order=$(grep -nE "Guest 'alpha' resumed|02007.*vol1|02007.*vol2" "$log" | sed -E "s/.*(resumed|vol1|vol2).*/\1/" | paste -sd,)
  check_eq "$api, metadata: it comes after the resume" "$order" vol1,resumed,vol2
  check_eq "$api, metadata: the record says so" "$(jq -r '.volumes[] | select(.metadata) | .volume' "$OUT")" vol2
  sim_fault '{"match": "'"$create"'", "volume": "vol2", "action": "nospace"}'
  next_second
  check_exit "$api, metadata: it fails" 1 moon backup --policy daily
  check_match "$api, metadata: it fails: code and volume" "$ERR" 'STORAGE-02009.*svm1:vol2'
  check_eq "$api, metadata: it fails: nothing is left" "$(snapshots vol1) $(snapshots vol2)" "$snap $snap"
  sim_faults_clear
  moon_conf "${both[@]}" META_DATA_VOLUME=svm1:vol1
  check_exit "$api, metadata: a guest's own volume" 2 moon backup --policy daily
  check_match "$api, metadata: a guest's own volume: named" "$ERR" "META_DATA_VOLUME: guest 'alpha' has its disk vda on svm1:vol1"
  moon_conf "${both[@]}" META_DATA_VOLUME=svm1:vol9
  check_exit "$api, metadata: not in VOLUMES" 2 moon backup --policy daily
  check_match "$api, metadata: not in VOLUMES: code" "$ERR" scf-00044
  moon_conf "${both[@]}" META_DATA_VOLUME=svm1:vol1,vol2
  check_exit "$api, metadata: all of VOLUMES" 2 moon backup --policy daily
  check_match "$api, metadata: all of VOLUMES: code" "$ERR" scf-00045

  # --- by command ---

  clean
  next_second
  moon_conf "${both[@]}" META_DATA_VOLUME=svm1:vol2 NTAP_SNAPSHOT_CLEANUP=Y \
    "NTAP_SNAPSHOT_CREATE_CMD01=SERVER:$tool create %SNAPNAME vol1" \
    "NTAP_METADATA_SNAPSHOT_CREATE_CMD01=SERVER:$tool create %SNAPNAME vol2" \
    NTAP_SNAPSHOT_RETENTIONS=daily:2 "NTAP_SNAPSHOT_DELETE_CMD01=SERVER:$tool delete %SNAPNAME vol1 vol2"
  check_exit "$api, by command: a backup" 0 moon backup --policy daily --json
  first=$(jq -r .snapshot "$OUT")
  check_eq "$api, by command: in the pause, metadata after it" "$(paste -sd, "$trail")" "create $first paused,create $first running"
  check_eq "$api, by command: recorded with its uuid" "$(jq -r '[.volumes[] | select(.snapshot_uuid)] | length' "$OUT")" 2
  for _ in 1 2; do next_second; backup; done
  check_match "$api, by command: retention deletes" "$trail" "^delete $first running$"
  check_eq "$api, by command: two copies are kept" "$(snapshots vol1 | wc -l) $(snapshots vol2 | wc -l)" '2 2'
  check_eq "$api, by command: their records, too" "$(grep -l "\"$first\"" "$WORLD_DIR"/state/catalog/demo/kvm/*-backup.json | wc -l)" 0
  kept=$(snapshots vol1; snapshots vol2)
  next_second
  check_exit "$api, by command: it fails" 1 moon backup --policy daily --params "NTAP_SNAPSHOT_CREATE_CMD01=SERVER:/bin/false"
  check_match "$api, by command: it fails: code" "$ERR" 'STORAGE-02009.*NTAP_SNAPSHOT_CREATE_CMD01'
  next_second
  check_exit "$api, by command: it lies" 1 moon backup --policy daily --params "NTAP_SNAPSHOT_CREATE_CMD01=SERVER:/bin/true"
  check_match "$api, by command: it lies: code" "$ERR" 'STORAGE-02009.*the command ended well, but it is not there'
  check_eq "$api, by command: nothing is left" "$(snapshots vol1; snapshots vol2)" "$kept"
  check "$api, by command: alpha runs" all_running alpha
  next_second
  run moon backup --policy daily --params "NTAP_SNAPSHOT_DELETE_CMD01=SERVER:/bin/true"
  check_eq "$api, deletion that lies: exit" "$CODE" 3
  check_match "$api, deletion that lies: code" "$ERR" 'STORAGE-02015.*is there'
  one=$(snapshots vol1 | tail -n 1)
  check_exit "$api, backupDel by command: of one volume" 2 moon backupDel --backupName "$one" --volName vol1 --yes
  check_match "$api, backupDel by command: of one volume: why" "$ERR" "NTAP_SNAPSHOT_DELETE_CMD## deletes '$one' on all its volumes"
  check_exit "$api, backupDel by a command that lies" 1 moon backupDel --backupName "$one" --yes --params "NTAP_SNAPSHOT_DELETE_CMD01=SERVER:/bin/true"
  check_match "$api, backupDel by a command that lies: code" "$ERR" 'STORAGE-02015.*is there'
  check_eq "$api, backupDel by a command that lies: its record stays" "$(grep -l "\"$one\"" "$WORLD_DIR"/state/catalog/demo/kvm/*-backup.json | wc -l)" 1
  : >"$trail"
  check_exit "$api, backupDel by command" 0 moon backupDel --backupName "$one" --yes
  check_match "$api, backupDel by command: it was run" "$trail" "^delete $one running$"
  check_eq "$api, backupDel by command: it is gone, with its record" \
    "$(snapshots vol1 | grep -cx "$one" || true)$(grep -l "\"$one\"" "$WORLD_DIR"/state/catalog/demo/kvm/*-backup.json | wc -l)" 00

  # --- another product's ---

  clean
  moon_conf "${both[@]}" APP_AUTO_DISCOVERY=N 'KVM_VM_MAPPING=alpha:svm1:/vol/vol1/alpha.img;' NTAP_USE_EXTERNAL_SNAPSHOT=Y \
    'NTAP_EXTERNAL_SNAPSHOT_REGEX=^other\.(?!bad)\d+$'
  for s in other.1 other.bad9 foreign; do make_snap vol1 $s; make_snap vol2 $s; done
  next_second
  make_snap vol1 other.2
  make_snap vol2 other.2
  next_second
  make_snap vol1 other.3 # vol2 has none of that name
  events_start
  check_exit "$api, external: a backup" 0 moon backup --policy daily --json
  check_eq "$api, external: the newest that all volumes have" "$(jq -r .snapshot "$OUT")" other.2
  check_eq "$api, external: no guest was touched" "$(events_of alpha)" ''
  check_eq "$api, external: nothing came or went" "$(snapshots vol1 | wc -l) $(snapshots vol2 | wc -l)" '5 4'
  check_exit "$api, external: no newer one" 1 moon backup --policy daily
  check_match "$api, external: no newer one: code" "$ERR" 'scf-00067. snapshot other\.2: run .* has taken it over already'
  check_exit "$api, external: none" 1 moon backup --policy daily --params 'NTAP_EXTERNAL_SNAPSHOT_REGEX=^none'
  check_match "$api, external: none: code" "$ERR" "scf-00067.*'\^none' matches no snapshot"
  check_exit "$api, external: a pattern that is none" 2 moon backup --policy daily --params 'NTAP_EXTERNAL_SNAPSHOT_REGEX=(('
  SNAP=other.2
  check_exit "$api, external: a restore from it" 0 restore alpha --yes
  check "$api, external: alpha runs" all_running alpha

  clean
  moon_conf "${both[@]}" APP_AUTO_DISCOVERY=N 'KVM_VM_MAPPING=alpha:svm1:/vol/vol1/alpha.img;' NTAP_SNAPSHOT_DISABLE=Y
  check_exit "$api, disabled: nobody has made one" 1 moon backup --policy daily
  check_match "$api, disabled: nobody has made one: code" "$ERR" 'STORAGE-02009. snapshot demo-daily_recent on svm1:vol[12]: another product'
  make_snap vol1 demo-daily_recent
  make_snap vol2 demo-daily_recent
  events_start
  check_exit "$api, disabled: a backup" 0 moon backup --policy daily --json
  check_eq "$api, disabled: its name" "$(jq -r .snapshot "$OUT")" demo-daily_recent
  check_eq "$api, disabled: no guest was touched" "$(events_of alpha)" ''
  next_second
  check_exit "$api, disabled: the same once more" 1 moon backup --policy daily
  check_match "$api, disabled: the same once more: said" "$ERR" 'STORAGE-02009.*the one that run .* has recorded already'
  check_eq "$api, disabled: the record says so" "$(last .status)" failed
  drop_snap vol1 demo-daily_recent
  drop_snap vol2 demo-daily_recent
  next_second
  rm -f "$trail"
  check_exit "$api, disabled: made by a command in the pause" 0 moon backup --policy daily \
    --params "POST_APP_QUIESCE_CMD01=SERVER:$tool create %SNAPNAME vol1 vol2"
  check_eq "$api, disabled: made by a command in the pause: alpha stood still" "$(cat "$trail")" 'create demo-daily_recent paused'
  check "$api, disabled: made by a command in the pause: alpha runs" all_running alpha
done
finish
