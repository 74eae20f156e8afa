#!/bin/bash
# The ONTAP simulator over REST, with curl and jq: every call, the query language, pages, errors, jobs, versions.
# usage: tests/e2e/ontapsim_rest.sh [BUILD_DIR]
set -u
# shellcheck source=../lib/ontapsim.sh
. "$(dirname "$(realpath "$0")")/../lib/ontapsim.sh"
requires jq
nowhere=00000000-0000-4000-8000-000000000000

# config NAME JQ-PROGRAM: a variation of the ordinary configuration
config() {
  jq "$2" >"$d/$1.json" <<EOF
{ "listen": "127.0.0.1:0", "root": "$root", "http": true, "restore_ms": 400,
  "cluster": { "name": "cl1", "ontap": "9.14.1", "ontapi": "1.241" },
  "users": [ { "name": "admin", "password": "secret" },
             { "name": "vsadmin", "password": "secret", "svm": "svm1" } ],
  "svms": [ { "name": "svm1",
      "lifs": [ { "name": "lif1", "address": "127.0.0.1" },
                { "name": "lif2", "address": "127.0.0.2", "services": [ "iscsi" ] },
                { "name": "fc1", "wwpn": "20:00:00:50:56:00:00:01", "services": [ "fcp" ] } ],
      "volumes": [ { "name": "vol1", "size": 1073741824, "junction": "/vol1" },
                   { "name": "vol2", "size": 1073741824, "junction": "/a/vol2", "snapshot_limit": 3 },
                   { "name": "off", "size": 10485760, "state": "offline" },
                   { "name": "dst", "size": 10485760, "type": "dp" } ] },
    { "name": "svm2", "volumes": [ { "name": "vol1", "size": 10485760 } ] } ] }
EOF
}

# rest METHOD PATH [BODY [CURL-OPTION...]]: the reply in $R, its status in $S, its headers in $d/headers
rest() {
  local method=$1 path=$2 body=${3:-}
  shift 2
  [ $# -gt 0 ] && shift
  S=$(fetch -g -X "$method" -u "$login" -D "$d/headers" -o "$d/body" -w '%{http_code}' ${body:+-d "$body"} "$@" \
    "$url/api$path")
  R=$(tr -d '\0' <"$d/body")
}
get() { rest GET "$@"; }
login=admin:secret
q() { jq -r "$1" <<<"$R" 2>&1; }
# gives NAME JQ-PROGRAM WANT: looks at the last reply
gives() { check_eq "$1" "$(q "$2")" "$3"; }
# refused NAME STATUS CODE [TARGET]
refused() { check_eq "$1" "$S $(q '.error | .code + " " + (.target // "")')" "$2 $3 ${4:-}"; }
header() { sed -n "s/^$1: \(.*\)\r\$/\1/Ip" "$d/headers"; }
pace() { control "$url" PUT pace "$1"; }
fault() { control "$url" POST faults "$1"; }
volume() { fetch -u admin:secret "$url/api/storage/volumes?name=$1&svm.name=${2:-svm1}" | jq -r '.records[0].uuid'; }
snap() { fetch -u admin:secret "$url/api/storage/volumes/$1/snapshots?name=$2" | jq -r '.records[0].uuid'; }
# wait_job: until the job of the last reply is over; its record in $R
wait_job() {
  local id
  id=$(q .job.uuid)
  for _ in $(seq 1200); do
    get "/cluster/jobs/$id"
    case $(q .state) in queued | running) sleep 0.05 ;; *) return ;; esac
  done
}

config main .
sim_start MAIN "$d/main.json"
url=$URL_MAIN

# --- who and where -------------------------------------------------------------------------------
get /cluster
gives 'cluster' '[.name, .version.generation, .version.major, .version.minor] | join(" ")' 'cl1 9 14 1'
get '/cluster/?fields=version&max_records=1'
gives 'cluster, some fields, slash at the end' '[keys[], .version.full[:21]] | join(" ")' '_links name uuid version NetApp Release 9.14.1'
get '/cluster/nodes?fields=version'
gives 'nodes' '[.num_records, .records[0].name, .records[0].version.major] | join(" ")' '1 cl1-01 14'
get '/svm/svms?name=svm1&fields=state,subtype,aggregates,ip_interfaces'
gives 'SVM' '.records[0] | [.name, .state, .subtype, .aggregates[0].name, .ip_interfaces[0].ip.address] | join(" ")' \
  'svm1 running default aggr1 127.0.0.1'
svm1=$(q '.records[0].uuid')
get "/svm/svms/$svm1"
gives 'one SVM' .name svm1
get "/svm/svms/$nowhere"
refused 'no such SVM' 404 4 uuid
get '/network/ip/interfaces?ip.address=127.0.0.2&fields=svm.name,services,scope,state,enabled'
gives 'LIF by address' '.records[0] | [.name, .svm.name, .scope, .state, .enabled, (.services | join(","))] | join(" ")' \
  'lif2 svm1 svm up true data_core,data_iscsi'
lif=$(q '.records[0].uuid')
get "/network/ip/interfaces/$lif?fields=location.home_node.name"
gives 'one LIF' '.location.home_node.name' cl1-01
get '/network/fc/interfaces?fields=wwpn'
gives 'FC LIF' '.records[] | .name + " " + .wwpn' 'fc1 20:00:00:50:56:00:00:01'

