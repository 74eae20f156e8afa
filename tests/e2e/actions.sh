#!/bin/bash
# The smaller actions, each over ONTAPI and over REST: policyList, jobStatus, custom, pingAgent, agentStatus, scdump, restore
# and backupDel without menus, and what is refused.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
requires tar
scene alpha:vol1 bravo:vol2 charlie:vol1:off
etc=$WORLD_DIR/etc state=$WORLD_DIR/state
bare() { timeout 60 "$MOONSNAP" "$@" --config-dir "$etc" --state-dir "$state"; }

# --- refused, with the reason, before anything is read or asked ---

for action in mount umount arch ossv pmsetup fileBasedBackup integrityCheck dispatch pingServer profileCreate configImport \
  globalDelete policyAdd backupTypeAdd policySchedAdd schedCreate userAdd; do
  check_exit "$action: exit code 2" 2 moon $action
  check_match "$action: one line with the reason" "$ERR" "^moonsnap: error: $action is refused: "
  check_eq "$action: and no other" "$(wc -l <"$ERR")" 1
  check_exit "help $action" 0 bare help $action
  check_match "help $action: says so" "$OUT" "moonsnap $action: refused: "
done
check_exit 'mount in the other form' 2 "$MOONSNAP" --profile demo --config kvm --action mount --backupName x --config-dir "$etc" \
  --state-dir "$state"
check_match 'arch: the plug-in does not support it' <(moon arch 2>&1) 'the KVM plug-in does not support archive log management'
check_exit 'an administrative action with its options' 2 bare policyAdd --policyType local --policyName daily --primaryCount 3
check_match 'the reason, not the option' "$ERR" 'policyAdd is refused: .*NTAP_SNAPSHOT_RETENTIONS'
check_exit 'its options with another action' 2 moon backup --policy daily --policyName x
check_match 'are refused by name' "$ERR" '--policyName belongs to no action'
for form in run '--debug run x.lua' 'run --debug x.lua'; do
  # shellcheck disable=SC2086 # words
  check_exit "$form" 2 "$MOONSNAP" $form
  check_match "$form: how it is written" "$ERR" 'moonsnap run FILE\.lua'
done
moon_conf USE_PROXY=Y
check_exit 'USE_PROXY=Y' 2 moon backup --policy daily
check_match 'USE_PROXY=Y: the reason, with file and line' "$ERR" 'kvm\.conf:[0-9]+: USE_PROXY: .*Unified Manager'
moon_conf
check_eq 'no call was made' "$(sim_requests | jq .total)" 0
check_eq 'no file was left' "$(find "$state" -name '*.log')" ''
moon_conf APP_DEFINED_RESTORE=N
check_exit 'a volume restore' 2 moon restore --backupName x --params KVM_RESTORE_VM_LIST=alpha --yes
check_match 'a volume restore: the reason' "$ERR" 'APP_DEFINED_RESTORE: with N a whole volume would be restored'
moon_conf
check_eq 'nothing was changed' "$(sim_changes)" ''
check_exit 'actions' 0 bare actions --json
check_eq 'actions: supported and refused ones' "$(jq -r '[.[].status] | unique | join(",")' "$OUT")" refused,supported
for action in backup jobStatus policyList custom scdump agentStatus pingAgent mount userAdd; do
  check "actions: $action" jq -e "any(.[]; .action == \"$action\")" "$OUT"
done

check_eq 'actions: clone, which always refuses, is none of the supported ones' "$(jq -r '.[] | select(.action == "clone").status' "$OUT")" refused
check_exit 'clone' 2 moon clone
check_match "clone: Snap Creator's number, and what to use" "$ERR" 'scf-00004.*clone is refused: .*use cloneVol or cloneLun'

# --- custom ---

moon_conf APP_NAME=
check_exit 'custom without APP_NAME' 2 moon custom
check_match 'custom without APP_NAME: scf-00050' "$ERR" 'scf-00050'
moon_conf
check_exit 'custom without a script of the site' 2 moon custom
check_match 'custom: says where to write one' "$ERR" "$etc/demo/custom\.lua or $etc/scripts/custom\.lua"

