#!/bin/bash
# The ONTAP simulator on its own: LIFs and their scope, roles, certificate logins, version profiles.
# usage: tests/e2e/ontapsim_scope.sh [BUILD_DIR]
# shellcheck disable=SC2154 # sim_start sets URL_NAME
set -u
here=$(dirname "$(realpath "$0")")
# shellcheck source=../lib/ontapsim.sh
. "$(dirname "$(realpath "$0")")/../lib/ontapsim.sh"

# config NAME SED-EXPRESSION...: a variation of the ordinary configuration
config() {
  local name=$1
  shift
  sed "${@/#/-e}" -e '' >"$d/$name.json" <<EOF
{ "listen": "127.0.0.1:0", "root": "$d/root",
  "cluster": { "name": "cl1" },
  "users": [ { "name": "admin", "password": "secret" },
             { "name": "vsadmin", "password": "one", "svm": "svm1" },
             { "name": "vsadmin", "password": "two", "svm": "svm2-mc" },
             { "name": "backup", "password": "secret", "svm": "svm1", "role": "kvm_backup" },
             { "name": "reader", "password": "secret", "svm": "svm1", "role": "reader" },
             { "name": "none", "password": "secret", "svm": "svm1", "role": "nothing" } ],
  "roles": {
    "kvm_backup": {
      "commands": [ { "command": "volume snapshot", "access": "all" },
                    { "command": "volume snapshot delete", "access": "none" },
                    { "command": "volume show", "access": "readonly" },
                    { "command": "version", "access": "readonly" } ],
      "rest": [ { "api": "/api/storage/volumes", "access": "readonly" },
                { "api": "/api/storage/volumes/*/snapshots", "access": "read_create" } ] },
    "reader": { "commands": [ { "command": "DEFAULT", "access": "readonly" },
                              { "command": "network interface", "access": "none" } ] },
    "nothing": {} },
  "svms": [
    { "name": "svm1",
      "lifs": [ { "name": "mgmt", "listen": "127.0.0.1:0", "services": ["management"] },
                { "name": "nfs1", "address": "127.0.0.3", "services": ["nfs"], "up": false },
                { "name": "fc1", "services": ["fcp"], "wwpn": "20:01:00:a0:98:f1:00:01" } ],
      "volumes": [ { "name": "vol1", "size": 10485760, "junction": "/vol1" } ] },
    { "name": "svm2-mc", "lifs": [ { "name": "mgmt2", "listen": "127.0.0.1:0" } ],
      "volumes": [ { "name": "vol2", "size": 10485760 } ] } ] }
EOF
}

# --- LIFs and scope ------------------------------------------------------------------------------
config main
sim_start main "$d/main.json"
SIM_CA=(--cacert "$d/root/.ontapsim/cert.pem")
cluster=$URL_main svm1=$(sim_lif main mgmt) svm2=$(sim_lif main mgmt2)
check_eq 'the first line is the cluster LIF' "$(head -1 "$d/main.out")" "ontapsim: listening on $cluster"
check_eq 'each SVM listener has a line' "$(grep -c '^ontapsim: LIF' "$d/main.out")" 2

volumes='<volume-get-iter/>'
zapi "$cluster" admin:secret "$volumes"
has 'a cluster administrator sees every SVM' '<name>vol2</name>'
has 'all of them' '<name>vol1</name>'
zapi "$cluster" admin:secret "$volumes" 'vfiler="svm1"'
hasnt 'vfiler: one SVM' '<name>vol2</name>'
zapi "$cluster" admin:secret "$volumes" 'vfiler="nobody"'
fails 'vfiler: an unknown SVM' 15698
zapi "$cluster" admin:secret "$volumes" 'vfiler="svm2"'
fails 'after a switch-over the old name is unknown' 15698
zapi "$cluster" admin:secret "$volumes" 'vfiler="svm2-mc"'
has 'the name with -mc is known' '<name>vol2</name>'
zapi "$svm1" vsadmin:one "$volumes"
has 'an SVM LIF has its SVM' '<name>vol1</name>'
hasnt 'and no other' '<name>vol2</name>'
zapi "$svm1" vsadmin:one "$volumes" 'vfiler="svm1"'
passes 'naming the own SVM does no harm'
zapi "$svm1" vsadmin:one "$volumes" 'vfiler="svm2-mc"'
fails 'another SVM is out of reach' 15698
check_eq 'the account of another SVM is 401' "$(code -u vsadmin:two -d x "$svm1/servlets/netapp.servlets.admin.XMLrequest_filer")" 401
check_eq 'the cluster administrator is 401 there' "$(code -u admin:secret -d x "$svm1/servlets/netapp.servlets.admin.XMLrequest_filer")" 401
zapi "$svm2" vsadmin:two '<vserver-get-iter/>'
check_eq 'an SVM LIF tells which SVM it is' "$(field vserver-name)" svm2-mc
zapi "$svm1" vsadmin:one '<cluster-identity-get/>'
fails 'a call of the cluster on an SVM LIF' 13005
zapi "$cluster" admin:secret '<cluster-identity-get/>'
has 'the same on the cluster LIF' '<cluster-name>cl1</cluster-name>'