# --- login, scope, routes ------------------------------------------------------------------------
login=admin:wrong get /cluster
refused 'wrong password' 401 6691623
get /no/such/thing
refused 'no such call' 404 3
rest DELETE /cluster
refused 'no such method' 405 3
login=vsadmin:secret get '/storage/volumes?name=vol1'
gives 'an SVM sees its own' .num_records 1
get '/storage/volumes?name=vol1'
gives 'the cluster sees all' .num_records 2
get '/storage/volumes?name=vol1&fields=svm.name' '' -H 'X-Dot-SVM-Name: svm2'
gives 'tunnel by name' '.records[].svm.name' svm2
get '/storage/volumes?name=vol1&fields=svm.name' '' -H "X-Dot-SVM-UUID: $svm1"
gives 'tunnel by uuid' '.records[].svm.name' svm1
get '/storage/volumes?svm.name=svm1' '' -H 'X-Dot-SVM-Name: svm2'
refused 'tunnel and another SVM' 400 262186 svm.name
get /storage/volumes '' -H 'X-Dot-SVM-Name: none'
refused 'tunnel to nowhere' 404 2621462
vol2_of_svm2=$(volume vol1 svm2)
login=vsadmin:secret get "/storage/volumes/$vol2_of_svm2"
refused 'a volume of another SVM' 404 4 uuid

# --- the query language --------------------------------------------------------------------------
names() { get "/storage/volumes?svm.name=svm1&$1"; check_eq "$2" "$(q '[.records[].name] | join(" ")')" "$3"; }
names 'name=vol*' 'star' 'vol1 vol2'
names 'name=*o*1' 'two stars' 'vol1'
names 'name=vol1|off' 'or' 'off vol1'
names 'name=!vol*' 'not' 'dst off'
names 'name=!null' 'not null' 'dst off vol1 vol2'
names 'nas.path=null' 'null' 'dst off'
names 'name="vol1"' 'quotes' 'vol1'
names 'name="vol*"' 'a star in quotes is a star' ''
names 'name={vol2}' 'braces' 'vol2'
names 'size=>20000000' 'greater' 'vol1 vol2'
names 'comment=>a' 'greater, of texts' ''
names 'size=%3C%3D10485760' 'less or equal, encoded' 'dst off'
names 'size=10485760..20000000' 'range' 'dst off'
names 'size=..20000000' 'open range' 'dst off'
names 'type=dp' 'another field' 'dst'
names 'aggregates.name=aggr1&type=rw' 'two fields, one in a list' 'off vol1 vol2'
names 'order_by=size%20desc,name%20desc' 'order' 'vol2 vol1 off dst'
names 'name=v%6Fl1' 'percent' 'vol1'
get '/storage/volumes?name=vol1&name=vol2'
refused 'a field twice' 400 262188 name
get '/storage/volumes?name="vol'
refused 'an open quote' 400 262197 name
get '/storage/volumes?nosuch=1'
refused 'unknown argument' 400 262179 nosuch
get '/storage/volumes?nosuch=1&ignore_unknown_fields=true'
gives 'ignored' .num_records 5
get '/storage/volumes?fields=nosuch'
refused 'unknown field' 400 262197 fields
get '/storage/volumes?fields=nosuch,type&ignore_unknown_fields=true&name=off'
gives 'ignored field' '.records[0].type' rw
get '/storage/volumes?return_timeout=600'
check_eq 'return_timeout too long' "$(q .error.message)" 'The value "600" is invalid for field "return_timeout" (<0..120>)'
refused 'its code' 400 262197 return_timeout
get '/storage/volumes?max_records=x'
refused 'max_records' 400 262197 max_records
get '/storage/volumes?order_by=nosuch'
refused 'order by nothing' 400 262197 order_by
get '/storage/volumes?name=%zz'
refused 'bad escape' 400 262177

# --- fields --------------------------------------------------------------------------------------
fields() { get "/storage/volumes?svm.name=svm1&name=vol1&fields=$1"; check_eq "$2" "$(q ".records[0] | del(._links) | $3")" "$4"; }
fields '' 'keys, and what the query names' 'keys | join(" ")' 'name svm uuid'
fields '*' 'all that is cheap has no expensive ones' '[.type, .nas, .clone] | tojson' '["rw",null,null]'
fields '**' 'all of them' '.nas.path' '/vol1'
fields 'nas.path' 'expensive, named' '.nas | tojson' '{"path":"/vol1"}'
fields 'space' 'an object' '.space.size' 1073741824
fields 'space.*' 'with a star' '.space.snapshot.reserve_percent' 0
fields '*,!space' 'without' '[.space, .state] | tojson' '[null,"online"]'
fields 'aggregates.name' 'part of a list' '.aggregates | tojson' '[{"name":"aggr1"}]'
vol1=$(volume vol1) vol2=$(volume vol2) off=$(volume off) dst=$(volume dst)
get "/storage/volumes/$vol1"
gives 'one object: what is cheap' '[.state, .nas] | tojson' '["online",null]'
get "/storage/volumes/$vol1?fields=nas.path"
gives 'one object, named fields' '[.nas.path, .state] | tojson' '["/vol1",null]'
get '/storage/volumes?name=vol1' '' -H 'Accept: application/json'
gives 'no HAL, no links' '[._links, .records[0]._links] | tojson' '[null,null]'
check_eq 'its type' "$(header Content-Type)" application/json
get '/storage/volumes?name=vol1'
gives 'HAL links' '.records[0]._links.self.href' "/api/storage/volumes/$vol1"
check_eq 'pretty' "$(fetch -u admin:secret "$url/api/cluster?pretty=true" | wc -l | tr -d ' ')" \
  "$(fetch -u admin:secret "$url/api/cluster?pretty=true" | jq . | wc -l | tr -d ' ')"
get '/storage/volumes?return_records=false'
gives 'only the number' '[.num_records, .records] | tojson' '[5,null]'

