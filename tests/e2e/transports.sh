#!/bin/bash
# Every action of Snap Creator's, over ONTAPI and over REST: it works, every call it makes goes over the transport that the
# config names, and those that need no controller call none. An action of the reference without a case fails.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
requires tar
scene alpha:vol1 bravo:vol2
sim_stop
sim_config "$WORLD_DIR/sim.json" '.users += [{ name: "vault", password: "secret", svm: "svm_vault" }]
  | .svms[0].luns = [{ path: "/vol/vol2/lun1", size: 1048576, serial: "800Kb]Rj0Gde" }]
  | .svms += [{ name: "svm_vault", volumes: [{ name: "v1", size: 1073741824, type: "dp" }] }]'
sim_start
to='<destination-location>svm_vault:v1</destination-location>'
at_vault() {
  curl -sS --max-time 20 --cacert "$SIM_CA" -u vault:secret -H 'Content-Type: text/xml' "$SIM_URL/servlets/netapp.servlets.admin.XMLrequest_filer" \
    -d '<?xml version="1.0" encoding="UTF-8"?><netapp version="1.150" xmlns="http://www.netapp.com/filer/admin"><'"$1>${2:-}</$1></netapp>"
}
idle() { at_vault snapmirror-get "$to" | grep -q '<relationship-status>idle<'; }
at_vault snapmirror-create "$to<source-location>svm1:vol1</source-location><policy>MirrorAllSnapshots</policy>" >/dev/null
at_vault snapmirror-initialize "$to" >/dev/null
poll 10 idle || world_fail 'v1 is not initialized'
bare() { timeout 60 "$MOONSNAP" "$@" --config-dir "$WORLD_DIR/etc" --state-dir "$WORLD_DIR/state"; }
# By the simulator's files: a look through its calls would be counted with the action's.
volumes() { find "$SIM_ROOT/svm1" -mindepth 1 -maxdepth 1 -type d -printf '%f\n' | sort | paste -sd,; }
luns() { find "$SIM_ROOT/svm1/vol2" -maxdepth 1 -name 'lun*' -printf '%f\n' | sort | paste -sd,; }
on_terminal() { # ARG ...: restore or backupDel without --nonInteractive, confirmed
  check_exit "$API: $1" 0 moon "$1" --policy daily --backupName "$SNAP" --yes "${@:2}"
}

# act_NAME: does the action, with what must come of it. Where no controller is needed, it is in QUIET.
QUIET=' pingAgent agentStatus jobStatus policyList unquiesce '
act_backup() {
  backup
  check "$API: backup: the copies are there" test -f "$(copy alpha)" -a -f "$(copy bravo)"
}
act_restore() {
  guest_stop bravo
  spoil "${IMG[bravo]}" 4
  on_terminal restore --params KVM_RESTORE_VM_LIST=bravo
  check_eq "$API: restore: byte for byte" "$(sum "${IMG[bravo]}")" "$(sum "$(copy bravo)")"
  guest_start bravo
}
act_backupList() {
  check_exit "$API: backupList" 0 moon backupList --policy daily --json
  # shellcheck disable=SC2016 # jq's own variable
  check "$API: backupList: the backup" jq -e --arg s "$SNAP" 'any(.[]; .name == $s and .status == "ok")' "$OUT"
}
act_backupDel() {
  on_terminal backupDel
  check_eq "$API: backupDel: it is gone" "$( (snapshots vol1; snapshots vol2) | grep -cx "$SNAP")" 0
  backup
}
act_volumeList() {
  check_exit "$API: volumeList" 0 moon volumeList --json
  check_eq "$API: volumeList: both" "$(jq -r '[.[].volume] | sort | join(",")' "$OUT")" vol1,vol2
}
act_quiesce() {
  check_exit "$API: quiesce" 0 moon quiesce
  check_eq "$API: quiesce: both stand still" "$(guest_state alpha) $(guest_state bravo)" 'paused paused'
}
act_unquiesce() {
  check_exit "$API: unquiesce" 0 moon unquiesce
  check "$API: unquiesce: both run" all_running alpha bravo
}
act_discover() {
  check_exit "$API: discover" 0 moon discover --json
  check_eq "$API: discover: both" "$(jq -r .mapping "$OUT")" 'alpha:svm1:/vol/vol1/alpha.img;bravo:svm1:/vol/vol2/bravo.img;'
}
act_dpstatus() {
  check_exit "$API: dpstatus" 0 moon dpstatus --json
  check_eq "$API: dpstatus: the mirror" "$(jq -r '.[] | "\(.kind) \(.destination) \(.state)"' "$OUT")" \
    'snapmirror svm_vault:v1 snapmirrored'
}
act_cloneVol() {
  check_exit "$API: cloneVol" 0 moon cloneVol --policy daily
  check_match "$API: cloneVol: a clone of each" <(volumes) 'cl_demo_vol1_[0-9]+,cl_demo_vol2_[0-9]+'
  next_second
}
act_cloneList() {
  check_exit "$API: cloneList" 0 moon cloneList
  said "$API: cloneList: what was cloned" 'vol1'
}
act_cloneDel() {
  check_exit "$API: cloneDel" 0 moon cloneDel --policy daily --backupName "$(jq -r .snapshot "$(newest_clone)")" --yes
  act_cloneVol # so that there is one to list
}
newest_clone() { find "$WORLD_DIR/state" -name '*-clone.json' | sort | tail -n 1; }
act_cloneLun() {
  check_exit "$API: cloneLun" 0 moon cloneLun --policy daily
  check_eq "$API: cloneLun: the LUN and its clone" "$(luns)" lun1,lun1_CLONE
  next_second
}
act_scdump() {
  check_exit "$API: scdump" 0 bare scdump --profile demo --json
  tar -xzOf "$(jq -r .archive "$OUT")" --wildcards '*/scdump.txt' >"$WORLD_DIR/dump.txt"
  check_match "$API: scdump: the controller's release" "$WORLD_DIR/dump.txt" "^svm1 .* 9\.14\.1 +$API"
}
act_custom() {
  check_exit "$API: custom" 0 moon custom --params SITE_WORD=tea --json
  check_eq "$API: custom: the site's script asked the controller" "$(jq -r '"\(.word) \(.found)"' "$OUT")" 'tea true'
}
act_pingAgent() { check_exit "$API: pingAgent" 0 bare pingAgent --profile demo --config kvm; }
act_agentStatus() { check_exit "$API: agentStatus" 0 bare agentStatus --profile demo --config kvm; }
act_jobStatus() {
  check_exit "$API: jobStatus" 0 bare jobStatus --profile demo --json
  check "$API: jobStatus: the backups" jq -e 'any(.[]; .action == "backup" and .state == "successful")' "$OUT"
}
act_policyList() {
  check_exit "$API: policyList" 0 moon policyList --json
  check_eq "$API: policyList: all" "$(jq -r '[.[].policy] | join(",")' "$OUT")" hourly,daily
}