lif() { zapi "$cluster" admin:secret "<net-interface-get-iter><query><net-interface-info><interface-name>$1</interface-name></net-interface-info></query></net-interface-get-iter>"; }
lif mgmt
has 'a LIF for calls only' '<data-protocol>none</data-protocol>'
has 'its firewall policy' '<firewall-policy>mgmt</firewall-policy>'
check_eq 'its address' "$(field address)" 127.0.0.1
lif nfs1
has 'a LIF for NFS' '<data-protocols><data-protocol>nfs</data-protocol></data-protocols>'
has 'a LIF that is down' '<operational-status>down</operational-status>'
lif fc1
has 'a Fibre Channel LIF has a WWPN' '<wwpn>20:01:00:a0:98:f1:00:01</wwpn>'
hasnt 'and no address' '<address>'

# --- roles ---------------------------------------------------------------------------------------
backup() { zapi "$svm1" backup:secret "$1"; }
backup '<system-get-version/>'
passes 'role: version'
backup '<volume-get-iter/>'
passes 'role: a show command is readonly'
backup '<snapshot-create><volume>vol1</volume><snapshot>s1</snapshot></snapshot-create>'
passes 'role: a command directory holds its commands'
backup '<snapshot-delete><volume>vol1</volume><snapshot>s1</snapshot></snapshot-delete>'
fails 'role: the longer entry counts' 13003
has 'the refusal names the call' 'snapshot-delete'
backup '<vserver-get-iter/>'
fails 'role: what is not listed is refused' 13003
zapi "$svm1" reader:secret '<snapshot-get-iter/>'
passes 'role: DEFAULT readonly reads'
zapi "$svm1" reader:secret '<snapshot-create><volume>vol1</volume><snapshot>s2</snapshot></snapshot-create>'
fails 'role: and changes nothing' 13003
zapi "$svm1" reader:secret '<net-interface-get-iter/>'
fails 'role: none refuses more than DEFAULT allows' 13003
zapi "$svm1" none:secret '<system-get-version/>'
fails 'an empty role allows nothing' 13003
zapi "$svm1" vsadmin:one '<snapshot-get-iter/>'
has 'the snapshot of the role is there' '<name>s1</name>'
control "$cluster" GET requests
has 'refusals are in the log' '"errno":13003'

# every call that the simulator answers stands for a CLI command; which one wafl-sync stands for is documented nowhere, so
# that no role of commands grants it
source=$here/../ontapsim
missing=$(comm -23 <(grep -oE '^    \{"[a-z-]+", zapi_' "$source"/zapi.c | cut -d'"' -f2 | sort) \
  <(grep -oE '^    \{"[a-z-]+", "' "$source/access_map.c" | cut -d'"' -f2 | sort))
check_eq 'each ZAPI call has a CLI command' "$missing" wafl-sync

# --- REST ----------------------------------------------------------------------------------------
rest() { R=$(fetch -u "$2" -w '\n%{http_code}' -X "${4:-GET}" "$1/api/$3" "${@:5}"); }
rest "$svm1" backup:secret storage/volumes
has 'REST role: readonly gets' '"vol1"'
uuid=$(sed -n 's/.*"uuid": *"\([0-9a-f-]*\)".*/\1/p' <<<"$R" | head -1)
rest "$svm1" backup:secret "storage/volumes/$uuid" PATCH -d '{"comment":"x"}'
has 'REST role: readonly does not change' '"code":"6"'
check_eq 'with HTTP 403' "${R##*$'\n'}" 403
rest "$svm1" backup:secret "storage/volumes/$uuid/snapshots?return_timeout=10" POST -d '{"name":"s3"}'
check_eq 'REST role: a longer path with read_create makes a snapshot' "${R##*$'\n'}" 201
rest "$svm1" backup:secret "storage/volumes/$uuid/snapshots/$uuid" DELETE
check_eq 'REST role: and deletes none' "${R##*$'\n'}" 403
rest "$svm1" reader:secret storage/volumes
check_eq 'a traditional role governs REST' "${R##*$'\n'}" 200
rest "$svm1" reader:secret "storage/volumes/$uuid/snapshots" POST -d '{"name":"s4"}'
check_eq 'changes included' "${R##*$'\n'}" 403
rest "$svm1" reader:secret network/ip/interfaces
check_eq 'a command that it refuses is refused' "${R##*$'\n'}" 403
rest "$cluster" admin:secret 'storage/volumes?fields=svm.name' GET -H 'X-Dot-SVM-Name: svm1'
hasnt 'X-Dot-SVM-Name: one SVM' 'vol2'
rest "$cluster" admin:secret storage/volumes GET -H 'X-Dot-SVM-Name: nobody'
check_eq 'X-Dot-SVM-Name: an unknown one fails' "$(( ${R##*$'\n'} / 100 ))" 4
rest "$cluster" admin:secret 'storage/volumes?svm.name=svm2-mc' GET -H 'X-Dot-SVM-Name: svm1'
check_eq 'X-Dot-SVM-Name against the query is 400' "${R##*$'\n'}" 400
sim_stop main

