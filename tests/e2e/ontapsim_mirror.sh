#!/bin/bash
# The ONTAP simulator's SnapMirror: policies, relationships, transfers between two SVMs and between two simulators,
# restores, over both transports.
# usage: tests/e2e/ontapsim_mirror.sh [BUILD_DIR]
# shellcheck disable=SC2154 # sim_start sets URL_NAME
set -u
# shellcheck source=../lib/ontapsim.sh
. "$(dirname "$(realpath "$0")")/../lib/ontapsim.sh"

# config NAME PEER SVM VOLUME:TYPE...: one SVM more for each call of svm()
config() { # name, other simulator, SVMs as JSON
  cat >"$d/$1.json" <<EOF
{ "listen": "127.0.0.1:0", "root": "$d/$1", "http": true, "transfer_ms": 250, "rst_keep_ms": 5000,
  "cluster": { "name": "$1" }, "peers": [ { "name": "peer", "root": "$d/$2" } ],
  "users": [ { "name": "admin", "password": "secret" }, { "name": "vault", "password": "secret", "svm": "svm_vault" } ],
  "svms": [ $3 ] }
EOF
}
volume() { printf '{ "name": "%s", "size": 104857600, "type": "%s" }' "$1" "$2"; }
config one two "{ \"name\": \"svm1\", \"volumes\": [ $(volume src rw), $(volume back rw), $(volume other rw) ] },
  { \"name\": \"svm_vault\", \"volumes\": [ $(volume mirror dp), $(volume vault dp), $(volume latest dp), $(volume plain rw) ] }"
config two one "{ \"name\": \"svm_far\", \"volumes\": [ $(volume far dp), $(volume origin rw) ] },
  { \"name\": \"svm_vault\", \"volumes\": [ $(volume unused rw) ] }"
mkdir -p "$d/one/svm1/src/vm"
head -c 300000 /dev/urandom >"$d/one/svm1/src/vm/disk.img"
sim_start one "$d/one.json"
SIM_URL=$URL_one

# What is to be seen running runs until `quick`.
slow() { control "$SIM_URL" PUT pace '{"transfer_ms": 120000}'; }
quick() { control "$SIM_URL" PUT pace '{"transfer_ms": 250}'; }
at() { zapi "$SIM_URL" admin:secret "$1" "vfiler=\"${2:-svm_vault}\""; }
source_svm() { at "$1" svm1; }
# mirror CALL DESTINATION [MORE-XML]
mirror() { at "<snapmirror-$1><destination-location>$2</destination-location>${3:-}</snapmirror-$1>" "${2%%:*}"; }
get() { mirror get "$1"; }
status() { get "$1"; printf '%s/%s' "$(field mirror-state)" "$(field relationship-status)"; }
# settle DESTINATION: until nothing runs
settle() {
  for _ in $(seq 1200); do
    get "$1"
    case $(field relationship-status) in idle | quiesced | '') return ;; esac
    sleep 0.05
  done
}
create() { source_svm "<snapshot-create><volume>${3:-src}</volume><snapshot>$1</snapshot>${2:+<snapmirror-label>$2</snapmirror-label>}</snapshot-create>"; }
delete() { source_svm "<snapshot-delete><volume>src</volume><snapshot>$1</snapshot></snapshot-delete>"; }
# snaps SVM VOLUME: names without those that SnapMirror makes
snaps() {
  at "<snapshot-get-iter><query><snapshot-info><volume>$2</volume></snapshot-info></query><max-records>100</max-records></snapshot-get-iter>" "$1"
  grep -o '<name>[^<]*' <<<"$R" | cut -c7- | grep -v '^snapmirror' | xargs
}
own() { snaps "$1" "$2" >/dev/null; grep -o '<name>snapmirror[^<]*' <<<"$R" | wc -l; }
busy() { source_svm "<snapshot-get-iter><query><snapshot-info><volume>src</volume><name>$1</name></snapshot-info></query></snapshot-get-iter>"; field busy; }

# --- policies ------------------------------------------------------------------------------------
at '<snapmirror-policy-get-iter/>'
has 'the policies that every cluster has' '<policy-name>MirrorAllSnapshots</policy-name>'
at '<snapmirror-policy-create><policy-name>kvm_vault</policy-name><type>vault</type></snapmirror-policy-create>'
passes 'a policy of the SVM'
at '<snapmirror-policy-create><policy-name>kvm_vault</policy-name><type>vault</type></snapmirror-policy-create>'
fails 'twice' 13130
at '<snapmirror-policy-add-rule><policy-name>kvm_vault</policy-name><snapmirror-label>kvm</snapmirror-label><keep>2</keep></snapmirror-policy-add-rule>'
passes 'with a rule'
at '<snapmirror-policy-get-iter><query><snapmirror-policy-info><policy-name>kvm_vault</policy-name></snapmirror-policy-info></query></snapmirror-policy-get-iter>'
has 'the rule' '<keep>2</keep><preserve>false</preserve><snapmirror-label>kvm</snapmirror-label>'
has 'its type' '<type>vault</type>'
at '<snapmirror-policy-add-rule><policy-name>XDPDefault</policy-name><snapmirror-label>kvm</snapmirror-label></snapmirror-policy-add-rule>'
fails 'the cluster'\''s own policy is left alone' 13003

# --- create, initialize --------------------------------------------------------------------------
mirror get svm_vault:mirror
fails 'no relationship yet' 15661
mirror create svm_vault:mirror '<source-location>svm1:nothing</source-location>'
fails 'the source is missing' 13040
mirror get svm_vault:mirror
fails 'and nothing is left behind' 15661
mirror create svm_vault:plain '<source-location>svm1:src</source-location>'
fails 'the destination is no DP volume' 17114
mirror create svm_vault:mirror '<source-location>svm1:src</source-location><policy>nope</policy>'
fails 'the policy is missing' 15661
mirror create svm_vault:mirror '<source-location>svm1:src</source-location><policy>MirrorAllSnapshots</policy>'
passes 'create'
mirror create svm_vault:mirror '<source-location>svm1:src</source-location>'
fails 'twice' 17122
check_eq 'uninitialized, idle' "$(status svm_vault:mirror)" uninitialized/idle
mirror update svm_vault:mirror
fails 'update before initialize' 13102
mirror abort svm_vault:mirror
fails 'abort when idle' 17130
mirror resume svm_vault:mirror
fails 'resume when not quiesced' 17127
create first
slow
mirror initialize svm_vault:mirror
check_eq 'initialize is in progress' "$(field result-status)" in_progress
job=$(field result-jobid)
check_eq 'it transfers' "$(status svm_vault:mirror)" uninitialized/transferring
mirror update svm_vault:mirror
fails 'a second transfer' 17137
quick
settle svm_vault:mirror
check_eq 'snapmirrored' "$(status svm_vault:mirror)" snapmirrored/idle
has 'healthy' '<is-healthy>true</is-healthy>'
at "<job-get><job-id>$job</job-id></job-get>"
check_eq 'the job is done' "$(field job-state)" success
check_eq 'all snapshots came along' "$(snaps svm_vault mirror)" first
check_eq 'the live files are those of the source' "$(sum "$d/one/svm_vault/mirror/vm/disk.img")" "$(sum "$d/one/svm1/src/vm/disk.img")"
check_eq 'one snapshot of its own on the source' "$(own svm1 src)" 1
check_eq 'and at the destination' "$(own svm_vault mirror)" 1
at '<snapmirror-get-destination-iter/>' svm1
has 'the source knows its destination' '<destination-location>svm_vault:mirror</destination-location>'
at '<snapmirror-get-iter/>' svm1
has 'but lists no relationship' '<num-records>0</num-records>'

# --- the newest common snapshot is busy ----------------------------------------------------------
newest() { get "$1"; field newest-snapshot; }
base=$(newest svm_vault:mirror)
check_eq 'the newest common snapshot is busy' "$(busy "$base")" true
busy "$base" >/dev/null
has 'on SnapMirror'\''s account' '<dependency>snapmirror</dependency>'
delete "$base"
fails 'and cannot be deleted' 13024
sleep 1.1 # snapshots are told apart by seconds
head -c 200000 /dev/urandom >"$d/one/svm1/src/vm/disk.img"
mirror update svm_vault:mirror
check_eq 'update has no job' "$(field result-status)$(field result-jobid)" succeeded
settle svm_vault:mirror
check_not 'a newer one' [ "$(newest svm_vault:mirror)" = "$base" ]
check_eq 'still one of its own on the source' "$(own svm1 src)" 1
check_eq 'the live files follow' "$(sum "$d/one/svm_vault/mirror/vm/disk.img")" "$(sum "$d/one/svm1/src/vm/disk.img")"
delete first
passes 'what is older is free'
mirror update svm_vault:mirror
settle svm_vault:mirror
check_eq 'and a mirror of all snapshots follows' "$(snaps svm_vault mirror)" ''

# --- vault: labels -------------------------------------------------------------------------------
mirror create svm_vault:vault '<source-location>svm1:src</source-location><policy>kvm_vault</policy>'
mirror initialize svm_vault:vault
settle svm_vault:vault
check_eq 'the base of a vault' "$(status svm_vault:vault)" snapmirrored/idle
sleep 1.1
create plain1
create other1 hourly
create kvm1 kvm
mirror update svm_vault:vault
settle svm_vault:vault
check_eq 'only the label of the policy' "$(snaps svm_vault vault)" kvm1
snaps svm_vault vault >/dev/null
has 'the label comes along' '<snapmirror-label>kvm</snapmirror-label>'
check_eq 'the label'\''s snapshot is busy now' "$(busy kvm1)" true
sleep 1.1
create hour2 hourly
mirror update svm_vault:vault
settle svm_vault:vault
check_eq 'no label fits: nothing moves' "$(newest svm_vault:vault)" kvm1
has 'and it is no error' '<is-healthy>true</is-healthy>'
mirror update svm_vault:vault '<source-snapshot>hour2</source-snapshot>'
settle svm_vault:vault
check_eq 'a snapshot by name' "$(snaps svm_vault vault)" 'hour2 kvm1'
mirror update svm_vault:vault '<source-snapshot>nothing</source-snapshot>'
settle svm_vault:vault
has 'one that is missing fails late' '<is-healthy>false</is-healthy>'
has 'and says why' 'does not exist on the source'
for n in 2 3; do
  sleep 1.1
  create kvm$n kvm
done
mirror update svm_vault:vault
settle svm_vault:vault
check_eq 'the policy keeps two of the label' "$(snaps svm_vault vault)" 'hour2 kvm2 kvm3'
check_eq 'kvm1 is free' "$(busy kvm1)" false
check_eq 'kvm3 is busy' "$(busy kvm3)" true

# --- quiesce, abort, break, resync ---------------------------------------------------------------
mirror quiesce svm_vault:vault
check_eq 'quiesced' "$(status svm_vault:vault)" snapmirrored/quiesced
mirror update svm_vault:vault
fails 'update when quiesced' 13102
mirror resume svm_vault:vault
check_eq 'resumed' "$(status svm_vault:vault)" snapmirrored/idle
mirror break svm_vault:vault
fails 'break needs quiesce' 17127
mirror quiesce svm_vault:vault
mirror break svm_vault:vault
check_eq 'broken off' "$(status svm_vault:vault)" broken-off/idle
at '<volume-get-iter><query><volume-attributes><volume-id-attributes><name>vault</name></volume-id-attributes></volume-attributes></query></volume-get-iter>'
check_eq 'the volume takes writes' "$(field type)" rw
echo changed >"$d/one/svm_vault/vault/vm/disk.img"
mirror update svm_vault:vault
fails 'update when broken off' 13102
mirror resync svm_vault:vault
settle svm_vault:vault
check_eq 'resync' "$(status svm_vault:vault)" snapmirrored/idle
check_eq 'what was written is gone' "$(sum "$d/one/svm_vault/vault/vm/disk.img")" "$(sum "$d/one/svm1/src/.snapshot/kvm3/vm/disk.img")"

# --- restore -------------------------------------------------------------------------------------
mirror restore svm_vault:vault '<source-location>svm1:src</source-location>'
fails 'the destination of another relationship' 17122
mirror restore svm1:back '<source-location>svm_vault:vault</source-location><source-snapshot>kvm2</source-snapshot>'
check_eq 'restore is in progress' "$(field result-status)" in_progress
get svm1:back
check_eq 'a relationship of its own type' "$(field relationship-type)" restore
settle svm1:back
check_eq 'the bytes are those of the snapshot' "$(sum "$d/one/svm1/back/vm/disk.img")" "$(sum "$d/one/svm_vault/vault/.snapshot/kvm2/vm/disk.img")"
for _ in $(seq 600); do
  get svm1:back
  case $R in *'errno="15661"'*) break ;; *) sleep 0.1 ;; esac
