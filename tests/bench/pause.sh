#!/bin/bash
# pause.sh BUILD: how long each guest is paused by a backup, for 1, 4 and 16 real guests on two volumes whose controller
# takes 50 ms for every call: a shell script of virsh and curl beside moonsnap, in turns, on the same guests. An
# observer of its own takes the times from libvirt's events. Then the start-up time and the peak memory of moonsnap.
#
#   MOON_BENCH_GUESTS="1 4 16"   MOON_BENCH_RUNS=3
set -euo pipefail
MOON_BUILD=${1:-build}
# shellcheck source=../lib/world.sh
. "$(dirname "$(realpath "$0")")/../lib/world.sh"
guests=${MOON_BENCH_GUESTS:-1 4 16} runs=${MOON_BENCH_RUNS:-3}

observer=$MOON_BUILD/observer
source=$(dirname "$(realpath "$0")")/observer.c
if [ ! "$observer" -nt "$source" ]; then
  # shellcheck disable=SC2046
  cc -std=c17 -D_GNU_SOURCE -O2 -o "$observer" "$source" $(pkg-config --cflags --libs libvirt)
fi

world_up
sim_config "$WORLD_DIR/sim.json" '.latency_ms = 50'
sim_start

# The shell script: one virsh call per guest, one ONTAPI call per volume, all in a row. It runs without a terminal, since
# virsh would start an agent for passwords on it each time.
cat >"$WORLD_DIR/script.sh" <<'SH'
#!/bin/bash
# script.sh URI NAMES VOLUMES ONTAPI-URL CA-FILE
set -eu
snapshot=script_$(date +%Y%m%d%H%M%S)
zapi() {
  curl -sS --cacert "$ca" -u vsadmin:secret -H 'Content-Type: text/xml' "$url" -d \
    "<?xml version='1.0' encoding='UTF-8'?><netapp version='1.150' xmlns='http://www.netapp.com/filer/admin'><$1><volume>$2</volume><snapshot>$snapshot</snapshot></$1></netapp>" |
    grep -q 'status="passed"'
}
uri=$1 names=$2 volumes=$3 url=$4 ca=$5
for name in $names; do virsh -q -c "$uri" suspend "$name"; done
for volume in $volumes; do zapi snapshot-create "$volume"; done
for name in $names; do virsh -q -c "$uri" resume "$name"; done
for volume in $volumes; do zapi snapshot-delete "$volume"; done
SH
names=() volumes=()
script_backup() {
  setsid -w bash "$WORLD_DIR/script.sh" "$MOON_TEST_URI" "${names[*]}" "${volumes[*]}" \
    "$SIM_URL/servlets/netapp.servlets.admin.XMLrequest_filer" "$SIM_CA"
}
moon_backup() { moon backup --policy bench >/dev/null 2>"$WORLD_DIR/moon.err" || { cat "$WORLD_DIR/moon.err" >&2; return 1; }; }

# pauses FILE: "NAME MS" for each suspended-resumed pair of the observer's lines
pauses() { awk '$3 == "suspended" { from[$2] = $1 } $3 == "resumed" && ($2 in from) { print $2, $1 - from[$2]; delete from[$2] }' "$1"; }
ended() { [ "$(grep -c ' resumed$' "$WORLD_DIR/seen")" -ge "$1" ]; }

observed() { # FILE, number of guests, command: appends the pauses of one run to FILE
  local file=$1 n=$2
  shift 2
  setpriv --pdeathsig TERM -- "$observer" "$MOON_TEST_URI" >"$WORLD_DIR/seen" &
  local pid=$!
  poll 10 grep -q ready "$WORLD_DIR/seen" || world_fail 'the observer does not start'
  "$@"
  poll 10 ended "$n" || world_fail "not every guest was resumed by $1"
  kill $pid
  wait $pid || true
  pauses "$WORLD_DIR/seen" >>"$file"
}
mean() { awk '{ s += $2 } END { printf "%.0f", NR ? s / NR : 0 }' "$1"; }
max() { awk '$2 > m { m = $2 } END { printf "%.0f", m }' "$1"; }

printf 'Pause per guest in ms, %s runs each in turns, controller latency 50 ms, %s cores\n\n' "$runs" "$(nproc)"
printf '%6s  %21s  %21s  %11s\n' guests 'virsh + curl mean/max' 'moonsnap mean/max' 'mean, ratio'
for n in $guests; do
  guests_many "$n"
  names=()
  for ((i = 1; i <= n; i++)); do
    printf -v name 'g%02d' "$i"
    names+=("$name")
  done
  volumes=(vol1)
  if [ "$n" -gt 1 ]; then volumes=(vol1 vol2); fi
  for name in "${names[@]}"; do
    wait_counter "$SIM_ROOT"/svm1/vol?/"$name.img" 1 60 || world_fail "$name does not count"
  done
  moon_conf KVM_VMS="$(IFS=,; echo "${names[*]}")" NTAP_SNAPSHOT_RETENTIONS=bench:2
  moon_backup # the first run of a config fills the mapping
  : >"$WORLD_DIR/a"
  : >"$WORLD_DIR/b"
  for ((run = 0; run < runs; run++)); do
    observed "$WORLD_DIR/a" "$n" script_backup
    sleep 1 # snapshot names have a resolution of one second
    observed "$WORLD_DIR/b" "$n" moon_backup
  done
  a=$(mean "$WORLD_DIR/a") b=$(mean "$WORLD_DIR/b")
  printf '%6d  %12d / %6d  %12d / %6d  %11s\n' "$n" "$a" "$(max "$WORLD_DIR/a")" "$b" "$(max "$WORLD_DIR/b")" \
    "$(awk -v a="$a" -v b="$b" 'BEGIN { if (b > 0) printf "%.2f", a / b; else print "-" }')"
done

measure() { "$observer" --measure "$@"; }
version=()
for ((run = 0; run < 20; run++)); do version+=("$(measure "$MOONSNAP" version)"); done
printf '\nmoonsnap version: %s ms (median of 20), %s KiB peak\n' \
  "$(printf '%s\n' "${version[@]}" | sort -n | awk 'NR == 10 { printf "%.1f", $1 / 1000 }')" \
  "$(printf '%s\n' "${version[@]}" | awk '$2 > m { m = $2 } END { print m }')"
sleep 1
read -r took peak < <(measure "$MOONSNAP" backup --policy bench "${MOON_ARGS[@]}" --config-dir "$WORLD_DIR/etc" --state-dir "$WORLD_DIR/state" 2>/dev/null)
printf 'moonsnap backup of %d guests: %d ms, %d KiB peak\n' ${#names[@]} $((took / 1000)) "$peak"
