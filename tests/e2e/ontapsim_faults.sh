#!/bin/bash
# The ONTAP simulator's faults, as curl sees them: HTTP statuses, resets, damaged replies, jobs that end badly.
# usage: tests/e2e/ontapsim_faults.sh [BUILD_DIR]
# shellcheck disable=SC2154 # sim_start sets URL_NAME
set -u
# shellcheck source=../lib/ontapsim.sh
. "$(dirname "$(realpath "$0")")/../lib/ontapsim.sh"
cat >"$d/sim.json" <<EOF
{ "listen": "127.0.0.1:0", "root": "$d/root", "http": true,
  "users": [ { "name": "admin", "password": "secret" } ],
  "svms": [ { "name": "svm1", "volumes": [ { "name": "vol1", "size": 10485760 }, { "name": "vol2", "size": 10485760 } ] } ] }
EOF
sim_start main "$d/sim.json"
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
fault '{"match":"snapshot-create","action":"job_fail","errno":13001,"reason":"It broke.","ms":4000}'
svm "$create"
check_eq 'job_fail: the reply is in progress' "$(field result-status)" in_progress
id=$(field result-jobid)
job "$id"
check_eq 'job_fail: it runs' "$(field job-state)" running
for _ in $(seq 600); do
  job "$id"
  if [ "$(field job-state)" = running ]; then sleep 0.1; else break; fi
done
check_eq 'job_fail: and fails' "$(field job-state) $(field job-status-code) $(field job-completion)" 'failure 13001 It broke.'
svm "$list"
hasnt 'job_fail: nothing was done' '<name>s1</name>'
fault '{"match":"snapshot-create","action":"job_lost","after":true}'
svm "$create"
id=$(field result-jobid)
sleep 0.2
job "$id"
fails 'job_lost: the job is gone' 15661
svm "$list"
has 'job_lost after: but the work was done' '<name>s1</name>'

# --- iterators -----------------------------------------------------------------------------------
fault '{"match":"volume-get-iter","action":"repeat"}'
svm '<volume-get-iter><max-records>1</max-records></volume-get-iter>'
tag=$(sed -n 's:.*<next-tag>\(.*\)</next-tag>.*:\1:p' <<<"$R")
svm "<volume-get-iter><max-records>1</max-records><tag>$tag</tag></volume-get-iter>"
check_eq 'repeat: the tag comes back' "$(sed -n 's:.*<next-tag>\(.*\)</next-tag>.*:\1:p' <<<"$R")" "$tag"

# --- REST ----------------------------------------------------------------------------------------
# rest PATH [CURL-OPTION...]: headers and body in $R
rest() { R=$(fetch -i -u admin:secret -H 'X-Dot-SVM-Name: svm1' "${@:2}" "$URL_main/api$1"); }
fault '{"match":"GET /storage/*","action":"http","status":429,"retry_after":3,"count":1}'
rest '/storage/volumes?name=vol1'
has 'REST: HTTP 429' 'HTTP/1.1 429 '
has 'REST: with Retry-After' 'Retry-After: 3'
has 'REST: and a code' '"code":"262160"'
rest '/storage/volumes?name=vol1'
uuid=$(sed -n 's/.*"uuid":"\([0-9a-f-]*\)".*/\1/p' <<<"$R" | head -1)
for status in 401:6691623 403:6 404:4 503:8; do
  fault "{\"match\":\"*\",\"action\":\"http\",\"status\":${status%:*}}"
  rest /storage/volumes
  has "REST: HTTP ${status%:*}" "\"code\":\"${status#*:}\""
done
fault '{"match":"POST /storage/volumes/{uuid}/snapshots","action":"error","code":1638555,"status":409,"volume":"vol1"}'
rest "/storage/volumes/$uuid/snapshots" -d '{"name":"s9"}'
has 'REST: an error by code' '"code":"1638555"'
has 'REST: and by status' 'HTTP/1.1 409 '
fault '{"match":"POST /storage/volumes/*","action":"nospace"}'
rest "/storage/volumes/$uuid/snapshots" -d '{"name":"s9"}'
has 'REST: the code that goes with the errno' '"code":"524479"'
fault '{"match":"*","action":"suspended"}'
rest /storage/volumes
has 'REST: goes on when ZAPI is suspended' 'HTTP/1.1 200 '
fault '{"match":"POST /storage/*","action":"job_fail","code":1638555,"reason":"It broke.","ms":4000}'
rest "/storage/volumes/$uuid/snapshots" -d '{"name":"s9"}'
has 'REST: job_fail answers with a job' 'HTTP/1.1 202 '
job=$(sed -n 's:.*"/api/cluster/jobs/\([0-9a-f-]*\)".*:\1:p; s/.*"job":{"uuid":"\([0-9a-f-]*\)".*/\1/p' <<<"$R" | head -1)
rest "/cluster/jobs/$job"
has 'REST: that runs' '"state":"running"'
for _ in $(seq 600); do
  rest "/cluster/jobs/$job"
  case $R in *'"state":"running"'*) sleep 0.1 ;; *) break ;; esac
