# shellcheck shell=bash
# world.sh: the world that moonsnap works in, made from real parts below one directory: a libvirtd of its own, real
# QEMU guests (plain emulation, 16 MiB each, 512 bytes of guest code), and the ONTAP simulator whose volumes hold
# their disks. Sourced; needs bash. The file that sources it sets MOON_BUILD first, or gets build/.
#
#   world_up [DIR [host]]        libvirtd; with "host" the one of this machine, if it answers at qemu:///system; with
#                                "bare" none: for what needs the simulator only
#   libvirtd_start               again, after a test has ended it (its pid: WORLD_LIBVIRTD_PID); its guests live on
#   world_down                   removes all of it; runs by itself at exit and on INT and TERM
#   leftovers [DIR]              prints what is still there (processes, mounts, guests, files); 1 if anything is
#   WORLD_VOLUMES=(vol1 vol2)    svm1's volumes; set before world_up for others
#   sim_config FILE [JQ]         writes a simulator config: svm1 with them, changed by a jq expression; with
#                                MOON_SIM_API=rest (or zapi) it offers that alone
#   sim_start [FILE] / sim_stop  the simulator; sets SIM_URL SIM_PORT SIM_ROOT SIM_CA
#   sim_requests / sim_fault JSON / sim_faults_clear    the last one also lets go what a rule "hold" holds
#   sim_hit [N]                  for poll: a rule has fired, N (1) times or more
#   sim_pace JSON                how long what it does takes from now on: {"transfer_ms": 60000}
#   sim_changes                  the calls so far that change something, one a line
#   image_make PATH [SIZE]       a bootable disk: guest code, room for its counter, random bytes
#   guest_define NAME IMAGE [DISK | block:DEVICE | cdrom:FILE | floppy:FILE] ...   IMAGE may be block:DEVICE, too
#   guest_start NAME ... / guest_stop NAME ... / guest_state NAME / guest_reason NAME
#   guest_counter IMAGE          the number that the guest wrote last; 0 if there is none
#   wait_counter IMAGE MIN [SECONDS] / wait_state NAME STATE [SECONDS]
#   spoil FILE MIB               overwrites the beginning of a disk with random bytes, also while its guest writes
#   guests_many N                g01 to gN on the volumes in turn, running; those that are there stay
#   moon_conf [KEY=VALUE ...]    writes etc/demo/kvm.conf: defaults for this world, then what is given
#   moon ARG ...                 moonsnap with this world's config and state directories, for at most 60 s
#   vsh ARG ...                  virsh on this world's libvirtd
#   poll SECONDS CMD ...         until CMD succeeds, at most so long; four times that on a machine that is busy otherwise
#
# libvirtd runs in session mode. A libvirtd of root would be a system one with fixed paths in /etc, /run and /var/lib,
# shared with the host; so root starts libvirtd, its guests and the simulator under the account `nobody`, and any
# other user under his own. Nothing needs privileges, /dev/kvm, cgroups or systemd.

PATH=$PATH:/usr/sbin:/sbin
export SHELL=/bin/sh # script(1) starts commands with it: the same one on every machine
MOON_BUILD=$(realpath "${MOON_BUILD:-build}")
WORLD_LIB=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
MOONSNAP=$MOON_BUILD/moonsnap
if [ -z "${WORLD_VOLUMES+set}" ]; then WORLD_VOLUMES=(vol1 vol2); fi
WORLD_DIR='' WORLD_LV='' WORLD_KIND='' WORLD_CACHE=none WORLD_IO=${WORLD_IO:-native} WORLD_AS=() WORLD_OWNER='' WORLD_PREFIX=''
WORLD_LIBVIRTD_PID='' WORLD_REAPER_PID='' SIM_PID='' SIM_URL='' SIM_PORT='' SIM_ROOT='' SIM_CA='' MOON_TEST_URI=''

