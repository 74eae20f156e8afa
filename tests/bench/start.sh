#!/bin/bash
# start.sh BUILD: how long moonsnap takes to start: `version`, which needs nothing, beside `lua5.4 -e ''` in turns, and
# actions that talk to nobody.
#
#   MOON_BENCH_RUNS=30
set -euo pipefail
MOON_BUILD=${1:-build}
here=$(dirname "$(realpath "$0")")
# shellcheck source=../lib/world.sh
. "$here/../lib/world.sh"
# shellcheck source=tools.sh
. "$here/tools.sh"
bench_tool observer libvirt
runs=${MOON_BENCH_RUNS:-30}
work=$(mktemp -d "${TMPDIR:-/tmp}/start.XXXXXX")
trap 'rm -rf "$work"' EXIT

"$here/../lib/deps.sh" bench || true
lines=("$MOONSNAP version" "$MOONSNAP help" "$MOONSNAP params")
if command -v lua5.4 >/dev/null; then lines+=("lua5.4 -e ''"); else echo 'start: lua5.4 is not installed; without it' >&2; fi
for ((run = 0; run < runs; run++)); do
  for ((i = 0; i < ${#lines[@]}; i++)); do
    eval "\"$MOON_BUILD/observer\" --measure ${lines[i]}" | awk '{ print $1 / 1000, $2 }' >>"$work/$i"
  done
done
printf 'Start-up, median of %d runs in turns, %s cores, load %s\n\n' "$runs" "$(nproc)" "$(cut -d ' ' -f 1 /proc/loadavg)"
for ((i = 0; i < ${#lines[@]}; i++)); do
  printf '%-20s %6.1f ms  (%.1f-%.1f)  %6d KiB peak\n' "${lines[i]/#*\/moonsnap/moonsnap}" "$(median 1 <"$work/$i")" \
    "$(sort -n "$work/$i" | head -n 1 | cut -d ' ' -f 1)" "$(sort -n "$work/$i" | tail -n 1 | cut -d ' ' -f 1)" "$(median 2 <"$work/$i")"
done
if [ ${#lines[@]} = 4 ]; then
  awk -v a="$(median 1 <"$work/0")" -v b="$(median 1 <"$work/3")" 'BEGIN {
    printf "\nversion / lua5.4: %.2f (wanted: at most 3, and at most 10 ms)%s\n", a / b, (a / b > 3 || a > 10) ? "  MISSED" : "" }'
fi