# --- pages ---------------------------------------------------------------------------------------
# pages PATH: the names on each page, following next
pages() {
  local next=$1 out=''
  while [ "$next" != null ]; do
    get "${next#/api}"
    out+="$(q '[.records[].name] | join(" ")') | "
    next=$(q ._links.next.href)
  done
  echo "$out"
}
check_eq 'pages' "$(pages '/storage/volumes?svm.name=svm1&max_records=2')" 'dst off | vol1 vol2 | '
check_eq 'pages over SVMs' "$(pages '/storage/volumes?max_records=4')" 'dst off vol1 vol2 | vol1 | '
check_eq 'pages of a filter' "$(pages '/storage/volumes?name=vol*&max_records=1')" 'vol1 | vol2 | vol1 | '
check_eq 'pages, sorted' "$(pages '/storage/volumes?svm.name=svm1&order_by=name%20desc&max_records=3')" 'vol2 vol1 off | dst | '
check_eq 'offset' "$(pages '/storage/volumes?svm.name=svm1&offset=3')" 'vol2 | '
get '/storage/volumes?max_records=1&fields=type' '' -H 'Accept: application/json'
check_eq 'Link header' "$(header Link)" "<$(q ._links.next.href)>; rel=\"next\""
has 'the next page has the same fields' 'fields=type'
get '/storage/volumes?start.after=zz'
refused 'made-up continuation' 400 262197 start.after

# --- snapshots -----------------------------------------------------------------------------------
s=/storage/volumes/$vol1/snapshots
mkdir -p "$root/svm1/vol1/vm"
head -c 3000000 /dev/urandom >"$root/svm1/vol1/vm/disk.img"
before=$(sum "$root/svm1/vol1/vm/disk.img")
rest POST "$s" '{"name":"first","comment":"vm=web01","snapmirror_label":"daily"}'
check_eq 'create answers 202' "$S" 202
check_eq 'Location is a query' "$(header Location)" "/api$s/?name=first"
wait_job
gives 'the job' '[.state, .message, .code, .svm.name] | join(" ")' 'success success 0 svm1'
gives 'its description' .description "POST /api$s"
get "$s?fields=comment,snapmirror_label,create_time,state,owners,size,version_uuid,svm"
gives 'list' '.records[0] | [.name, .comment, .snapmirror_label, .state, .volume.name, .svm.name] | join(" ")' \
  'first vm=web01 daily valid vol1 svm1'
first=$(q '.records[0].uuid')
get "$s/$first"
gives 'one snapshot' .name first
rest POST "$s?return_timeout=15" '{"name":"second"}'
check_eq 'done in time: 201 without a job' "$S $R" '201 {}'
rest POST "$s?return_timeout=15&return_records=true" '{"name":"third"}'
gives 'return_records' '[.num_records, .records[0].name] | join(" ")' '1 third'
rest POST "$s?return_timeout=15" '{"name":"third"}'
refused 'duplicate' 409 525059
rest POST "$s" '{"name":"third"}'
wait_job
gives 'duplicate, as a job' '[.state, .code, .error.code] | join(" ")' 'failure 525059 525059'
rest POST "$s?return_timeout=15" '{"name":"a/b"}'
refused 'bad name' 500 1638518
rest POST "$s?return_timeout=15" '{"nam":"x"}'
refused 'unknown body field' 400 262179 nam
rest POST "$s?return_timeout=15" '{}'
refused 'no name' 400 262245 name
rest POST "$s" '{"name":'
refused 'no JSON' 400 262177
rest POST "/storage/volumes/$off/snapshots?return_timeout=15" '{"name":"x"}'
refused 'offline volume' 500 524479
rest POST "/storage/volumes/$dst/snapshots?return_timeout=15" '{"name":"x"}'
refused 'mirror' 500 1638461
rest POST "/storage/volumes/$nowhere/snapshots" '{"name":"x"}'
refused 'no such volume' 404 4 uuid
for n in 1 2 3; do rest POST "/storage/volumes/$vol2/snapshots?return_timeout=15" "{\"name\":\"n$n\"}"; done
rest POST "/storage/volumes/$vol2/snapshots?return_timeout=15" '{"name":"n4"}'
refused 'too many' 500 525062
rest PATCH "$s/$first?return_timeout=15" '{"name":"eins","comment":"new","snapmirror_label":""}'
check_eq 'rename' "$S" 200
get "$s/$first?fields=name,comment,snapmirror_label"
gives 'renamed' '[.name, .comment, .snapmirror_label] | tojson' '["eins","new",null]'
rest PATCH "$s/$first?return_timeout=15" '{"name":"second"}'
refused 'rename to a name in use' 409 525059
control "$url" PUT snapshot '{"svm":"svm1","volume":"vol1","snapshot":"third","owners":["owner1"]}'
get "$s?fields=owners&owners=owner1"
gives 'owners' '.records[] | .name + " " + .owners[0]' 'third owner1'
third=$(q '.records[0].uuid')
rest DELETE "$s/$third?return_timeout=15"
refused 'delete of an owned snapshot' 409 1638543
rest DELETE "$s/$third?ignore_owners=true"
refused 'ignore_owners comes later' 400 262179 ignore_owners
control "$url" PUT snapshot '{"svm":"svm1","volume":"vol1","snapshot":"third","dependency":"snapmirror"}'
rest DELETE "$s/$third?return_timeout=15"
refused 'delete of a busy snapshot' 409 1638555
get "$s/$third?fields=owners"
gives 'what keeps it is an owner' '.owners | tojson' '["snapmirror_dependent"]'
control "$url" PUT snapshot '{"svm":"svm1","volume":"vol1","snapshot":"third"}'
rest DELETE "$s/$third?return_timeout=15"
check_eq 'delete' "$S" 200
rest DELETE "$s/$third"
refused 'delete again' 404 4 uuid
rest DELETE "$s"
refused 'delete of everything' 400 262245
rest DELETE "$s?name=second&return_timeout=15"
gives 'delete by query' .num_records 1
rest DELETE "$s?name=second"
gives 'nothing to delete' .num_records 0
rest POST '/storage/volumes/*/snapshots?return_timeout=15' \
  "{\"records\":[{\"name\":\"bulk\",\"volume\":{\"uuid\":\"$vol1\"}},{\"name\":\"bulk\",\"volume\":{\"uuid\":\"$(volume vol1 svm2)\"}}]}"
