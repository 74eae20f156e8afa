#!/bin/bash
# Replication after a backup, between two SVMs, over both transports: SnapMirror and SnapVault updates when the guests run
# again, waiting, retention on the secondary, dpstatus; each failure with its code, guests running, the backup kept.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
# shellcheck source=../lib/vault.sh
. "$(dirname "$(realpath "$0")")/../lib/vault.sh"
scene alpha:vol1 bravo:vol2
vault_up '.transfer_ms = 400 | .svms[0].volumes += [{ name: "other", size: 1073741824 }]' v1 v2 m1 raw both
relate v1 vol1 kvm_vault
relate v2 vol2 kvm_vault
relate m1 vol1 MirrorAllSnapshots

# Names of snapshots have a resolution of one second.
again() { next_second && backup; }
daily() { secondary v1 | tr ' ' '\n' | grep '^demo-daily_' | paste -sd' '; }

VAULT=(NTAP_SNAPVAULT_UPDATE=Y 'SNAPVAULT_VOLUMES=svm1:vol1,vol2')
MIRROR=(NTAP_SNAPMIRROR_UPDATE=Y SNAPMIRROR_VOLUMES=svm1:vol1 NTAP_SNAPMIRROR_WAIT=1)
# A replication that fails is the same with both values of APP_IGNORE_ERROR: each transport's round has one of them.
conf() {
  local ignore=N
  if [ "$API" = rest ]; then ignore=Y; fi
  moon_conf "${BOTH[@]}" "ONTAP_API=$API" "APP_IGNORE_ERROR=$ignore" "$@"
}
all_run() { check_eq "$1: the guests run" "$(guest_state alpha) $(guest_state bravo)" 'running running'; }
last_record() { find "$WORLD_DIR/state/catalog/demo/kvm" -name '*-backup.json' | sort | tail -n 1; }
# fails NAME CODE REGEX [EXIT]: a backup that must fail after its snapshots were taken, which stay
fails() {
  next_second
  check_exit "$1: exit" "${4:-3}" moon backup --policy daily --json
  check_match "$1: $2" "$ERR" "\[$2\] .*$3|$2.*$3"
  all_run "$1"
  SNAP=$(jq -r .snapshot "$(last_record)")
  check_eq "$1: the backup itself is there, and good" "$(jq -r .status "$(last_record)") $(snapshots vol1 | grep -cx "$SNAP")" 'ok 1'
}

for API in zapi rest; do
  if [ $API = zapi ]; then
    UPDATE=snapmirror-update LIST=snapmirror-get-iter
  else
    UPDATE='POST /snapmirror/relationships/*/transfers' LIST='GET /snapmirror/relationships'
  fi

  # --- a backup, its copies, what is listed ---

  conf "${VAULT[@]}" "${MIRROR[@]}"
  next_second
  check_exit "$API: a dry run" 0 moon backup --policy daily --dry-run --json
  check_match "$API: it would update all three" <(grep -c mirror_update "$OUT" || true) '^3$'
  next_second
  events_start
  sim_curl -X DELETE "$SIM_URL/sim/requests" >/dev/null
  # The mirror's update comes first; those of the vault are held until their transfers last as long as they are looked at.
  for nth in 2 3; do sim_fault "$(jq -n --arg m "$UPDATE" --argjson n $nth '{ match: $m, nth: $n, action: "hold" }')"; done
  moon backup --policy daily --json >"$WORLD_DIR/bg.out" 2>"$WORLD_DIR/bg.err" &
  pid=$!
  poll 30 sim_hit || not_ok "$API: the vault's update comes" "$WORLD_DIR/bg.err"
  sim_pace '{"transfer_ms": 120000}'
  sim_faults_clear
  check "$API: the vault is transferring" poll 30 runs v1
  check_eq "$API: no guest is paused meanwhile" "$(guest_state alpha) $(guest_state bravo)" 'running running'
  sim_pace '{"transfer_ms": 400}'
  ended "$pid"
  if [ "$CODE" = 0 ]; then ok "$API: the backup: exit"; else not_ok "$API: the backup: exit" "$CODE" "$WORLD_DIR/bg.err"; fi
  SNAP=$(jq -r .snapshot "$WORLD_DIR/bg.out")
  check_eq "$API: record" "$(jq -r '.replicated[] | "\(.kind) \(.source) \(.destination) \(.controller) \(.state)"' "$WORLD_DIR/bg.out")" \
    "snapmirror svm1:vol1 svm_vault:m1 svm_vault done
