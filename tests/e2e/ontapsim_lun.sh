#!/bin/bash
# The ONTAP simulator's LUNs, igroups, maps, clones and volumes over ONTAPI, as curl sees them; the same over
# REST is in ontapsim_san.sh. Contents by checksum, identities across a restart, errors by number.
# usage: tests/e2e/ontapsim_lun.sh [BUILD_DIR]
# shellcheck disable=SC2154 # sim_start sets URL_NAME
set -u
# shellcheck source=../lib/ontapsim.sh
. "$(dirname "$(realpath "$0")")/../lib/ontapsim.sh"

# config SED-EXPRESSION...
config() {
  sed "${@/#/-e}" -e '' >"$d/sim.json" <<'END'
{ "listen": "127.0.0.1:0", "root": "ROOT", "http": true, "restore_ms": 0, "split_ms": 60000,
  "users": [ { "name": "admin", "password": "secret" }, { "name": "vsadmin", "password": "secret", "svm": "svm1" } ],
  "svms": [ { "name": "svm1",
      "volumes": [ { "name": "san", "size": 1073741824 }, { "name": "nas", "size": 1073741824, "junction": "/nas" },
                   { "name": "other", "size": 1073741824 }, { "name": "off", "size": 1048576, "state": "offline" },
                   { "name": "dst", "size": 1048576, "type": "dp" } ],
      "igroups": [ { "name": "kvm1", "initiators": [ "iqn.1994-05.com.redhat:kvm1" ] }, { "name": "kvm2", "protocol": "fcp" } ],
      "luns": [ { "path": "/vol/san/a", "size": 8388608, "serial": "80B$&%#?*[!]", "comment": "web01 <vda>",
                  "uuid": "6b1f0e0a-8012-11ee-9d1b-00a098f10001", "maps": [ { "igroup": "kvm1", "id": 3 } ] },
                { "path": "/vol/san/qt/b", "size": 8388608, "serial": "80]^~@+/-!.x" } ] },
    { "name": "svm2", "volumes": [ { "name": "san", "size": 1073741824 } ] } ] }
END
  sed -i "s:ROOT:$root:" "$d/sim.json"
}
start() { sim_start main "$d/sim.json"; }
svm() { zapi "$URL_main" vsadmin:secret "$1"; }
luns() { svm "<lun-get-iter><max-records>${2:-100}</max-records><query><lun-info>$1</lun-info></query></lun-get-iter>"; }
one() { svm "<$1><path>$2</path>${3:-}</$1>"; }
clone() { svm "<clone-create><volume>$1</volume><source-path>$2</source-path><destination-path>$3</destination-path>${4:-}</clone-create>"; }
pace() { control "$URL_main" PUT pace "$1"; }
snap() { svm "<snapshot-create><volume>$1</volume><snapshot>$2</snapshot></snapshot-create>"; }
volume() { svm "<volume-get-iter><query><volume-attributes><volume-id-attributes><name>$1</name></volume-id-attributes></volume-attributes></query></volume-get-iter>"; }
wait_for() { # TEXT COMMAND...: until the reply holds it
  local text=$1
  shift
  for _ in $(seq 600); do
    "$@"
    case $R in *"$text"*) return ;; esac
    sleep 0.1
  done
}

config
start

