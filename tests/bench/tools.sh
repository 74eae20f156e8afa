# shellcheck shell=bash
# tools.sh: what the benchmarks share. Sourced after world.sh; needs bash.
#
#   bench_tool NAME PACKAGE ...  $MOON_BUILD/NAME from NAME.c beside this file, linked with pkg-config's packages
#   bench_next_second            returns when another second has begun: snapshot names have no finer resolution
#   bench_guests N               N running guests on the world's volumes, each used once before, and a config of them:
#                                `guest_names`, `guest_volumes`
#   bench_backup MODE            moonsnap's backup of them with that KVM_QUIESCE_MODE
#   bench_observed WAY N CMD...  CMD, which pauses N guests, seen from libvirt's events: a line "MEAN LONGEST WALL", in ms, is
#                                added to $WORLD_DIR/WAY
#   bench_table_head, bench_table_row N WAY   a table of these lines
#   median COLUMN                of the lines on stdin
#   spread COLUMN                "MEDIAN (MIN-MAX)" of the lines on stdin

BENCH=$(dirname "$(realpath "${BASH_SOURCE[0]}")")

bench_tool() {
  local out=$MOON_BUILD/$1 source=$BENCH/$1.c
  shift
  if [ ! "$out" -nt "$source" ]; then
    # shellcheck disable=SC2046
    cc -std=c17 -D_GNU_SOURCE -O2 -pthread -o "$out.$$" "$source" $(pkg-config --cflags --libs "$@")
    mv "$out.$$" "$out"
  fi
}

bench_another_second() { [ "$EPOCHSECONDS" -gt "$1" ]; }
bench_next_second() { poll 3 bench_another_second "$EPOCHSECONDS"; }

bench_guests() {
  local i name
  guests_many "$1"
  guest_names=() guest_volumes=()
  for ((i = 1; i <= $1; i++)); do
    printf -v name 'g%02d' "$i"
    guest_names+=("$name")
  done
  for ((i = 0; i < $1 && i < ${#WORLD_VOLUMES[@]}; i++)); do guest_volumes+=("${WORLD_VOLUMES[i]}"); done
  for name in "${guest_names[@]}"; do
    wait_counter "$SIM_ROOT"/svm1/vol?/"$name.img" 1 300 || world_fail "$name does not count"
  done
  moon_conf VOLUMES="svm1:$(IFS=,; echo "${guest_volumes[*]}")" KVM_VMS="$(IFS=,; echo "${guest_names[*]}")" NTAP_SNAPSHOT_RETENTIONS=bench:2
  bench_backup serial # the first run of a config fills the mapping
}
bench_backup() {
  MOON_LIMIT=600 moon backup --policy bench --params "KVM_QUIESCE_MODE=$1" >/dev/null 2>"$WORLD_DIR/moon.err" ||
    { cat "$WORLD_DIR/moon.err" >&2; return 1; }
}
bench_ended() { [ "$(grep -c ' resumed$' "$WORLD_DIR/seen")" -ge "$1" ]; }
bench_observed() {
  local way=$1 n=$2 pid from wall
  shift 2
  bench_next_second # snapshot names have a resolution of one second
  setpriv --pdeathsig TERM -- "$MOON_BUILD/observer" "$MOON_TEST_URI" >"$WORLD_DIR/seen" &
  pid=$!
  poll 10 grep -q ready "$WORLD_DIR/seen" || world_fail 'the observer does not start'
  from=$(now_ms)
  "$@"
  wall=$(($(now_ms) - from))
  poll 20 bench_ended "$n" || world_fail "not every guest was resumed by $way"
  kill $pid
  wait $pid || true
  awk -v wall=$wall '$3 == "suspended" { from[$2] = $1 }
    $3 == "resumed" && ($2 in from) { p = $1 - from[$2]; delete from[$2]; s += p; n++; if (p > m) m = p }
    END { if (n) print s / n, m, wall }' "$WORLD_DIR/seen" >>"$WORLD_DIR/$way"
}

bench_table_head() { printf '%6s  %-8s  %20s  %20s  %20s\n' guests way 'mean of the guests' longest 'whole backup'; }
bench_table_row() {
  printf '%6d  %-8s  %20s  %20s  %20s\n' "$1" "$2" "$(spread 1 <"$WORLD_DIR/$2")" "$(spread 2 <"$WORLD_DIR/$2")" \
    "$(spread 3 <"$WORLD_DIR/$2")"
}

median() { sort -n -k "$1,$1" | awk -v c="$1" '{ v[NR] = $c } END { print NR ? v[int((NR + 1) / 2)] : 0 }'; }
spread() {
  sort -n -k "$1,$1" | awk -v c="$1" '{ v[NR] = $c } END { printf NR ? "%.0f (%.0f-%.0f)" : "-", v[int((NR + 1) / 2)], v[1], v[NR] }'
}