done
fails 'the relationship is gone afterwards' 15661

# --- the life of the volumes ---------------------------------------------------------------------
at '<volume-offline><name>vault</name></volume-offline>'
at '<volume-destroy><name>vault</name></volume-destroy>'
fails 'a destination cannot be destroyed' 13158
at '<volume-online><name>vault</name></volume-online>'
source_svm '<volume-rename><volume>src</volume><new-volume-name>renamed</new-volume-name></volume-rename>'
passes 'a source gets another name'
get svm_vault:vault
check_eq 'its relationships follow' "$(field source-location)" svm1:renamed
at '<snapmirror-get-destination-iter/>' svm1
has 'and so do those at the source' '<source-location>svm1:renamed</source-location>'
source_svm '<volume-rename><volume>renamed</volume><new-volume-name>src</new-volume-name></volume-rename>'
passes 'and its own name back'

# --- two simulators ------------------------------------------------------------------------------
sim_start two "$d/two.json"
SIM_URL=$URL_two
mirror create svm_far:far '<source-location>svm1:src</source-location><policy>MirrorAllSnapshots</policy>'
passes 'a source in another simulator'
mirror initialize svm_far:far
settle svm_far:far
check_eq 'initialized from there' "$(status svm_far:far)" snapmirrored/idle
check_eq 'with its bytes' "$(sum "$d/two/svm_far/far/vm/disk.img")" "$(sum "$d/one/svm1/src/vm/disk.img")"
base=$(newest svm_far:far)
SIM_URL=$URL_one
check_eq 'the source keeps the common snapshot' "$(busy "$base")" true
at '<snapmirror-get-destination-iter/>' svm1
has 'and knows the far destination' '<destination-location>svm_far:far</destination-location>'
SIM_URL=$URL_two
mirror restore svm_far:origin '<source-location>svm1:src</source-location><source-snapshot>kvm1</source-snapshot>'
settle svm_far:origin
check_eq 'a restore from another simulator' "$(sum "$d/two/svm_far/origin/vm/disk.img")" "$(sum "$d/one/svm1/src/.snapshot/kvm1/vm/disk.img")"