# --- LUNs ----------------------------------------------------------------------------------------
a=$root/svm1/san/a
check_eq 'a LUN is a file of its size' "$(stat -c %s "$a")" 8388608
luns ''
check_eq 'lun-get-iter lists' "$(field num-records)" 2
luns '<serial-number>80]^~@+/-!.x</serial-number>'
check_eq 'by an awkward serial' "$(field path)" /vol/san/qt/b
check_eq 'its qtree' "$(field qtree)" qt
luns '<path>/vol/san/a</path>'
has 'serial and comment are escaped' '<serial-number>80B$&amp;%#?*[!]</serial-number>'
has 'comment' '<comment>web01 &lt;vda&gt;</comment>'
has 'uuid of the configuration' '<uuid>6b1f0e0a-8012-11ee-9d1b-00a098f10001</uuid>'
has 'mapped' '<mapped>true</mapped>'
has 'no qtree is an empty one' '<qtree></qtree>'
luns '<uuid>6b1f0e0a-8012-11ee-9d1b-00a098f10001</uuid>'
check_eq 'by uuid' "$(field path)" /vol/san/a
luns '<volume>other</volume>'
check_eq 'none' "$(field num-records)" 0
luns '<path>/vol/*/b</path>'
check_eq 'a wildcard' "$(field path)" /vol/san/qt/b
luns '' 1
has 'a page' '<num-records>1</num-records>'
svm "<lun-get-iter><max-records>1</max-records><tag>$(field next-tag)</tag></lun-get-iter>"
check_eq 'the next page' "$(field path)" /vol/san/qt/b
zapi "$URL_main" admin:secret '<lun-get-iter/>'
check_eq 'a cluster user lists all' "$(field num-records)" 2
one lun-get-serial-number /vol/san/a
has 'lun-get-serial-number' '<serial-number>80B$&amp;%#?*[!]</serial-number>'
one lun-get-serial-number /vol/san/none
fails 'no such LUN' 9017
one lun-set-serial-number /vol/san/qt/b '<serial-number>abcDEF123/-@</serial-number>'
fails 'a serial is set offline only' 9015
one lun-offline /vol/san/qt/b
passes 'lun-offline'
one lun-offline /vol/san/qt/b
fails 'lun-offline twice' 9014
one lun-set-serial-number /vol/san/qt/b '<serial-number>too short</serial-number>'
fails 'a bad serial' 13115
one lun-set-serial-number /vol/san/qt/b '<serial-number>abcDEF123/-@</serial-number>'
passes 'lun-set-serial-number'
luns '<serial-number>abcDEF123/-@</serial-number>'
has 'and it is found by it, offline' '<online>false</online>'
one lun-online /vol/san/qt/b
passes 'lun-online'
one lun-online /vol/san/qt/b
fails 'lun-online twice' 9015
one lun-create-by-size /vol/san/new '<size>1048576</size><ostype>linux</ostype><comment>c</comment>'
check_eq 'lun-create-by-size' "$(field actual-size)" 1048576
one lun-create-by-size /vol/san/new '<size>1048576</size>'
fails 'a LUN that exists' 9012
one lun-create-by-size /vol/nosuch/new '<size>1048576</size>'
fails 'in no volume' 9036
one lun-create-by-size /vol/san/noqtree/new '<size>1048576</size>'
fails 'in no qtree' 9020
one lun-create-by-size /vol/san/../x '<size>1048576</size>'
fails 'outside the volume' 13115
one lun-create-by-size /vol/dst/new '<size>1048576</size>'
fails 'on a mirror' 13043
one lun-create-by-size /vol/off/new '<size>1048576</size>'
fails 'on an offline volume' 13042
one lun-create-by-size /vol/san/big '<size>999999999999999</size>'
fails 'too large' 9034
one lun-create-by-size /vol/san/type '<size>1048576</size><ostype>dos</ostype>'
fails 'an unknown type' 13115
svm '<lun-create-by-size><path>/vol/san/x</path></lun-create-by-size>'
fails 'no size' 13006
one lun-resize /vol/san/new '<size>2097152</size>'
check_eq 'lun-resize' "$(stat -c %s "$root/svm1/san/new")" 2097152
one lun-resize /vol/san/new '<size>1048576</size>'
fails 'shrinking without force' 13115
one lun-resize /vol/san/new '<size>2097152</size>'
fails 'the same size' 9042
one lun-resize /vol/san/new '<size>1048576</size><force>true</force>'
passes 'shrinking with force'
one lun-move /vol/san/new '<new-path>/vol/san/qt/moved</new-path>'
passes 'lun-move'
one lun-move /vol/san/qt/moved '<new-path>/vol/other/moved</new-path>'
fails 'lun-move leaves no volume' 13115
one lun-move /vol/san/qt/moved '<new-path>/vol/san/a</new-path>'
fails 'lun-move onto another' 9012
one lun-set-comment /vol/san/qt/moved '<comment>new &amp; nice</comment>'
one lun-get-comment /vol/san/qt/moved
check_eq 'lun-set-comment' "$(field comment)" 'new &amp; nice'
one lun-get-geometry /vol/san/qt/moved
check_eq 'lun-get-geometry' "$(field size)" 1048576
one lun-restore-status /vol/san/a
check_eq 'lun-restore-status' "$(field is-running)" false