cat >"$etc/demo/custom.lua" <<'LUA'
local workflow, ontap, report = require "std.workflow", require "std.ontap", require "std.report"
return workflow {
  action = "custom", summary = "count volumes", phases = { "go" },
  go = function(ctx)
    local volumes = 0
    for _, controller in ipairs(assert(ontap.connect(ctx))) do volumes = volumes + #assert(ontap.volumes(controller)) end
    report.print(ctx, { volumes = volumes, word = ctx.cfg:get("SITE_WORD"), text = ctx.cfg:expand("%USER_DEFINED!") })
  end,
}
LUA

# --- what does the same over both transports ---

good=0 # backups of policy daily that ended well
for api in zapi rest; do
  moon_conf ONTAP_API=$api NTAP_SNAPSHOT_RETENTIONS=hourly:3,daily:7 NTAP_SNAPSHOT_RETENTION_AGE=daily:5
  check_exit "$api: custom runs the site's script" 0 moon custom --params SITE_WORD=tea --user_defined you --json
  check_eq "$api: custom: with --params and --user_defined, at the controller" \
    "$(jq -r '"\(.volumes) \(.word) \(.text)"' "$OUT")" '2 tea you!'
  backup
  good=$((good + 1))
  check_exit "$api: policyList" 0 moon policyList --json
  check_eq "$api: policyList: counts, ages, backups" \
    "$(jq -r '.[] | "\(.policy) \(.count) \(.age_days) \(.deleted_by)"' "$OUT" | paste -sd,)" \
    'hourly 3 null count,daily 7 5 count and age'
  check_eq "$api: policyList: and the backups" "$(jq -r '.[] | select(.policy == "daily") | .backups' "$OUT")" $good

  # jobStatus: one that ended, one that failed, one under way, one that died
  sim_fault '{"match": "snapshot-create", "action": "error", "count": 9}'
  sim_fault '{"match": "POST *storage/volumes/*/snapshots", "action": "error", "count": 9}'
  run moon backup --policy hourly
  sim_faults_clear
  check "$api: a backup fails" test "$CODE" = 1
  check_exit "$api: jobStatus" 0 bare jobStatus --json
  check_eq "$api: jobStatus: the states of the last two" \
    "$(jq -r '.[-2:][] | "\(.profile) \(.config) \(.action) \(.policy) \(.state)"' "$OUT" | paste -sd,)" \
    'demo kvm backup daily successful,demo kvm backup hourly failed'
  check "$api: jobStatus: start, end and the cause" jq -e '.[-1] | .started <= .finished and (.detail | length > 10)' "$OUT"
  next_second
  sim_fault '{"match": "snapshot-create", "action": "hold", "count": 1}'
  sim_fault '{"match": "POST *storage/volumes/*/snapshots", "action": "hold", "count": 1}'
  moon backup --policy daily >"$WORLD_DIR/held.out" 2>"$WORLD_DIR/held.err" </dev/null &
  HELD=$!
  wait_state alpha paused 15 || not_ok "$api: a backup under way" "$WORLD_DIR/held.err"
  check_exit "$api: jobStatus while a backup runs" 0 bare jobStatus --profile demo --config kvm --json
  check_eq "$api: it is in progress, once" "$(jq -r '.[] | select(.state == "in progress") | "\(.action) \(.policy)"' "$OUT")" \
    'backup daily'
  check_exit "$api: agentStatus meanwhile" 0 bare agentStatus --profile demo --config kvm --json
  check_match "$api: agentStatus: whose guests are suspended" "$OUT" 'by a run under way: alpha \(config kvm\)'
  held_ends
  check_eq "$api: the backup ends well" "$CODE" 0
  good=$((good + 1))
  check_exit "$api: jobStatus after it" 0 bare jobStatus --json
  check_eq "$api: nothing is in progress" "$(jq '[.[] | select(.state == "in progress")] | length' "$OUT")" 0
  check_exit "$api: jobStatus of another profile" 0 bare jobStatus --profile other --json
  check_eq "$api: is empty" "$(jq length "$OUT")" 0

  # agentStatus, pingAgent
  check_exit "$api: agentStatus" 0 bare agentStatus --profile demo --config kvm --json
  check_eq "$api: agentStatus: every row is well" "$(jq -r '.[] | select(.status != "ok") | .check' "$OUT")" ''
  check_match "$api: agentStatus: the guests" "$OUT" '3 defined, 2 running'
  check_exit "$api: pingAgent" 0 bare pingAgent --profile demo --config kvm --agentName localhost --agentPort 9090
  said "$api: pingAgent: libvirt answers" '^libvirt +ok +qemu\+unix:.*hypervisor QEMU'

  # restore and backupDel in the form of a script
  check_exit "$api: restore of a volume" 2 moon restore --nonInteractive --cntName svm1 --volName vol1 --backupName "$SNAP"
  check_match "$api: restore of a volume: refused, with the disks that can be named" "$ERR" \
    'restore of the whole volume.*/vol/vol1/alpha\.img'
  was=$(sum "$(copy charlie)")
  spoil "${IMG[charlie]}" 4
  alpha=$(still "${IMG[alpha]}")
  check_exit "$api: restore --fileNames: a dry run" 0 moon restore --nonInteractive --cntName svm1 --volName vol1 \
    --backupName "$SNAP" --fileNames charlie.img --dry-run
  check_not "$api: it changes nothing" test "$(sum "${IMG[charlie]}")" = "$was"
  check_exit "$api: restore --fileNames" 0 moon restore --nonInteractive --cntName svm1 --volName vol1 --backupName "$SNAP" \
    --fileNames /vol/vol1/charlie.img --json
  check_eq "$api: of the guest whose disk it is" "$(jq -r '[.guests[].guest] | join(",")' "$OUT")" charlie
  check_eq "$api: byte for byte the copy" "$(sum "${IMG[charlie]}")" "$was"
  check_eq "$api: no other one" "$(still "${IMG[alpha]}") $(guest_state alpha)" "$alpha running"
  check_exit "$api: restore --fileNames of nobody's disk" 2 moon restore --nonInteractive --backupName "$SNAP" --fileNames /vol/vol1/x
  check_match "$api: is named" "$ERR" "'/vol/vol1/x' is the disk of no guest in backup $SNAP"
  check_exit "$api: backupDel --fileNames" 2 moon backupDel --nonInteractive --backupName "$SNAP" --fileNames /vol/vol1/alpha.img
  check_exit "$api: backupDel on one volume" 0 moon backupDel --nonInteractive --cntName svm1 --volName vol2 --backupName "$SNAP"
  check_eq "$api: is gone there and nowhere else" \
    "$(snapshots vol1 | grep -cx "$SNAP") $(snapshots vol2 | grep -cx "$SNAP" || true)" '1 0'
  check_exit "$api: backupDel without a name" 2 moon backupDel --nonInteractive
  check_match "$api: backupDel without a name: how to find it" "$ERR" 'backupDel needs --backupName; moonsnap backupList'
