#!/bin/bash
# pingController: what it finds out about a controller, what it says to do, and that it changes nothing on the way.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
requires curl jq openssl setpriv
world_up '' bare

# sim_with JQ: the simulator with another config, and a config of moonsnap for it.
sim_with() {
  if [ -n "$SIM_PID" ]; then sim_stop; fi
  sim_config "$WORLD_DIR/sim.json" "$1"
  sim_start
  moon_conf "${@:2}"
}
ping() { moon pingController "$@"; }
# row CHECK: "RESULT DETAIL" of that row on stdout of the last run; of the first controller that has it
row() { jq -r --arg c "$1" '[.[].rows[] | select(.check == $c)][0] | "\(.status) \(.detail)"' "$OUT"; }
remedy() { jq -r --arg c "$1" '[.[].rows[] | select(.check == $c)][0].remedy // ""' "$OUT"; }
like() { # name, text, regex
  if [[ $2 =~ $3 ]]; then ok "$1"; else not_ok "$1" "got:  $2" "want: $3"; fi
}
bad_rows() { jq -r '[.[].rows[] | select(.status != "ok") | .check] | join(",")' "$OUT"; }
refused_logins() { sim_requests | jq '[.log[] | select(.status == "unauthorized")] | length'; }

# --- all is well ---

sim_with .
check_exit 'a controller that can be used' 0 ping
said 'as a table' '^svm1 +certificate +ok +subject CN = cl1, issuer CN = cl1, until [0-9-]{10}; verified by ONTAP_CA_FILE'
said 'which transport is used' '^svm1 +ONTAPI +ok +active; used'
check_no_match 'nothing is to be done' "$OUT" 'What to do'
check_exit 'the same as a document' 0 ping --json
check_eq 'every row is well' "$(bad_rows)" ''
like 'the version' "$(row version)" '^ok ONTAP 9\.14\.1$'
like 'the other transport answers, too' "$(row REST)" '^ok active$'
like 'the scope' "$(row scope)" '^ok SVM$'
like 'the SVM' "$(row SVM)" '^ok svm1$'
like 'its LIFs' "$(row LIFs)" '^ok lif1 127\.0\.0\.1$'
like 'its volumes' "$(row volumes)" '^ok 2 seen, 2 of the config$'
check_eq 'no snapshot came of it' "$(snapshots vol1; snapshots vol2)" ''
check_eq 'what was tried failed, as it must' "$(sim_requests | jq -r '[.log[] | select(.changing and .status == "passed")] | length')" 0
moon_conf ONTAP_API=rest
check_exit 'over REST' 0 ping --json
like 'REST is used' "$(row REST)" '^ok active; used$'
like 'ONTAPI answers, too' "$(row ONTAPI)" '^ok active$'
check_eq 'over REST every row is well' "$(bad_rows)" ''
check_eq 'no snapshot came of that either' "$(snapshots vol1; snapshots vol2)" ''
for api in zapi rest; do
  moon_conf ONTAP_API=$api NTAP_NUM_VOL_CLONES=2 NTAP_CLONE_IGROUP_MAP=svm1:vol1/none NTAP_NFS_EXPORT_HOST=192.0.2.7
  check_exit "$api: with clones in the config" 0 ping --json
  check_eq "$api: every row is well" "$(bad_rows)" ''
  # a change of all volumes of a name that no volume has passes, and changes none
  check_eq "$api: what was tried failed, as it must" "$(sim_requests |
    jq -r '[.log[] | select(.changing and .status == "passed" and .call != "volume-modify-iter")] | length')" 0
done
said 'the rights that clones need are among them' 'map LUNs|lun-maps'
moon_conf
check_exit 'a dry run tries no change' 1 ping --dry-run
check_eq 'and asks for none' "$(sim_requests | jq -r '[.log[] | select(.changing)] | length')" "$(sim_requests | jq -r .changing)"

# --- the way there ---

moon_conf MANAGEMENT_INTERFACES=svm1:no-such-host.invalid
check_exit 'a name that does not resolve' 1 ping --json
like 'is said' "$(row address)" "^missing 'no-such-host.invalid' does not resolve"
like 'with what to do' "$(remedy address)" 'MANAGEMENT_INTERFACES'
check_eq 'and nothing else is tried' "$(jq -r '.[0].rows | length' "$OUT")" 1

moon_conf PORT=1
check_exit 'a closed port' 1 ping --json
like 'a closed port is said' "$(row certificate)" '^missing .*127\.0\.0\.1'

moon_conf ONTAP_CA_FILE=
check_exit 'a certificate that nobody vouches for' 1 ping --json
like 'is described' "$(row certificate)" '^missing subject CN = cl1, issuer CN = cl1, until .*: .*self.signed'
like 'with how to trust it' "$(remedy certificate)" 'ONTAP_CA_FILE'
check_eq 'and no login is sent' "$(row login)" 'null null'

