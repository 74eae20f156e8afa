#!/bin/bash
# The simulator's backend: a command that is told which LUNs are mapped, whenever that changes.
set -euo pipefail
# shellcheck source=../lib/ontapsim.sh
. "$(dirname "$(realpath "$0")")/../lib/ontapsim.sh"
requires curl jq
told=$SIM_DIR/told
cat >"$SIM_DIR/backend" <<SH
#!/bin/sh
[ ! -e "$SIM_DIR/broken" ] || exit 1
cat >"$told"
echo x >>"$SIM_DIR/times"
SH
chmod +x "$SIM_DIR/backend"
jq -n --arg root "$root" --arg backend "$SIM_DIR/backend" '{ listen: "127.0.0.1:0", http: true, root: $root,
  backend: $backend, restore_ms: 0, job_ms: 0, users: [ { name: "admin", password: "secret" } ],
  svms: [ { name: "svm1", volumes: [ { name: "vol1", size: 1073741824 } ],
    igroups: [ { name: "host1", protocol: "iscsi", os_type: "linux" } ],
    luns: [ { path: "/vol/vol1/one", size: 1048576, serial: "80bqm]PvhKof", maps: [ { igroup: "host1", id: 3 } ] },
            { path: "/vol/vol1/two", size: 2097152, serial: "80bqm]PvhKog" } ] } ] }' >"$SIM_DIR/config.json"
sim_start a "$SIM_DIR/config.json"
url=${URL_a:?}
call() { zapi "$url" admin:secret "$1" 'vfiler="svm1"'; }
rest() { curl -sS -u admin:secret -X "$1" "$url/api$2" ${3:+-d "$3"}; }
one="3 80bqm]PvhKof 1048576 $root/svm1/vol1/one"

check_eq 'at the start: what is mapped by then' "$(cat "$told")" "$one"
call '<lun-map><path>/vol/vol1/two</path><initiator-group>host1</initiator-group></lun-map>'
passes 'a LUN is mapped'
check_eq 'it is told before the answer' "$(cat "$told")" "$one
0 80bqm]PvhKog 2097152 $root/svm1/vol1/two"
times=$(wc -l <"$SIM_DIR/times")
call '<snapshot-create><volume>vol1</volume><snapshot>s1</snapshot></snapshot-create>'
passes 'a snapshot'
check_eq 'changes nothing, so nothing is told' "$(wc -l <"$SIM_DIR/times")" "$times"
call '<lun-resize><path>/vol/vol1/two</path><size>4194304</size></lun-resize>'
passes 'a LUN grows'
check_match 'its new size is told' "$told" '^0 80bqm\]PvhKog 4194304 '
call '<lun-offline><path>/vol/vol1/one</path></lun-offline>'
check_no_match 'an offline LUN is not there' "$told" 80bqm]PvhKof
call '<lun-online><path>/vol/vol1/one</path></lun-online>'
check_match 'and is back' "$told" '80bqm\]PvhKof'
call '<snapshot-restore-file><snapshot>s1</snapshot><path>/vol/vol1/two</path></snapshot-restore-file>'
passes 'the LUN is restored'
restored() { grep -q '^0 80bqm]PvhKog 2097152 ' "$told"; }
for _ in $(seq 600); do
  if restored; then break; fi
  sleep 0.05
done
check 'and told with the size that it had then' restored
uuid=$(rest GET '/storage/luns?name=/vol/vol1/two' | jq -r '.records[0].uuid')
group=$(rest GET '/protocols/san/igroups?name=host1' | jq -r '.records[0].uuid')
rest DELETE "/protocols/san/lun-maps/$uuid/$group" >/dev/null
check_eq 'unmapped over REST: told' "$(cat "$told")" "$one"

: >"$SIM_DIR/broken"
call '<lun-map><path>/vol/vol1/two</path><initiator-group>host1</initiator-group></lun-map>'
fails 'a backend that fails' 13114
rm "$SIM_DIR/broken"
call '<lun-offline><path>/vol/vol1/one</path></lun-offline>'
passes 'the next change'
check_eq 'tells what was missed, too' "$(cat "$told")" "0 80bqm]PvhKog 2097152 $root/svm1/vol1/two"
sim_stop a
finish