world_fail() { printf 'world: %s\n' "$*" >&2; exit 1; }
# Not the time of day, which may be set while somebody waits.
now_ms() { local up; read -r up _ </proc/uptime; echo $((10#${up/./} * 10)); }

poll() { # seconds, command
  local end=$(($(now_ms) + $1 * 4000))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$(now_ms)" -lt $end ] || return 1
    sleep 0.05
  done
}

# On a terminal virsh starts an agent that asks for passwords there; without a controlling terminal it does not.
vsh() { setsid -w virsh -q -c "$MOON_TEST_URI" "$@"; }
alive() { [ -n "$1" ] && [ -d "/proc/$1" ] && ! grep -qs '^State:.Z' "/proc/$1/status"; }
gone() { ! alive "$1"; }

# kill_pid PID PATTERN [SIGNAL]: ends a process if its command line still has PATTERN in it (pids are used again).
kill_pid() {
  local pid=$1 signal=${3:-TERM}
  if [ -z "$pid" ] || ! tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF -- "$2"; then return 0; fi
  kill -"$signal" "$pid" 2>/dev/null || return 0
  poll 5 gone "$pid" || { kill -KILL "$pid" 2>/dev/null; poll 2 gone "$pid"; } || true
}

# own FILE...: gives files to the account that the guests run under.
own() { if [ -n "$WORLD_OWNER" ]; then chown "$WORLD_OWNER" "$@"; fi; }

# --- libvirtd -----------------------------------------------------------------------------------------------------

world_up() {
  local dir=${1:-${MOON_TEST_TMP:+$MOON_TEST_TMP/w}}
  dir=${dir:-$(mktemp -d "${TMPDIR:-/tmp}/moon.XXXXXX")}
  mkdir -p "$dir"
  WORLD_DIR=$(realpath "$dir")
  trap world_down EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  mkdir -p "$WORLD_DIR/sim/svm1" "${WORLD_VOLUMES[@]/#/$WORLD_DIR/sim/svm1/}" "$WORLD_DIR/etc/demo" "$WORLD_DIR/xml" \
    "$WORLD_DIR/local"
  : >"$WORLD_DIR/guests"

  WORLD_KIND=own WORLD_AS=(setpriv --pdeathsig TERM --)
  if [ "${2:-}" = host ] && timeout 5 setsid -w virsh -q -c qemu:///system uri >/dev/null 2>&1; then
    WORLD_KIND=host WORLD_PREFIX=moon-${BASHPID}- MOON_TEST_URI=qemu:///system
    chmod 755 "$WORLD_DIR"
  elif [ "$(id -u)" = 0 ]; then
    WORLD_OWNER=$(id -u nobody):$(id -g nobody)
    WORLD_AS=(setpriv --reuid "${WORLD_OWNER%:*}" --regid "${WORLD_OWNER#*:}" --clear-groups --pdeathsig TERM --)
    chmod go+x "$WORLD_DIR" "${MOON_TEST_TMP:-$WORLD_DIR}"
  fi
  if [ "${2:-}" = bare ]; then WORLD_KIND=bare; fi
  own -R "$WORLD_DIR/sim" "$WORLD_DIR/local"
  "${WORLD_AS[@]}" test -w "$WORLD_DIR/sim/svm1" ||
    world_fail "$WORLD_DIR cannot be reached by the account that runs the guests; set TMPDIR to a directory that can"

  # QEMU opens the images with O_DIRECT, as on a real host, where the file system knows it.
  if ! dd if=/dev/zero of="$WORLD_DIR/sim/svm1/probe" bs=4096 count=1 oflag=direct status=none 2>/dev/null; then
    WORLD_CACHE=writeback
  fi
  rm -f "$WORLD_DIR/sim/svm1/probe"

  world_mountinfo
  if [ $WORLD_KIND != bare ]; then world_guest_code; fi
  if [ $WORLD_KIND = own ]; then world_libvirtd; fi
  if [ $WORLD_KIND != host ]; then
    setsid "$WORLD_LIB/reap.sh" $$ "$WORLD_DIR" "$WORLD_LV" >/dev/null 2>&1 </dev/null &
    WORLD_REAPER_PID=$!
    disown $WORLD_REAPER_PID
  fi
  export MOON_TEST_URI WORLD_DIR
}

world_guest_code() {
  local bin=$MOON_BUILD/guest.bin src=$WORLD_LIB/../guest/guest.S tmp
  if [ ! "$bin" -nt "$src" ]; then
    tmp=$(mktemp -d "$MOON_BUILD/guest.XXXXXX") # beside it: other tests may be reading the one that is replaced
    as --32 -o "$tmp/guest.o" "$src"
    ld -m elf_i386 -Ttext 0x7c00 --oformat binary -o "$tmp/guest.bin" "$tmp/guest.o"
    mv "$tmp/guest.bin" "$bin"
    rm -rf "$tmp"
  fi
}

# The host's own mounts, and the simulator's volumes as the NFS mounts that a hypervisor would have of them.
world_mountinfo() {
  local root vol n=900
  root=$(awk '$5 == "/" { print $1; exit }' /proc/self/mountinfo)
  cat /proc/self/mountinfo >"$WORLD_DIR/mountinfo"
  for vol in "${WORLD_VOLUMES[@]}"; do
    printf '%d %d 0:%d / %s rw,relatime - nfs4 127.0.0.1:/%s rw,%s\n' $n "$root" $n "$WORLD_DIR/sim/svm1/$vol" "$vol" \
      'vers=4.1,rsize=65536,wsize=65536,hard,proto=tcp,timeo=600,retrans=2,sec=sys,clientaddr=127.0.0.1,addr=127.0.0.1'
    n=$((n + 1))
  done >>"$WORLD_DIR/mountinfo"
}

world_libvirtd() {
  local lv=$WORLD_DIR/lv driver caps=$MOON_BUILD/caps
  # A socket's path has at most 107 bytes, and QEMU's monitor adds about 60 to the directory.
  if [ ${#lv} -gt 40 ]; then lv=$(mktemp -d /tmp/moonlv.XXXXXX); fi
  WORLD_LV=$lv
  mkdir -p "$lv/s" "$lv/cfg/libvirt" "$lv/cache/libvirt/qemu/cache" "$lv/drivers"
  cat >"$lv/libvirtd.conf" <<-CONF
	unix_sock_dir = "$lv/s"
	auth_unix_ro = "none"
	auth_unix_rw = "none"
	log_outputs = "3:file:$lv/libvirtd.log"
	CONF
  cat >"$lv/cfg/libvirt/qemu.conf" <<-CONF
	stdio_handler = "file"
	security_driver = "none"
	cgroup_controllers = []
	namespaces = []
	seccomp_sandbox = 0
	CONF
  # Only the QEMU driver: no bridge, no firewall rule, no storage pool is touched; and it starts faster.
  driver=$(find /usr/lib /usr/lib64 -maxdepth 4 -name libvirt_driver_qemu.so 2>/dev/null | head -n 1)
  if [ -n "$driver" ]; then ln -sf "$driver" "$lv/drivers/"; fi
  # What libvirt learns about this QEMU takes it 2 s to ask; it checks by itself whether an older answer still holds.
  if [ -d "$caps" ]; then cp -r "$caps" "$lv/cache/libvirt/qemu/cache/capabilities"; fi
  own -R "$lv"

  MOON_TEST_URI="qemu+unix:///session?socket=$lv/s/libvirt-sock"
  libvirtd_start
  if [ ! -d "$caps" ]; then
    local tmp
    tmp=$(mktemp -d "$MOON_BUILD/caps.XXXXXX")
    if ! cp -r "$lv/cache/libvirt/qemu/cache/capabilities/." "$tmp/" || ! mv -T "$tmp" "$caps" 2>/dev/null; then
      rm -rf "$tmp"
    fi
  fi
}

libvirtd_start() {
  local lv=$WORLD_LV daemon drivers=()
  daemon=$(command -v libvirtd) || world_fail 'libvirtd is not installed'
  if [ -e "$lv/drivers/libvirt_driver_qemu.so" ]; then drivers=(LIBVIRT_DRIVER_DIR="$lv/drivers"); fi
  setsid "${WORLD_AS[@]}" env -i "PATH=$PATH" HOME="$lv" TMPDIR="$lv" LC_ALL=C XDG_RUNTIME_DIR="$lv/run" \
    XDG_CONFIG_HOME="$lv/cfg" XDG_CACHE_HOME="$lv/cache" XDG_DATA_HOME="$lv/data" "${drivers[@]}" \
    "$daemon" -f "$lv/libvirtd.conf" -p "$lv/libvirtd.pid" >"$lv/out" 2>&1 </dev/null &
  WORLD_LIBVIRTD_PID=$!
  echo $WORLD_LIBVIRTD_PID >"$WORLD_DIR/libvirtd.pid"
  poll 30 libvirtd_answers || {
    cat "$lv/out" "$lv/libvirtd.log" >&2
    world_fail 'libvirtd does not answer'
  }
}

libvirtd_answers() {
  alive "$WORLD_LIBVIRTD_PID" || return 0 # gone: no use in waiting; the next call says so
  timeout 20 setsid -w virsh -q -c "$MOON_TEST_URI" domcapabilities --virttype qemu --machine pc
}

world_down() {
  local code=$? name file
  trap - EXIT
  trap '' INT TERM HUP
  set +e
  if [ -z "$WORLD_DIR" ]; then return $code; fi
  if [ "$WORLD_KIND" = host ]; then
    while read -r name; do
      timeout 30 setsid -w virsh -q -c "$MOON_TEST_URI" destroy "$name"
      timeout 10 setsid -w virsh -q -c "$MOON_TEST_URI" undefine "$name"
    done <"$WORLD_DIR/guests" >/dev/null 2>&1
  fi
  if [ -n "$WORLD_LV" ]; then
    # libvirtd first, so that it does not look after guests that end; their definitions go with its directory
    kill_pid "$WORLD_LIBVIRTD_PID" "$WORLD_LV"
    for file in "$WORLD_LV"/run/libvirt/qemu/run/*.pid; do
      if [ -f "$file" ]; then kill_pid "$(cat "$file")" "$WORLD_LV" KILL; fi
    done
  fi
  sim_stop
  kill_pid "$WORLD_REAPER_PID" "$WORLD_DIR" KILL
  if [ "${MOON_KEEP:-}" = 1 ]; then
    echo "world: kept: $WORLD_DIR" >&2
  else
    rm -rf "$WORLD_DIR" ${WORLD_LV:+"$WORLD_LV"}
  fi
  exit $code
}

# world_reap DIR LIBVIRT-DIR: ends what a world left behind whose shell was killed; only what its pid files name.
world_reap() {
  local dir=$1 lv=${2:-$1/lv} file
  for file in "$dir/libvirtd.pid" "$lv"/run/libvirt/qemu/run/*.pid; do
    if [ -f "$file" ]; then kill_pid "$(cat "$file")" "$lv" KILL; fi
  done
  if [ -f "$dir/sim.pid" ]; then kill_pid "$(cat "$dir/sim.pid")" "$dir"; fi
}

leftovers() {
  local dir=${1:-$WORLD_DIR} proc pid found=0
  for proc in /proc/[0-9]*; do
    pid=${proc#/proc/}
    if [ "$pid" != $$ ] && [ "$pid" != "$BASHPID" ] && tr '\0' ' ' 2>/dev/null <"$proc/cmdline" | grep -qF -- "$dir"; then
      printf 'process %s: %s\n' "$pid" "$(tr '\0' ' ' 2>/dev/null <"$proc/cmdline" | cut -c 1-120)"
      found=1
    fi
  done
  if grep -F -- " $dir" /proc/self/mountinfo; then found=1; fi
  if [ "$WORLD_KIND" = host ] && vsh list --all --name | grep -F -- "$WORLD_PREFIX"; then
    found=1
  fi
  if [ -e "$dir" ]; then
    printf 'files: %s\n' "$dir"
    found=1
  fi
  return $found
}

# --- simulator ----------------------------------------------------------------------------------------------------

sim_config() {
  jq -n --arg root "$WORLD_DIR/sim" --arg api "${MOON_SIM_API:-both}" --args '
    { listen: "127.0.0.1:0", http: false, cert: null, key: null, root: $root, latency_ms: 0,
      cluster: { name: "cl1", ontap: "9.14.1", ontapi: "1.241", zapi: ($api != "rest"),
        rest: ($api != "zapi") },
      users: [ { name: "admin", password: "secret" }, { name: "vsadmin", password: "secret", svm: "svm1" } ],
      svms: [ { name: "svm1", lifs: [ { name: "lif1", address: "127.0.0.1" } ],
        volumes: [ $ARGS.positional[] | { name: ., size: 1073741824, junction: "/\(.)", aggregate: "aggr1" } ] } ] } | '"${2:-.}" \
    "${WORLD_VOLUMES[@]}" >"$1"
}

sim_start() {
  local config=${1:-$WORLD_DIR/sim.json} bin=$MOON_BUILD/ontapsim
  if [ ! -f "$config" ]; then sim_config "$config"; fi
  SIM_ROOT=$(jq -r .root "$config")
  if ! "${WORLD_AS[@]}" test -x "$bin" || ! "${WORLD_AS[@]}" test -r "$config"; then
    install -m 755 "$bin" "$WORLD_DIR/ontapsim"
    bin=$WORLD_DIR/ontapsim
    chmod a+r "$config"
  fi
  rm -f "$WORLD_DIR/sim.out"
  setsid "${WORLD_AS[@]}" "$bin" --config "$config" >"$WORLD_DIR/sim.out" 2>"$WORLD_DIR/sim.err" </dev/null &
  SIM_PID=$!
  echo $SIM_PID >"$WORLD_DIR/sim.pid"
  poll 20 sim_ready || true
  SIM_URL=$(sed -n 's/^ontapsim: listening on \(http[^ ]*\).*/\1/p' "$WORLD_DIR/sim.out" | head -n 1)
  if [ -z "$SIM_URL" ]; then
    cat "$WORLD_DIR/sim.out" "$WORLD_DIR/sim.err" >&2
    world_fail 'the simulator does not start'
  fi
  SIM_URL=${SIM_URL%/} SIM_PORT=${SIM_URL##*:}
  SIM_CA=$SIM_ROOT/.ontapsim/cert.pem
  export SIM_URL SIM_PORT SIM_ROOT SIM_CA
}

sim_ready() { grep -q '^ontapsim: listening on ' "$WORLD_DIR/sim.out" || gone "$SIM_PID"; }

sim_stop() {
  kill_pid "$SIM_PID" ontapsim
  SIM_PID=''
}

sim_curl() { curl -sS --fail --max-time 20 --cacert "$SIM_CA" -u admin:secret "$@"; }
sim_requests() { sim_curl "$SIM_URL/sim/requests?last=10000"; }
sim_fault() { sim_curl -X POST -H 'Content-Type: application/json' -d "$1" "$SIM_URL/sim/faults" >/dev/null; }
sim_faults_clear() { sim_curl -X DELETE "$SIM_URL/sim/faults" >/dev/null; }
sim_hit() { sim_curl "$SIM_URL/sim/faults" | jq -e "[.faults[].hits] | any(. >= ${1:-1})"; }
sim_pace() { sim_curl -X PUT -H 'Content-Type: application/json' -d "$1" "$SIM_URL/sim/pace" >/dev/null; }
sim_changes() { sim_requests | jq -r '.log[] | select(.changing) | "\(.call) \(.object) \(.status)"'; }

# zapi NAME [XML]: one raw call as vsadmin, the reply on stdout.
zapi() {
  curl -sS --max-time 20 --cacert "$SIM_CA" -u vsadmin:secret -H 'Content-Type: text/xml' "$SIM_URL/servlets/netapp.servlets.admin.XMLrequest_filer" \
    -d '<?xml version="1.0" encoding="UTF-8"?><netapp version="1.150" xmlns="http://www.netapp.com/filer/admin"><'"$1"'>'"${2:-}"'</'"$1"'></netapp>'
}

# snapshots VOLUME: the names of its snapshots, sorted.
snapshots() { find "$SIM_ROOT/svm1/$1/.snapshot" -mindepth 1 -maxdepth 1 ! -name '.*' -printf '%f\n' 2>/dev/null | sort; }

# --- guests -------------------------------------------------------------------------------------------------------

# Past the page cache, as the guest's own writes go: where both meet, the kernel reports an I/O error.
spoil() {
  dd if=/dev/urandom of="$1" bs=1M count="$2" conv=notrunc oflag=direct status=none 2>/dev/null ||
    dd if=/dev/urandom of="$1" bs=1M count="$2" conv=notrunc,fsync status=none
}

image_make() {
  mkdir -p "${1%/*}"
  install -m 644 "$MOON_BUILD/guest.bin" "$1"
  # the counter and its ring end at 545 KiB; what lies beyond never changes and differs from disk to disk
  dd if=/dev/urandom of="$1" bs=1M seek=1 count=1 status=none
  truncate -s "${2:-16M}" "$1"
  if [ "$WORLD_KIND" = host ]; then chmod 666 "$1"; fi
  own "$1" "${1%/*}"
}

guest_define() {
  local name=$1 letter=a disk driver="name='qemu' type='raw' cache='$WORLD_CACHE'" disks=''
  if [ $WORLD_CACHE = none ]; then driver+=" io='$WORLD_IO'"; fi
  shift
  for disk in "$@"; do
    case $disk in
      block:*) disks+="<disk type='block' device='disk'><driver $driver/><source dev='${disk#*:}'/>"
        disks+="<target dev='vd$letter' bus='virtio'/></disk>"
        letter=$(tr a-y b-z <<<"$letter") ;;
      cdrom:*) disks+="<disk type='file' device='cdrom'><driver name='qemu' type='raw'/><source file='${disk#*:}'/>"
        disks+="<target dev='hdc' bus='ide'/><readonly/></disk>" ;;
      floppy:*) disks+="<disk type='file' device='floppy'><driver name='qemu' type='raw'/><source file='${disk#*:}'/>"
        disks+="<target dev='fda' bus='fdc'/></disk>" ;;
      *) disks+="<disk type='file' device='disk'><driver $driver/><source file='$disk'/>"
        disks+="<target dev='vd$letter' bus='virtio'/></disk>"
        letter=$(tr a-y b-z <<<"$letter") ;;
    esac
  done
  cat >"$WORLD_DIR/xml/$name.xml" <<-XML
	<domain type='qemu'>
	  <name>$name</name>
	  <memory unit='MiB'>${GUEST_MIB:-16}</memory>
	  <vcpu>1</vcpu>
	  <os><type arch='x86_64' machine='pc'>hvm</type><boot dev='hd'/></os>
	  <features><acpi/></features>
	  <devices>
	    <emulator>$(command -v qemu-system-x86_64)</emulator>
	    $disks
	    <controller type='usb' model='none'/>
	    <memballoon model='none'/>
	  </devices>
	</domain>
	XML
  vsh define "$WORLD_DIR/xml/$name.xml"
  grep -qxF -- "$name" "$WORLD_DIR/guests" || echo "$name" >>"$WORLD_DIR/guests"
}

guest_start() { local n; for n in "$@"; do vsh start "$n"; done; }
guest_stop() { local n; for n in "$@"; do vsh destroy "$n"; done; }
guest_state() { vsh domstate "$1"; }
guest_reason() { vsh domstate --reason "$1"; }
state_is() { [ "$(guest_state "$1")" = "$2" ]; }
wait_state() { poll "${3:-20}" state_is "$1" "$2"; }
all_running() { local n; for n in "$@"; do state_is "$n" running || return 1; done; }

guest_counter() {
  local direct=() bytes
  if [ $WORLD_CACHE = none ]; then direct=(iflag=direct); fi
  bytes=$(dd if="$1" bs=512 skip=64 count=1 "${direct[@]}" status=none | od -A n -t u4 -N 8)
  # shellcheck disable=SC2086
  set -- $bytes
  if [ "${2:-}" = 1413563724 ]; then echo "$1"; else echo 0; fi # the second word is the guest's mark
}

counter_from() { [ "$(guest_counter "$1")" -ge "$2" ]; }
wait_counter() { poll "${3:-20}" counter_from "$1" "$2"; }

guests_many() {
  local i name vol script=''
  for ((i = 1; i <= $1; i++)); do
    printf -v name '%sg%02d' "$WORLD_PREFIX" "$i"
    if grep -qxF -- "$name" "$WORLD_DIR/guests"; then continue; fi
    vol=${WORLD_VOLUMES[(i - 1) % ${#WORLD_VOLUMES[@]}]}
    image_make "$WORLD_DIR/sim/svm1/$vol/$name.img"
    guest_define "$name" "$WORLD_DIR/sim/svm1/$vol/$name.img"
    script+="start $name;"
  done
  if [ -n "$script" ]; then vsh "$script"; fi
}

# --- moonsnap -----------------------------------------------------------------------------------------------------

moon_conf() {
  local pair key
  {
    printf '# written by the test\n'
    cat <<-CONF
	SNAME=demo
	SNAP_TIMESTAMP_ONLY=Y
	VOLUMES=svm1:$(IFS=,; echo "${WORLD_VOLUMES[*]}")
	NTAP_USERS=svm1:vsadmin/secret
	MANAGEMENT_INTERFACES=svm1:127.0.0.1
	TRANSPORT=HTTPS
	PORT=$SIM_PORT
	NTAP_SNAPSHOT_RETENTIONS=hourly:3,daily:7
	CMODE_SET=Y
	APP_NAME=kvm
	APP_AUTO_DISCOVERY=Y
	APP_CONF_PERSISTENCE=Y
	APP_DEFINED_RESTORE=Y
	SC_AGENT=localhost:9090
	SC_AGENT_TIMEOUT=600
	KVM_VM_MAPPING=
	KVM_CMD_RETRY_COUNT=3
	ONTAP_CA_FILE=$SIM_CA
	KVM_MOUNTINFO=$WORLD_DIR/mountinfo
	KVM_LIBVIRT_URI=$MOON_TEST_URI
	KVM_VMS=$(paste -sd, "$WORLD_DIR/guests")
	CONF
  } >"$WORLD_DIR/etc/demo/kvm.conf"
  chmod 600 "$WORLD_DIR/etc/demo/kvm.conf"
  for pair in "$@"; do
    key=${pair%%=*}
    sed -i "/^$key=/d" "$WORLD_DIR/etc/demo/kvm.conf"
    printf '%s\n' "$pair" >>"$WORLD_DIR/etc/demo/kvm.conf"
  done
}

MOON_ARGS=(--profile demo --config kvm)
moon() {
  local action=$1
  shift
  timeout "${MOON_LIMIT:-60}" "$MOONSNAP" "$action" "${MOON_ARGS[@]}" --config-dir "$WORLD_DIR/etc" --state-dir "$WORLD_DIR/state" "$@"
}