pin=sha256//$(openssl x509 -in "$SIM_CA" -pubkey -noout | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64)
moon_conf ONTAP_CA_FILE= ONTAP_PIN="$pin"
check_exit 'a pinned key' 0 ping --json
like 'vouches' "$(row certificate)" '^ok .*verified by ONTAP_PIN$'
moon_conf ONTAP_CA_FILE= "ONTAP_PIN=svm1:sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
check_exit 'another key than the pinned one' 1 ping --json
like 'is refused' "$(row certificate)" '^missing .*pinned'

# certificate NAME SUBJECT-ALTERNATIVE: a self-signed one for two days
certificate() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "/CN=$1" -addext "subjectAltName=$2" \
    -keyout "$WORLD_DIR/$1.key" -out "$WORLD_DIR/$1.pem" 2>/dev/null
  chmod a+r "$WORLD_DIR/$1.key" "$WORLD_DIR/$1.pem"
}
certificate soon IP:127.0.0.1
sim_with ".cert = \"$WORLD_DIR/soon.pem\" | .key = \"$WORLD_DIR/soon.key\"" ONTAP_CA_FILE="$WORLD_DIR/soon.pem"
check_exit 'a certificate that ends soon' 0 ping --json
like 'is warned of' "$(row certificate)" '^warning subject CN = soon, .*verified by ONTAP_CA_FILE$'
like 'with what to do about it' "$(remedy certificate)" 'renew it'
certificate other DNS:elsewhere.example
sim_with ".cert = \"$WORLD_DIR/other.pem\" | .key = \"$WORLD_DIR/other.key\"" ONTAP_CA_FILE="$WORLD_DIR/other.pem"
check_exit 'a certificate for another name' 1 ping --json
like 'is refused as that' "$(row certificate)" "^missing subject CN = other, .*(does not match|no alternative)"
check_eq 'and gets no login' "$(curl -sSk "$SIM_URL/sim/requests" | jq .total)" 0

sim_with '.http = true' ONTAP_CA_FILE=
check_exit 'HTTPS to a port that speaks HTTP' 1 ping --json
like 'is told apart' "$(row certificate); $(remedy certificate)" '^missing .*; check PORT and TRANSPORT$'
sim_with '.http = true' TRANSPORT=HTTP ONTAP_CA_FILE=
check_exit 'plain HTTP' 0 ping --json
like 'plain HTTP is warned of' "$(row certificate)" '^warning none: TRANSPORT=HTTP, passwords cross the network in clear$'
check_match 'in the log as well' "$ERR" 'TRANSPORT: with HTTP passwords cross the network in clear'
sim_with '.listen = "[::1]:0"' 'MANAGEMENT_INTERFACES=svm1:[::1]'
check_exit 'an IPv6 address' 0 ping --json
like 'an IPv6 address is reached' "$(row address)" '^ok ::1 port '
sim_with .

# --- the login ---

moon_conf NTAP_USERS=svm1:vsadmin/geheim7
before=$(refused_logins)
check_exit 'a wrong password' 1 ping --json
like 'a wrong password is said' "$(row login)" "^missing user 'vsadmin'"
check_eq 'and tried once' $(($(refused_logins) - before)) 1
check_no_match 'the password is not shown' "$OUT" geheim7

moon_conf
sim_fault '{"match": "system-get-version", "action": "garbage"}'
check_exit 'something that is no controller' 1 ping --json
like 'is not taken for one' "$(row login)" '^missing .*svm1'
sim_faults_clear
sim_fault '{"match": "GET /cluster", "action": "auth"}'
before=$(sim_requests | jq '.calls["GET /cluster"] // 0')
check_exit 'an account for ONTAPI only' 0 ping --json
like 'works over that' "$(row ONTAPI)" '^ok active; used$'
like 'and is said not to be for the other' "$(row REST); $(remedy REST)" '^warning login: .*; security login create .* -application http '
check_eq 'which took one refused login' $(($(sim_requests | jq '.calls["GET /cluster"] // 0') - before)) 1
sim_faults_clear

# --- transports ---

sim_with '.cluster.zapi = "suspended"'
check_exit 'ONTAPI is suspended' 0 ping --json
like 'REST is taken' "$(row REST)" '^ok active; used$'
like 'that it is suspended' "$(row ONTAPI)" '^warning suspended'
like 'how it comes back' "$(remedy ONTAPI)" 'system services web ontapi modify -suspended false'
sim_with '.cluster.rest = false'
check_exit 'no REST' 0 ping --json
like 'REST is absent' "$(row REST)" '^warning absent'

# --- scope ---

