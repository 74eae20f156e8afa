#!/bin/bash
# The ONTAP simulator on its own, driven with curl: every call, fault, scope and limit.
# usage: tests/e2e/ontapsim.sh [BUILD_DIR]
# One line per check, the counts at the end; exit 1 when a check failed.
set -u
build=${1:-build}
sim=$build/ontapsim
passed=0 failed=0 skipped=0
pid='' url='' R=''

ok() { passed=$((passed + 1)); echo "ok - $1"; }
bad() { failed=$((failed + 1)); echo "not ok - $1 ($2)"; }
skip() { skipped=$((skipped + 1)); echo "skip - $1"; }
is() { if [ "$2" = "$3" ]; then ok "$1"; else bad "$1" "wanted '$2', got '${3:0:300}'"; fi; }
has() { case $R in *"$2"*) ok "$1" ;; *) bad "$1" "no '$2' in '${R:0:600}'" ;; esac; }
hasnt() { case $R in *"$2"*) bad "$1" "'$2' in '${R:0:600}'" ;; *) ok "$1" ;; esac; }
passes() { has "$1" 'results status="passed"'; }
fails() { has "$1" "status=\"failed\" errno=\"$2\""; }
closing() { echo "$passed passed, $failed failed, $skipped skipped"; [ "$failed" -eq 0 ]; }

if [ ! -x "$sim" ]; then
    bad 'simulator is built' "$sim is missing"
    closing
    exit 1
fi

dir=$(mktemp -d)
root=$dir/root
ca=$root/.ontapsim/cert.pem
cleanup() {
    [ -n "$pid" ] && kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null
    rm -rf "$dir"
}
trap cleanup EXIT

# config NAME SED-EXPRESSION...: a variation of the ordinary configuration
config() {
    local name=$1
    shift
    sed "${@/#/-e}" -e '' >"$dir/$name.json" <<END
{ "listen": "127.0.0.1:0", "root": "$root", "restore_ms": 600,
  "cluster": { "name": "cl1", "ontap": "9.14.1", "ontapi": "1.241", "zapi": true, "rest": true },
  "users": [ { "name": "admin", "password": "se:cret" },
             { "name": "vsadmin", "password": "secret", "svm": "svm1" },
             { "name": "other", "password": "secret", "svm": "svm2" } ],
  "svms": [ { "name": "svm1",
      "lifs": [ { "name": "lif1", "address": "127.0.0.1" }, { "name": "lif2", "address": "127.0.0.2" } ],
      "volumes": [ { "name": "vol1", "size": 1073741824, "junction": "/vol1" },
                   { "name": "vol2", "size": 1073741824, "junction": "/a/vol2", "snapshot_limit": 3 },
                   { "name": "small", "size": 4194304 }, { "name": "off", "size": 1048576, "state": "offline" },
                   { "name": "dst", "size": 1073741824, "type": "dp" } ],
      "luns": [ { "path": "/vol/vol2/lun1", "size": 1048576, "serial": "800Kb]Rj0Gde" } ] },
    { "name": "svm2", "volumes": [ { "name": "vol1", "size": 1073741824 } ] } ] }
END
}

# start NAME [OPTION...]
start() {
    local name=$1
    shift
    : >"$dir/ready" # the child may open it late: an old line must not be found
    "$sim" --config "$dir/$name.json" "$@" >"$dir/ready" 2>"$dir/stderr" &
    pid=$!
    for _ in $(seq 400); do
        grep -q listening "$dir/ready" && break
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.05
    done
    url=$(sed -n 's/^ontapsim: listening on //p' "$dir/ready")
    [ -n "$url" ] || echo "# no start with $name: $(cat "$dir/stderr")"
}

stop() {
    kill -TERM "$pid"
    wait "$pid"
    code=$?
    pid=''
}

post() { curl -sS --max-time 20 --cacert "$ca" "$@" "$url/servlets/netapp.servlets.admin.XMLrequest_filer" 2>&1; }

# call USER:PASSWORD BODY [ATTRIBUTES]: the reply in $R
call() {
    R=$(post -u "$1" -H 'Content-Type: text/xml' --data-binary \
        "<netapp xmlns='http://www.netapp.com/filer/admin' version='1.21' ${3:-}>$2</netapp>")
}
svm() { call vsadmin:secret "$1"; }
admin() { call admin:se:cret "$1" "${2:-}"; }
control() { R=$(curl -sS --max-time 20 --cacert "$ca" -X "$1" "$url/sim/$2" ${3:+-d "$3"} 2>&1); }
fault() { control POST faults "$1"; }
pace() { control PUT pace "$1"; }
field() { sed -n "s:.*<$1>\([^<]*\)</$1>.*:\1:p" <<<"$R" | head -1; }
create() { svm "<snapshot-create><volume>$1</volume><snapshot>$2</snapshot>${3:-}</snapshot-create>"; }
delete() { svm "<snapshot-delete><volume>$1</volume><snapshot>$2</snapshot>${3:-}</snapshot-delete>"; }
list() { svm "<snapshot-get-iter><max-records>${2:-100}</max-records><query><snapshot-info><volume>$1</volume></snapshot-info></query>${3:-}</snapshot-get-iter>"; }
restore() { svm "<snapshot-restore-file>$1</snapshot-restore-file>"; }
settle() {
    for _ in $(seq 600); do
        svm '<snapshot-restore-file-info/>'
        [ "$(field sfsr-in-progress)" = 0 ] && return
        sleep 0.1
    done
}
entries() { find "$1" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort | xargs; }
sum() { sha256sum <"$1" | cut -c1-64; }

