#!/bin/bash
# scale.sh BUILD: `moonsnap discover` on 1,000 domains (libvirt's test driver), half of them on 500 NFS volumes, half on
# LUNs of 10,000, and on a tenth of all that: wall time, requests and peak memory, over ONTAPI and REST, in turns; how
# much each grows from the tenth to the whole.
#
#   MOON_BENCH_DOMAINS=1000   MOON_BENCH_RUNS=3   MOON_BENCH_CALLS=1 (show how often each call came)
set -euo pipefail
MOON_BUILD=${1:-build}
here=$(dirname "$(realpath "$0")")
# shellcheck source=../lib/world.sh
. "$here/../lib/world.sh"
# shellcheck source=tools.sh
. "$here/tools.sh"
# shellcheck source=model.sh
. "$here/model.sh"
domains=${MOON_BENCH_DOMAINS:-1000} runs=${MOON_BENCH_RUNS:-3}
bench_tool observer libvirt
bench_tool santree libvirt
tools=$MOON_BUILD
work=$(mktemp -d "${TMPDIR:-/tmp}/scale.XXXXXX")
trap 'rm -rf "$work"' EXIT

# Each model in a world of its own, one after the other.
measure() ( # DOMAINS: "API WALL_US PEAK_KIB REQUESTS" for each run
  WORLD_VOLUMES=()
  world_up
  model_up "$1"
  for ((run = 0; run < runs; run++)); do
    for api in zapi rest; do
      sim_curl -X DELETE "$SIM_URL/sim/requests" >/dev/null
      read -r wall peak < <("$tools/observer" --measure "$MOONSNAP" discover "${MOON_ARGS[@]}" --config-dir "$WORLD_DIR/etc" \
        --state-dir "$WORLD_DIR/state" --params ONTAP_API=$api 2>"$WORLD_DIR/err") || { tail -n 5 "$WORLD_DIR/err" >&2; exit 1; }
      if [ -n "${MOON_BENCH_CALLS:-}" ]; then sim_requests | jq -c .calls >&2; fi
      echo "$api $wall $peak $(sim_requests | jq .total)"
    done
  done
)
# The tenth before and after, so that a machine that becomes slower meanwhile does not look like growth.
measure $((domains / 10)) >"$work/tenth"
measure "$domains" >"$work/whole"
measure $((domains / 10)) >>"$work/tenth"

printf 'Discovery of %d domains, %d volumes, %d LUNs, and of a tenth: median (minimum-maximum) of %d runs in turns, %s cores, load %s\n\n' \
  "$domains" $((domains / 2)) $((domains * 10)) "$runs" "$(nproc)" "$(cut -d ' ' -f 1 /proc/loadavg)"
printf '%-5s %-6s  %22s  %8s  %22s\n' model api 'wall ms' requests 'peak KiB'
for api in zapi rest; do
  for model in tenth whole; do
    grep "^$api" "$work/$model" | awk '{ $2 /= 1000; print }' >"$work/rows"
    printf '%-5s %-6s  %22s  %8s  %22s\n' $model $api "$(spread 2 <"$work/rows")" "$(median 4 <"$work/rows")" "$(spread 3 <"$work/rows")"
  done
done
echo
for api in zapi rest; do
  awk -v api=$api -v a="$(grep "^$api" "$work/tenth" | median 2)" -v b="$(grep "^$api" "$work/whole" | median 2)" \
    -v peak="$(grep "^$api" "$work/whole" | sort -n -k 3,3 | tail -n 1 | cut -d ' ' -f 3)" 'BEGIN {
      printf "%-5s wall grows %5.2f times (wanted: at most 12)%s; peak %.1f MiB (wanted: at most 64)%s\n", api, b / a,
        (b / a > 12) ? "  MISSED" : "", peak / 1024, (peak > 65536) ? "  MISSED" : "" }'
done