gives 'one name on several volumes' .num_records 2
get '/storage/volumes/*/snapshots?name=bulk&fields=svm.name'
gives 'list over all volumes' '[.records[].svm.name] | join(" ")' 'svm1 svm2'
check_eq 'its pages' "$(pages '/storage/volumes/*/snapshots?max_records=2')" 'bulk eins | n1 n2 | n3 bulk | '
rest POST '/storage/volumes/*/snapshots' '{"records":[{"name":"a","volume":{"name":"vol1"},"svm":{"name":"svm1"}},{"name":"b","volume":{"name":"vol1"}}]}'
refused 'two names at once' 500 1638616 name

# --- restore -------------------------------------------------------------------------------------
v=/storage/volumes/$vol1
img=$root/svm1/vol1/vm/disk.img
inode=$(stat -c %i "$img")
damage() { head -c 4000000 /dev/urandom >"$img"; }
damage
pace '{"restore_ms": 60000}' # until its running has been looked at
rest PATCH "$v?restore_to.snapshot.name=eins&restore_to.path=vm/disk.img" '{}'
check_eq 'a file restore is a job' "$S" 202
job=$(q .job.uuid)
get "/cluster/jobs/$job?fields=state"
gives 'that runs as long as the restore' .state running
rest POST "$s?return_timeout=15" '{"name":"during"}'
refused 'no snapshot meanwhile' 500 1638532
pace '{"restore_ms": 400}'
R="{\"job\":{\"uuid\":\"$job\"}}"
wait_job
gives 'and succeeds' .state success
check_eq 'restored byte for byte, same inode' "$(sum "$img") $(stat -c %i "$img")" "$before $inode"
for form in vm/disk.img /vm/disk.img /vol/vol1/vm/disk.img; do
  damage
  rest PATCH "$v?restore_to.snapshot.uuid=$first&restore_to.path=$form&return_timeout=15"
  check_eq "path $form" "$S $(sum "$img")" "200 $before"
done
damage
rest PATCH "$v?return_timeout=15" '{"restore_to.snapshot.name":"eins","restore_to":{"path":"vm/disk.img","restore_path":"vm/new.img"}}'
check_eq 'beside the original, arguments in the body' "$S $(sum "$root/svm1/vol1/vm/new.img")" "200 $before"
cp "$img" "$d/mixed"
dd if="$root/svm1/vol1/vm/new.img" of="$d/mixed" bs=4096 skip=10 seek=10 count=20 conv=notrunc status=none
rest PATCH "$v?restore_to.snapshot.name=eins&restore_to.path=vm/disk.img&restore_to.start_byte=40960&restore_to.byte_count=81920&return_timeout=15"
check_eq 'a part' "$S $(sum "$img")" "200 $(sum "$d/mixed")"
rest PATCH "$v?restore_to.snapshot.name=eins&restore_to.path=vm/disk.img&restore_to.start_byte=1&restore_to.byte_count=4096"
refused 'a part off the blocks' 500 918251 restore_to.start_byte
rest PATCH "$v?restore_to.snapshot.name=eins&restore_to.path=vm/none&return_timeout=15"
refused 'no such file' 404 542797
rest PATCH "$v?restore_to.snapshot.name=none&restore_to.path=vm/disk.img&return_timeout=15"
refused 'no such snapshot' 404 542797
rest PATCH "$v?restore_to.path=vm/disk.img"
refused 'no snapshot' 400 262245 restore_to.snapshot
rest PATCH "$v?restore_to.snapshot.name=eins&restore_to.restore_path=x"
refused 'a destination without a path' 400 262245 restore_to.path
rest PATCH "$v?restore_to.snapshot.name=eins&restore_to.path=../../x&return_timeout=15"
refused 'a path out of the volume' 500 918251
damage
rest POST /private/cli/volume/snapshot/restore-file '{"vserver":"svm1","volume":"vol1","snapshot":"eins","path":"/vm/disk.img","restore-path":"/vm/cli.img"}'
check_eq 'restore-file of the CLI' "$S $(q .num_records)" '200 1'
for _ in $(seq 600); do [ "$(sum "$root/svm1/vol1/vm/cli.img")" = "$before" ] && break; sleep 0.1; done
check_eq 'restored' "$(sum "$root/svm1/vol1/vm/cli.img")" "$before"
rest POST /private/cli/volume/snapshot/restore-file '{"vserver":"svm1","volume":"vol1","snapshot":"none","path":"/vm/disk.img"}'
check_eq 'the CLI fails with 500' "$S" 500
touch "$root/svm1/vol1/vm/later"
for _ in $(seq 100); do # not while the restore of the CLI runs, which has no job
  rest PATCH "$v?restore_to.snapshot.name=eins&return_timeout=15"
  [ "$S" = 200 ] && break
  sleep 0.1