# --- start, transport --------------------------------------------------------------------------
mkdir -p "$root/svm1/vol1/vm" "$root/svm1/vol1/.snapshot/adopted"
img=$root/svm1/vol1/vm/disk.img
head -c 700000 /dev/urandom >"$img"
truncate -s 64M "$img"
head -c 100000 /dev/urandom | dd of="$img" bs=4096 seek=9000 conv=notrunc 2>/dev/null
config main
start main
is 'ready line names the address' "https://127.0.0.1:" "${url%:*}:"
is 'volume directories are made' yes "$([ -d "$root/svm1/small" ] && echo yes)"
is 'a LUN is a file of its size' 1048576 "$(stat -c %s "$root/svm1/vol2/lun1")"
is 'the key is private' 600 "$(stat -c %a "$root/.ontapsim/key.pem")"

svm '<system-get-version/>'
passes 'system-get-version with a verified certificate'
has 'release text' '<version>NetApp Release 9.14.1:'
has 'version tuple' '<generation>9</generation><major>14</major><minor>1</minor>'
has 'reply has its own version' "version='1.241'"
has 'reply names the cluster mode DTD' 'file:/etc/netapp_gx.dtd'
R=$(curl -sS --cacert "$ca" -o /dev/null -w '%{http_code}' "https://localhost:${url##*:}/sim/requests")
is 'certificate is good for localhost' 200 "$R"
R=$(post -u vsadmin:wrong -o /dev/null -w '%{http_code}' -d '<netapp><system-get-version/></netapp>')
is 'wrong password is 401' 401 "$R"
R=$(post -o /dev/null -w '%{http_code}' -d '<netapp><system-get-version/></netapp>')
is 'no password is 401' 401 "$R"
R=$(post -u vsadmin:secret -H 'Content-Type: application/xml' -d '<netapp><system-get-version/></netapp>')
passes 'no DOCTYPE, no namespace, application/xml'
R=$(post -u vsadmin:secret -d '<?xml version="1.0"?><!DOCTYPE netapp SYSTEM "file:/etc/netapp_filer.dtd"><netapp version="1.21" nmsdk_version="9"><system-get-version/></netapp>')
passes 'DOCTYPE of the SDK'
R=$(curl -sS --cacert "$ca" "$url/elsewhere" -o /dev/null -w '%{http_code}')
is 'another path is 404' 404 "$R"
one=(-u vsadmin:secret -o /dev/null -d '<netapp><system-get-version/></netapp>')
R=$(curl -sSv --cacert "$ca" "${one[@]}" "$url/servlets/netapp.servlets.admin.XMLrequest_filer" \
    --next --cacert "$ca" "${one[@]}" "$url/servlets/netapp.servlets.admin.XMLrequest_filer" 2>&1)
has 'connection is kept' 'Re-using existing connection'

# --- hostile input -----------------------------------------------------------------------------
R=$(post -u vsadmin:secret -d '<netapp><system-get-version></netapp>')
fails 'bad XML' 13001
R=$(post -u vsadmin:secret -d '')
fails 'empty body' 13001
R=$(printf '<netapp>\0<system-get-version/></netapp>' | post -u vsadmin:secret --data-binary @-)
fails 'zero byte' 13001
R=$({ printf '<netapp>'; yes '<a>' | head -20000; } | post -u vsadmin:secret --data-binary @-)
fails 'deep nesting' 13001
R=$({ printf '<netapp><snapshot-delete>'; yes '<a>' | head -200 | tr -d '\n'; yes '</a>' | head -200 | tr -d '\n'; printf '</snapshot-delete></netapp>'; } | post -u vsadmin:secret --data-binary @-)
fails 'nesting within limits' 13006
R=$(post -u vsadmin:secret -d '<!DOCTYPE x [<!ENTITY a "b"><!ENTITY c SYSTEM "file:///etc/passwd">]><netapp><snapshot-create><volume>&a;&c;</volume></snapshot-create></netapp>')
fails 'entity declarations' 13001
R=$(head -c 100000000 /dev/zero | post -u vsadmin:secret -o /dev/null -w '%{http_code}' -H Expect: --data-binary @-)
case $R in *413* | *"SSL_write"* | *"SSL_read"* | *"reset"* | *"failure"* | *"Broken pipe"*) ok 'body of 100 MB is refused' ;; *) bad 'body of 100 MB is refused' "$R" ;; esac
R=$(post -u vsadmin:secret -d '<netapp><system-get-version/><system-get-version/></netapp>')
fails 'two calls in one request' 13001
svm '<no-such-call/>'
fails 'unknown call' 13005
create vol1 ../../x
fails 'snapshot name with ..' 13115
create vol1 .hidden
fails 'snapshot name with a leading dot' 13115
create vol1 'a b'
fails 'snapshot name with a space' 13115
svm '<file-get-file-info><path>/vol/vol1/../../../../etc/passwd</path></file-get-file-info>'
fails 'path that leaves the volume' 13115
ln -s /etc "$root/svm1/vol1/link"
svm '<file-get-file-info><path>/vol/vol1/link/passwd</path></file-get-file-info>'
fails 'path through a link' 13113
call vsadmin:secret '<system-get-version/>'
passes 'still alive'

