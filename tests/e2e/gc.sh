#!/bin/bash
# gc: what killed runs leave is in the catalog before it exists, is listed, and with --yes removed; what others made,
# what cannot be proved and the safety snapshot of a restore that did not end stay. On both transports.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
scene alpha:vol1 bravo:vol2:off
sim_stop
sim_config "$WORLD_DIR/sim.json" '.svms[0].luns = [{ path: "/vol/vol2/lun1", size: 1048576, serial: "800Kb]Rj0Gde" }]
  | .svms[0].igroups = [{ name: "tape", protocol: "iscsi", os_type: "linux", initiators: ["iqn.1994-05.com.redhat:t"] }]'
sim_start
zapi lun-map '<path>/vol/vol2/lun1</path><initiator-group>tape</initiator-group>' >/dev/null
api=zapi

conf() { moon_conf "ONTAP_API=$api" "$@"; }
both() { snapshots vol1; snapshots vol2; }
late_one_there() { both | grep -qxF "$left"; }
arrived() { [ "$(both | grep -cxF "$1")" = 2 ]; }
svm_clones() { zapi volume-get-iter | grep -o '<name>cl_[^<]*' | cut -d '>' -f 2 | sort; }
lun_paths() { zapi lun-get-iter | grep -o '<path>[^<]*' | cut -d '>' -f 2 | sort; }
maps() { zapi lun-map-get-iter | grep -o '<path>[^<]*' | cut -d '>' -f 2 | sort; }
# The controller goes on with a dead run's restore; meanwhile it makes no snapshot of the volume.
restore_is_over() {
  zapi snapshot-create '<volume>vol2</volume><snapshot>probe</snapshot>' >/dev/null
  test -d "$SIM_ROOT/svm1/vol2/.snapshot/probe" || return 1
  zapi snapshot-delete '<volume>vol2</volume><snapshot>probe</snapshot>' >/dev/null
}
record_of() { find "$WORLD_DIR/state/catalog/demo/kvm" -name "*-$1.json" | sort | tail -n 1; }
said_by_record() { jq -r "$2" "$(record_of "$1")" 2>/dev/null; }

# killed WHEN... -- ACTION [ARG ...]: starts a run, kills it when WHEN succeeds. What the controller holds of it goes on
# with sim_faults_clear.
killed() {
  local when=() pid
  while [ "$1" != -- ]; do when+=("$1"); shift; done
  shift
  next_second
  "$MOONSNAP" "$1" "${MOON_ARGS[@]}" --config-dir "$WORLD_DIR/etc" --state-dir "$WORLD_DIR/state" "${@:2}" \
    >"$OUT" 2>"$ERR" </dev/null &
  pid=$!
  poll 15 "${when[@]}" || { not_ok "$api: ${when[*]}" "$OUT" "$ERR"; finish; }
  kill -KILL $pid
  wait $pid || true
  poll 10 all_running alpha || not_ok "$api: alpha runs after the kill"
}

# Opens a LUN's clone, as a workflow would, and stays in it.
cat >"$WORLD_DIR/use.lua" <<'LUA'
local ontap, san = require "std.ontap", require "std.san"
return require("std.workflow") {
  action = "use", summary = "a clone for a moment", phases = { "use" }, lock = true,
  use = function(ctx)
    assert(ontap.connect(ctx))
    ctx.snapshot = ctx.opts.backupName
    local object = { controller = "svm1", volume = "vol2", mapping = "/vol/vol2/lun1", device = "/dev/none" }
    return san.with_clone(ctx, object, ctx.opts.backupName, function() return true end)
  end,
}
LUA