# --- igroups and maps ------------------------------------------------------------------------------
group() { svm "<$1><initiator-group-name>$2</initiator-group-name>${3:-}</$1>"; }
group igroup-create g1 '<initiator-group-type>iscsi</initiator-group-type><os-type>linux</os-type>'
passes 'igroup-create'
group igroup-create g1 '<initiator-group-type>iscsi</initiator-group-type>'
fails 'an igroup that exists' 9004
group igroup-create g2 '<initiator-group-type>scsi</initiator-group-type>'
fails 'a bad type' 13115
group igroup-add g1 '<initiator>iqn.1994-05.com.redhat:x</initiator>'
passes 'igroup-add'
group igroup-add g1 '<initiator>IQN.1994-05.com.redhat:x</initiator>'
fails 'the same initiator' 9008
group igroup-add g1 '<initiator>iqn.y</initiator>'
group igroup-remove g1 '<initiator>iqn.y</initiator>'
passes 'igroup-remove'
group igroup-remove g1 '<initiator>iqn.y</initiator>'
fails 'igroup-remove twice' 9007
svm '<igroup-get-iter><query><initiator-group-info><initiators><initiator-info><initiator-name>iqn.1994-05.com.redhat:kvm1</initiator-name></initiator-info></initiators></initiator-group-info></query></igroup-get-iter>'
check_eq 'igroup by initiator' "$(field initiator-group-name)" kvm1
group igroup-list-info g1
has 'igroup-list-info' '<initiator-name>iqn.1994-05.com.redhat:x</initiator-name>'
group igroup-list-info nosuch
fails 'no such igroup' 9003
map() { one lun-map "$1" "<initiator-group>$2</initiator-group>${3:-}"; }
unmap() { one lun-unmap "$1" "<initiator-group>$2</initiator-group>"; }
map /vol/san/qt/b kvm1
check_eq 'the smallest free number' "$(field lun-id-assigned)" 0
map /vol/san/qt/b kvm1
fails 'mapped already' 9009
map /vol/san/qt/moved kvm1 '<lun-id>3</lun-id>'
fails 'the number is in use' 9009
map /vol/san/qt/moved kvm1 '<lun-id>4096</lun-id>'
fails 'beyond the last number' 13115
map /vol/san/qt/moved kvm1 '<lun-id>4095</lun-id>'
check_eq 'the last number' "$(field lun-id-assigned)" 4095
map /vol/san/qt/moved nosuch
fails 'no such igroup' 9003
map /vol/san/nosuch kvm1
fails 'no such LUN' 9017
one lun-map-list-info /vol/san/a
has 'lun-map-list-info' '<lun-id>3</lun-id>'
svm '<lun-map-get-iter><max-records>2</max-records></lun-map-get-iter>'
check_eq 'lun-map-get-iter' "$(field num-records)" 2
svm "<lun-map-get-iter><max-records>2</max-records><tag>$(field next-tag)</tag></lun-map-get-iter>"
has 'its second page' '<path>/vol/san/qt/moved</path>'
check_eq 'holds the rest' "$(field num-records)" 1
svm '<lun-initiator-list-map-info><initiator>iqn.1994-05.com.redhat:kvm1</initiator></lun-initiator-list-map-info>'
check_eq 'maps of an initiator' "$(grep -o '<lun-id>' <<<"$R" | wc -l)" 3
group igroup-remove kvm1 '<initiator>iqn.1994-05.com.redhat:kvm1</initiator>'
fails 'an initiator of a mapped igroup stays' 9029
group igroup-destroy kvm1
fails 'a mapped igroup stays' 9029
one lun-destroy /vol/san/qt/moved
fails 'a mapped LUN stays' 9013
unmap /vol/san/qt/moved kvm1
passes 'lun-unmap'
unmap /vol/san/qt/moved kvm1
fails 'lun-unmap twice' 9016
one lun-destroy /vol/san/qt/moved
passes 'lun-destroy'
check_eq 'its file is gone' "$(ls "$root/svm1/san/qt")" b
group igroup-rename g1 '<initiator-group-new-name>g9</initiator-group-new-name>'
passes 'igroup-rename'