# --- versions, scopes ---------------------------------------------------------------------------
svm '<system-get-ontapi-version/>'
has 'system-get-ontapi-version' '<major-version>1</major-version><minor-version>241</minor-version>'
R=$(post -u vsadmin:secret -d '<netapp version="1.999"><system-get-version/></netapp>')
fails 'version beyond the server' 13010
admin '<cluster-identity-get/>'
has 'cluster-identity-get' '<cluster-name>cl1</cluster-name>'
svm '<cluster-identity-get/>'
fails 'cluster call as SVM user' 13005
admin '<cluster-identity-get/>' 'vfiler="svm1"'
fails 'cluster call through a tunnel' 13005
admin '<vserver-get-iter/>' 'vfiler="nosuch"'
fails 'tunnel to an unknown SVM' 15698
call vsadmin:secret '<vserver-get-iter/>' 'vfiler="svm2"'
fails 'SVM user tunnels to another SVM' 15698
svm '<vserver-get-iter/>'
has 'SVM user sees its SVM' '<vserver-name>svm1</vserver-name>'
hasnt 'SVM user sees no other SVM' svm2
admin '<vserver-get-iter><query><vserver-info><vserver-type>data</vserver-type></vserver-info></query></vserver-get-iter>'
is 'administrator sees two data SVMs' 2 "$(field num-records)"
admin '<net-interface-get-iter><query><net-interface-info><address>127.0.0.2</address></net-interface-info></query></net-interface-get-iter>'
has 'LIF by address' '<interface-name>lif2</interface-name>'
has 'LIF to SVM' '<vserver>svm1</vserver>'
admin '<net-interface-get-iter><max-records>1</max-records></net-interface-get-iter>'
R1=$(field next-tag)
admin "<net-interface-get-iter><max-records>1</max-records><tag>$R1</tag></net-interface-get-iter>"
has 'LIF second page' '<interface-name>lif2</interface-name>'
admin '<snapshot-create><volume>vol1</volume><snapshot>x</snapshot></snapshot-create>'
fails 'no data volume in the admin SVM' 13040
admin '<snapshot-create><volume>vol1</volume><snapshot>tunnel</snapshot></snapshot-create>' 'vfiler="svm2"'
passes 'snapshot through the tunnel'
is 'it is in that SVM' yes "$([ -d "$root/svm2/vol1/.snapshot/tunnel" ] && [ ! -e "$root/svm1/vol1/.snapshot/tunnel" ] && echo yes)"
admin '<cluster-identity-get/>' 'vfiler="cl1"'
passes 'tunnel to the admin SVM'
admin '<snapshot-get-iter/>'
has 'an iterator of the cluster lists every SVM' '<vserver>svm2</vserver>'
R=$(post -u admin:se:cret -d '<netapp version="1.7" vfiler="svm1"><system-get-version/></netapp>')
fails 'tunnel with a version before 1.15' 13010
call other:secret '<snapshot-get-iter/>'
is 'the other SVM user lists it' tunnel "$(field name)"