# --- abort, restarts -----------------------------------------------------------------------------
head -c 400000 /dev/urandom >"$d/one/svm1/src/vm/disk.img"
mirror update svm_far:far '<max-transfer-rate>50</max-transfer-rate>'
check_eq 'a slow transfer' "$(status svm_far:far)" snapmirrored/transferring
for _ in $(seq 60); do
  get svm_far:far
  [ "$(field relationship-progress)" -gt 0 ] && break
  sleep 0.05
done
check 'shows its progress' [ "$(field relationship-progress)" -gt 0 ]
mirror abort svm_far:far
passes 'abort'
settle svm_far:far
has 'the transfer was aborted' 'aborted'
check_eq 'and left nothing' "$(newest svm_far:far)" "$(own svm_far far >/dev/null; grep -o '<name>snapmirror[^<]*' <<<"$R" | cut -c7-)"
mirror update svm_far:far '<max-transfer-rate>100</max-transfer-rate>'
sleep 0.2
sim_stop two
sim_start two "$d/two.json"
SIM_URL=$URL_two
check_eq 'a transfer goes on after a restart' "$(status svm_far:far)" snapmirrored/transferring
for _ in 1 2 3; do settle svm_far:far; done
check_eq 'and ends' "$(status svm_far:far)" snapmirrored/idle
check_eq 'with the bytes' "$(sum "$d/two/svm_far/far/vm/disk.img")" "$(sum "$d/one/svm1/src/vm/disk.img")"
sim_stop one
mirror update svm_far:far
settle svm_far:far
has 'a source that is away: not healthy' '<is-healthy>false</is-healthy>'
sim_start one "$d/one.json"
SIM_URL=$URL_one
check_eq 'relationships survive a restart' "$(status svm_vault:vault)" snapmirrored/idle
at '<snapmirror-policy-get-iter><query><snapmirror-policy-info><policy-name>kvm_vault</policy-name></snapmirror-policy-info></query></snapmirror-policy-get-iter>'
has 'policies, too' '<snapmirror-label>kvm</snapmirror-label>'
check_eq 'what is busy, too' "$(busy kvm3)" true