for api in zapi rest; do
  if [ $api = zapi ]; then
    create=snapshot-create restore=snapshot-restore-file clone=volume-clone-create
  else
    create='POST /storage/volumes/{uuid}/snapshots' restore='PATCH /storage/volumes/{uuid}'
    clone='POST /storage/volumes'
  fi
  rm -rf "$WORLD_DIR/state"
  conf
  check_exit "$api: nothing is left" 0 moon gc
  said "$api: and that is said" 'No run has left anything'

  # --- a backup that dies when its first snapshot is there ---

  other=demo-daily_20010101000000
  zapi snapshot-create "<volume>vol1</volume><snapshot>$other</snapshot>" >/dev/null
  backup
  good=$SNAP before=$(both)
  first_made() { [ "$(both)" != "$before" ] && sim_hit; }
  sim_fault '{"match": "'"$create"'", "nth": 2, "action": "hold"}'
  killed first_made -- backup --policy daily
  dead=$(said_by_record backup .id)
  left=$(comm -13 <(sort <<<"$before") <(both | sort) | sort -u)
  check_eq "$api: the catalog had it before it was made" "$(said_by_record backup '.status + " " + .snapshot')" "started $left"
  changes=$(sim_changes | wc -l)
  check_exit "$api: gc lists it" 0 moon gc --json
  check_eq "$api: by run, kind and name" "$(jq -r '.[] | "\(.run) \(.kind) \(.name) \(.state)"' "$OUT" | sort -u)" \
    "$dead snapshot $left found"
  check_exit "$api: a dry run" 0 moon gc --dry-run
  said "$api: names the step" "ontap\.snapshot_delete.*$left"
  check_eq "$api: both change nothing" "$(sim_changes | wc -l)" "$changes"
  sim_fault '{"match": "'"$([ $api = zapi ] && echo snapshot-delete || echo 'DELETE /storage/volumes/{uuid}/snapshots/{uuid}')"'", "action": "error", "count": 1}'
  check_exit "$api: a deletion that fails: exit" 3 moon gc --yes
  said "$api: and it is named" "snapshot $left on svm1:vol"
  check_exit "$api: the next gc removes it" 0 moon gc --yes
  check_eq "$api: and nothing else" "$(both)" "$before"
  check "$api: the good backup can still be restored" moon restore --policy daily --backupName "$good" \
    --params KVM_RESTORE_VM_LIST=bravo --dry-run
  sim_faults_clear
  check "$api: the dead run's other request is carried out late" poll 15 late_one_there
  check_exit "$api: gc finds that, too" 0 moon gc --yes
  check_eq "$api: and removes it" "$(both)" "$before"
  check_exit "$api: nothing is left then" 0 moon gc
  said "$api: and that is said" 'No run has left anything'
  echo '{' >"$WORLD_DIR/state/catalog/demo/kvm/20010101000000-1-backup.json"
  check_exit "$api: a record that cannot be read may have left something" 3 moon gc
  said "$api: it is named" '20010101000000-1-backup\.json: .*passed over'
  rm "$WORLD_DIR/state/catalog/demo/kvm/20010101000000-1-backup.json"

  # --- another snapshot under the name that a dead run had noted ---

  before=$(both)
  sim_fault '{"match": "'"$create"'", "action": "hold"}'
  killed sim_hit 2 -- backup --policy daily
  sim_faults_clear
  name=$(said_by_record backup .snapshot)
  check "$api: a dead run's requests are still carried out" poll 10 arrived "$name"
  for vol in vol1 vol2; do
    zapi snapshot-delete "<volume>$vol</volume><snapshot>$name</snapshot>" >/dev/null
    zapi snapshot-create "<volume>$vol</volume><snapshot>$name</snapshot><comment>mine</comment>" >/dev/null
  done
  run moon gc --yes
  check_eq "$api: a foreign snapshot of that name stays" "$(both | grep -c "$name")" 2
  for vol in vol1 vol2; do zapi snapshot-delete "<volume>$vol</volume><snapshot>$name</snapshot>" >/dev/null; done

  # --- a failed run ---

  next_second
  sim_fault '{"match": "'"$create"'", "nth": 2, "action": "error"}'
  conf NTAP_SNAPSHOT_CLEANUP=N
  check_exit "$api: a backup that fails and keeps what it made" 1 moon backup --policy daily
  sim_faults_clear
  before=$(both)
  check_exit "$api: gc keeps it, too" 0 moon gc --yes
  said "$api: and says why" 'kept.*NTAP_SNAPSHOT_CLEANUP=N'
  check_eq "$api: it is there" "$(both)" "$before"
  check_exit "$api: told so, gc removes it" 0 moon gc --yes --params NTAP_SNAPSHOT_CLEANUP=Y
  check_eq "$api: it is gone" "$(both | wc -l)" $(($(wc -l <<<"$before") - 1))
  conf

  # --- a living run ---

  next_second
  sim_fault '{"match": "'"$create"'", "action": "hold", "count": 1}'
  moon backup --policy daily >"$WORLD_DIR/held.out" 2>"$WORLD_DIR/held.err" </dev/null &
  HELD=$!
  wait_state alpha paused 15 || not_ok "$api: the backup suspends alpha" "$WORLD_DIR/held.err"
  check_exit "$api: while a run is under way gc waits for nobody" 4 moon gc --yes
  check_exit "$api: a dry run looks" 0 moon gc --dry-run --json
  check_eq "$api: and leaves the living one alone" "$(jq '.steps | length' "$OUT")" 0
  held_ends
  check_eq "$api: that run ends well" "$CODE" 0

  # --- a restore that dies ---

  spoil "${IMG[bravo]}" 1
  SNAP=$good
  sim_fault '{"match": "'"$restore"'", "action": "hold"}'
  overwriting() { [ "$(said_by_record restore '.guests[0].step')" = overwriting ] && sim_hit; }
  sim_curl -X DELETE "$SIM_URL/sim/requests" >/dev/null
  killed overwriting -- restore --policy daily --backupName "$good" --params KVM_RESTORE_VM_LIST=bravo --yes
  safety=$(said_by_record restore .safety)
  sim_faults_clear
  begun() { sim_requests | jq -e --arg c "$restore" 'any(.log[]; .call == $c)'; }
  poll 10 begun || not_ok "$api: the controller has done what the dead run asked for" "$(sim_changes)"
  check "$api: the controller goes on with the restore" poll 10 restore_is_over
  # Where a restore's end can be told in no other way, the engine makes and deletes a snapshot; one may stay.
  check_name=moonsnap_check_$EPOCHSECONDS
  for name in "$check_name:whether a restore has ended; may be deleted" "moonsnap_check_1:whether a restore has ended; may be deleted" \
    "moonsnap_check_$((EPOCHSECONDS + 1)):mine"; do
    zapi snapshot-create "<volume>vol2</volume><snapshot>${name%%:*}</snapshot><comment>${name#*:}</comment>" >/dev/null
  done
  check_exit "$api: gc after a restore that died" 0 moon gc --yes
  said "$api: removes its check snapshot" "check snapshot.*$check_name.*removed"
  check_eq "$api: and none that is not its own" "$(snapshots vol2 | grep -c moonsnap_check_)" 2
  for name in $(snapshots vol2 | grep moonsnap_check_); do
    zapi snapshot-delete "<volume>vol2</volume><snapshot>$name</snapshot>" >/dev/null
  done
  said "$api: keeps its safety snapshot" "kept.*--safety"
  check "$api: it is there" test -d "$SIM_ROOT/svm1/vol2/.snapshot/$safety"
  check_exit "$api: the next backup" 3 moon backup --policy daily
  said "$api: names the guest and the way on" "Guest 'bravo': a restore .* did not end; do not start it.*--backupName $good.*$safety"
  check_exit "$api: told so, gc deletes it" 0 moon gc --yes --safety
  check_not "$api: it is gone" test -d "$SIM_ROOT/svm1/vol2/.snapshot/$safety"
  next_second
  check_exit "$api: and the guest is nobody's worry any more" 0 moon backup --policy daily

  # --- clones ---

  sim_fault '{"match": "'"$clone"'", "nth": 2, "action": "hold"}'
  clone_there() { [ -n "$(svm_clones)" ]; }
  second_asked() { clone_there && sim_hit; }
  killed second_asked -- cloneVol --policy daily
  left=$(svm_clones)
  check_exit "$api: gc after a cloneVol that died" 0 moon gc
  said "$api: lists the clone" "volume clone.*$left.*(found)"
  check_exit "$api: gc --yes" 0 moon gc --yes
  check_eq "$api: removes it" "$(svm_clones)" ''
  sim_faults_clear
  check "$api: the other one is made late" poll 15 clone_there
  check_exit "$api: gc --yes" 0 moon gc --yes
  check_eq "$api: removes that, too" "$(svm_clones)" ''

  before=$(lun_paths)
  mapped_twice() { [ "$(maps | wc -l)" = 2 ]; }
  killed mapped_twice -- use --script "$WORLD_DIR/use.lua" --backupName "$good"
  left=$(comm -13 <(echo "$before") <(lun_paths))
  check_match "$api: a temporary clone of a LUN is there and mapped" <(maps) "^$left\$"
  check_exit "$api: gc --yes" 0 moon gc --yes
  said "$api: names it" "lun clone.*$left.*removed"
  check_eq "$api: it is gone" "$(lun_paths)" "$before"
  check_eq "$api: with its map" "$(maps)" /vol/vol2/lun1
  check_exit "$api: nothing is left" 0 moon gc
  check_no_match "$api: nothing can be removed" "$OUT" 'found|gone'
  for vol in vol1 vol2; do
    for name in $(snapshots $vol); do zapi snapshot-delete "<volume>$vol</volume><snapshot>$name</snapshot>" >/dev/null; done
  done
done
finish