cat >"$WORLD_DIR/etc/demo/custom.lua" <<'LUA'
local workflow, ontap, report = require "std.workflow", require "std.ontap", require "std.report"
return workflow {
  action = "custom", summary = "count volumes", phases = { "go" },
  go = function(ctx)
    local found = false
    for _, controller in ipairs(assert(ontap.connect(ctx))) do
      if controller.name == "svm1" then found = #assert(ontap.volumes(controller)) >= 2 end
    end
    report.print(ctx, { word = ctx.cfg:get("SITE_WORD"), found = found })
  end,
}
LUA

# calls TRANSPORT: the calls of this action that went over it
calls() {
  sim_requests | jq -r --arg api "$1" '.log[].call | select(test("^(GET|POST|PATCH|DELETE) ") == ($api == "rest"))' | sort -u | paste -sd' '
}
expected_state() { if [ "$1" = quiesce ]; then all_in paused; else all_in running; fi; }
all_in() { state_is alpha "$1" && state_is bravo "$1"; }
refused=$(bare actions --json | jq -r '.[] | select(.status == "refused") | .action')
for API in zapi rest; do
  case $API in zapi) other=rest ;; rest) other=zapi ;; esac
  moon_conf "ONTAP_API=$API" NTAP_USERS='svm1:vsadmin/secret;svm_vault:vault/secret' NTAP_SNAPSHOT_RETENTIONS=hourly:3,daily:20 \
    MANAGEMENT_INTERFACES='svm1:127.0.0.1;svm_vault:127.0.0.1' NTAP_SNAPMIRROR_UPDATE=Y SNAPMIRROR_VOLUMES=svm1:vol1
  while read -r action; do
    if [[ $action = '#'* ]]; then continue; fi
    poll 10 idle || world_fail 'the last transfer does not end'
    sim_curl -X DELETE "$SIM_URL/sim/requests" >/dev/null
    if grep -qx "$action" <<<"$refused"; then
      run moon "$action"
      check_eq "$API: $action is refused, without a call" "$CODE $(sim_requests | jq .total)" '2 0'
      continue
    fi
    if [ "$(type -t "act_$action")" != function ]; then
      not_ok "$API: $action" "no act_$action in ${0##*/}"
      continue
    fi
    "act_$action"
    check_eq "$API: $action: no call over the other transport" "$(calls "$other")" ''
    if [[ $QUIET = *" $action "* ]]; then
      check_eq "$API: $action: no call at all" "$(sim_requests | jq .total)" 0
    else
      check "$API: $action: it asked the controller" test -n "$(calls $API)"
    fi
    check "$API: $action: the guests run, or are to stand still" expected_state "$action"
  done <"$(dirname "$(realpath "$0")")/../data/actions/reference.txt"
done
finish