# --- no common snapshot, release, destroy --------------------------------------------------------
mirror create svm_vault:latest '<source-location>svm1:other</source-location><policy>MirrorLatest</policy>'
mirror initialize svm_vault:latest
settle svm_vault:latest
create any '' other
at '<snapmirror-release><destination-location>svm_vault:latest</destination-location><source-location>svm1:other</source-location></snapmirror-release>' svm1
passes 'release at the source'
check_eq 'takes its snapshots away' "$(own svm1 other)" 0
mirror update svm_vault:latest
settle svm_vault:latest
has 'without a common snapshot nothing goes' 'No common snapshot'
at '<snapmirror-release><destination-location>svm_vault:latest</destination-location><source-location>svm1:other</source-location></snapmirror-release>' svm1
fails 'release twice' 19068
mirror destroy svm_vault:latest
passes 'destroy'
get svm_vault:latest
fails 'and it is gone' 15661
mirror destroy svm_vault:latest
fails 'destroy twice' 15661

# --- owners --------------------------------------------------------------------------------------
owner() { source_svm "<snapmirror-snapshot-owner-$1><volume>src</volume><snapshot>plain1</snapshot><snapshot-owner-name>kvm</snapshot-owner-name></snapmirror-snapshot-owner-$1>"; }
owner create
passes 'an owner for a snapshot'
owner create
fails 'twice' 13130
delete plain1
fails 'it cannot be deleted' 13024
source_svm '<snapmirror-snapshot-owner-get><volume>src</volume><snapshot>plain1</snapshot></snapmirror-snapshot-owner-get>'
check_eq 'who it is' "$(field snapshot-owner-name)" kvm
owner destroy
delete plain1
passes 'without it the snapshot goes'
zapi "$URL_one" vault:secret '<snapmirror-get><destination-location>svm1:back</destination-location></snapmirror-get>'
fails 'an SVM sees its own destinations only' 15661

