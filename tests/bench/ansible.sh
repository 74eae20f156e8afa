#!/bin/bash
# ansible.sh BUILD: a backup as an Ansible playbook (community.libvirt and netapp.ontap) beside moonsnap's, in turns, on
# the same eight real guests and eight volumes of a controller that takes 100 ms for every call: pause per guest, seen
# from libvirt's events, and time of the whole run. Left out, and said so, where Debian's packages are not installed.
#
#   MOON_BENCH_RUNS=3   MOON_BENCH_GUESTS=8
set -euo pipefail
MOON_BUILD=${1:-build}
here=$(dirname "$(realpath "$0")")
python=/usr/bin/python3 # Debian's own: that is where Debian's packages are
"$here/../lib/deps.sh" bench || true
if ! command -v ansible-playbook >/dev/null || ! "$python" -c 'import libvirt, lxml, requests' 2>/dev/null; then
  echo 'ansible: skipped: the Debian packages ansible, python3-libvirt, python3-lxml and python3-requests are not all installed'
  exit 0
fi
# shellcheck disable=SC2034 # the world reads it
WORLD_VOLUMES=(vol{1..8})
# shellcheck source=../lib/world.sh
. "$here/../lib/world.sh"
# shellcheck source=tools.sh
. "$here/tools.sh"
n=${MOON_BENCH_GUESTS:-8} runs=${MOON_BENCH_RUNS:-3}
ways=(ansible serial parallel rolling)

bench_tool observer libvirt
world_up
sim_config "$WORLD_DIR/sim.json" '.latency_ms = 100'
sim_start
bench_guests "$n"
mkdir -p "$WORLD_DIR/home"
export HOME=$WORLD_DIR/home SSL_CERT_FILE=$SIM_CA REQUESTS_CA_BUNDLE=$SIM_CA

list() { printf '%s\n' "$@" | jq -R . | jq -cs .; }
before=''
playbook() {
  local made
  made=ansible_$(date +%Y%m%d%H%M%S)
  # one process less for each task than by default
  ANSIBLE_PIPELINING=1 ANSIBLE_HOME=$HOME/.ansible ansible-playbook -i localhost, -c local -e "$(jq -cn --arg python "$python" \
    --arg uri "$MOON_TEST_URI" --arg port "$SIM_PORT" --arg made "$made" --arg before "$before" \
    --argjson guests "$(list "${guest_names[@]}")" --argjson volumes "$(list "${guest_volumes[@]}")" \
    '{ansible_python_interpreter: $python, libvirt_uri: $uri, ontap_port: $port, made: $made, before: $before,
      guests: $guests, volumes: $volumes}')" "$here/ansible.yml" >"$WORLD_DIR/ansible.out" 2>&1 </dev/null ||
    { cat "$WORLD_DIR/ansible.out" >&2; return 1; }
  before=$made
}
backup() { if [ "$1" = ansible ]; then playbook; else bench_backup "$1"; fi; }

printf 'Backup of %s guests on %s volumes in ms: median (minimum-maximum) of %s runs in turns. %s, controller latency 100 ms, %s cores, load %s\n\n' \
  "$n" "${#guest_volumes[@]}" "$runs" "$(ansible --version | sed -n 1p)" "$(nproc)" "$(cut -d ' ' -f 1 /proc/loadavg)"
for way in "${ways[@]}"; do : >"$WORLD_DIR/$way"; done
for ((run = 0; run < runs; run++)); do
  for way in "${ways[@]}"; do bench_observed "$way" "$n" backup "$way"; done
done
bench_table_head
for way in "${ways[@]}"; do bench_table_row "$n" "$way"; done
echo
for way in "${ways[@]:1}"; do
  awk -v way="$way" -v p="$(median 2 <"$WORLD_DIR/$way")" -v w="$(median 3 <"$WORLD_DIR/$way")" \
    -v ap="$(median 2 <"$WORLD_DIR/ansible")" -v aw="$(median 3 <"$WORLD_DIR/ansible")" 'BEGIN {
      printf "ansible / %-8s  longest pause %6.1f times, whole backup %5.1f times\n", way, ap / p, aw / w }'
done
