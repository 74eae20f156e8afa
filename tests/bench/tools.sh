# shellcheck shell=bash
# tools.sh: what the benchmarks share. Sourced after world.sh; needs bash.
#
#   bench_tool NAME PACKAGE ...  $MOON_BUILD/NAME from NAME.c beside this file, linked with pkg-config's packages
#   bench_next_second            returns when another second has begun: snapshot names have no finer resolution
#   median COLUMN                of the lines on stdin
#   spread COLUMN                "MEDIAN (MIN-MAX)" of the lines on stdin

BENCH=$(dirname "$(realpath "${BASH_SOURCE[0]}")")

bench_tool() {
  local out=$MOON_BUILD/$1 source=$BENCH/$1.c
  shift
  if [ ! "$out" -nt "$source" ]; then
    # shellcheck disable=SC2046
    cc -std=c17 -D_GNU_SOURCE -O2 -pthread -o "$out" "$source" $(pkg-config --cflags --libs "$@")
  fi
}

bench_another_second() { [ "$EPOCHSECONDS" -gt "$1" ]; }
bench_next_second() { poll 3 bench_another_second "$EPOCHSECONDS"; }

median() { sort -n -k "$1,$1" | awk -v c="$1" '{ v[NR] = $c } END { print NR ? v[int((NR + 1) / 2)] : 0 }'; }
spread() {
  sort -n -k "$1,$1" | awk -v c="$1" '{ v[NR] = $c } END { printf NR ? "%.0f (%.0f-%.0f)" : "-", v[int((NR + 1) / 2)], v[1], v[NR] }'
}