# --- REST ----------------------------------------------------------------------------------------
# rest PATH [METHOD [BODY]]: the body in $R, the status in $CODE, Location in $LOCATION
rest() {
  R=$(fetch -u admin:secret -H 'X-Dot-SVM-Name: svm_vault' -X "${2:-GET}" ${3:+-d "$3"} -D "$d/headers" -w '\n%{http_code}' "$SIM_URL/api/snapmirror/$1")
  CODE=${R##*$'\n'}
  LOCATION=$(sed -n 's/\r$//; s/^Location: *//p' "$d/headers")
}
# cell FILTER: of $R
cell() { jq -r "$1" <<<"${R%$'\n'*}" 2>&1; }
relation() { rest "relationships/$uuid?fields=*,transfer"; }
rest_settle() {
  for _ in $(seq 1200); do
    relation
    [ "$(cell .transfer.state)" = transferring ] || return
    sleep 0.05
  done
}
if command -v jq >/dev/null; then
  rest 'policies?name=kvm_vault&fields=type,retention'
  check_eq 'REST: a policy and its labels' "$(cell '.records[0] | "\(.type) \(.retention[0].label) \(.retention[0].count)"')" 'async kvm 2'
  rest policies POST '{"name":"kvm_rest","retention":[{"label":"kvm","count":3}],"create_snapshot_on_source":false}'
  check_eq 'REST: a new policy' "$CODE" 201
  rest policies POST '{"name":"kvm_rest"}'
  check_eq 'REST: twice' "$CODE $(cell .error.code)" '409 1'
  rest 'relationships?destination.path=svm_vault:vault&fields=*'
  check_eq 'REST: one relationship' "$(cell '.num_records')" 1
  check_eq 'REST: what it is' "$(cell '.records[0] | "\(.source.path) \(.state) \(.healthy) \(.exported_snapshot) \(.policy.name)"')" 'svm1:src snapmirrored true kvm3 kvm_vault'
  check_eq 'REST: the lag is a duration' "$(cell '.records[0].lag_time' | grep -cE '^PT([0-9]+H)?([0-9]+M)?[0-9]+S$')" 1
  check_eq 'REST: transfer only when named' "$(cell '.records[0].transfer')" null
  rest relationships POST '{"source":{"path":"svm1:other"},"destination":{"path":"svm_vault:new"},"create_destination":{"enabled":true},"policy":{"name":"MirrorLatest"}}'
  check_eq 'REST: create answers with a job' "$CODE" 202
  rest 'relationships?return_timeout=20' POST '{"source":{"path":"svm1:other"},"destination":{"path":"svm_vault:vault"}}'
  check_eq 'REST: the destination is taken' "$CODE $(cell .error.code)" '409 6619637'
  for _ in $(seq 600); do
    rest 'relationships?destination.path=svm_vault:new'
    uuid=$(cell '.records[0].uuid')
    [ "$uuid" = null ] || break
    sleep 0.1
  done
  check 'REST: the destination volume is made' [ -d "$d/one/svm_vault/new" ]
  rest "relationships/$uuid?return_timeout=20" PATCH '{"state":"snapmirrored"}'
  check_eq 'REST: initialize' "$CODE" 200
  rest_settle
  check_eq 'REST: snapmirrored' "$(cell '"\(.state) \(.transfer.state) \(.last_transfer_type)"')" 'snapmirrored success initialize'
  head -c 150000 /dev/urandom >"$d/one/svm1/other/data"
  slow
  rest "relationships/$uuid/transfers" POST '{"throttle":100}'
  check_eq 'REST: update is 201' "$CODE" 201
  rest "${LOCATION#/api/snapmirror/}"
  check_eq 'REST: Location is the transfer' "$(cell .state)" transferring
  rest "relationships/$uuid/transfers" POST '{}'
  check_eq 'REST: a second one is refused' "$(cell .error.code)" 13303844
  rest "relationships/$uuid?return_timeout=20" PATCH '{"state":"broken_off"}'
  check_eq 'REST: no break while it runs' "$(cell .error.code)" 13303808
  quick
  rest_settle
  transfer=$(cell .transfer.uuid)
  rest "relationships/$uuid/transfers/$transfer" PATCH '{"state":"aborted"}'
  check_eq 'REST: nothing to abort' "$(cell .error.code)" 13303849
  rest "relationships/$uuid?return_timeout=20" PATCH '{"state":"paused"}'
  relation
  check_eq 'REST: paused' "$(cell .state)" paused
  rest "relationships/$uuid?return_timeout=20" PATCH '{"state":"snapmirrored"}'
  relation
  check_eq 'REST: resumed' "$(cell .state)" snapmirrored
  rest "relationships/$uuid?return_timeout=20" PATCH '{"state":"broken_off"}'
  relation
  check_eq 'REST: broken off' "$(cell .state)" broken_off
  rest "relationships/$uuid?return_timeout=20" PATCH '{"state":"snapmirrored"}'
  rest_settle
  check_eq 'REST: resync' "$(cell '"\(.state) \(.last_transfer_type)"')" 'snapmirrored resync'
  rest "relationships/$uuid?return_timeout=20" PATCH '{"state":"expanding"}'
  check_eq 'REST: no such transition' "$(cell .error.code)" 13303818
  rest "relationships/$uuid/transfers?fields=state"
  check_eq 'REST: the transfers there were' "$(cell '.num_records')" 3
  R=$(fetch -u admin:secret -H 'X-Dot-SVM-Name: svm1' "$URL_one/api/snapmirror/relationships?list_destinations_only=true&fields=source.path,destination.path")
  has 'REST: seen from the source' '"svm_vault:new"'
  rest "relationships/$uuid?return_timeout=20" DELETE
  check_eq 'REST: delete' "$CODE" 200
  check_eq 'REST: and the source is free' "$(own svm1 other)" 0
  rest "relationships/$uuid"
  check_eq 'REST: gone' "$CODE $(cell .error.code)" '404 4'

  # restore of files
  SVM1=(-u admin:secret -H 'X-Dot-SVM-Name: svm1')
  rst() { R=$(fetch "${SVM1[@]}" -X "${2:-GET}" ${3:+-d "$3"} -w '\n%{http_code}' "$URL_one/api/snapmirror/$1"); CODE=${R##*$'\n'}; }
  rst 'relationships?return_timeout=20' POST '{"source":{"path":"svm_vault:vault"},"destination":{"path":"svm1:back"},"restore":true}'
  check_eq 'REST: a relationship for a restore' "$CODE" 201
  rst 'relationships?destination.path=svm1:back'
  uuid=$(cell '.records[0].uuid')
  rst "relationships/$uuid/transfers" POST '{"source_snapshot":"kvm2","files":[]}'
  check_eq 'REST: an empty list of files' "$(cell .error.code)" 13303846
  rst "relationships/$uuid/transfers" POST '{"source_snapshot":"kvm2","files":[{"source_path":"/../x"}]}'
  check_eq 'REST: a path that leads out' "$(cell .error.code)" 13303847
  echo keep >"$d/one/svm1/back/other.txt"
  rst "relationships/$uuid/transfers" POST '{"source_snapshot":"kvm2","files":[{"source_path":"/vm/disk.img","destination_path":"/vm/restored.img"}]}'
  check_eq 'REST: files out of a vault' "$CODE" 201
  for _ in $(seq 600); do
    rst "relationships/$uuid?fields=transfer"
    [ "$(cell .transfer.state)" = transferring ] || break
    sleep 0.05
  done
  check_eq 'REST: done' "$(cell .transfer.state)" success
  check_eq 'REST: the file has the snapshot'\''s bytes' "$(sum "$d/one/svm1/back/vm/restored.img")" "$(sum "$d/one/svm_vault/vault/.snapshot/kvm2/vm/disk.img")"
  check_eq 'REST: nothing else was touched' "$(cat "$d/one/svm1/back/other.txt")" keep
  for _ in $(seq 600); do
    rst "relationships/$uuid"
    [ "$CODE" = 404 ] && break
    sleep 0.1
  done
  check_eq 'REST: the relationship is gone afterwards' "$CODE" 404
  rst 'relationships?return_timeout=20' POST '{"source":{"path":"svm_vault:vault"},"destination":{"path":"svm1:back"},"restore":true}'
  rst 'relationships?destination.path=svm1:back'
  uuid=$(cell '.records[0].uuid')
  rst "relationships/$uuid/transfers" POST '{"source_snapshot":"kvm2","files":[{"source_path":"/vm/nothing"}]}'
  for _ in $(seq 600); do
    rst "relationships/$uuid?fields=transfer,healthy"
    [ "$(cell .transfer.state)" = transferring ] || break
    sleep 0.05
  done
  check_eq 'REST: a file that is missing fails late' "$(cell '"\(.transfer.state) \(.healthy)"')" 'failed false'
else
  skip 'REST' 'needs jq'
fi

sim_stop one
check_eq 'the first ends well' $? 0
sim_stop two
check_eq 'the second ends well' $? 0
finish