done
check_eq 'a whole volume' "$S $(ls "$root/svm1/vol1/vm") $(sum "$img")" "200 disk.img $before"

# --- files ---------------------------------------------------------------------------------------
get "$v/files/vm?fields=type,size"
gives 'directory' '[.records[] | .name, .type, .size] | join(" ")' 'disk.img file 3000000'
get "$v/files/vm%2Fdisk%2Eimg?return_metadata=true&fields=size,modified_time"
gives 'one file' '.records[0] | [.path, .name, .size] | join(" ")' 'vm disk.img 3000000'
get "$v/files/%2Esnapshot%2Feins%2Fvm%2Fdisk%2Eimg?return_metadata=true&fields=size"
gives 'in a snapshot' '.records[0].size' 3000000
get "$v/files/none"
refused 'no file' 404 6684674 path
get "$v/files/..%2F..%2Fetc"
refused 'outside' 404 6684674 path
rest PATCH "$v/files/vm%2Fdisk.img" '{"path":"vm%2Fmoved%2Eimg"}'
check_eq 'rename a file' "$S $(ls "$root/svm1/vol1/vm")" '200 moved.img'
rest DELETE "$v/files/vm%2Fmoved.img"
check_eq 'delete a file' "$S $(ls "$root/svm1/vol1/vm")" '200 '
rest DELETE "$v/files/%2Esnapshot%2Feins%2Fvm%2Fdisk.img"
refused 'not in a snapshot' 400 2 path

# --- volumes -------------------------------------------------------------------------------------
rest POST '/storage/volumes?return_timeout=15&return_records=true' \
  '{"name":"new","svm":{"name":"svm1"},"size":"50MB","aggregates":[{"name":"aggr1"}],"nas":{"path":"/new"},"comment":"c"}'
check_eq 'create a volume' "$S $(q '.records[0].name')" '201 new'
new=$(q '.records[0].uuid')
get "/storage/volumes/$new?fields=size,nas.path,comment,state,clone.is_flexclone"
gives 'as asked for' '[.size, .nas.path, .comment, .state, .clone.is_flexclone] | join(" ")' '52428800 /new c online false'
rest POST '/storage/volumes?return_timeout=15' '{"name":"new","svm.name":"svm1","size":10485760}'
refused 'name in use' 409 917526
rest POST '/storage/volumes?return_timeout=15' '{"name":"x","svm.name":"none"}'
refused 'no such SVM' 404 2621462 svm.name
rest POST '/storage/volumes?return_timeout=15' '{"name":"x","svm.name":"svm1","aggregates":[{"name":"none"}]}'
refused 'no such aggregate' 500 787140 aggregates.name
rest PATCH "/storage/volumes/$new?return_timeout=15" '{"name":"newer","size":104857600,"comment":"d","nas":{"path":"/n2"}}'
get '/storage/volumes?name=newer&fields=size,comment,nas.path'
gives 'change it' '.records[0] | [.size, .comment, .nas.path] | join(" ")' '104857600 d /n2'
rest PATCH '/storage/volumes?name=newer&return_timeout=15' '{"nas":{"path":""}}'
gives 'change by query' .num_records 1
get "/storage/volumes/$new?fields=nas.path"
gives 'not mounted' '.nas.path' null
rest PATCH "/storage/volumes/$new" '{"nosuch":1}'
refused 'unknown change' 400 262179 nosuch
rest PATCH '/storage/volumes?return_timeout=15' '{"comment":"all"}'
refused 'change of everything' 400 262245
rest PATCH "/storage/volumes/$new?return_timeout=15" '{"state":"offline"}'
get "/storage/volumes/$new?fields=state"
gives 'offline' .state offline
rest DELETE "/storage/volumes/$new?return_timeout=15"
check_eq 'delete a volume' "$S $([ -d "$root/svm1/newer" ] && echo there)" '200 '
clone='{"name":"verify","svm":{"name":"svm1"},"clone":{"is_flexclone":true,"parent_volume":{"name":"vol1"},"parent_snapshot":{"name":"eins"}},"nas":{"path":"/verify"}}'
rest POST '/storage/volumes?return_timeout=15' "$clone"
check_eq 'FlexClone' "$S" 201
verify=$(volume verify)
get '/storage/volumes?clone.is_flexclone=true&fields=clone'
gives 'its parent' '.records[0].clone | .parent_volume.name + " " + .parent_snapshot.name' 'vol1 eins'
check_eq 'its content' "$(sum "$root/svm1/verify/vm/disk.img")" "$before"
rest DELETE "$s/$first?return_timeout=15"
refused 'its snapshot is busy' 409 1638555
rest PATCH "$v?return_timeout=15" '{"nas":{"path":""}}'
rest DELETE "$v?return_timeout=15"
refused 'a volume with clones' 500 524615
rest DELETE "/storage/volumes/$verify?return_timeout=15"
refused 'a mounted volume' 500 524486
rest PATCH "/storage/volumes/$verify?return_timeout=15" '{"clone":{"split_initiated":true}}'
check_eq 'split' "$S" 200
for _ in $(seq 600); do
  get "/storage/volumes/$verify?fields=clone.is_flexclone"
  [ "$(q .clone.is_flexclone)" = false ] && break
  sleep 0.1
done
gives 'no clone any more' .clone.is_flexclone false
rest PATCH "/storage/volumes/$verify?return_timeout=15" '{"nas":{"path":""}}'
rest DELETE "/storage/volumes?name=verify&return_timeout=15"
gives 'delete by query' .num_records 1
rest PATCH "$v?return_timeout=15" '{"nas":{"path":"/vol1"}}'
rest POST '/storage/volumes?return_timeout=15' "${clone/\"vol1\"/\"none\"}"
refused 'no such parent' 500 524601 clone.parent_volume