# --- volumes ------------------------------------------------------------------------------------
svm '<volume-get-iter/>'
is 'volume-get-iter' 5 "$(field num-records)"
svm '<volume-get-iter><query><volume-attributes><volume-id-attributes><junction-path>/a/vol2</junction-path></volume-id-attributes></volume-attributes></query><desired-attributes><volume-attributes><volume-id-attributes><type/></volume-id-attributes><volume-state-attributes><state/></volume-state-attributes></volume-attributes></desired-attributes></volume-get-iter>'
has 'query by junction, keys come unasked' '<volume-id-attributes><name>vol2</name><owning-vserver-name>svm1</owning-vserver-name><type>rw</type></volume-id-attributes>'
hasnt 'other fields do not' '<uuid>'
has 'a part of another block' '<volume-state-attributes><state>online</state></volume-state-attributes>'
query() { svm "<volume-get-iter><query><volume-attributes><volume-id-attributes><name>$1</name></volume-id-attributes></volume-attributes></query></volume-get-iter>"; }
query 'vol*'
is 'query with a wildcard' 2 "$(field num-records)"
query 'vol1|d*t'
is 'query with alternatives' 2 "$(field num-records)"
query '!vol1'
is 'query with a negation' 4 "$(field num-records)"
query 'VOL1'
is 'zero rows' 0 "$(field num-records)"
hasnt 'zero rows have no list' attributes-list
svm '<volume-get-iter><max-records>0</max-records></volume-get-iter>'
fails 'max-records 0' 13115
svm '<volume-get-iter><tag>&lt;rubbish</tag></volume-get-iter>'
fails 'bad tag' 13115
names='' tag=''
for _ in 1 2 3 4; do
    svm "<volume-get-iter><max-records>2</max-records>${tag:+<tag>$tag</tag>}</volume-get-iter>"
    names="$names $(grep -o '<name>[^<]*' <<<"$R" | cut -c7- | tr '\n' ' ')"
    tag=$(field next-tag)
    [ -n "$tag" ] || break
done
is 'pages hold every volume once' 'dst off small vol1 vol2' "$(xargs <<<"$names")"
svm '<volume-get-iter><max-records>2</max-records></volume-get-iter>'
has 'tags are escaped XML' '<next-tag>&lt;volume-get-iter-key-td&gt;'

# --- snapshots ----------------------------------------------------------------------------------
before=$(sum "$img")
create vol1 one '<comment>a &lt;b&gt; &amp; c</comment><snapmirror-label>daily</snapmirror-label>'
passes 'snapshot-create'
is 'the copy is exact' "$before" "$(sum "$root/svm1/vol1/.snapshot/one/vm/disk.img")"
is 'the copy is sparse' yes "$([ "$(stat -c %b "$root/svm1/vol1/.snapshot/one/vm/disk.img")" -lt 4000 ] && echo yes)"
is 'the copy has the time of the original' "$(stat -c %Y "$img")" "$(stat -c %Y "$root/svm1/vol1/.snapshot/one/vm/disk.img")"
is 'no snapshot in a snapshot' no "$([ -e "$root/svm1/vol1/.snapshot/one/.snapshot" ] && echo yes || echo no)"
create vol1 one
fails 'name in use' 13020
svm '<snapshot-create><volume>vol1</volume></snapshot-create>'
fails 'missing argument' 13006
create vol1 long "<comment>$(printf '%256s' '' | tr ' ' c)</comment>"
fails 'comment too long' 13115
create vol1 long "<snapmirror-label>$(printf '%32s' '' | tr ' ' l)</snapmirror-label>"
fails 'label too long' 13115
create vol1 long "<comment>$(printf '%255s' '' | tr ' ' c)</comment><snapmirror-label>$(printf '%31s' '' | tr ' ' l)</snapmirror-label>"
passes 'longest comment and label'
create vol1 bool '<async>maybe</async>'
fails 'bad boolean' 13115
create vol1 bool '<async>False</async>'
passes 'boolean as Python writes it'
delete vol1 bool
create dst s
fails 'mirror volume' 13023
create off s
fails 'offline volume' 13042
create nosuch s
fails 'no such volume' 13040
create small fits
passes 'small volume, room left'
head -c 4194304 /dev/urandom >"$root/svm1/small/big"
create small full
fails 'volume full' 13025
for n in 1 2 3; do create vol2 "n$n"; done
create vol2 n4
fails 'snapshot limit' 13022

list vol1
has 'snapshot-get-iter' '<name>one</name>'
has 'comment comes back' '<comment>a &lt;b&gt; &amp; c</comment>'
has 'label' '<snapmirror-label>daily</snapmirror-label>'
has 'a directory that was there is a snapshot' '<name>adopted</name>'
for f in access-time busy dependency state total cumulative-total snapshot-instance-uuid snapshot-version-uuid percentage-of-used-blocks vserver; do
    case $R in *"<$f>"*) ;; *) bad "field $f" missing ;; esac
done
hasnt 'no volume errors there' volume-errors
list dst
has 'empty mirror is a volume error' '<volume-errors><volume-error><errno>13023</errno><name>dst</name>'
passes 'although the call passes'
svm '<snapshot-get-iter><query><snapshot-info><volume>vol1</volume><name>on*|nothing</name></snapshot-info></query><desired-attributes><snapshot-info><name/><snapshot-instance-uuid/></snapshot-info></desired-attributes></snapshot-get-iter>'
is 'snapshot query' 1 "$(field num-records)"
hasnt 'desired attributes' comment
uuid=$(field snapshot-instance-uuid)
list 'vol1|vol2' 2
tag=$(field next-tag)
names=$(grep -o '<name>[^<]*' <<<"$R" | cut -c7- | tr '\n' ' ')
list 'vol1|vol2' 100 "<tag>$tag</tag>"
names="$names$(grep -o '<name>[^<]*' <<<"$R" | cut -c7- | tr '\n' ' ')"
is 'snapshot pages go across volumes' 'adopted long one n1 n2 n3' "$(xargs <<<"$names")"