sim_with '.svms[0].lifs += [{ name: "lif2", address: "127.0.0.3" }]' NTAP_USERS=svm1:admin/secret
check_exit 'the login of a cluster in place of an SVM' 1 ping --json
like 'is said to be one' "$(row scope)" "^missing cluster 'cl1'"
like 'with what to write' "$(remedy scope)" 'VSERVER_TUNNEL_ENABLED=Y'
tunnel=(VSERVER_TUNNEL_ENABLED=Y CMODE_CLUSTER_NAME=cl1 CMODE_CLUSTER_USERS=cl1:admin/secret NTAP_USERS=)
moon_conf "${tunnel[@]}" MANAGEMENT_INTERFACES=cl1:127.0.0.1
check_exit 'through the cluster' 0 ping --json
like 'the scope is the cluster' "$(row scope)" "^ok cluster 'cl1'$"
check_eq 'both have rows' "$(jq -r '[.[].controller] | join(",")' "$OUT")" cl1,svm1
moon_conf "${tunnel[@]}" 'MANAGEMENT_INTERFACES=cl1:127.0.0.1' 'VOLUMES=127.0.0.3:vol1'
check_exit 'an SVM by the address of a LIF' 0 ping --json
like 'is found' "$(row SVM)" '^ok svm1$'
moon_conf "${tunnel[@]}" 'MANAGEMENT_INTERFACES=cl1:127.0.0.1;storage:127.0.0.3' 'VOLUMES=storage:vol1' ONTAP_API=rest
check_exit 'an SVM by a name of ours, over REST' 0 ping --json
like 'is found over REST' "$(row SVM)" '^ok svm1$'
moon_conf "${tunnel[@]}" 'MANAGEMENT_INTERFACES=cl1:127.0.0.1' 'VOLUMES=127.0.0.9:vol1'
check_exit 'an SVM that the cluster does not have' 1 ping --json
like 'is named' "$(row SVM)" "controller '127.0.0.9': cluster 'cl1' has no SVM of this name, and no LIF with its address"

# --- inside ---

moon_conf VOLUMES=svm1:vol1,vol7 NTAP_USERS=svm1:vsadmin/secret
check_exit 'a volume that is not there' 1 ping --json
like 'a volume that is not there is named' "$(row volumes)" '^missing not found: vol7$'
for api in zapi rest; do
  moon_conf NTAP_USERS=svm1:reader/secret ONTAP_API=$api
  sim_with '.roles = { reader: { commands: [ { command: "DEFAULT", access: "readonly" } ],
    rest: [ { api: "/api/*", access: "readonly" } ] } }
    | .users += [{ name: "reader", password: "secret", svm: "svm1", role: "reader" }]' \
    NTAP_USERS=svm1:reader/secret ONTAP_API=$api
  check_exit "$api: an account that only reads" 1 ping --json
  luns=''
  if [ $api = rest ]; then luns='may restore LUNs,'; fi
  check_eq "$api: what it lacks" "$(bad_rows)" \
    "may create snapshots,may delete snapshots,may restore files,${luns}may write events"
  check_eq "$api: events are no must" "$(row 'may write events' | cut -d' ' -f1)" warning
  like "$api: how it is granted" "$(remedy 'may create snapshots')" \
    '^security login (role|rest-role) create -vserver svm1 -role ROLE -(cmddirname "volume snapshot create" -access all|api "/api/storage/volumes/\*/snapshots" -access read_create)$'
  check_exit "$api: the same in words" 1 ping
  said "$api: with a list of what to do" '^  svm1, may restore files: security login '
done

# The narrower grant: files come back by the one command, and no volume may be changed.
sim_with '.roles = { narrow: { rest: [ { api: "/api/*", access: "readonly" },
    { api: "/api/storage/volumes/*/snapshots", access: "all" },
    { api: "/api/private/cli/volume/snapshot/restore-file", access: "all" } ] } }
  | .users += [{ name: "narrow", password: "secret", svm: "svm1", role: "narrow" }]' \
  NTAP_USERS=svm1:narrow/secret ONTAP_API=rest
check_exit 'an account that may restore by one command: enough' 0 ping --json
check_eq 'what it lacks is no must' "$(bad_rows)" 'may restore LUNs,may write events'

# The wider one is of no use where the account may not read the release: an old one could take the request for a revert.
wide='.roles = { wide: { rest: [ { api: "/api/svm/*", access: "readonly" }, { api: "/api/network/*", access: "readonly" },
    { api: "/api/cluster/jobs", access: "readonly" }, { api: "/api/storage/*", access: "all" } ] } }
  | .users += [{ name: "wide", password: "secret", svm: "svm1", role: "wide" }]'
sim_with "$wide" NTAP_USERS=svm1:wide/secret ONTAP_API=rest
check_exit 'an account that may change volumes and not read the release: not enough' 1 ping --json
like 'how it can restore is said' "$(remedy 'may restore files')" 'restore-file'
sim_with "$wide | .roles.wide.rest += [{ api: \"/api/cluster\", access: \"readonly\" }]" NTAP_USERS=svm1:wide/secret ONTAP_API=rest
check_exit 'one that may read it: enough' 0 ping --json

# --- a certificate for a password ---

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=backup \
  -keyout "$WORLD_DIR/key.pem" -out "$WORLD_DIR/cert.pem" 2>/dev/null
chmod a+r "$WORLD_DIR/cert.pem"
for api in zapi rest; do
  sim_with ".client_ca = \"$WORLD_DIR/cert.pem\" | .users += [{ name: \"backup\", cert: \"backup\", svm: \"svm1\" }]" \
    NTAP_USERS=svm1:backup "ONTAP_CERT=$WORLD_DIR/cert.pem" "ONTAP_KEY=$WORLD_DIR/key.pem" ONTAP_API=$api
  check_exit "$api: login by certificate" 0 ping --json
  like "$api: which one" "$(row login)" '^ok certificate /.*cert\.pem$'
done
finish