# --- restores --------------------------------------------------------------------------------------
noise "$a"
before=$(sum "$a")
snap san s1
passes 'a snapshot'
noise "$a" 500000 900
one lun-resize /vol/san/a '<size>16777216</size>'
luns '<path>/vol/san/a</path>'
identity=$(field serial-number)$(field uuid)$(field mapped)
pace '{"restore_ms": 60000}' # until what it forbids has been tried
svm '<snapshot-restore-file><path>/vol/san/a</path><snapshot>s1</snapshot></snapshot-restore-file>'
passes 'a LUN restore begins'
one lun-restore-status /vol/san/a
check_eq 'it is under way' "$(field is-running)" true
snap san s2
fails 'no snapshot meanwhile' 15801
svm '<snapshot-restore-file><path>/vol/san/a</path><snapshot>s1</snapshot></snapshot-restore-file>'
fails 'no second restore of it' 15801
one lun-destroy /vol/san/a '<force>true</force>'
fails 'its LUN stays' 9062
clone san a c
fails 'no clone meanwhile' 14529
pace '{"restore_ms": 0}'
wait_for '<is-running>false<' one lun-restore-status /vol/san/a
check_eq 'the bytes are back' "$(sum "$a")" "$before"
luns '<path>/vol/san/a</path>'
check_eq 'serial, uuid and maps stay' "$(field serial-number)$(field uuid)$(field mapped)" "$identity"
check_eq 'the size is that of then' "$(field size)" 8388608
svm '<snapshot-restore-file><path>/vol/san/a</path><snapshot>s1</snapshot><restore-path>/vol/san/beside</restore-path></snapshot-restore-file>'
wait_for '<is-running>false<' one lun-restore-status /vol/san/beside
check_eq 'a restore beside it has the bytes' "$(sum "$root/svm1/san/beside")" "$before"
luns '<path>/vol/san/beside</path>'
check_ne 'and is a LUN with a serial of its own' "$(field serial-number)" "${identity:0:12}"
one lun-create-by-size /vol/san/young '<size>1048576</size>'
svm '<snapshot-restore-file><path>/vol/san/young</path><snapshot>s1</snapshot></snapshot-restore-file>'
fails 'a LUN that the snapshot does not have' 9070
svm '<snapshot-restore-file><path>/vol/san/nosuch</path><snapshot>s1</snapshot></snapshot-restore-file>'
fails 'a file that it does not have' 13113
svm '<snapshot-restore-file><path>/vol/san/a</path><snapshot>nosuch</snapshot></snapshot-restore-file>'
fails 'no such snapshot' 13021