snapvault svm1:vol1 svm_vault:v1 svm_vault done
snapvault svm1:vol2 svm_vault:v2 svm_vault done"
  check_eq "$API: the same is in the catalog" "$(jq -c .replicated "$(last_record)")" "$(jq -c .replicated "$WORLD_DIR/bg.out")"
  for vol in v1 v2 m1; do
    check_match "$API: $vol has it" <(secondary $vol) "$SNAP"
  done
  check_eq "$API: byte for byte" "$(sum "$SIM_ROOT/svm_vault/v1/.snapshot/$SNAP/alpha.img")" "$(sum "$(copy alpha)")"
  check_match "$API: the label is the policy" <(at_vault snapshot-get-iter "<query><snapshot-info><volume>v1</volume><name>$SNAP</name></snapshot-info></query>") \
    '<snapmirror-label>daily</snapmirror-label>'
  check_exit "$API: backupList" 0 moon backupList --policy daily --json
  check_eq "$API: it shows the copies on the secondary" "$(jq -r --arg s "$SNAP" '.[] | select(.name == $s) | "\(.status) \(.volumes | join(",")) \(.secondary | join(","))"' "$OUT")" \
    'ok svm1:vol1,svm1:vol2 svm_vault:m1,svm_vault:v1,svm_vault:v2'
  check_exit "$API: dpstatus" 0 moon dpstatus
  check_match "$API: dpstatus: SnapMirror" "$OUT" 'SnapMirror  svm1:vol1  svm_vault:m1  snapmirrored  idle +[0-9]+:[0-9]{2}:[0-9]{2}  success  +[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8} +[0-9.]+ [KMG]?i?B'
  check_match "$API: dpstatus: SnapVault" "$OUT" "SnapVault   svm1:vol2  svm_vault:v2  snapmirrored  idle .*$SNAP"
  check_exit "$API: dpstatus --json" 0 moon dpstatus --json
  check_eq "$API: dpstatus --json" "$(jq -r '.[] | "\(.kind) \(.destination) \(.state) \(.healthy) \(.last_transfer) \(.lag | type) \(now - .ended | . >= 0 and . < 600)"' "$OUT")" \
    'snapmirror svm_vault:m1 snapmirrored true success number true