svm '<snapshot-rename><volume>vol1</volume><current-name>one</current-name><new-name>first</new-name></snapshot-rename>'
passes 'snapshot-rename'
is 'the directory follows' yes "$([ -d "$root/svm1/vol1/.snapshot/first" ] && echo yes)"
svm '<snapshot-rename><volume>vol1</volume><current-name>first</current-name><new-name>long</new-name></snapshot-rename>'
fails 'rename to a name in use' 13020
svm '<snapshot-rename><volume>vol1</volume><current-name>none</current-name><new-name>x</new-name></snapshot-rename>'
fails 'rename of nothing' 13021
svm '<snapshot-rename><volume>vol1</volume><current-name>first</current-name><new-name>../../../x</new-name></snapshot-rename>'
fails 'rename out of the volume' 13115
svm '<snapshot-modify-iter><query><snapshot-info><volume>vol1</volume><name>first</name></snapshot-info></query><attributes><snapshot-info><comment>new</comment><snapmirror-label>weekly</snapmirror-label></snapshot-info></attributes></snapshot-modify-iter>'
has 'snapshot-modify-iter' '<num-failed>0</num-failed><num-succeeded>1</num-succeeded>'
list vol1
has 'modified comment' '<comment>new</comment>'
pace '{"async_ms":60000}' # until it has been looked for
create vol1 later '<async>true</async>'
passes 'asynchronous create'
list vol1
hasnt 'it is not there at once' '<name>later</name>'
pace '{"async_ms":0}'
for _ in $(seq 600); do
    list vol1
    case $R in *'<name>later</name>'*) break ;; *) sleep 0.1 ;; esac
done
has 'it is there later' '<name>later</name>'

delete vol1 first '<snapshot-instance-uuid>00000000-0000-4000-8000-000000000000</snapshot-instance-uuid>'
fails 'delete with another uuid' 13021
delete vol1 nothing
fails 'delete of nothing' 13021
control PUT snapshot '{"svm":"svm1","volume":"vol1","snapshot":"long","owners":["SnapMirror"]}'
delete vol1 long
fails 'delete of an owned snapshot' 13024
delete vol1 long '<ignore-owners>true</ignore-owners>'
passes 'ignore-owners'
control PUT snapshot '{"svm":"svm1","volume":"vol1","snapshot":"later","owners":[],"dependency":"snapmirror"}'
list vol1
has 'dependency shows' '<busy>true</busy>'
delete vol1 later '<ignore-owners>true</ignore-owners>'
fails 'delete of a busy snapshot' 13024
control PUT snapshot '{"svm":"svm1","volume":"vol1","snapshot":"later"}'
delete vol1 later
passes 'delete when free again'
is 'its directory is gone' 'adopted first' "$(entries "$root/svm1/vol1/.snapshot")"

# --- consistency groups ---------------------------------------------------------------------------
for n in 1 2 3; do delete vol2 "n$n"; done
cg() { svm "<cg-start><snapshot>$1</snapshot>${3:-<timeout>relaxed</timeout>}<volumes><volume-name>vol1</volume-name><volume-name>${2:-vol2}</volume-name></volumes></cg-start>"; }
cg late vol2 '<timeout>urgent</timeout>'
late=$(field cg-id)
late_at=$(date +%s%N)
cg both
id=$(field cg-id)
passes 'cg-start'
is 'cg ids go up' $((late + 1)) "$id"
list vol1
hasnt 'nothing is visible before the commit' '<name>both</name>'
svm "<cg-commit><cg-id>$id</cg-id></cg-commit>"
passes 'cg-commit'
list 'vol1|vol2'
is 'the snapshot is on both volumes' 2 "$(grep -o '<name>both</name>' <<<"$R" | wc -l)"
svm "<cg-commit><cg-id>$id</cg-id></cg-commit>"
fails 'second commit' 13700
call other:secret "<cg-commit><cg-id>$late</cg-id></cg-commit>"
fails 'commit from another SVM' 13700
cg both
fails 'cg-start, name in use' 13020
cg part dst
fails 'cg-start with a mirror' 13023
cg part nosuch
fails 'cg-start with an unknown volume' 13040
cg part vol2 '<timeout>urgent</timeout><user-timeout>10</user-timeout>'
fails 'both timeouts' 13115
cg part vol2 '<user-timeout>4</user-timeout>'
fails 'timeout too short' 13115
svm '<cg-start><snapshot>x</snapshot></cg-start>'
fails 'cg-start without volumes' 13006
fault '{"match":"cg-start","volume":"vol2","action":"error","errno":13701,"count":1}'
cg part
fails 'cg-start fails on one volume' 13701
fault '{"match":"cg-commit","volume":"vol2","action":"error","count":1}'
cg half
svm "<cg-commit><cg-id>$(field cg-id)</cg-id></cg-commit>"
fails 'cg-commit fails on one volume' 13701
fault '{"match":"cg-commit","volume":"vol2","action":"lose","count":1}'
cg lost
svm "<cg-commit><cg-id>$(field cg-id)</cg-id></cg-commit>"
passes 'cg-commit that loses one volume silently'
is 'the other volume has it' 'half lost' "$(cd "$root/svm1/vol1/.snapshot" && echo half* lost*)"
is 'that volume has not' both "$(cd "$root/svm1/vol2/.snapshot" && echo *)"

