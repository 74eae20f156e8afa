#!/bin/bash
# The ONTAP simulator's faults, as curl sees them: HTTP statuses, resets, damaged replies, jobs that end badly.
# usage: tests/e2e/ontapsim_faults.sh [BUILD_DIR]
# shellcheck disable=SC2154 # sim_start sets URL_NAME
set -u
here=$(dirname "$(realpath "$0")")
# shellcheck source=../lib/check.sh
. "$here/../lib/check.sh"
# shellcheck source=../lib/ontapsim.sh
. "$here/../lib/ontapsim.sh"
sim=${1:-build}/ontapsim
[ -x "$sim" ] || { not_ok 'the simulator is built' "$sim is missing"; finish; }
d=$SIM_DIR
cat >"$d/sim.json" <<EOF
{ "listen": "127.0.0.1:0", "root": "$d/root", "http": true,
  "users": [ { "name": "admin", "password": "secret" } ],
  "svms": [ { "name": "svm1", "volumes": [ { "name": "vol1", "size": 10485760 }, { "name": "vol2", "size": 10485760 } ] } ] }
EOF
sim_start main "$d/sim.json" || { not_ok 'the simulator starts'; finish; }
url=$URL_main/servlets/netapp.servlets.admin.XMLrequest_filer
version='<netapp version="1.21" xmlns="http://www.netapp.com/filer/admin"><system-get-version/></netapp>'

fault() { control "$URL_main" DELETE faults; control "$URL_main" POST faults "$1"; }
# ask CURL-OPTION...: one call with its headers
ask() { R=$(fetch -i -u admin:secret -d "$version" "$@" "$url"); }
svm() { zapi "$URL_main" admin:secret "$1" 'vfiler="svm1"'; }

# --- HTTP ----------------------------------------------------------------------------------------
for status in 401 403 404 429 500 503; do
  fault "{\"match\":\"*\",\"action\":\"http\",\"status\":$status,\"retry_after\":7,\"count\":1}"
  ask
  has "HTTP $status" "HTTP/1.1 $status "
  has "HTTP $status has Retry-After" 'Retry-After: 7'
  ask
  has "HTTP $status only once" 'HTTP/1.1 200 '
done
fault '{"match":"*","action":"redirect","location":"https://127.0.0.1:1/elsewhere"}'
ask
has 'a redirect' 'HTTP/1.1 302 '
has 'to another host' 'Location: https://127.0.0.1:1/elsewhere'
fault '{"match":"system-*","action":"suspended"}'
ask
has 'suspended' 'errno="61253"'
svm '<volume-get-iter/>'
passes 'a pattern leaves other calls alone'

# --- connections ---------------------------------------------------------------------------------
fault '{"match":"*","action":"reset","reused":true}'
ask
has 'a fresh connection is served' 'HTTP/1.1 200 '
control "$URL_main" DELETE requests
fetch -u admin:secret -d "$version" "$url" "$url" >/dev/null # curl asks again on a new connection
control "$URL_main" GET requests
check_eq 'its second request is reset' "$(grep -o '"status":"[a-z]*"' <<<"$R" | cut -d'"' -f4 | xargs)" 'passed dropped passed'
fault '{"match":"*","action":"drop"}'
ask
has 'a dropped connection' '(52)'
fault '{"match":"*","action":"truncate"}'
ask
has 'half a reply' '(18)'

# --- replies -------------------------------------------------------------------------------------
fault '{"match":"*","action":"control"}'
ask
check_eq 'a control character in a value' "$(grep -c $'<version>[\x01\x0b\x1f]NetApp Release' <<<"$R")" 1
fault '{"match":"*","action":"garbage"}'
R=$(fetch -u admin:secret -d "$version" "$url" | tr -d '\0')
hasnt 'garbage is no reply' '</netapp>'
# damage SEED: the sums of five damaged replies
damage() {
  fault "{\"match\":\"*\",\"action\":\"mutate\",\"seed\":$1}"
  for _ in 1 2 3 4 5; do fetch -u admin:secret -d "$version" "$url" | sha256sum; done
}
first=$(damage 1)
check_eq 'damage is the same for the same seed' "$(damage 1)" "$first"
check_not 'and another for another seed' [ "$(damage 2)" = "$first" ]
check_eq 'and another each time' "$(sort -u <<<"$first" | wc -l)" 5
control "$URL_main" DELETE faults
check_not 'and damage' grep -qF "$(fetch -u admin:secret -d "$version" "$url" | sha256sum)" <<<"$first"

# --- jobs ----------------------------------------------------------------------------------------
create='<snapshot-create><volume>vol1</volume><snapshot>s1</snapshot></snapshot-create>'
list='<snapshot-get-iter><query><snapshot-info><volume>vol1</volume></snapshot-info></query></snapshot-get-iter>'
job() { svm "<job-get><job-id>$1</job-id></job-get>"; }
fault '{"match":"snapshot-create","action":"job_fail","errno":13001,"reason":"It broke.","ms":700}'
svm "$create"
check_eq 'job_fail: the reply is in progress' "$(field result-status)" in_progress
id=$(field result-jobid)
job "$id"
check_eq 'job_fail: it runs' "$(field job-state)" running
sleep 0.8
job "$id"
check_eq 'job_fail: and fails' "$(field job-state) $(field job-status-code) $(field job-completion)" 'failure 13001 It broke.'
svm "$list"
hasnt 'job_fail: nothing was done' '<name>s1</name>'
fault '{"match":"snapshot-create","action":"job_lost","after":true}'
svm "$create"
job "$(field result-jobid)"
fails 'job_lost: the job is gone' 15661
svm "$list"
has 'job_lost after: but the work was done' '<name>s1</name>'

# --- iterators -----------------------------------------------------------------------------------
fault '{"match":"volume-get-iter","action":"repeat"}'
svm '<volume-get-iter><max-records>1</max-records></volume-get-iter>'
tag=$(sed -n 's:.*<next-tag>\(.*\)</next-tag>.*:\1:p' <<<"$R")
svm "<volume-get-iter><max-records>1</max-records><tag>$tag</tag></volume-get-iter>"
check_eq 'repeat: the tag comes back' "$(sed -n 's:.*<next-tag>\(.*\)</next-tag>.*:\1:p' <<<"$R")" "$tag"

# --- mistakes ------------------------------------------------------------------------------------
control "$URL_main" POST faults '{"match":"*","action":"http"}'
has 'http needs a status' 'needs \"status\"'
control "$URL_main" POST faults '{"match":"*","action":"redirect"}'
has 'redirect needs a location' 'needs \"location\"'
control "$URL_main" POST faults '{"match":"*","action":"explode"}'
has 'an unknown action' 'key \"action\" is unknown or has a bad value'

sim_stop main
check_eq 'it ends well' $? 0
finish