# --- clones of files and LUNs ------------------------------------------------------------------------
noise "$a" 400000 100
live=$(sum "$a")
clone san a verify '<snapshot-name>s1</snapshot-name>'
passes 'clone-create of a LUN in a snapshot'
check_eq 'it has the bytes of then' "$(sum "$root/svm1/san/verify")" "$before"
luns '<path>/vol/san/verify</path>'
has 'a clone is not mapped' '<mapped>false</mapped>'
has 'a clone is online' '<online>true</online>'
check_ne 'a clone has a serial of its own' "$(field serial-number)" "${identity:0:12}"
clone san a qt/live
check_eq 'a clone of the live LUN' "$(sum "$root/svm1/san/qt/live")" "$live"
clone san a verify
fails 'the destination exists' 14952
serial=$(one lun-get-serial-number /vol/san/verify && field serial-number)
clone san a verify '<destination-exists>true</destination-exists>'
check_eq 'unless it is to be overwritten' "$(sum "$root/svm1/san/verify")" "$live"
one lun-get-serial-number /vol/san/verify
check_eq 'it keeps its serial then' "$(field serial-number)" "$serial"
clone san nosuch c
fails 'no source' 14935
clone san a c '<snapshot-name>nosuch</snapshot-name>'
fails 'no snapshot' 13021
clone san a /vol/other/c
fails 'another volume' 14937
clone nosuch a c
fails 'no volume' 13040
clone off a c
fails 'an offline volume' 14926
clone dst a c
fails 'a mirror' 14928
clone san ../x c
fails 'a source outside' 13115
clone san a .snapshot/c
fails 'a destination among the snapshots' 13115
one lun-create-by-size /vol/san/sub '<size>1048576</size>'
range() { echo "<block-ranges><block-range><source-block-number>$1</source-block-number><destination-block-number>$2</destination-block-number><block-count>$3</block-count></block-range></block-ranges>"; }
clone san a sub "$(range 800 8 64)"
passes 'a block range'
check_eq 'moves its bytes' "$(dd if="$root/svm1/san/sub" bs=512 skip=8 count=64 status=none | sha256sum)" \
  "$(dd if="$a" bs=512 skip=800 count=64 status=none | sha256sum)"
check_eq 'and no others' "$(dd if="$root/svm1/san/sub" bs=512 count=8 status=none | tr -d '\0' | wc -c)" 0
clone san a sub "$(range 16380 0 64)"
fails 'a range beyond the end' 14946
clone san a sub "$(range 0 0 262145)"
fails 'too many blocks' 14968
mkdir "$root/svm1/nas/vm"
noise "$root/svm1/nas/vm/disk"
clone nas vm/disk vm/disk.verify
check_eq 'a clone of a file' "$(sum "$root/svm1/nas/vm/disk.verify")" "$(sum "$root/svm1/nas/vm/disk")"
luns '<volume>nas</volume>'
check_eq 'is no LUN' "$(field num-records)" 0

# --- volumes ---------------------------------------------------------------------------------------
vol() { svm "<$1><$2>$3</$2>${4:-}</$1>"; }
vol volume-create volume made '<size>10m</size><containing-aggr-name>aggr1</containing-aggr-name><junction-path>/made</junction-path>'
passes 'volume-create'
volume made
has 'its size' '<size>10485760</size>'
has 'its junction' '<junction-path>/made</junction-path>'
vol volume-create volume made '<size>10m</size>'
fails 'a volume that exists' 17
vol volume-create volume bad-name '<size>10m</size>'
fails 'a bad name' 13044
vol volume-create volume m2 '<size>10m</size><containing-aggr-name>nosuch</containing-aggr-name>'
fails 'no such aggregate' 14420
vol volume-create volume m2 '<size>10m</size><junction-path>/nas</junction-path>'
fails 'a junction in use' 14714
vol volume-get-volume-path volume made
check_eq 'volume-get-volume-path' "$(field junction)" /made
vol volume-size volume made '<new-size>+10m</new-size>'
check_eq 'volume-size' "$(field volume-size)" 20971520
svm '<volume-modify-iter><query><volume-attributes><volume-id-attributes><name>made</name></volume-id-attributes></volume-attributes></query><attributes><volume-attributes><volume-id-attributes><comment>hello</comment></volume-id-attributes><volume-space-attributes><size>31457280</size></volume-space-attributes></volume-attributes></attributes></volume-modify-iter>'
check_eq 'volume-modify-iter' "$(field num-succeeded)" 1
volume made
has 'it has a comment' '<comment>hello</comment>'
has 'and a size' '<size>31457280</size>'
vol volume-offline name made
fails 'a mounted volume stays online' 14713
vol volume-destroy name made
fails 'an online volume stays' 13060
vol volume-mount volume-name made '<junction-path>/again</junction-path>'
fails 'mounted already' 14713
vol volume-unmount volume-name made
passes 'volume-unmount'
vol volume-unmount volume-name made
fails 'volume-unmount twice' 14716
vol volume-mount volume-name made '<junction-path>/again</junction-path>'
passes 'volume-mount'
vol volume-rename volume made '<new-volume-name>renamed</new-volume-name>'
passes 'volume-rename'
check_eq 'its directory has the name' "$([ -d "$root/svm1/renamed" ] && [ ! -e "$root/svm1/made" ] && echo yes)" yes
vol volume-unmount volume-name renamed
vol volume-offline name renamed
passes 'volume-offline'
vol volume-offline name renamed
fails 'volume-offline twice' 13042
vol volume-mount volume-name renamed '<junction-path>/again</junction-path>'
fails 'an offline volume is not mounted' 13042
vol volume-online name renamed
passes 'volume-online'
vol volume-destroy name renamed '<unmount-and-offline>true</unmount-and-offline>'
passes 'volume-destroy'
check_eq 'nothing is left' "$([ ! -e "$root/svm1/renamed" ] && find "$root/svm1" -maxdepth 1 -name '.*' | wc -l)" 0
vol volume-destroy name renamed
fails 'volume-destroy twice' 13040
snap renamed x
fails 'no snapshot of it' 13040