# --- qtrees, export policies ---------------------------------------------------------------------
rest POST '/storage/qtrees?return_timeout=15' '{"name":"q1","svm":{"name":"svm1"},"volume":{"name":"vol1"}}'
check_eq 'create a qtree' "$S" 201
rest POST '/storage/qtrees?return_timeout=15' '{"name":"q1","svm":{"name":"svm1"},"volume":{"name":"vol1"}}'
refused 'which exists' 409 1
get '/storage/qtrees?volume.name=vol1&svm.name=svm1&fields=nas.path'
gives 'qtrees' '[.records[] | .name, .nas.path] | join(" ")' ' /vol1 q1 /vol1/q1'
check_eq 'their pages' "$(pages '/storage/qtrees?volume.name=vol1&max_records=1')" ' | q1 |  | '
get '/protocols/nfs/export-policies?name=default&fields=svm.name'
gives 'export policies' '[.records[].svm.name] | join(" ")' 'svm1 svm2'

# --- consistency groups --------------------------------------------------------------------------
g=/application/consistency-groups
rest DELETE "/storage/volumes/$vol2/snapshots?name=n*&return_timeout=15"
add='"provisioning_options":{"action":"add"}'
rest POST "$g?return_timeout=15" "{\"name\":\"g1\",\"svm\":{\"name\":\"svm1\"},\"volumes\":[{\"name\":\"vol1\",$add},{\"name\":\"vol2\",$add}]}"
check_eq 'create a group' "$S" 201
get "$g?fields=volumes,svm.name"
gives 'the group' '.records[0] | [.name, .svm.name, .volumes[].name] | join(" ")' 'g1 svm1 vol1 vol2'
group=$(q '.records[0].uuid')
get "/storage/volumes/$vol1?fields=consistency_group"
gives 'its volume knows it' .consistency_group.name g1
rest POST "$g?return_timeout=15" "{\"name\":\"g2\",\"svm\":{\"name\":\"svm1\"},\"volumes\":[{\"name\":\"vol1\",$add}]}"
refused 'one volume, one group' 500 53411865
rest POST "$g?return_timeout=15" "{\"name\":\"g1\",\"svm\":{\"name\":\"svm1\"},\"volumes\":[{\"name\":\"off\",$add}]}"
refused 'name in use' 409 53411860
rest POST "$g?return_timeout=15" "{\"name\":\"g2\",\"svm\":{\"name\":\"svm1\"},\"volumes\":[{\"name\":\"none\",$add}]}"
refused 'no such volume' 500 53411861 volumes
get "$g/$nowhere"
refused 'no such group' 404 53411842 uuid
rest POST "$g/$group/snapshots?return_timeout=15" '{"name":"one","consistency_type":"crash","comment":"x"}'
check_eq 'one phase' "$S" 201
get '/storage/volumes/*/snapshots?name=one'
gives 'on both volumes' '[.records[].volume.name] | join(" ")' 'vol1 vol2'
rest POST "$g/$group/snapshots?return_timeout=15" '{"name":"one"}'
refused 'the same name again' 500 53411921
start() { rest POST "$g/$group/snapshots?action=start&action_timeout=${2:-60}&return_timeout=30" "{\"name\":\"$1\"}"; }
commit() { rest PATCH "$(header Location | sed 's:^/api::')?action=commit"; }
start late 5
late=$(header Location)
late_at=$(date +%s%N)
start two
check_eq 'start' "$S $R" '201 {}'
get '/storage/volumes/*/snapshots?name=two'
gives 'nothing is to be seen before the commit' .num_records 0
get "$g/$group/snapshots?name=two"
gives 'nor in the group' .num_records 0
start three
commit
check_eq 'commit' "$S $R" '200 {}'
get "$g/$group/snapshots?fields=is_partial,create_time&name=three"
gives 'the snapshot of the group' '.records[0] | [.name, .is_partial] | join(" ")' 'three false'
three=$(q '.records[0].uuid')
rest PATCH "$g/$group/snapshots/$three?action=commit"
refused 'second commit' 500 53411925
start four 4
refused 'timeout too short' 400 262197 action_timeout
rest DELETE "/storage/volumes/$vol2/snapshots?name=three&return_timeout=15"
get "$g/$group/snapshots/$three?fields=is_partial"
gives 'a volume has lost its part' .is_partial true
rest DELETE "$g/$group/snapshots/$three?return_timeout=15"
check_eq 'delete it' "$S" 200
get '/storage/volumes/*/snapshots?name=three'
gives 'gone everywhere' .num_records 0
fault '{"match":"PATCH /application/*","volume":"vol2","action":"lose","count":1}'
start lost
commit
get '/storage/volumes/*/snapshots?name=lost'
gives 'a commit that passes and loses one volume' '.records[].volume.name' vol1
rest DELETE "/storage/volumes/$vol2/snapshots?name=one&return_timeout=15"
fault '{"match":"PATCH /application/*","volume":"vol2","action":"error","count":1}'
start half
commit
refused 'a commit that fails on one volume' 500 53411921
while [ $((($(date +%s%N) - late_at) / 1000000)) -lt 5300 ]; do sleep 0.1; done
rest PATCH "${late#/api}?action=commit"
refused 'late commit' 500 53411925