done

# --- a run that died; libvirt that is not there ---

next_second
sim_fault '{"match": "snapshot-create", "action": "hold", "count": 1}'
moon_conf ONTAP_API=zapi
MOON_LIMIT=60 "$MOONSNAP" backup --profile demo --config kvm --policy daily --config-dir "$etc" --state-dir "$state" \
  >/dev/null 2>&1 </dev/null &
dead=$!
wait_state alpha paused 15 || not_ok 'a backup to kill' ''
poll 15 sim_hit || not_ok 'a backup to kill: the snapshot is asked for' '' # every guest has been suspended
kill -KILL $dead
wait $dead 2>/dev/null || true
sim_faults_clear
wait_state alpha running 60 || not_ok 'its guard resumes alpha' ''
check_exit 'jobStatus after a kill -9' 0 bare jobStatus --json
check_match 'the run died' <(jq -r '.[-1] | "\(.action) \(.state) \(.detail)"' "$OUT") '^backup failed the run died'
check_exit 'pingAgent without libvirt' 1 bare pingAgent --libvirt-uri "qemu+unix:///session?socket=$WORLD_DIR/none"
said 'pingAgent without libvirt: what to do' 'libvirt: check that libvirtd runs'
check_exit 'agentStatus without libvirt' 1 bare agentStatus --libvirt-uri "qemu+unix:///session?socket=$WORLD_DIR/none"
check_exit 'pingAgent of another host' 2 bare pingAgent --agentName kvm9.invalid
check_match 'is told what to use' "$ERR" 'there is no agent, and that is not this host .*qemu\+ssh://kvm9\.invalid/system'
check_exit 'pingAgent over test:///default' 0 bare pingAgent --libvirt-uri test:///default
poll 40 no_process "$MOONSNAP" || not_ok 'the guard of the dead run ends' '' # it writes down what it has done
before=$(find "$state" | sort)
check_exit 'agentStatus --dry-run starts no guard' 0 bare agentStatus --libvirt-uri test:///default --dry-run
check_eq 'agentStatus leaves no file' "$(find "$state" | sort)" "$before"
check_exit 'quiesce' 0 moon quiesce
check_exit 'jobStatus while guests are held' 0 bare jobStatus --json
check_eq 'quiesce is under way' "$(jq -r '.[] | select(.state == "in progress") | "\(.action) \(.config)"' "$OUT")" 'quiesce kvm'
next_second # jobs are told by the second
check_exit 'unquiesce' 0 moon unquiesce
check_exit 'jobStatus after unquiesce' 0 bare jobStatus --json
check_eq 'no job is under way' "$(jq '[.[] | select(.state == "in progress")] | length' "$OUT")" 0
check_eq 'both are remembered' "$(jq -r '.[-2:][] | "\(.action) \(.config) \(.state)"' "$OUT" | paste -sd,)" \
  'quiesce kvm successful,unquiesce kvm successful'