# --- FlexClone ----------------------------------------------------------------------------------------
vclone() { vol volume-clone-create volume "$1" "<parent-volume>$2</parent-volume>${3:-}"; }
noise "$a" 100000 7
vclone fc san '<parent-snapshot>s1</parent-snapshot><junction-path>/fc</junction-path>'
passes 'volume-clone-create'
check_eq 'it has the bytes of the snapshot' "$(sum "$root/svm1/fc/a")" "$before"
luns '<path>/vol/fc/a</path>'
check_eq 'its LUNs are LUNs' "$(field num-records)" 1
check_ne 'with serials of their own' "$(field serial-number)" "${identity:0:12}"
volume fc
has 'its parent' '<volume-clone-parent-attributes><name>san</name><snapshot-name>s1</snapshot-name>'
svm '<snapshot-get-iter><query><snapshot-info><volume>san</volume><name>s1</name></snapshot-info></query></snapshot-get-iter>'
has 'the snapshot is busy' '<dependency>vclone</dependency>'
svm '<snapshot-delete><volume>san</volume><snapshot>s1</snapshot></snapshot-delete>'
fails 'it cannot be deleted' 13024
vclone fc san '<parent-snapshot>s1</parent-snapshot>'
fails 'a clone that exists' 17
vclone fc2 san '<parent-snapshot>nosuch</parent-snapshot>'
fails 'no such snapshot' 13021
vclone fc2 san '<parent-snapshot>s1</parent-snapshot><junction-path>/fc</junction-path>'
fails 'a junction in use' 14714
vclone base nas
passes 'without a snapshot'
svm '<volume-clone-get-iter><query><volume-clone-info><volume>base</volume></volume-clone-info></query></volume-clone-get-iter>'
has 'one is made' '<parent-snapshot>clone_parent_'
svm '<volume-destroy><name>nas</name><unmount-and-offline>true</unmount-and-offline></volume-destroy>'
fails 'a parent stays' 15894
vol volume-clone-get volume fc
has 'volume-clone-get' '<parent-volume>san</parent-volume>'
vol volume-clone-get volume san
fails 'which is no clone' 15661
vol volume-clone-split-start volume san
fails 'no split of what is no clone' 13170
vol volume-clone-split-stop volume base
fails 'no split to stop' 13171
vol volume-clone-split-start volume base
has 'volume-clone-split-start' '<result-status>in_progress</result-status>'
job=$(field result-jobid)
vol volume-clone-split-start volume base
fails 'a split runs once' 17151
vol volume-destroy name base '<unmount-and-offline>true</unmount-and-offline>'
fails 'a volume stays while it is split' 17151
svm '<volume-clone-split-status/>'
has 'volume-clone-split-status' '<name>base</name>'
clone base vm/disk x
fails 'no file clone meanwhile' 14964
pace '{"split_ms": 0}'
wait_for '<job-state>success<' svm "<job-get><job-id>$job</job-id></job-get>"
has 'the split ends' '<job-state>success</job-state>'
svm '<volume-clone-get-iter/>'
check_eq 'one clone is left' "$(field num-records)" 1

