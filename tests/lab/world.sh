# shellcheck shell=bash
# world.sh: what every scenario in the lab begins with. Sourced there, after check.sh; the programs are in /root/lab.
#
#   lab_sim [JQ]           the simulator over this lab's own volumes and LUNs; its config changed by a jq expression
#   lab_conf [KEY=VALUE]   moonsnap's config for it
#   moon ARG ...           moonsnap, at most 240 s; WHERE holds the options that say where its files are
#   counter FILE|DEVICE    the number that a guest wrote last
#   counts DEVICE          waits until the number grows
#   map_of WWID / paths_of WWID   the map's device; its disks
#   state NAME             a guest's state
#   poll SECONDS CMD ...   until CMD succeeds
#   sim METHOD PATH [BODY] a request to the simulator; its answer
#   sum FILE|DEVICE        checksum of its bytes as the storage has them now
#   backup                 one that must succeed; sets SNAP
#   restore NAME [KEY=VALUE ...]
#   over zapi|rest CMD ... CMD, whose calls to the controller must all go over that transport
#   restore_while NAME CMD ...   a restore; CMD runs once the controller has begun it; exit code in CODE
# LUN1 is the disk of guest san, LUN2 (in a qtree) that of guest qtree, which is shut off; guest nas is on NFS.

cd /root/lab || exit 1
# shellcheck source=../lib/check.sh
. ./check.sh
LUN1=3600a0980383062716d5d5076684b6f66 LUN2=3600a0980383062716d5d5076684b6f67
export LUN1 LUN2
SNAP='' API=${LAB_API:-auto}

now_ms() { local t=${EPOCHREALTIME/[.,]/}; echo $((t / 1000)); }
poll() {
  local end=$(($(now_ms) + $1 * 1000))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$(now_ms)" -lt $end ] || return 1
    sleep 0.3
  done
}

lab_sim() {
  jq -n '{ listen: "127.0.0.1:8443", root: "/srv/filer", backend: "/usr/local/sbin/lio-sync", restore_ms: 1000,
    cluster: { name: "cl1", ontap: "9.14.1", ontapi: "1.241" },
    users: [ { name: "vsadmin", password: "secret", svm: "svm1" } ],
    svms: [ { name: "svm1", lifs: [ { name: "nas1", address: "127.0.0.1" } ],
      igroups: [ { name: "lab", protocol: "iscsi", os_type: "linux", initiators: [ "iqn.1993-08.org.debian:01:lab" ] } ],
      volumes: [ { name: "vol_nas", size: 536870912, junction: "/vol_nas" }, { name: "vol_san", size: 1073741824 } ],
      luns: [ { path: "/vol/vol_san/lun1", size: 67108864, serial: "80bqm]PvhKof", maps: [ { igroup: "lab", id: 0 } ] },
              { path: "/vol/vol_san/qt/lun2", size: 67108864, serial: "80bqm]PvhKog", maps: [ { igroup: "lab", id: 1 } ] }
      ] } ] } | '"${1:-.}" >sim.json
  setsid ./ontapsim --config sim.json >sim.out 2>sim.err </dev/null &
  poll 60 grep -q listening sim.out || { cat sim.out sim.err; exit 1; }
}

lab_conf() {
  mkdir -p etc/lab state
  {
    cat <<CONF
SNAME=lab
SNAP_TIMESTAMP_ONLY=Y
NTAP_USERS=svm1:vsadmin/secret
MANAGEMENT_INTERFACES=svm1:127.0.0.1
VOLUMES=svm1:vol_nas,vol_san
PORT=8443
ONTAP_CA_FILE=/srv/filer/.ontapsim/cert.pem
ONTAP_API=$API
NTAP_SNAPSHOT_RETENTIONS=daily:7
APP_NAME=kvm
SC_AGENT_TIMEOUT=600
CONF
    if [ $# -gt 0 ]; then printf '%s\n' "$@"; fi
  } >etc/lab/kvm.conf
  chmod 600 etc/lab/kvm.conf # it holds a password
}

sim() {
  curl -sS --fail --max-time 60 --cacert /srv/filer/.ontapsim/cert.pem -u vsadmin:secret -X "$1" \
    -H 'Content-Type: application/json' ${3:+-d "$3"} "https://127.0.0.1:8443$2"
}
calls() { sim GET /sim/requests | jq -r '[.log[].call] | unique[]'; }
transports() { calls | awk '{ print (/^(GET|POST|PATCH|DELETE) / ? "rest" : "zapi") }' | sort -u | paste -sd ' '; }

WHERE=(--profile lab --config kvm --config-dir /root/lab/etc --state-dir /root/lab/state)
moon() { timeout 240 ./moonsnap "$1" "${WHERE[@]}" "${@:2}"; }
counter() { dd if="$1" bs=512 skip=64 count=1 iflag=direct status=none | od -A n -t u4 -N 4 | tr -d ' '; }
sum() { dd if="$1" bs=1M iflag=direct status=none | sha256sum | cut -c 1-64; }
grew() { [ "$(counter "$1")" -gt "$2" ]; }
counts() {
  local n
  n=$(counter "$1")
  poll 60 grew "$1" "$n"
}
map_of() { basename "$(readlink -f "/dev/mapper/$1")"; }
paths_of() { ls "/sys/block/$(map_of "$1")/slaves"; }
state() { virsh -q domstate "$1"; }
is() { [ "$(state "$1")" = "$2" ]; }
usable() { dmsetup status "$1" | grep -oE ' [0-9]+:[0-9]+ A ' | wc -l; }
has_usable() { [ "$(usable "$1")" = "$2" ]; }

backup() {
  check_exit 'a backup' 0 moon backup --policy daily --json
  SNAP=$(jq -r .snapshot "$OUT" 2>/dev/null)
  if [ -z "$SNAP" ]; then finish; fi
  sleep 1.1 # the next snapshot gets another name
}
restore() {
  moon restore --policy daily --backupName "$SNAP" --yes --params "KVM_RESTORE_VM_LIST=$1" "${@:2}"
}
over() {
  local api=$1
  shift
  sed -i "s/^ONTAP_API=.*/ONTAP_API=$api/" etc/lab/kvm.conf
  sim DELETE /sim/requests >/dev/null
  "$@"
  check_eq "over $api and nothing else" "$(transports)" "$api"
}
restoring() { calls | grep -Eq '^(snapshot-restore-file|(POST|PATCH) /(storage/luns|private/cli/volume/snapshot/restore-file).*)$'; }
restore_while() {
  local pid
  sim DELETE /sim/requests >/dev/null
  restore "$1" >"$OUT" 2>"$ERR" </dev/null &
  pid=$!
  check "the restore of $1 has begun on the controller" poll 120 restoring
  "${@:2}"
  ended "$pid"
}
