#!/bin/bash
# pause.sh BUILD: how long each guest is paused by a backup, for 1, 8, 32 and 64 real guests on eight volumes whose
# controller takes 100 ms for every call. In turns, on the same guests:
#
#   script    virsh suspend, curl and virsh resume, one after the other, as a shell script does it
#   serial, parallel, rolling    moonsnap with that KVM_QUIESCE_MODE
#   floor     a C program that does nothing but suspend, snapshot and resume, all at once (floor.c)
#
# An observer of its own takes the times from libvirt's events. Figures are medians of the runs, with minimum and
# maximum. Ends with the ratios at the largest number of guests, each with the wanted one.
#
#   MOON_BENCH_GUESTS="1 8 32 64"   MOON_BENCH_RUNS=5   MOON_BENCH_WAYS="script serial parallel rolling floor"
#   MOON_BENCH_CONNECTIONS=4        of the floor to libvirtd
#   TMPDIR=DIR                      where images and libvirt's state lie; in memory by default: a site has them on a
#                                   controller and in /run, and 64 guests that flush to one disk wait for it, whoever suspends them
set -euo pipefail
MOON_BUILD=${1:-build}
here=$(dirname "$(realpath "$0")")
WORLD_VOLUMES=(vol{1..8})
# shellcheck disable=SC2034 # the world reads it
WORLD_IO=threads # each guest with native AIO takes 1,024 of the 65,536 requests that a kernel allows by default: 64 guests leave none
if [ "$(stat -f -c %T /dev/shm 2>/dev/null)" = tmpfs ]; then export TMPDIR=${TMPDIR:-/dev/shm}; fi
# shellcheck source=../lib/world.sh
. "$here/../lib/world.sh"
# shellcheck source=tools.sh
. "$here/tools.sh"
guests=${MOON_BENCH_GUESTS:-1 8 32 64} runs=${MOON_BENCH_RUNS:-5} connections=${MOON_BENCH_CONNECTIONS:-4}
read -ra ways <<<"${MOON_BENCH_WAYS:-script serial parallel rolling floor}"

bench_tool observer libvirt
bench_tool floor libvirt libcurl
world_up
sim_config "$WORLD_DIR/sim.json" '.latency_ms = 100'
sim_start
ontapi=$SIM_URL/servlets/netapp.servlets.admin.XMLrequest_filer

# One virsh call per guest, one ONTAPI call per volume, all in a row. It runs without a terminal, since virsh would
# start an agent for passwords on it each time.
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

backup() { # WAY
  case $1 in
    script) setsid -w bash "$WORLD_DIR/script.sh" "$MOON_TEST_URI" "${guest_names[*]}" "${guest_volumes[*]}" "$ontapi" "$SIM_CA" ;;
    floor)
      "$MOON_BUILD/floor" "$MOON_TEST_URI" "$connections" "$ontapi" "$SIM_CA" "floor_$(date +%Y%m%d%H%M%S)" \
        "$(IFS=,; echo "${guest_volumes[*]}")" "${guest_names[@]}" ;;
    *) bench_backup "$1" ;;
  esac
}

printf 'Pause per guest in ms: median (minimum-maximum) of %s runs in turns. 8 volumes in %s, controller latency 100 ms, %s cores, load %s\n\n' \
  "$runs" "$(dirname "$WORLD_DIR")" "$(nproc)" "$(cut -d ' ' -f 1 /proc/loadavg)"
bench_table_head
declare -A longest=()
last=0
for n in $guests; do
  bench_guests "$n"
  for way in "${ways[@]}"; do : >"$WORLD_DIR/$way"; done
  for ((run = 0; run < runs; run++)); do
    for way in "${ways[@]}"; do
      bench_observed "$way" "$n" backup "$way"
    done
  done
  for way in "${ways[@]}"; do
    longest[$way,$n]=$(median 2 <"$WORLD_DIR/$way")
    bench_table_row "$n" "$way"
  done
  last=$n
done

echo
ratio() { # TEXT WAY,GUESTS WAY,GUESTS WANTED
  if [ -n "${longest[$2]:-}" ] && [ -n "${longest[$3]:-}" ]; then
    awk -v text="$1" -v a="${longest[$2]}" -v b="${longest[$3]}" -v wanted="$4" 'BEGIN {
      printf "%-58s %6.3f  (wanted: at most %.3f)%s\n", text, a / b, wanted, (a / b > wanted) ? "  MISSED" : "" }'
  fi
}
echo "Longest pauses, $last guests:"
ratio 'serial / script' "serial,$last" "script,$last" 0.1667
ratio 'parallel / floor' "parallel,$last" "floor,$last" 1.15
ratio 'rolling / rolling with 8 guests' "rolling,$last" rolling,8 1.5