# --- whole volume, qtrees -------------------------------------------------------------------------------
svm '<snapshot-restore-volume><volume>base</volume><snapshot>s1</snapshot></snapshot-restore-volume>'
fails 'a revert to no snapshot' 13021
snap nas r1
disk=$(sum "$root/svm1/nas/vm/disk")
noise "$root/svm1/nas/vm/disk" 9000 3
touch "$root/svm1/nas/new"
snap nas r2
svm '<snapshot-restore-volume><volume>nas</volume><snapshot>r1</snapshot><preserve-lun-ids>true</preserve-lun-ids></snapshot-restore-volume>'
passes 'snapshot-restore-volume'
check_eq 'the volume is as it was' "$(sum "$root/svm1/nas/vm/disk") $(ls "$root/svm1/nas")" "$disk vm"
svm '<snapshot-get-iter><query><snapshot-info><volume>nas</volume></snapshot-info></query></snapshot-get-iter>'
hasnt 'newer snapshots are gone' '<name>r2</name>'
svm '<qtree-create><volume>nas</volume><qtree>q1</qtree></qtree-create>'
passes 'qtree-create'
svm '<qtree-create><volume>nas</volume><qtree>q1</qtree></qtree-create>'
fails 'a qtree that exists' 13130
svm '<qtree-list-iter><query><qtree-info><volume>nas</volume></qtree-info></query></qtree-list-iter>'
check_eq 'the volume and one qtree' "$(field num-records)" 2
has 'qtree-list-iter' '<qtree>q1</qtree>'
svm '<qtree-delete><qtree>/vol/nas/q1</qtree></qtree-delete>'
passes 'qtree-delete'

# --- a restart ------------------------------------------------------------------------------------------
remember() {
  svm '<lun-get-iter><max-records>100</max-records></lun-get-iter>'
  local all=$R
  svm '<lun-map-get-iter/>'
  all+=$R
  svm '<igroup-get-iter/>'
  all+=$R
  svm '<volume-clone-get-iter/>'
  R=$all$R
}
vol volume-create volume keep '<size>10m</size><junction-path>/keep</junction-path>'
vol volume-destroy name other '<unmount-and-offline>true</unmount-and-offline>'
one lun-create-by-size /vol/keep/l '<size>1048576</size>'
one lun-offline /vol/keep/l
map /vol/san/verify g9 '<lun-id>7</lun-id>'
one lun-destroy /vol/san/qt/b '<force>true</force>'
group igroup-destroy kvm2
remember
then=$R
sim_stop main
start
remember
check_eq 'LUNs, maps, igroups and clones are the same after a restart' "$R" "$then"
volume keep
has 'a volume that was made is there' '<junction-path>/keep</junction-path>'
volume other
check_eq 'one that was destroyed is not' "$(field num-records)" 0
svm '<snapshot-delete><volume>san</volume><snapshot>s1</snapshot></snapshot-delete>'
fails 'the snapshot of a clone is still busy' 13024
luns '<path>/vol/san/qt/b</path>'
check_eq 'a destroyed LUN of the configuration stays away' "$(field num-records)" 0
sim_stop main
config 's|"80B[^"]*"|"changed00001"|' 's|"other", "size": 1073741824|"other", "size": 2097152|'
start
luns '<serial-number>changed00001</serial-number>'
check_eq 'a configuration that says something new is followed' "$(field path)" /vol/san/a
has 'and the uuid stays' '<uuid>6b1f0e0a-8012-11ee-9d1b-00a098f10001</uuid>'
volume other
check_eq 'a destroyed volume comes back then' "$(field num-records)" 1
check_eq 'teardown: unmount' "$(vol volume-unmount volume-name fc && grep -o passed <<<"$R")" passed
check_eq 'teardown: offline' "$(vol volume-offline name fc && grep -o passed <<<"$R")" passed
check_eq 'teardown: destroy' "$(vol volume-destroy name fc && grep -o passed <<<"$R")" passed
svm '<snapshot-delete><volume>san</volume><snapshot>s1</snapshot></snapshot-delete>'
passes 'then its snapshot can be deleted'
sim_stop main
finish