snapvault svm_vault:v1 snapmirrored true success number true
snapvault svm_vault:v2 snapmirrored true success number true'

  # --- retention on the secondary ---

  conf "${VAULT[@]}" NTAP_SNAPSHOT_RETENTIONS=daily:1,hourly:1 NTAP_SNAPVAULT_RETENTIONS=daily:2
  again
  older=$SNAP
  again
  check_eq "$API: two copies are left in the vault, one on the primary" "$(daily) / $(snapshots vol1 | grep -c '^demo-daily_')" \
    "$older $SNAP / 1"
  check_exit "$API: backupList" 0 moon backupList --policy daily --json
  check_eq "$API: a copy that only the vault has is listed, with its guests" \
    "$(jq -r --arg s "$older" '.[] | select(.name == $s) | "\(.status) \(.volumes | length) \(.secondary | join(",")) \(.guests | join(","))"' "$OUT")" \
    'ok 0 svm_vault:v1,svm_vault:v2 alpha,bravo'
  check_eq "$API: the catalog keeps its record" "$(cat "$WORLD_DIR"/state/catalog/demo/kvm/*-backup.json | jq -r .snapshot | grep -cx "$older")" 1
  again
  check_eq "$API: one more, and the oldest goes, with its record" \
    "$(daily | wc -w) $(cat "$WORLD_DIR"/state/catalog/demo/kvm/*-backup.json | jq -r .snapshot | grep -cx "$older")" '2 0'
  conf "${VAULT[@]}" NTAP_SNAPSHOT_RETENTIONS=daily:1,hourly:1 NTAP_SNAPVAULT_RETENTIONS=daily:2 NTAP_SNAPVAULT_NODELETE=Y
  again
  check_eq "$API: NTAP_SNAPVAULT_NODELETE=Y keeps the third" "$(daily | wc -w)" 3
  conf "${VAULT[@]}" NTAP_SNAPVAULT_RETENTIONS=daily:1 NTAP_SNAPVAULT_RETENTION_AGE=1
  again
  check_eq "$API: with an age of a day the young ones stay" "$(daily | wc -w)" 4
  conf "${VAULT[@]}" NTAP_SNAPVAULT_RETENTION_AGE=1 NTAP_SNAPSHOT_DELETE_BY_AGE_ONLY=SECONDARY
  POLICY=hourly again
  check_eq "$API: by age alone as well, and other policies are not touched" "$(daily | wc -w)" 4
  conf NTAP_SNAPMIRROR_UPDATE=Y SNAPMIRROR_VOLUMES=svm1:vol1 NTAP_SNAPMIRROR_USE_SNAPSHOT=Y
  again
  check_eq "$API: without NTAP_SNAPMIRROR_WAIT it is started only" "$(jq -r '.replicated[].state' "$RECORD")" started
  poll 10 idle m1
  check_match "$API: and arrives" <(secondary m1) "$SNAP"

  # --- what goes wrong: rows of ../data/failures/reference.txt ---

  # row: mirror-no-relationship
  conf NTAP_SNAPMIRROR_UPDATE=Y SNAPMIRROR_VOLUMES=svm1:vol2
  fails "$API: no mirror" scf-00017 'svm1:vol2.*svm_vault:v2 with policy .kvm_vault. \(vault\) is none of that kind.*create the relationship first'
  conf NTAP_SNAPVAULT_UPDATE=Y SNAPVAULT_VOLUMES=svm1:vol1,other
  next_second
  check_exit "$API: a volume without guests: exit" 3 moon backup --policy daily
  said "$API: a volume without guests is named" 'svm1:other is not in this backup'
  conf NTAP_SNAPMIRROR_UPDATE=Y SNAPMIRROR_VOLUMES=svm1:other
  fails "$API: no relationship at all" scf-00017 'svm1:other.*no controller of NTAP_USERS \(svm1, svm_vault\)'
  check_exit "$API: dpstatus without relationship" 3 moon dpstatus
  said "$API: dpstatus names it" 'svm1:other.*no relationship'
  # row: vault-no-relationship
  conf "${VAULT[@]}" NTAP_USERS=svm1:vsadmin/secret
  fails "$API: the destination has no login" scf-00019 'no controller of NTAP_USERS \(svm1\).*needs an entry there'
  # row: vault-no-status, mirror-no-status, vault-not-started, vault-transfer-error, mirror-transfer-error
  for kind in VAULT:scf-00018:scf-00020:scf-00024:v1 MIRROR:scf-00016:scf-00021:scf-00021:m1; do
    IFS=: read -r kind status start failed dest <<<"$kind"
    declare -n params=$kind
    conf "${params[@]}"
    sim_fault "$(jq -n --arg m "$LIST" '{ match: $m, svm: "svm_vault", action: "error" }')"
    fails "$API: $kind: no status" "$status" "controller 'svm_vault'"
    sim_faults_clear
    sim_fault "$(jq -n --arg m "$UPDATE" '{ match: $m, action: "error" }')"
    fails "$API: $kind: not started" "$start" "svm1:vol1 to svm_vault:$dest"
    sim_faults_clear
    check_eq "$API: $kind: not started: the record says so" "$(jq -r '.replicated[0].state' "$(last_record)")" failed
    next_second
    head -c 1200000 /dev/urandom >"$SIM_ROOT/svm1/vol1/noise"
    conf "${params[@]}" SNAPVAULT_VOLUMES=svm1:vol1 NTAP_SNAPVAULT_MAX_TRANSFER=20 NTAP_SNAPMIRROR_MAX_TRANSFER=20
    moon backup --policy daily >"$WORLD_DIR/bg.out" 2>"$WORLD_DIR/bg.err" &
    pid=$!
    if poll 30 runs "$dest"; then sleep 1; check "$API: $kind: a slow transfer still runs" runs "$dest"; fi
    vault snapmirror-abort "$(to "$dest")"
    ended "$pid"
    check_eq "$API: $kind: aborted: exit" "$CODE" 3
    check_match "$API: $kind: aborted: $failed" "$WORLD_DIR/bg.err" "$failed.*svm1:vol1 to svm_vault:$dest"
    all_run "$API: $kind: aborted"
    rm "$SIM_ROOT/svm1/vol1/noise"
  done
  conf "${VAULT[@]}" NTAP_SNAPSHOT_RETENTIONS=daily:5,monthly:1
  next_second
  check_exit "$API: no rule for the label: exit" 3 moon backup --policy monthly
  said "$API: no rule for the label" "scf-00020.*'kvm_vault' has no rule for the label 'monthly'.*add-rule"
  vault snapmirror-quiesce "$(to v1)"
  conf "${VAULT[@]}"
  fails "$API: a paused relationship" scf-00020 'svm_vault:v1: it is paused; resume it: snapmirror resume -destination-path svm_vault:v1'
  check_match "$API: a paused relationship: the other volume has its copy" <(secondary v2) "$SNAP"
  vault snapmirror-resume "$(to v1)"
  conf "${VAULT[@]}" NTAP_SNAPVAULT_SNAPSHOT=Y
  before=$(snapshots vol1)
  check_exit "$API: two kinds of vault update: exit" 2 moon backup --policy daily
  said "$API: two kinds of vault update" 'scf-00047'
  check_eq "$API: two kinds of vault update: nothing was done" "$(snapshots vol1)" "$before"
  conf SNAPVAULT_VOLUMES=svm1:vol1 NTAP_SNAPVAULT_SNAPSHOT=Y
  next_second
  check_exit "$API: NTAP_SNAPVAULT_SNAPSHOT=Y" 0 moon backup --policy daily --verbose
  said "$API: NTAP_SNAPVAULT_SNAPSHOT=Y without a schedule" 'svm_vault:v1\] has no schedule'
  older=$WORLD_DIR/state/catalog/demo/kvm/$(records | tail -n 1)
  check_eq "$API: NTAP_SNAPVAULT_SNAPSHOT=Y: nothing was transferred" "$(jq -c .replicated "$older")" null
  vault snapmirror-update "$(to v1)"
  poll 20 idle v1 || world_fail 'the update by hand does not end'
  next_second
  check_exit "$API: NTAP_SNAPVAULT_SNAPSHOT=Y again" 0 moon backup --policy daily
  check_eq "$API: NTAP_SNAPVAULT_SNAPSHOT=Y again: what came to the vault is noted" \
    "$(jq -r '.replicated[] | "\(.kind) \(.source) \(.destination) \(.state)"' "$older")" 'snapvault svm1:vol1 svm_vault:v1 done'
  conf
  check_exit "$API: dpstatus without replication" 0 moon dpstatus
  check_eq "$API: dpstatus without replication prints nothing" "$(cat "$OUT")" ''
