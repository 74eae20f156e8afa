#!/bin/bash
# The ONTAP simulator's LUNs, igroups, maps and clones over REST, as curl sees them.
# usage: tests/e2e/ontapsim_san.sh [BUILD_DIR]
# shellcheck disable=SC2016,SC2154 # serials hold dollar signs; sim_start sets URL_NAME
set -u
# shellcheck source=../lib/ontapsim.sh
. "$(dirname "$(realpath "$0")")/../lib/ontapsim.sh"
requires jq

# config SED-EXPRESSION...
config() {
  sed "${@/#/-e}" -e '' >"$d/sim.json" <<'END'
{ "listen": "127.0.0.1:0", "root": "ROOT", "http": true, "job_ms": 0, "restore_ms": 0,
  "cluster": { "ontap": "9.17.1", "zapi": true, "rest": true },
  "users": [ { "name": "admin", "password": "secret" }, { "name": "vsadmin", "password": "secret", "svm": "svm1" } ],
  "svms": [ { "name": "svm1",
      "volumes": [ { "name": "san", "size": 1073741824 }, { "name": "nas", "size": 1073741824, "junction": "/nas" },
                   { "name": "other", "size": 1073741824 }, { "name": "off", "size": 1048576, "state": "offline" } ],
      "igroups": [ { "name": "kvm1", "initiators": [ "iqn.1994-05.com.redhat:kvm1" ] } ],
      "luns": [ { "path": "/vol/san/a", "size": 8388608, "serial": "80BeR$M7hQw?", "comment": "web01",
                  "uuid": "6b1f0e0a-8012-11ee-9d1b-00a098f10001", "maps": [ { "igroup": "kvm1", "id": 3 } ] },
                { "path": "/vol/san/qt/b", "size": 8388608, "serial": "!80|<*>=..&%" } ] },
    { "name": "svm2", "volumes": [ { "name": "san", "size": 1073741824 } ] } ] }
END
  sed -i "s:ROOT:$root:" "$d/sim.json"
}
start() { sim_start main "$d/sim.json"; }
# rest METHOD PATH [BODY]: reply in $R, status in $S
rest() {
  R=$(fetch -u "${USER_:-vsadmin:secret}" -X "$1" ${3:+-H 'Content-Type: application/json' -d "$3"} -w '\n%{http_code}' "$URL_main/api$2")
  S=${R##*$'\n'}
  R=${R%$'\n'*}
}
get() { jq -r "$1" <<<"$R" 2>/dev/null; }
does() { check_eq "$1" "$S $(get '.error.code // ""')" "$2 "; }       # NAME STATUS
refuses() { check_eq "$1" "$S $(get '.error.code')" "$2 $3"; }         # NAME STATUS CODE
snap() { zapi "$URL_main" vsadmin:secret "<snapshot-create><volume>$1</volume><snapshot>$2</snapshot></snapshot-create>"; }
w='return_timeout=20'

config
start
a=$root/svm1/san/a
ua=6b1f0e0a-8012-11ee-9d1b-00a098f10001

# --- reading -------------------------------------------------------------------------------------
rest GET /storage/luns
check_eq 'all LUNs' "$(get .num_records)" 2
check_eq 'uuid and name alone' "$(get '.records[0] | del(._links) | keys | join(" ")')" 'name uuid'
rest GET "/storage/luns?serial_number=%2280BeR%24M7hQw%3F%22&fields=name,serial_number"
check_eq 'a quoted serial' "$(get '.records[0].name')" /vol/san/a
rest GET "/storage/luns?serial_number=%22%2180%7C%3C%2A%3E%3D..%26%25%22"
check_eq 'a serial of operators alone, quoted' "$(get '.records[0].name')" /vol/san/qt/b
rest GET "/storage/luns?serial_number_hex=$(printf '80BeR$M7hQw?' | od -An -tx1 | tr -d ' \n')"
check_eq 'a serial in hex' "$(get '.records[0].name')" /vol/san/a
rest GET "/storage/luns?serial_number=none"
check_eq 'none' "$(get .num_records)" 0
rest GET "/storage/luns?location.volume.name=san&max_records=1"
check_eq 'a page' "$(get .num_records)" 1
rest GET "$(get ._links.next.href | sed 's:^/api::')"
check_eq 'the next page' "$(get '.records[0].name')" /vol/san/qt/b
rest GET "/storage/luns?location.qtree.name=qt&fields=location"
check_eq 'by qtree' "$(get '.records[0].location | "\(.volume.name) \(.qtree.name) \(.logical_unit)"')" 'san qt b'
rest GET "/storage/luns?lun_maps.igroup.name=kvm1"
check_eq 'by the igroup of a map' "$(get '.records[0].name')" /vol/san/a
rest GET "/storage/luns/$ua?fields=name,serial_number,comment,enabled,os_type,space,status,lun_maps,svm"
check_eq 'one LUN' "$(get '"\(.name) \(.serial_number) \(.comment) \(.enabled) \(.os_type) \(.space.size) \(.status.state) \(.svm.name)"')" \
  '/vol/san/a 80BeR$M7hQw? web01 true linux 8388608 online svm1'
check_eq 'its maps' "$(get '.lun_maps[0] | "\(.logical_unit_number) \(.igroup.name)"')" '3 kvm1'
rest GET /storage/luns/00000000-0000-4000-8000-000000000000
refuses 'no such LUN' 404 5374875
rest GET '/storage/luns?nosuch=1'
refuses 'an unknown filter' 400 262179
USER_=admin:secret rest GET '/storage/luns?svm.name=svm1'
check_eq 'a cluster user, one SVM' "$(get .num_records)" 2

# --- create, change, delete ------------------------------------------------------------------------
rest POST "/storage/luns?$w&return_records=true" '{"name":"/vol/san/new","os_type":"linux","space":{"size":1048576},"comment":"c"}'
does 'create' 201
new=$(get '.records[0].uuid')
check_eq 'it is a file' "$(stat -c %s "$root/svm1/san/new")" 1048576
rest POST "/storage/luns?$w" '{"name":"/vol/san/new","os_type":"linux","space.size":"1048576"}'
refuses 'create what exists' 409 5374242
rest POST "/storage/luns?$w" '{"location":{"volume":{"name":"san"},"qtree":{"name":"qt"},"logical_unit":"loc"},"os_type":"linux","space":{"size":1048576}}'
does 'create by location' 201
rest POST "/storage/luns?$w" '{"name":"/vol/nosuch/x","os_type":"linux","space":{"size":1048576}}'
refuses 'in no volume' 404 4
rest POST "/storage/luns?$w" '{"name":"/vol/off/x","os_type":"linux","space":{"size":1048576}}'
refuses 'in an offline volume' 500 5374866
rest POST "/storage/luns?$w" '{"name":"/vol/san/x","space":{"size":1048576}}'
refuses 'without a type' 400 262245
rest POST "/storage/luns?$w" '{"name":"/vol/san/x","os_type":"linux","space":{"size":1048576},"color":"red"}'
refuses 'an unknown field' 400 262179
rest PATCH "/storage/luns/$new?$w" '{"space":{"size":2097152},"comment":"d","enabled":false}'
does 'change' 200
rest GET "/storage/luns/$new?fields=space.size,comment,enabled,status.state"
check_eq 'size, comment and state are new' "$(get '"\(.space.size) \(.comment) \(.enabled) \(.status.state)"')" '2097152 d false offline'
rest PATCH "/storage/luns/$new?$w" '{"name":"/vol/san/qt/renamed"}'
does 'rename' 200
check_eq 'its file moved' "$([ -e "$root/svm1/san/qt/renamed" ] && [ ! -e "$root/svm1/san/new" ] && echo yes)" yes
rest PATCH "/storage/luns?name=/vol/san/qt/renamed&$w" '{"comment":"by query"}'
does 'change by a query' 200
check_eq 'of one' "$(get .num_records)" 1
rest PATCH "/storage/luns" '{"comment":"all"}'
check_eq 'a change of everything is refused' "$S" 400
rest DELETE "/storage/luns/$ua?$w"
refuses 'a mapped LUN stays' 409 1254197
rest DELETE "/storage/luns?name=/vol/san/qt/loc&svm=svm1&$w"
does 'delete by a query' 200
rest DELETE "/storage/luns/$new?$w"
does 'delete' 200
check_eq 'the files are gone' "$(ls "$root/svm1/san/qt")" b

# --- igroups, maps -----------------------------------------------------------------------------------
rest POST '/protocols/san/igroups?return_records=true' '{"name":"g1","os_type":"linux","protocol":"iscsi","initiators":[{"name":"iqn.x:1"}]}'
does 'an igroup' 201
g=$(get '.records[0].uuid')
rest POST /protocols/san/igroups '{"name":"g1","os_type":"linux"}'
refuses 'one that exists' 409 1
rest POST "/protocols/san/igroups/$g/initiators" '{"name":"iqn.x:2"}'
does 'an initiator' 201
rest GET "/protocols/san/igroups?initiators.name=iqn.x:2&fields=initiators,protocol"
check_eq 'igroup by initiator' "$(get '.records[0] | "\(.name) \(.protocol) \(.initiators | map(.name) | join(" "))"')" 'g1 iscsi iqn.x:1 iqn.x:2'
rest DELETE "/protocols/san/igroups/$g/initiators/iqn.x:1"
does 'without an initiator' 200
rest DELETE "/protocols/san/igroups/$g/initiators/iqn.x:1"
refuses 'twice' 404 4
rest PATCH "/protocols/san/igroups/$g" '{"name":"g2","comment":"x"}'
does 'rename an igroup' 200
rest POST '/protocols/san/lun-maps?return_records=true' '{"svm":{"name":"svm1"},"lun":{"name":"/vol/san/a"},"igroup":{"name":"g2"}}'
does 'a map' 201
check_eq 'with the smallest number' "$(get '.records[0].logical_unit_number')" 0
rest POST /protocols/san/lun-maps '{"lun":{"name":"/vol/san/a"},"igroup":{"name":"g2"}}'
refuses 'mapped already' 409 1254207
rest POST /protocols/san/lun-maps '{"lun":{"name":"/vol/san/none"},"igroup":{"name":"g2"}}'
refuses 'map no LUN' 404 1254201
rest POST /protocols/san/lun-maps '{"lun":{"name":"/vol/san/a"},"igroup":{"name":"none"}}'
refuses 'map to no igroup' 404 5374878
rest POST /protocols/san/lun-maps '{"lun":{"name":"/vol/san/qt/b"},"igroup":{"name":"g2"},"logical_unit_number":4096}'
refuses 'beyond the last number' 400 262197
rest GET "/protocols/san/lun-maps?lun.name=/vol/san/a&fields=logical_unit_number"
check_eq 'maps of a LUN' "$(get '.records | map("\(.igroup.name):\(.logical_unit_number)") | sort | join(" ")')" 'g2:0 kvm1:3'
rest GET "/protocols/san/lun-maps?max_records=1"
rest GET "$(get ._links.next.href | sed 's:^/api::')"
check_eq 'the second page of maps' "$(get .num_records)" 1
rest DELETE "/protocols/san/igroups/$g"
refuses 'a mapped igroup stays' 409 8
rest DELETE "/protocols/san/lun-maps/$ua/$g"
does 'unmap' 200
rest DELETE "/protocols/san/lun-maps/$ua/$g"
refuses 'unmap twice' 404 5374922
rest DELETE "/protocols/san/igroups/$g"
does 'delete an igroup' 200

# --- LUN clones and restore in place ---------------------------------------------------------------------
noise "$a"
before=$(sum "$a")
snap san s1
noise "$a" 400000 50
live=$(sum "$a")
rest POST "/storage/luns?$w" '{"svm":{"name":"svm1"},"name":"/vol/san/verify","clone":{"source":{"name":"/vol/san/.snapshot/s1/a"}}}'
does 'clone of a LUN in a snapshot' 201
check_eq 'it has the bytes of then' "$(sum "$root/svm1/san/verify")" "$before"
rest GET "/storage/luns?name=/vol/san/verify&fields=serial_number,status,enabled"
check_eq 'online and not mapped' "$(get '.records[0] | "\(.enabled) \(.status.mapped)"')" 'true false'
check_ne 'a serial of its own' "$(get '.records[0].serial_number')" '80BeR$M7hQw?'
rest POST "/storage/luns?$w" "{\"name\":\"/vol/san/qt/live\",\"clone\":{\"source\":{\"uuid\":\"$ua\"}},\"space\":{\"guarantee\":{\"requested\":false}}}"
does 'clone of the live LUN' 201
check_eq 'it has the bytes of now' "$(sum "$root/svm1/san/qt/live")" "$live"
clone() { rest POST "/storage/luns?$w" "{\"name\":\"$1\",\"clone\":{\"source\":{$2}}${3:-}}"; }
clone /vol/san/verify '"name":"/vol/san/a"'
refuses 'the destination exists' 409 1260136
clone /vol/san/x '"name":"/vol/san/none"'
refuses 'no source' 404 5374876
clone /vol/san/x '"name":"/vol/san/.snapshot/s1/none"'
refuses 'no source in the snapshot' 404 5374876
clone /vol/san/x '"name":"/vol/san/.snapshot/none/a"'
refuses 'no snapshot' 404 5374876
clone /vol/other/x '"name":"/vol/san/a"'
refuses 'another volume' 400 1260121
clone /vol/san/x "\"name\":\"/vol/san/qt/b\",\"uuid\":\"$ua\""
refuses 'name and uuid of two LUNs' 400 5374874
clone /vol/san/x '"name":"/vol/san/a"' ',"os_type":"linux"'
refuses 'a clone takes its type from the source' 400 5374883
check_eq 'the field is named' "$(get .error.target)" os_type

rest GET "/storage/luns/$ua?fields=serial_number,uuid,lun_maps"
identity=$(get 'del(._links)')
rest PATCH "/storage/luns/$ua?$w" "{\"clone\":{\"source\":{\"name\":\"/vol/san/.snapshot/s1/a\",\"uuid\":\"$ua\"}}}"
refuses 'a source in a snapshot is given by name' 400 5374899
inode=$(stat -c %i "$a")
rest PATCH "/storage/luns/$ua?$w" '{"clone":{"source":{"name":"/vol/san/.snapshot/s1/a"}}}'
does 'restore in place' 200
check_eq 'the bytes are back' "$(sum "$a")" "$before"
check_eq 'in the same file' "$(stat -c %i "$a")" "$inode"
rest GET "/storage/luns/$ua?fields=serial_number,uuid,lun_maps"
check_eq 'serial, uuid and maps stay' "$(get 'del(._links)')" "$identity"
rest PATCH "/storage/luns/$ua?$w" '{"clone":{"source":{"name":"/vol/san/.snapshot/s1/none"}}}'
refuses 'restore from nothing' 404 5374876
control "$URL_main" PUT pace '{"restore_ms": 60000}' # until another one has been tried
zapi "$URL_main" vsadmin:secret '<snapshot-restore-file><path>/vol/san/a</path><snapshot>s1</snapshot></snapshot-restore-file>'
rest PATCH "/storage/luns/$ua?$w" '{"clone":{"source":{"name":"/vol/san/.snapshot/s1/a"}}}'
refuses 'not while a restore runs' 500 5374053
control "$URL_main" PUT pace '{"restore_ms": 0}'
for _ in $(seq 600); do
  zapi "$URL_main" vsadmin:secret '<lun-restore-status><path>/vol/san/a</path></lun-restore-status>'
  [ "$(field is-running)" = false ] && break
  sleep 0.1
done

# --- files ------------------------------------------------------------------------------------------------
noise "$root/svm1/nas/disk.img"
old=$(sum "$root/svm1/nas/disk.img")
snap nas s1
noise "$root/svm1/nas/disk.img" 200000 9
fclone() { rest POST "/storage/file/clone?$w" "{\"volume\":{\"name\":\"nas\"},\"source_path\":\"$1\",\"destination_path\":\"$2\"${3:-}}"; }
fclone .snapshot/s1/disk.img verify.img
does 'a file clone' 201
check_eq 'has the bytes of then' "$(sum "$root/svm1/nas/verify.img")" "$old"
fclone disk.img verify.img
refuses 'its destination exists' 409 5440688
fclone disk.img verify.img ',"overwrite_destination":true'
does 'unless it is to be overwritten' 201
check_eq 'with the live bytes' "$(sum "$root/svm1/nas/verify.img")" "$(sum "$root/svm1/nas/disk.img")"
fclone none x
refuses 'no source' 404 6684674
fclone disk.img /x
refuses 'an absolute destination' 400 917812
fclone disk.img verify.img ',"range":["0:0:100000"]'
refuses 'a range beyond the end' 400 917898

# --- qtrees -----------------------------------------------------------------------------------------------
rest POST "/storage/qtrees?$w" '{"volume":{"name":"nas"},"name":"q1"}'
does 'a qtree' 201
rest POST "/storage/qtrees?$w" '{"volume":{"name":"nas"},"name":"q1"}'
refuses 'one that exists' 409 1
rest GET '/storage/qtrees?volume.name=nas&fields=path'
check_eq 'qtrees of a volume, and itself' "$(get '.records | map(.name + "=" + .path) | join(" ")')" '=/nas q1=/nas/q1'
rest GET '/storage/qtrees?name=q1'
rest DELETE "$(get '.records[0] | "/storage/qtrees/\(.volume.uuid)/\(.id)"')?$w"
does 'delete a qtree' 200
control "$URL_main" POST faults '{"match":"GET /storage/luns/{uuid}","volume":"san","action":"error","errno":13001,"count":1}'
rest GET "/storage/luns/$ua"
check_ne 'a fault rule for the volume of a LUN' "$S" 200
rest GET '/storage/luns?location.volume.name=san&max_records=1'
check_eq 'what a filter names is part of the answer' "$(get '.records[0].location.volume.name')" san

# --- jobs, sizes, a restart -----------------------------------------------------------------------------------
rest GET /storage/luns?fields=serial_number,lun_maps,comment,location
then=$(get '.records | map(del(._links))')
sim_stop main
config 's|"job_ms": 0|"job_ms": 300, "clone_resize": false|'
start
rest GET /storage/luns?fields=serial_number,lun_maps,comment,location
check_eq 'LUNs and maps are the same after a restart' "$(get '.records | map(del(._links))')" "$then"
rest PATCH "/storage/luns/$ua?return_timeout=0" '{"clone":{"source":{"name":"/vol/san/.snapshot/s1/a"}}}'
does 'without waiting it is a job' 202
job=$(get .job.uuid)
for _ in $(seq 600); do
  rest GET "/cluster/jobs/$job"
  [ "$(get .state)" = success ] && break
  sleep 0.1
done
check_eq 'that succeeds' "$(get .state)" success
rest PATCH "/storage/luns/$ua?$w" '{"space":{"size":16777216}}'
rest PATCH "/storage/luns/$ua?$w" '{"clone":{"source":{"name":"/vol/san/.snapshot/s1/a"}}}'
check_eq 'a source of another size is refused when the configuration says so' "$S" 400
sim_stop main
finish