# --- restore --------------------------------------------------------------------------------------
inode=$(stat -c %i "$img")
head -c 80000000 /dev/urandom >"$img"
chmod 640 "$img"
pace '{"restore_ms":60000}' # until what it forbids has been tried
restore '<volume>vol1</volume><snapshot>first</snapshot><path>vm/disk.img</path>'
passes 'snapshot-restore-file'
svm '<snapshot-restore-file-info/>'
is 'it is running' 1 "$(field sfsr-in-progress)"
create vol1 during
fails 'no snapshot meanwhile' 15801
delete vol1 adopted
fails 'no delete meanwhile' 15801
restore '<volume>vol1</volume><snapshot>first</snapshot><path>vm/disk.img</path>'
fails 'no second restore of that file' 15801
create vol2 during
passes 'other volumes are free'
restore '<snapshot>first</snapshot><path>/vol/vol1/vm/disk.img</path><restore-path>/vol/vol1/vm/new.img</restore-path>'
passes 'restore beside the original, full path'
pace '{"restore_ms":600}'
settle
is 'restored byte for byte' "$before" "$(sum "$img")"
is 'into the same inode' "$inode 640" "$(stat -c '%i %a' "$img")"
is 'sparse again' yes "$([ "$(stat -c %b "$img")" -lt 4000 ] && echo yes)"
is 'the new file too' "$before" "$(sum "$root/svm1/vol1/vm/new.img")"
svm '<job-get><job-id>2</job-id></job-get>'
has 'job-get' '<job-state>success</job-state>'
svm '<job-get><job-id>999</job-id></job-get>'
fails 'unknown job' 15661
restore '<volume>vol1</volume><snapshot>nothing</snapshot><path>vm/disk.img</path>'
fails 'restore, no such snapshot' 13021
restore '<volume>vol1</volume><snapshot>first</snapshot><path>vm/nothing</path>'
fails 'restore, no such file' 13113
restore '<volume>vol1</volume><snapshot>first</snapshot><path>vm</path>'
fails 'restore of a directory' 13115
restore '<snapshot>first</snapshot><path>/vol/vol1/</path>'
fails 'restore of a whole volume' 13115
restore '<snapshot>first</snapshot><path>vm/disk.img</path>'
fails 'relative path without volume' 13040
restore '<volume>vol1</volume><snapshot>first</snapshot><path>../../../../etc/passwd</path>'
fails 'restore path with ..' 13115
restore '<volume>vol1</volume><snapshot>first</snapshot><path>vm/disk.img</path><restore-path>/vol/vol2/x</restore-path>'
fails 'restore to another volume' 13115
restore '<volume>vol1</volume><snapshot>first</snapshot><path>vm/disk.img</path><restore-path>/vol/vol1/.snapshot/both/x</restore-path>'
fails 'restore into a snapshot' 13115
restore '<volume>vol1</volume><snapshot>first</snapshot><path>vm/disk.img</path><restore-path>/vol/vol1/link/moonsnap-x</restore-path>'
fails 'restore through a link' 13113
restore '<volume>dst</volume><snapshot>first</snapshot><path>a</path>'
fails 'restore on a mirror' 13043
svm '<file-get-file-info><path>/vol/vol1/vm/disk.img</path></file-get-file-info>'
is 'file-get-file-info' 67108864 "$(field file-size)"
svm '<file-get-file-info><path>/vol/vol1/.snapshot/first/vm</path></file-get-file-info>'
is 'file in a snapshot' directory "$(field file-type)"
svm '<file-get-file-info><path>/vol/vol1/nothing</path></file-get-file-info>'
fails 'no such file' 13113

# --- application log ------------------------------------------------------------------------------
log='<app-version>1</app-version><category>backup</category><computer-name>h</computer-name><event-description>done</event-description><event-source>test</event-source><event-id>1</event-id><auto-support>false</auto-support>'
svm "<ems-autosupport-log>$log<log-level>5</log-level></ems-autosupport-log>"
passes 'ems-autosupport-log'
svm "<ems-autosupport-log>$log<log-level>9</log-level></ems-autosupport-log>"
fails 'bad log level' 13115
svm "<ems-autosupport-log>$log</ems-autosupport-log>"
fails 'missing log level' 13006

