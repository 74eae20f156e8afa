# shellcheck shell=bash
# ontapsim.sh: how tests that drive the simulator alone, with curl, begin. Sourced with the build directory as the test's
# first argument; brings check.sh.
#
#   build, sim, d, root                the build directory, the program, a directory of the test's own, and one below it
#   sim_start NAME CONFIG [OPTION...]  starts one, or ends the test; sets URL_NAME and PID_NAME
#   sim_stop NAME                      ends it
#   zapi URL USER:PASSWORD BODY [ATTRIBUTES [CURL-OPTION...]]   the reply in $R
#   control URL METHOD PATH [BODY]     the simulator's own API, the reply in $R
#   passes NAME / fails NAME ERRNO / has NAME TEXT / hasnt NAME TEXT   look at $R
#   field ELEMENT                      its text in $R, the first one
#   check_ne NAME ONE OTHER            they differ
#   sum FILE                           its checksum
#   noise FILE [BYTES [BLOCK]]         random bytes into it, from a block of 4 KiB on
#
# All simulators of one test take the certificate authority of the first one that runs on HTTPS; what is asked of
# others goes over plain HTTP.

# shellcheck source=check.sh
. "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/check.sh"

R=''
SIM_DIR=$(mktemp -d "${MOON_TEST_TMP:-${TMPDIR:-/tmp}}/sim.XXXXXX")
SIM_PIDS=()
SIM_CA=()
# shellcheck disable=SC2034 # for who sources this
build=$(realpath "${1:-build}") d=$SIM_DIR root=$SIM_DIR/root
sim=$build/ontapsim

sim_cleanup() {
  local pid
  for pid in "${SIM_PIDS[@]}"; do
    kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null
  done
  rm -rf "$SIM_DIR"
}
trap sim_cleanup EXIT
[ -x "$sim" ] || { not_ok 'the simulator is built' "$sim is missing"; finish; }

sim_start() {
  local name=$1 config=$2 pid url
  shift 2
  : >"$SIM_DIR/$name.out"
  "$sim" --config "$config" "$@" >"$SIM_DIR/$name.out" 2>"$SIM_DIR/$name.err" &
  pid=$!
  SIM_PIDS+=("$pid")
  for _ in $(seq 800); do
    grep -q listening "$SIM_DIR/$name.out" && break
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.05
  done
  url=$(sed -n 's/^ontapsim: listening on //p' "$SIM_DIR/$name.out")
  [ -n "$url" ] || { not_ok "the simulator $name starts" "$SIM_DIR/$name.err"; finish; }
  printf -v "URL_$name" %s "$url"
  printf -v "PID_$name" %s "$pid"
}

sim_stop() {
  local pid=PID_$1
  kill -TERM "${!pid}" 2>/dev/null
  wait "${!pid}"
}

# lif NAME LIF: the address of a LIF's listener
sim_lif() { sed -n "s/^ontapsim: LIF $2 of SVM .* at //p" "$SIM_DIR/$1.out"; }

fetch() { curl -sS --max-time 20 "${SIM_CA[@]}" "$@" 2>&1; }
zapi() {
  local url=$1 user=$2 body=$3 attributes=${4:-}
  shift 3
  [ $# -gt 0 ] && shift
  R=$(fetch -u "$user" -H 'Content-Type: text/xml' "$@" --data-binary \
    "<netapp xmlns='http://www.netapp.com/filer/admin' version='1.21' $attributes>$body</netapp>" \
    "$url/servlets/netapp.servlets.admin.XMLrequest_filer")
}
control() { R=$(fetch -X "$2" "$1/sim/$3" ${4:+-d "$4"}); }
code() { fetch -o /dev/null -w '%{http_code}' "$@"; }

has() { case $R in *"$2"*) ok "$1" ;; *) not_ok "$1" "no '$2' in '${R:0:600}'" ;; esac; }
hasnt() { case $R in *"$2"*) not_ok "$1" "'$2' in '${R:0:600}'" ;; *) ok "$1" ;; esac; }
passes() { has "$1" 'results status="passed"'; }
fails() { has "$1" "status=\"failed\" errno=\"$2\""; }
field() { sed -n "s:.*<$1>\([^<]*\)</$1>.*:\1:p" <<<"$R" | head -1; }
check_ne() { if [ "$2" != "$3" ]; then ok "$1"; else not_ok "$1" "'$2' twice"; fi; }
sum() { sha256sum <"$1" | cut -c1-64; }
noise() { head -c "${2:-300000}" /dev/urandom | dd of="$1" bs=4096 seek="${3:-0}" conv=notrunc status=none; }
