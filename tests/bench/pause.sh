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
set -euo pipefail
MOON_BUILD=${1:-build}
here=$(dirname "$(realpath "$0")")
WORLD_VOLUMES=(vol{1..8})
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

names=() volumes=()
backup() { # WAY
  case $1 in
    script) setsid -w bash "$WORLD_DIR/script.sh" "$MOON_TEST_URI" "${names[*]}" "${volumes[*]}" "$ontapi" "$SIM_CA" ;;
    floor)
      "$MOON_BUILD/floor" "$MOON_TEST_URI" "$connections" "$ontapi" "$SIM_CA" "floor_$(date +%Y%m%d%H%M%S)" \
        "$(IFS=,; echo "${volumes[*]}")" "${names[@]}" ;;
    *)
      MOON_LIMIT=600 moon backup --policy bench --params "KVM_QUIESCE_MODE=$1" >/dev/null 2>"$WORLD_DIR/moon.err" ||
        { cat "$WORLD_DIR/moon.err" >&2; return 1; } ;;
  esac
}

ended() { [ "$(grep -c ' resumed$' "$WORLD_DIR/seen")" -ge "$1" ]; }
observed() { # WAY GUESTS: one backup; a line "MEAN LONGEST WALL", in ms, in $WORLD_DIR/WAY
  local way=$1 n=$2 pid from wall
  setpriv --pdeathsig TERM -- "$MOON_BUILD/observer" "$MOON_TEST_URI" >"$WORLD_DIR/seen" &
  pid=$!
  poll 10 grep -q ready "$WORLD_DIR/seen" || world_fail 'the observer does not start'
  from=$(now_ms)
  backup "$way"
  wall=$(($(now_ms) - from))
  poll 20 ended "$n" || world_fail "not every guest was resumed by $way"
  kill $pid
  wait $pid || true
  awk -v wall=$wall '$3 == "suspended" { from[$2] = $1 }
    $3 == "resumed" && ($2 in from) { p = $1 - from[$2]; delete from[$2]; s += p; n++; if (p > m) m = p }
    END { if (n) print s / n, m, wall }' "$WORLD_DIR/seen" >>"$WORLD_DIR/$way"
}

printf 'Pause per guest in ms: median (minimum-maximum) of %s runs in turns. 8 volumes, controller latency 100 ms, %s cores, load %s\n\n' \
  "$runs" "$(nproc)" "$(cut -d ' ' -f 1 /proc/loadavg)"
printf '%6s  %-8s  %20s  %20s  %20s\n' guests way 'mean of the guests' longest 'whole backup'
declare -A longest=()
last=0
for n in $guests; do
  guests_many "$n"
  names=() volumes=()
  for ((i = 1; i <= n; i++)); do
    printf -v name 'g%02d' "$i"
    names+=("$name")
  done
  for ((i = 0; i < n && i < ${#WORLD_VOLUMES[@]}; i++)); do volumes+=("${WORLD_VOLUMES[i]}"); done
  for name in "${names[@]}"; do
    wait_counter "$SIM_ROOT"/svm1/vol?/"$name.img" 1 300 || world_fail "$name does not count"
  done
  moon_conf VOLUMES="svm1:$(IFS=,; echo "${volumes[*]}")" KVM_VMS="$(IFS=,; echo "${names[*]}")" NTAP_SNAPSHOT_RETENTIONS=bench:2
  backup serial # the first run of a config fills the mapping
  for way in "${ways[@]}"; do : >"$WORLD_DIR/$way"; done
  for ((run = 0; run < runs; run++)); do
    for way in "${ways[@]}"; do
      bench_next_second # snapshot names have a resolution of one second
      observed "$way" "$n"
    done
  done
  for way in "${ways[@]}"; do
    longest[$way,$n]=$(median 2 <"$WORLD_DIR/$way")
    printf '%6d  %-8s  %20s  %20s  %20s\n' "$n" "$way" "$(spread 1 <"$WORLD_DIR/$way")" "$(spread 2 <"$WORLD_DIR/$way")" \
      "$(spread 3 <"$WORLD_DIR/$way")"
  done
  last=$n
done

echo
ratio() { # TEXT WAY,GUESTS WAY,GUESTS WANTED
  if [ -n "${longest[$2]:-}" ] && [ -n "${longest[$3]:-}" ]; then
    awk -v text="$1" -v a="${longest[$2]}" -v b="${longest[$3]}" -v wanted="$4" 'BEGIN {
      printf "%-58s %6.3f  (wanted: at most %.3f)%s\n", text, a / b, wanted, a / b > wanted ? "  MISSED" : "" }'
  fi
}
echo "Longest pauses, $last guests:"
ratio 'serial / script' "serial,$last" "script,$last" 0.1667
ratio 'parallel / floor' "parallel,$last" "floor,$last" 1.15
ratio 'rolling / rolling with 8 guests' "rolling,$last" rolling,8 1.5