# --- application log -----------------------------------------------------------------------------
log='{"computer_name":"h","event_source":"test","app_version":"1","event_id":1,"category":"backup","event_description":"done","severity":"notice","autosupport_required":false}'
rest POST /support/ems/application-logs "$log"
check_eq 'application log' "$S" 201
rest POST /support/ems/application-logs "${log/notice/info}"
refused 'bad severity' 500 983146 severity
rest POST /support/ems/application-logs "${log/\"event_id\":1,/}"
refused 'missing field' 400 262245 event_id

# --- jobs, faults, requests ----------------------------------------------------------------------
control "$url" DELETE requests
rest POST "$s" '{"name":"counted"}'
wait_job
control "$url" GET 'requests?last=20'
gives 'requests are counted' '[.changing, .calls["POST /storage/volumes/{uuid}/snapshots"]] | join(" ")' '1 1'
gives 'and described' '.log[0] | [.call, .changing, .object] | join(" ")' 'POST /storage/volumes/{uuid}/snapshots true vol1:counted'
get '/cluster/jobs?state=failure&fields=error,description'
check_not 'failed jobs' [ "$(q .num_records)" = 0 ]
get "/cluster/jobs/$nowhere"
refused 'no such job' 404 4 uuid
call='POST /storage/volumes/{uuid}/snapshots'
fault "{\"match\":\"$call\",\"volume\":\"vol1\",\"action\":\"error\",\"code\":524479,\"reason\":\"planned\",\"count\":1}"
rest POST "$s" '{"name":"f1"}'
gives 'a planned error' '.error | .code + " " + .message' '524479 planned'
fault "{\"match\":\"$call\",\"action\":\"nospace\",\"count\":1}"
rest POST "$s" '{"name":"f1"}'
refused 'no space' 500 524479
fault "{\"match\":\"DELETE /storage/volumes/{uuid}/snapshots/{uuid}\",\"action\":\"error\",\"errno\":13024,\"count\":1}"
rest DELETE "$s/$(snap "$vol1" counted)"
refused 'the code that goes with an errno' 409 1638555
fault "{\"match\":\"$call\",\"action\":\"job_fail\",\"code\":1638537,\"reason\":\"It broke.\",\"ms\":300,\"count\":1}"
rest POST "$s" '{"name":"f2"}'
wait_job
gives 'a job that fails late' '[.state, .code, .message] | join(" ")' 'failure 1638537 It broke.'
fault "{\"match\":\"$call\",\"action\":\"job_fail\",\"code\":1638537,\"count\":1}"
rest POST "$s?return_timeout=5" '{"name":"f2"}'
refused 'within return_timeout it is an error' 500 1638537
fault "{\"match\":\"$call\",\"action\":\"job_lost\",\"after\":true,\"count\":1}"
rest POST "$s" '{"name":"f3"}'
wait_job
refused 'a job that is lost' 404 4 uuid
for _ in $(seq 600); do # it may be lost before its work is done
  get "$s?name=f3"
  [ "$(q .num_records)" = 1 ] && break
  sleep 0.1
done
gives 'its work is done' .num_records 1
fault '{"match":"GET /storage/*","action":"http","status":429,"retry_after":3,"count":1}'
get /storage/volumes
refused '429' 429 262160
check_eq 'Retry-After' "$(header Retry-After)" 3
fault '{"match":"GET /storage/volumes","action":"repeat","count":2}'
get '/storage/volumes?max_records=1'
next=$(q ._links.next.href)
get "${next#/api}"
gives 'a next link that leads to itself' ._links.next.href "$next"
rest POST "$s?return_records=x" '{"name":"unmade"}'
refused 'return_records' 400 262197 return_records
fault '{"match":"GET /cluster","action":"auth","count":1}'
get /cluster
refused 'login refused' 401 6691623
fault '{"match":"GET /cluster","action":"garbage","count":1}'
get /cluster
check_not 'garbage is no JSON' jq . "$d/body"
zapi "$url" admin:secret '<job-get><job-id>1</job-id></job-get>'
has 'ONTAPI sees the jobs of REST' '<job-state>success</job-state>'

# --- a restart, then other configurations --------------------------------------------------------
get "$g/$group/snapshots?order_by=name"
old=$(q '[.records[] | .uuid, .name]')
sim_stop MAIN
check_eq 'it ends with 0' $? 0
check_eq 'nothing on stderr' "$(cat "$d/MAIN.err")" ''
config slow '. + {job_ms: 60000, job_keep_ms: 6000, empty_last_page: true, unknown_field_code: 262179, job_error: false,
  busy_owners: false, ems_status: 200, restore_path_form: "slash", page_limit: 2, cli_question: true}'
sim_start SLOW "$d/slow.json"
url=$URL_SLOW
get "$g/$group/snapshots?order_by=name"
check_eq 'groups and their snapshots are kept' "$(q '[.records[] | .uuid, .name]')" "$old"
get "$g/$group?fields=volumes.name"
gives 'with their volumes' '[.volumes[].name] | join(" ")' 'vol1 vol2'
check_eq 'page_limit and an empty last page' "$(pages '/storage/volumes?svm.name=svm1&max_records=100')" 'dst off | vol1 vol2 |  | '
check_eq 'sorted too' "$(pages '/storage/volumes?svm.name=svm1&order_by=name')" 'dst off | vol1 vol2 |  | '
get '/storage/volumes?fields=nosuch'
refused 'unknown_field_code' 400 262179 fields
rest POST "$s?return_timeout=0" '{"name":"slow"}'
job=$(q .job.uuid)
get "/cluster/jobs/$job"
gives 'job_ms' .state running
rest PATCH "/cluster/jobs/$job?action=explode"
refused 'no such action' 400 262197 action
rest PATCH "/cluster/jobs/$job?action=cancel"
check_eq 'cancel' "$S" 200
R="{\"job\":{\"uuid\":\"$job\"}}"
wait_job
gives 'cancelled, and no error object' '[.state, .error] | tojson' '["failure",null]'
get "$s?name=slow"
gives 'nothing was done' .num_records 0
pace '{"job_ms": 500}'
rest POST "$s?return_timeout=15" '{"name":"slow"}'
check_eq 'return_timeout longer than the job' "$S" 201
rest DELETE "$s?name=slow"
check_eq 'a change by query has jobs' "$S $(q '.jobs | length')" '202 1'
job=$(q .job.uuid)
wait_job
for _ in $(seq 600); do
  get "/cluster/jobs/$job"
  [ "$S" = 404 ] && break
  sleep 0.1