done

# --- a relationship that is not initialized; a mirror-vault is a vault, or a mirror if the config says so ---

vault snapmirror-create "$(to raw)<source-location>svm1:vol2</source-location><policy>MirrorAllSnapshots</policy>"
relate both other MirrorAndVault
for API in zapi rest; do
  conf NTAP_SNAPMIRROR_UPDATE=Y SNAPMIRROR_VOLUMES=svm1:vol2
  fails "$API: not initialized" scf-00021 'it is uninitialized; initialize it first'
  conf NTAP_SNAPMIRROR_UPDATE=Y SNAPMIRROR_VOLUMES=svm1:other
  fails "$API: a mirror-vault is no mirror" scf-00017 'mirror-vault.*NTAP_ALLOW_MIRRORVAULT_AS_MIRROR'
  conf NTAP_SNAPMIRROR_UPDATE=Y SNAPMIRROR_VOLUMES=svm1:other NTAP_ALLOW_MIRRORVAULT_AS_MIRROR=Y NTAP_SNAPMIRROR_WAIT=1
  again
  check_eq "$API: unless NTAP_ALLOW_MIRRORVAULT_AS_MIRROR=Y" "$(jq -r '.replicated[] | "\(.destination) \(.state)"' "$RECORD")" 'svm_vault:both done'