# --- requests and faults ----------------------------------------------------------------------------
control DELETE requests
svm '<system-get-version/>'
create vol2 counted
create vol2 counted
control GET requests
has 'requests are counted' '"total":3,"changing":2,"calls":{"system-get-version":1,"snapshot-create":2}'
has 'and logged' '"call":"snapshot-create","svm":"svm1","user":"vsadmin","changing":true,"status":"failed","errno":13020,"object":"vol2:counted"}'
control GET 'requests?last=1'
hasnt 'only the last' '"n":2'
version='<system-get-version/>'
fault '{"match":"system-get-version","nth":2,"action":"error","errno":13001,"reason":"planned"}'
has 'a rule has an id' '{"id":'
svm "$version"
passes 'first call before the nth'
svm "$version"
has 'nth call fails' 'reason="planned" status="failed" errno="13001"'
svm "$version"
passes 'the call after it'
control GET faults
has 'rules are listed' '"seen":3,"hits":1'
control DELETE faults
control GET faults
is 'rules are cleared' '{"faults":[]}' "$R"
fault '{"match":"*","svm":"svm2","action":"error"}'
id=${R//[!0-9]/}
svm "$version"
passes 'rule for another SVM'
call other:secret "$version"
fails 'rule for this SVM' 13001
control DELETE "faults/$id"
call other:secret "$version"
passes 'one rule removed'
fault '{"match":"x","action":"explode"}'
has 'bad action is refused' '"error":'
fault '{"match":"x","acton":"error"}'
has 'bad key is refused' 'acton'
fault '{"match":"system-get-version","action":"delay","ms":300,"count":1}'
t0=$(date +%s%N)
svm "$version"
passes 'delayed call'
is 'it took its time' yes "$([ $((($(date +%s%N) - t0) / 1000000)) -ge 300 ] && echo yes)"
fault '{"match":"system-get-version","action":"drop","count":1}'
svm "$version"
hasnt 'dropped call has no reply' results
fault '{"match":"snapshot-create","action":"drop","after":true,"count":1}'
create vol1 unseen
hasnt 'dropped after the deed' results
list vol1
has 'the deed was done' '<name>unseen</name>'
fault '{"match":"system-get-version","action":"garbage","count":1}'
R=$(post -u vsadmin:secret -d "<netapp>$version</netapp>" | tr -d '\0')
hasnt 'garbage is no reply' '<?xml'
fault '{"match":"system-get-version","action":"truncate","count":1}'
svm "$version"
has 'half a reply' '<netapp'
hasnt 'not all of it' '</netapp>'
fault '{"match":"snapshot-delete","action":"busy","count":1}'
delete vol1 unseen
fails 'busy' 13024
fault '{"match":"snapshot-create","volume":"vol2","action":"nospace","count":1}'
create vol1 roomy
passes 'no space is on the other volume'
create vol2 nospace
fails 'no space' 13025
fault '{"match":"system-get-version","action":"auth","count":1}'
R=$(post -u vsadmin:secret -o /dev/null -w '%{http_code}' -d "<netapp>$version</netapp>")
is 'login refused' 401 "$R"
fault '{"match":"snapshot-get-iter","volume":"vol2","action":"error","errno":13001,"count":1}'
svm '<snapshot-get-iter/>'
has 'error of one volume in a list' '<volume-errors>'
has 'the others are listed' '<name>first</name>'
control DELETE faults

# --- the late consistency group, then a restart -------------------------------------------------------
while [ $((($(date +%s%N) - late_at) / 1000000)) -lt 5300 ]; do sleep 0.1; done
copies() { find "$root"/svm1/vol?/.snapshot -maxdepth 1 -name '.new-*' | wc -l; }
for _ in $(seq 600); do [ "$(copies)" = 0 ] && break; sleep 0.1; done
is 'the copies of a late group are gone' 0 "$(copies)"
svm "<cg-commit><cg-id>$late</cg-id></cg-commit>"
fails 'late commit' 13700
list vol1
lasting() { grep -oE '<(name|access-time|comment|snapmirror-label|snapshot-instance-uuid|snapshot-version-uuid)>[^<]*' <<<"$R"; }
old=$(lasting)
svm '<volume-get-iter/>'
oldvol=$(grep -o '<volume-id-attributes>.*' <<<"$R" | grep -o '<uuid>[^<]*\|<instance-uuid>[^<]*')
cg open
cert=$(sum "$ca")
head -c 3000000 /dev/urandom >"$root/svm1/vol1/vm/new.img"
restore '<volume>vol1</volume><snapshot>first</snapshot><path>vm/disk.img</path><restore-path>/vol/vol1/vm/new.img</restore-path>'
stop
is 'SIGTERM ends it with 0' 0 "$code"
is 'nothing on stderr' '' "$(cat "$dir/stderr")"
mkdir -p "$root/svm1/vol1/.snapshot/.new-77/x"
start main
list vol1
is 'snapshots are the same after a restart' "$old" "$(lasting)"
svm '<volume-get-iter/>'
is 'volumes have their uuids' "$oldvol" "$(grep -o '<volume-id-attributes>.*' <<<"$R" | grep -o '<uuid>[^<]*\|<instance-uuid>[^<]*')"
is 'the certificate is the same' "$cert" "$(sum "$ca")"
is 'half copies are removed' 0 "$(find "$root"/svm1/vol?/.snapshot -maxdepth 1 -name '.*' -mindepth 1 | wc -l)"
settle
is 'the restore came to its end' "$before" "$(sum "$root/svm1/vol1/vm/new.img")"
list vol1
has 'uuid of the first snapshot' "$uuid"
delete vol1 first "<snapshot-instance-uuid>$uuid</snapshot-instance-uuid>"
passes 'delete with the right uuid'
R=$("$sim" --config "$dir/main.json" 2>&1)
is 'a second simulator on that root is refused' 1 $?
stop

# --- other configurations ---------------------------------------------------------------------------
config suspended 's/"zapi": true/"zapi": "suspended"/' 's/"rest": true/"rest": false/' 's/"restore_ms": 600/"latency_ms": 200, "page_limit": 1/'
start suspended --http
is 'plain HTTP' "http://127.0.0.1:" "${url%:*}:"
t0=$(date +%s%N)
svm "$version"
fails 'suspended ZAPI' 61253
is 'latency_ms' yes "$([ $((($(date +%s%N) - t0) / 1000000)) -ge 200 ] && echo yes)"
stop
local_host=127.0.0.1
grep -qs ' lo$' /proc/net/if_inet6 && local_host='[::1]'
config paged 's/"restore_ms": 600/"page_limit": 1/' 's/1.241/1.100/' "s/127.0.0.1:0/$local_host:0/" "s:/lun1:/q/t/lun2:" \
    "s|\"root\": \"$root\"|&, \"cert\": \"$dir/c.pem\", \"key\": \"$dir/k.pem\"|"
cp "$ca" "$dir/c.pem" && cp "$root/.ontapsim/key.pem" "$dir/k.pem"
start paged
is 'IPv6 where there is some, own certificate' "https://$local_host:" "${url%:*}:"
svm '<volume-get-iter><max-records>500</max-records></volume-get-iter>'
is 'page_limit' 1 "$(field num-records)"
has 'another ONTAPI version' "version='1.100'"
is 'a LUN in a qtree' 1048576 "$(stat -c %s "$root/svm1/vol2/q/t/lun2")"
create vol1 "$(printf 'x%.0s' {1..79})é*"
fails 'a text cut inside a character' 13115
is 'is still valid' yes "$(iconv -f UTF-8 -t UTF-8 <<<"$R" >/dev/null && echo yes)"
stop
config off 's/"zapi": true/"zapi": false/'
start off
R=$(post -u vsadmin:secret -o /dev/null -w '%{http_code}' -d "<netapp>$version</netapp>")
is 'no ZAPI is 404' 404 "$R"
kill -INT "$pid"
wait "$pid"
is 'SIGINT ends it with 0' 0 $?
pid=''
config broken 's/"junction": "\/vol1"/"junktion": 1/' 's/"type": "dp"/"type": "xx"/' 's/"svm": "svm2"/"svm": "svm9"/'
R=$("$sim" --config "$dir/broken.json" 2>&1)
is 'a bad configuration is exit 2' 2 $?
has 'it names file and key' "$dir/broken.json: svms[0].volumes[0]: unknown key \"junktion\""
is 'every mistake has its line' 3 "$(wc -l <<<"$R")"
R=$("$sim" --config "$dir/nothing.json" 2>&1)
is 'a missing configuration is exit 2' 2 $?
R=$("$sim" --help)
has '--help' 'usage: ontapsim'
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
    mkdir "$dir/user" && chmod 755 "$dir" && chown 65534:65534 "$dir/user"
    cp "$sim" "$dir/user/ontapsim"
    config user "s:$root:$dir/user/root:"
    sim=$(printf '%s' "$dir/user/run")
    printf '#!/bin/sh\nexec setpriv --reuid=65534 --regid=65534 --clear-groups %s "$@"\n' "$dir/user/ontapsim" >"$sim"
    chmod 755 "$sim"
    ca=$dir/user/root/.ontapsim/cert.pem
    start user
    create vol1 mine
    passes 'works as an ordinary user'
    stop
else
    skip 'works as an ordinary user'
fi
closing
