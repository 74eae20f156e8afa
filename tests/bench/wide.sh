#!/bin/bash
# wide.sh BUILD: how long the snapshots of 200 volumes take, on a controller that takes 50 ms for every call, beside
# the ideal for as many requests at once as ONTAP_MAX_REQUESTS allows: 200 / that x 50 ms. Over ONTAPI and REST, in
# turns. The times are the simulator's own: from the beginning of the first creation to the end of the last.
#
#   MOON_BENCH_VOLUMES=200   MOON_BENCH_RUNS=3   MOON_BENCH_REQUESTS="4 16"
set -euo pipefail
MOON_BUILD=${1:-build}
volumes=${MOON_BENCH_VOLUMES:-200} runs=${MOON_BENCH_RUNS:-3} latency=50
mapfile -t WORLD_VOLUMES < <(seq -f 'v%03.0f' "$volumes")
here=$(dirname "$(realpath "$0")")
# shellcheck source=../lib/world.sh
. "$here/../lib/world.sh"
# shellcheck source=tools.sh
. "$here/tools.sh"

world_up
sim_config "$WORLD_DIR/sim.json" ".latency_ms = $latency"
sim_start
# One guest on each volume, all of them off: the controller is what is measured here.
script=''
for volume in "${WORLD_VOLUMES[@]}"; do
  truncate -s 1M "$SIM_ROOT/svm1/$volume/$volume.img"
  cat >"$WORLD_DIR/xml/$volume.xml" <<-XML
	<domain type='qemu'><name>g-$volume</name><memory unit='MiB'>16</memory><os><type arch='x86_64' machine='pc'>hvm</type></os>
	<devices><disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='$SIM_ROOT/svm1/$volume/$volume.img'/>
	<target dev='vda' bus='virtio'/></disk></devices></domain>
	XML
  script+="define $WORLD_DIR/xml/$volume.xml;"
  echo "g-$volume" >>"$WORLD_DIR/guests"
done
vsh "$script"
moon_conf NTAP_SNAPSHOT_RETENTIONS=wide:2

created() { # what the simulator says of the creations: "WALL_MS COUNT"
  sim_requests | jq -r '[.log[] | select(.call == "snapshot-create" or .call == "POST /storage/volumes/{uuid}/snapshots") | .at * 1000] |
    "\(max - min + '$latency' | round) \(length)"'
}
one() { # API REQUESTS: one backup, a line in $WORLD_DIR/API-REQUESTS
  local api=$1 requests=$2 wall count
  bench_next_second
  sim_curl -X DELETE "$SIM_URL/sim/requests" >/dev/null
  MOON_LIMIT=600 moon backup --policy wide --params "ONTAP_API=$api" "ONTAP_MAX_REQUESTS=$requests" >/dev/null 2>"$WORLD_DIR/moon.err" ||
    { cat "$WORLD_DIR/moon.err" >&2; return 1; }
  read -r wall count < <(created)
  [ "$count" = "$volumes" ] || world_fail "$count of $volumes snapshots were created"
  echo "$wall $(sim_requests | jq .total)" >>"$WORLD_DIR/$api-$requests"
}

printf 'Snapshots of %s volumes, %s ms for every call: median (minimum-maximum) of %s runs in turns, %s cores, load %s\n\n' \
  "$volumes" $latency "$runs" "$(nproc)" "$(cut -d ' ' -f 1 /proc/loadavg)"
for ((run = 0; run < runs; run++)); do
  for requests in ${MOON_BENCH_REQUESTS:-4 16}; do
    for api in zapi rest; do one "$api" "$requests"; done
  done
done
printf '%-6s  %8s  %8s  %20s  %6s  %s\n' api 'at once' 'ideal ms' 'wall ms' ratio 'requests of the whole backup'
for requests in ${MOON_BENCH_REQUESTS:-4 16}; do
  for api in zapi rest; do
    rounds=$(((volumes + requests - 1) / requests))
    ideal=$((rounds * latency))
    printf '%-6s  %8d  %8d  %20s  %6s  %s\n' "$api" "$requests" $ideal "$(spread 1 <"$WORLD_DIR/$api-$requests")" \
      "$(median 1 <"$WORLD_DIR/$api-$requests" | awk -v i=$ideal '{ printf "%.2f%s", $1 / i, ($1 / i > 1.2) ? " MISSED" : "" }')" \
      "$(median 2 <"$WORLD_DIR/$api-$requests")"
  done
done
echo 'wanted: at most 1.20 times the ideal'