done

# row: vault-late, mirror-late
# --- not in time: a minute is the least that can be waited, so both kinds wait at once ---

head -c 4000000 /dev/urandom >"$SIM_ROOT/svm1/vol1/noise"
API=zapi conf "${VAULT[@]}" NTAP_SNAPVAULT_WAIT=1 NTAP_SNAPVAULT_MAX_TRANSFER=20 SNAPVAULT_VOLUMES=svm1:vol1
other_conf second "${BOTH[@]}" ONTAP_API=rest APP_IGNORE_ERROR=Y SNAME=second NTAP_SNAPMIRROR_UPDATE=Y SNAPMIRROR_VOLUMES=svm1:vol1 \
  NTAP_SNAPMIRROR_WAIT=1 NTAP_SNAPMIRROR_MAX_TRANSFER=20
next_second
MOON_LIMIT=180 moon backup --policy daily >"$WORLD_DIR/late1.out" 2>"$WORLD_DIR/late1.err" &
one=$!
# the guests can be suspended by one run at a time
poll 30 runs v1 || not_ok 'SnapVault not in time: it transfers' "$WORLD_DIR/late1.err"
MOON_LIMIT=180 moon_with second backup --policy daily >"$WORLD_DIR/late2.out" 2>"$WORLD_DIR/late2.err" &
two=$!
# Meanwhile, at another destination: the transfer ends, and whether the copy came cannot be asked.
poll 30 runs m1 || not_ok 'SnapMirror not in time: it transfers' "$WORLD_DIR/late2.err"
other_conf third "${BOTH[@]}" ONTAP_API=zapi SNAME=third NTAP_SNAPVAULT_UPDATE=Y SNAPVAULT_VOLUMES=svm1:vol2
sim_fault '{ "match": "snapshot-get-iter", "svm": "svm_vault", "action": "error", "reason": "no list today" }'
check_exit 'no word of the copy: exit' 3 moon_with third backup --policy daily
sim_faults_clear
check_match 'no word of the copy: why' "$ERR" 'scf-00018.*svm1:vol2 to svm_vault:v2: .*svm_vault:v2.*no list today'
CODE=0
wait $one || CODE=$?
check_eq 'SnapVault not in time: exit' $CODE 3
check_match 'SnapVault not in time: scf-00023' "$WORLD_DIR/late1.err" 'scf-00023.*svm1:vol1 to svm_vault:v1.*raise NTAP_SNAPVAULT_WAIT'
check_eq 'SnapVault not in time: the record says so' "$(jq -r '.status, .replicated[0].state' "$(last_record)" | paste -sd' ')" 'ok late'
ended "$two"
check_eq 'SnapMirror not in time: exit' "$CODE" 3
check_match 'SnapMirror not in time: scf-00022' "$WORLD_DIR/late2.err" 'scf-00022.*svm1:vol1 to svm_vault:m1.*raise NTAP_SNAPMIRROR_WAIT'
all_run 'not in time'
finish