# --- scope error, certificates -------------------------------------------------------------------
config scope 's/"name": "cl1"/&, "scope_error": 13003/'
sim_start scope "$d/scope.json"
zapi "$(sim_lif scope mgmt)" vsadmin:one '<cluster-identity-get/>'
fails 'scope_error 13003' 13003
sim_stop scope

if command -v openssl >/dev/null; then
  # pair NAME COMMON-NAME [CA]: a key and a certificate, signed by that CA or by itself
  pair() {
    local by=()
    [ $# -lt 3 ] || by=(-CA "$d/$3.pem" -CAkey "$d/$3.key")
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$2" \
      -keyout "$d/$1.key" -out "$d/$1.pem" "${by[@]}" 2>/dev/null
  }
  pair ca 'test authority'
  pair client kvmbackup ca
  pair other somebody ca
  pair stray kvmbackup
  config cert "s|\"root\"|\"client_ca\": \"$d/ca.pem\", &|" 's|{ "name": "none", "password": "secret"|{ "name": "certain", "cert": "kvmbackup"|' 's/"role": "nothing"/"role": "reader"/'
  sim_start cert "$d/cert.json"
  svm1=$(sim_lif cert mgmt)
  by() { R=$(fetch --cert "$d/$1.pem" --key "$d/$1.key" -w '\n%{http_code}' -d '<netapp version="1.21" xmlns="http://www.netapp.com/filer/admin"><snapshot-get-iter/></netapp>' "${@:2}" "$svm1/servlets/netapp.servlets.admin.XMLrequest_filer"); }
  by client
  passes 'a client certificate logs in'
  control "$URL_cert" GET 'requests?last=1'
  has 'as the user with its common name' '"user":"certain"'
  by other
  check_eq 'a common name that nobody has is 401' "${R##*$'\n'}" 401
  by stray
  check_eq 'a certificate of another authority is 401' "${R##*$'\n'}" 401
  by client -u vsadmin:wrong
  check_eq 'a wrong password counts more than a certificate' "${R##*$'\n'}" 401
  zapi "$svm1" vsadmin:one '<system-get-version/>'
  passes 'passwords work beside certificates'
  sim_stop cert
else
  skip 'client certificates' 'needs openssl'
fi

# --- profiles ------------------------------------------------------------------------------------
# profile NAME: version over ZAPI, and the status of REST
profile() {
  config "p$1" "s/\"name\": \"cl1\"/&, \"profile\": \"$1\"/" 's/{ "api": [^}]*\*[^}]*}/{ "api": "\/api\/cluster", "access": "none" }/'
  sim_start p "$d/p$1.json"
  zapi "$URL_p" admin:secret '<system-get-ontapi-version/>'
  printf '%s %s %s\n' "$1" "$(field minor-version)$(sed -n 's/.*errno="\([0-9]*\)".*/ errno \1/p' <<<"$R")" "$(code -u admin:secret "$URL_p/api/cluster")"
  sim_stop p
}
check_eq 'profile 9.5: no REST' "$(profile 9.5)" '9.5 150 404'
check_eq 'profile 9.9.1' "$(profile 9.9.1)" '9.9.1 191 200'
check_eq 'profile 9.10.1' "$(profile 9.10.1)" '9.10.1 201 200'
check_eq 'profile 9.11.1' "$(profile 9.11.1)" '9.11.1 211 200'
check_eq 'profile 9.14.1: ZAPI is suspended' "$(profile 9.14.1)" '9.14.1  errno 61253 200'
check_eq 'profile rest-only' "$(profile rest-only)" 'rest-only  200'

# --- mistakes ------------------------------------------------------------------------------------
# mistake NAME TEXT SED-EXPRESSION
mistake() {
  config bad "$3"
  "$sim" --config "$d/bad.json" >/dev/null 2>"$d/bad.err"
  check_eq "$1: exit code" $? 2
  check_match "$1" "$d/bad.err" "$2"
}
mistake 'an unknown role' 'there is no role "kvm_backup2"' 's/"role": "kvm_backup"/"role": "kvm_backup2"/'
mistake 'an unknown access' '"access": "some" is not one' 's/"access": "all"/"access": "some"/'
mistake 'a right for one resource before 9.10.1' 'needs ONTAP 9.10.1' 's/"name": "cl1"/&, "profile": "9.9.1"/'
mistake 'an unknown profile' '"profile" is one of' 's/"name": "cl1"/&, "profile": "9.4"/'
mistake 'a bad listener' '"listen" must be ADDRESS:PORT' 's/"name": "mgmt", "listen": "127.0.0.1:0"/"name": "mgmt", "listen": "nowhere"/'
mistake 'a Fibre Channel LIF without WWPN' '"wwpn" is missing' 's/, "wwpn": "[^"]*"//'
mistake 'cert without an authority' '"cert" needs "client_ca"' 's/"name": "none", "password": "secret"/"name": "none", "cert": "x"/'
finish
