#!/bin/bash
# multipath.sh BUILD: engine.multipath on a /sys and /dev of 5,000 maps with 10,000 paths: one lookup by each kind of
# name, which must not depend on how many maps there are (beside it a tree of 50), and all maps at once with the memory
# they take, beside lsblk on the same tree. `multipath -ll` cannot be given a tree: where device-mapper and multipath are
# there, it and the engine list this host's own maps.
#
#   MOON_BENCH_MAPS=5000   MOON_BENCH_RUNS=3
#   MOON_BENCH_DIR=DIR   where the trees are made; default: in memory, as /sys is. On a disk, as root, a cold cache is
#                        measured too: it drops the caches of the whole machine
set -euo pipefail
build=$(realpath "${1:-build}")
here=$(dirname "$(realpath "$0")")
maps=${MOON_BENCH_MAPS:-5000} runs=${MOON_BENCH_RUNS:-3} few=50

base=${MOON_BENCH_DIR:-}
if [ -z "$base" ]; then
  base=${TMPDIR:-/tmp}
  shm=$(df -k --output=avail /dev/shm 2>/dev/null | tail -n 1)
  if [ -w /dev/shm ] && [ "${shm:-0}" -gt $((maps * 400)) ]; then base=/dev/shm; fi
fi
work=$(mktemp -d "$base/multipath.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

generator=$build/santree
if [ ! "$generator" -nt "$here/santree.c" ]; then cc -std=c17 -D_GNU_SOURCE -O2 -o "$generator" "$here/santree.c"; fi
"$generator" "$work/few" $few
"$generator" "$work/many" "$maps"
kind=$(stat -f -c %T "$work")

engine() { "$build/moonsnap" run "$here/multipath.lua" "$@"; }
median() { sort -n | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
column() { awk -v n="$2" '{ print $n }' "$1"; }
ms() { local t=${EPOCHREALTIME/[.,]/}; echo $((t / 1000)); }
# timed FILE CMD...: appends the milliseconds of a whole process to FILE; what it prints goes to FILE.out
timed() {
  local file=$1 start
  shift
  start=$(ms)
  "$@" >"$file.out" || return 1 # a condition around this call would let it go on
  echo $(($(ms) - start)) >>"$file"
}

can_drop=0
if [ "$kind" != tmpfs ] && [ -w /proc/sys/vm/drop_caches ]; then can_drop=1; fi
drop() { sync && echo 3 >/proc/sys/vm/drop_caches; }

printf '%d maps with %d paths, below %s (%s), %d cores; median of %d runs\n' "$maps" $((maps * 2)) "$base" "$kind" "$(nproc)" "$runs"

# --- one lookup ---------------------------------------------------------------------------------------------------

if [ $can_drop = 1 ]; then
  drop
  engine "$work/many" "$maps" one >"$work/cold"
fi
for pass in first second; do # the first one warms the cache
  engine "$work/few" $few one >"$work/few.$pass"
  engine "$work/many" "$maps" one >"$work/many.$pass"
done
printf '\nOne lookup, microseconds, warm cache\n%-30s %9s %9s %7s%s\n' '' "of $few" "of $maps" ratio \
  "$([ $can_drop = 0 ] || printf ' %9s' cold)"
paste "$work/few.second" "$work/many.second" "$([ $can_drop = 0 ] && echo /dev/null || echo "$work/cold")" |
  awk -F '\t' -v cold=$can_drop '{ printf "%-30s %9d %9d %7.2f", $1, $3, $7, $7 / $3; if (cold) printf " %9d", $11; print "" }'
printf 'ratio: of the two medians; 1 means that a lookup costs its own map and nothing else\n'

# --- all maps -----------------------------------------------------------------------------------------------------

# Its time grows with the square of the number of disks.
listed() { timeout 90 lsblk --sysroot "$1" -o NAME,SIZE,TYPE,HCTL,VENDOR,MODEL,STATE -n -P; }
has_lsblk=0
if lsblk --sysroot "$work/few" -n >/dev/null 2>&1; then has_lsblk=1; fi
if [ $can_drop = 1 ]; then
  drop
  engine "$work/many" "$maps" all >"$work/all.cold"
fi
for ((run = 0; run < runs; run++)); do
  timed "$work/engine" engine "$work/many" "$maps" all
  cat "$work/engine.out" >>"$work/all"
done
if awk -v n="$maps" '$4 != n || $5 != 2 * n { bad = 1 } END { exit !bad }' "$work/all"; then
  echo "multipath: not every run found $maps maps with two paths each" >&2
  exit 1
fi
whole=$(median <"$work/engine")
printf '\nAll maps, warm cache\n'
printf '%-30s %9d ms in the call, %d microseconds per map\n' 'engine.multipath.list' "$(column "$work/all" 1 | median)" \
  "$(column "$work/all" 1 | median | awk -v n="$maps" '{ printf "%d", $1 * 1000 / n }')"
if [ $can_drop = 1 ]; then
  printf '%-30s %9d ms in the call\n' '  with a cold cache' "$(column "$work/all.cold" 1)"
fi
printf '%-30s %9d KiB peak of the process, %d KiB of it for the list\n' '' "$(column "$work/all" 3 | median)" \
  "$(awk '{ print $3 - $2 }' "$work/all" | median)"
printf '%-30s %9d ms\n' 'the whole process' "$whole"
if [ $has_lsblk = 0 ]; then
  printf 'lsblk: this version has no --sysroot\n'
elif ! timed "$work/lsblk" listed "$work/many"; then
  printf '%-30s not done after 90 s\n' 'lsblk on the same tree'
else
  other=$(cat "$work/lsblk")
  printf '%-30s %9d ms in one run, ratio %s: %d lines, no device-mapper tables, no WWIDs, no path states of the map\n' \
    'lsblk on the same tree' "$other" "$(awk -v a="$whole" -v b="$other" 'BEGIN { printf "%.2f", a / b }')" \
    "$(wc -l <"$work/lsblk.out")"
fi
if [ $can_drop = 0 ]; then
  printf '\ncold cache: not measured: %s\n' "$([ "$kind" = tmpfs ] && echo 'the tree lies in memory, as /sys does' ||
    echo '/proc/sys/vm/drop_caches cannot be written')"
fi

# --- multipath -ll ------------------------------------------------------------------------------------------------

own=0
if ! grep -qs device-mapper /proc/misc; then
  why='this kernel has no device-mapper'
elif ! command -v multipath >/dev/null; then
  why='it is not installed'
else
  own=$(multipath -ll 2>/dev/null | grep -c ' dm-[0-9]') || own=0
  why='this host has no map, or its maps may not be read'
fi
if [ "$own" = 0 ]; then
  printf 'multipath -ll: not run: %s\n' "$why"
  exit 0
fi
for ((run = 0; run < runs; run++)); do
  timed "$work/ll" multipath -ll
  timed "$work/own" "$build/moonsnap" run "$here/multipath.lua" '' "$own" all
done
printf "this host's %d maps: multipath -ll %d ms, the whole process with engine.multipath.list %d ms\n" "$own" \
  "$(median <"$work/ll")" "$(median <"$work/own")"