done
refused 'job_keep_ms' 404 4 uuid
pace '{"job_keep_ms": 600000}'
control "$url" PUT snapshot '{"svm":"svm1","volume":"vol1","snapshot":"eins","dependency":"snapmirror"}'
get "$s/$(snap "$vol1" eins)?fields=owners"
gives 'busy_owners' .owners null
rest POST /support/ems/application-logs "$log"
check_eq 'ems_status' "$S" 200
rest PATCH "$v?restore_to.snapshot.name=eins&restore_to.path=vm/disk.img"
refused 'restore_path_form' 500 918251 restore_to.path
rest PATCH "$v?restore_to.snapshot.name=eins&restore_to.path=/vm/disk.img&return_timeout=15"
check_eq 'the right form' "$S" 200
login=vsadmin:secret get /cluster/jobs
gives 'an SVM sees its jobs' '[.records[].uuid] | length > 0' true
rest POST "/storage/volumes/$(volume vol1 svm2)/snapshots" '{"name":"foreign"}'
job=$(q .job.uuid)
login=vsadmin:secret get "/cluster/jobs/$job"
refused 'but no others' 404 4 uuid
rest DELETE "$g/$group?return_timeout=15"
get "$g"
gives 'delete a group' .num_records 0
sim_stop SLOW

# version NAME ONTAP [JQ]
version() {
  config "$1" ".cluster.ontap = \"$2\" | .root = \"$d/$1.root\" ${3:-}"
  sim_start "$1" "$d/$1.json"
  local u=URL_$1
  url=${!u}
  [ "$1" = v95 ] && return
  vol1=$(volume vol1)
  s=/storage/volumes/$vol1/snapshots
  mkdir -p "$d/$1.root/svm1/vol1/vm"
  echo old >"$d/$1.root/svm1/vol1/vm/disk.img"
  rest POST "$s?return_timeout=15" '{"name":"eins"}'
  echo new >"$d/$1.root/svm1/vol1/vm/disk.img"
}
version v95 9.5
get /cluster
check_eq '9.5 has no REST' "$S" 404
sim_stop v95
version v991 9.9.1
rest PATCH "/storage/volumes/$vol1?restore_to.snapshot.name=eins&restore_to.path=vm/disk.img"
refused '9.9.1: no restore of files' 400 262179 restore_to.path
check_eq '9.9.1: and nothing happened' "$(cat "$d/v991.root/svm1/vol1/vm/disk.img")" new
get "$g"
refused '9.9.1: no groups' 404 3
get '/storage/volumes?fields=snapshot_count'
refused '9.9.1: no snapshot_count' 400 262197 fields
rest POST /private/cli/volume/snapshot/restore-file '{"vserver":"svm1","volume":"vol1","snapshot":"eins","path":"/vm/disk.img"}'
check_eq '9.9.1: the CLI' "$S" 200
sim_stop v991
version v991i 9.9.1 '| .restore_path_ignored = true'
touch "$d/v991i.root/svm1/vol1/vm/later"
rest PATCH "/storage/volumes/$vol1?restore_to.snapshot.name=eins&restore_to.path=vm/disk.img&return_timeout=15"
check_eq 'restore_path_ignored: the volume is reverted' "$S $(ls "$d/v991i.root/svm1/vol1/vm")" '200 disk.img'
sim_stop v991i
version v9101 9.10.1
rest PATCH "/storage/volumes/$vol1?restore_to.snapshot.name=eins&restore_to.path=vm/disk.img&return_timeout=15"
check_eq '9.10.1: restore of a file' "$S $(cat "$d/v9101.root/svm1/vol1/vm/disk.img")" '200 old'
rest POST "$g?return_timeout=15" "{\"name\":\"g1\",\"svm\":{\"name\":\"svm1\"},\"volumes\":[{\"name\":\"vol1\",$add}]}"
get "$g"
group=$(q '.records[0].uuid')
start two
refused '9.10.1: one phase only' 400 262179 action
rest POST "$g/$group/snapshots?return_timeout=15" '{"name":"one"}'
check_eq '9.10.1: which works' "$S" 201
rest POST /support/ems/application-logs "$log"
refused '9.10.1: no application log' 404 3
rest POST '/storage/volumes/*/snapshots' '{"records":[{"name":"a"}]}'
refused '9.10.1: no bulk snapshots' 400 262179 records.name
get '/storage/volumes?ignore_unknown_fields=true'
refused '9.10.1: ignore_unknown_fields' 400 262179 ignore_unknown_fields
sim_stop v9101
config off '.cluster.rest = false'
sim_start OFF "$d/off.json"
url=$URL_OFF get /cluster
check_eq 'REST switched off' "$S" 404
sim_stop OFF
check_eq 'nothing on stderr of any' "$(cat "$d"/*.err)" ''
finish