done
has 'REST: and fails' '"state":"failure"'
has 'REST: with the code' '"code":1638555'
rest "/storage/volumes/$uuid/snapshots?name=s9"
has 'REST: nothing was done' '"num_records":0'
fault '{"match":"POST /storage/*","action":"job_lost","after":true}'
rest "/storage/volumes/$uuid/snapshots" -d '{"name":"s9"}'
job=$(sed -n 's/.*"uuid":"\([0-9a-f-]*\)".*/\1/p' <<<"$R" | head -1)
sleep 0.2
rest "/cluster/jobs/${job:-none}"
has 'REST: job_lost: the job is gone' 'HTTP/1.1 404 '
for _ in $(seq 20); do
  rest "/storage/volumes/$uuid/snapshots?name=s9"
  case $R in *'"num_records":1'*) break ;; esac
  sleep 0.1
done
has 'REST: but the work was done' '"num_records":1'
fault '{"match":"*","action":"control"}'
rest /cluster
check_eq 'REST: a control character in a value' "$(grep -c $'"name":"[\x01\x0b\x1f]cl1"' <<<"$R")" 1
first=$(fault '{"match":"*","action":"mutate","seed":5}'; fetch -u admin:secret "$URL_main/api/cluster" | sha256sum)
check_eq 'REST: damage is the same for the same seed' "$(fault '{"match":"*","action":"mutate","seed":5}'; fetch -u admin:secret "$URL_main/api/cluster" | sha256sum)" "$first"
control "$URL_main" DELETE faults
check_not 'REST: and damage' [ "$(fetch -u admin:secret "$URL_main/api/cluster" | sha256sum)" = "$first" ]

# --- calls that wait until they are let go ---------------------------------------------------------
control "$URL_main" POST faults '{"match":"system-get-version","action":"hold"}'
zapi "$URL_main" admin:secret '<system-get-version/>' >/dev/null &
zapi "$URL_main" admin:secret '<system-get-ontapi-version/>'
has 'a call that is held leaves the others alone' 'status="passed"'
held() { control "$URL_main" GET faults; case $R in *'"hits":1'*) ;; *) return 1 ;; esac; }
for _ in $(seq 600); do held && break; sleep 0.1; done
check 'it waits' kill -0 $!
control "$URL_main" DELETE faults
wait $!
check_eq 'and is carried out when its rule is gone' $? 0
control "$URL_main" PUT pace '{"restore_ms":1,"speed":2}'
has 'a pace that is none' 'restore_ms, transfer_ms'

# --- mistakes ------------------------------------------------------------------------------------
control "$URL_main" POST faults '{"match":"*","action":"http"}'
has 'http needs a status' 'needs \"status\"'
control "$URL_main" POST faults '{"match":"*","action":"redirect"}'
has 'redirect needs a location' 'needs \"location\"'
control "$URL_main" POST faults '{"match":"*","action":"explode"}'
has 'an unknown action' 'key \"action\" is unknown or has a bad value'

sim_stop main
check_eq 'it ends well' $? 0

# --- what a server may do, on demand -------------------------------------------------------------
sed 's/"http": true/&, "mixed_quotes": true, "connection_requests": 2, "idle_seconds": 20/' "$d/sim.json" >"$d/odd.json"
sim_start odd "$d/odd.json"
url=$URL_odd/servlets/netapp.servlets.admin.XMLrequest_filer
unknown='<netapp version="1.21" xmlns="http://www.netapp.com/filer/admin"><no-such-call/></netapp>'
R=$(for _ in 1 2 3 4 5 6; do fetch -u admin:secret -d "$unknown" "$url"; done)
check_eq 'mixed quotes and orders' "$(grep -o '<results.*' <<<"$R" | sort -u | wc -l)" 6
R=$(fetch -o /dev/null -o /dev/null -o /dev/null -w '%{num_connects} ' -u admin:secret -d "$version" "$url" "$url" "$url")
check_eq 'a connection ends after so many requests' "$R" '1 0 1 '
sim_stop odd
finish