# --- runs that the catalog knows nothing of are remembered as well, and only the newest 100 ---

next_second
check_exit 'discover' 0 moon discover
next_second
check_exit 'a backup that ends before it has a record' 1 moon backup --policy daily --libvirt-uri "qemu+unix:///session?socket=$WORLD_DIR/none"
next_second
check_exit 'a policy that is not there' 2 moon backup --policy nightly
check_exit 'jobStatus' 0 bare jobStatus --profile demo --config kvm --json
check_eq 'all three have their end' "$(jq -r '.[-3:][] | "\(.action) \(.state) \(.detail // "-" | .[0:11])"' "$OUT" | paste -sd,)" \
  'discover successful -,backup failed [scf-00066],backup failed [scf-00072]'
check_eq 'no job is listed twice' "$(jq '([.[].id] | length) - ([.[].id] | unique | length)' "$OUT")" 0
jobs=$state/jobs/demo/kvm
for i in {100..199}; do echo '{"id": "20200101000'"$i"'-1"}' >"$jobs/20200101000$i-1.json"; done
check_exit 'discover --dry-run' 0 moon discover --dry-run
check 'a dry run is no job' test "$(find "$jobs" -name '*.json' | wc -l)" -gt 100
check_exit 'discover' 0 moon discover
check_eq '100 are kept' "$(find "$jobs" -name '*.json' | wc -l)" 100
check_exit 'of those that a hand has damaged' 0 bash -c "echo broken >'$jobs/20300101000000-1.json'"
echo '{"id": 7, "action": "backup", "state": "failed", "started": "now", "finished": 1}' >"$jobs/20300101000001-1.json"
check_exit 'jobStatus goes on without' 0 bare jobStatus --json
said 'which it names' '20300101000001-1.json: not the end of a run: .*it is passed over'

# --- guests that a dead run left suspended, with nobody to resume them ---

next_second
sim_fault '{"match": "snapshot-create", "action": "hold", "count": 1}'
"$MOONSNAP" backup --profile demo --config kvm --policy daily --config-dir "$etc" --state-dir "$state" >/dev/null 2>&1 </dev/null &
dead=$!
wait_state alpha paused 15 || not_ok 'a backup to kill' ''
poll 15 sim_hit || not_ok 'a backup to kill: the snapshot is asked for' ''
guard=$(pgrep -P $dead | head -n 1)
kill -KILL "${guard:-$dead}"
kill -KILL $dead
wait $dead 2>/dev/null || true
poll 20 gone "${guard:-$dead}" || not_ok 'its guard dies' ''
sim_faults_clear
check_eq 'engine and guard are dead: alpha stands still' "$(guest_state alpha)" paused
check_exit 'agentStatus: page someone' 5 bare agentStatus --profile demo --config kvm
said 'agentStatus: who, and what to do' 'left by a dead run: .*alpha \(config kvm\)'
said 'agentStatus: recover' 'suspended guests: run moonsnap recover'
check_exit 'recover' 0 moon recover
check 'all run again' all_running alpha bravo
check_exit 'agentStatus after it' 0 bare agentStatus --profile demo --config kvm
finish
