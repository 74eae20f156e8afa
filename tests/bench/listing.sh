#!/bin/bash
# listing.sh BUILD: all LUNs of a controller with 10,000 of them, listed by the engine over ZAPI and REST, as one list
# and streamed page by page, and by OpenStack Cinder's NetApp classes, in turns on the same simulator over HTTPS.
# Requests are what the simulator answered; time is that of the listing alone; memory is the peak of the process, and
# how much of it the listing added.
#
#   MOON_BENCH_LUNS=10000   MOON_BENCH_RUNS=3
set -euo pipefail
MOON_BUILD=${1:-build}
here=$(dirname "$(realpath "$0")")
# shellcheck source=../lib/world.sh
. "$here/../lib/world.sh"
luns=${MOON_BENCH_LUNS:-10000} runs=${MOON_BENCH_RUNS:-3}

work=$(mktemp -d "${TMPDIR:-/tmp}/listing.XXXXXX")
sim=''
clean() {
  if [ -n "$sim" ]; then
    kill "$sim" 2>/dev/null || true
    wait "$sim" 2>/dev/null || true
  fi
  rm -rf "$work"
}
trap clean EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

cat >"$work/sim.json" <<JSON
{ "listen": "127.0.0.1:0", "root": "$work/root", "users": [ { "name": "admin", "password": "secret" } ],
  "svms": [ { "name": "svm1", "lifs": [ { "name": "lif1", "address": "127.0.0.1" } ],
              "generate": { "volumes": 100, "luns": $luns } } ] }
JSON
: >"$work/out"
setpriv --pdeathsig TERM -- "$MOON_BUILD/ontapsim" --config "$work/sim.json" >"$work/out" 2>"$work/err" &
sim=$!
ready() { grep -q '^ontapsim: listening on ' "$work/out" || gone "$sim"; }
poll 120 ready || true
url=$(sed -n 's/^ontapsim: listening on //p' "$work/out" | head -n 1)
ca=$work/root/.ontapsim/cert.pem
if [ -z "$url" ]; then
  cat "$work/err" >&2
  exit 1
fi
# Cinder's ZAPI class trusts what Python's urllib trusts; for REST the environment goes before what it is told.
export SSL_CERT_FILE=$ca REQUESTS_CA_BUNDLE=$ca PYTHONDONTWRITEBYTECODE=1

engine() { "$MOON_BUILD/moonsnap" run "$here/listing.lua" "$url" "$ca" "$@"; }
cinder() { /usr/bin/python3 "$here/listing_cinder.py" "$url" "$ca" "$1" "$work"; }
ways=('moonsnap zapi list' 'moonsnap zapi pages' 'moonsnap rest list' 'moonsnap rest pages')
if /usr/bin/python3 -c 'import cinder' 2>/dev/null; then
  ways+=('cinder zapi list' 'cinder rest list')
else
  echo "listing: without Cinder: the Debian package python3-cinder is not installed (tests/lib/deps.sh interop)" >&2
fi

# one WAY: "MS BEFORE PEAK LUNS REQUESTS" of one listing, less what connecting took.
one() {
  local who api how
  read -r who api how <<<"$1"
  curl -sS --cacert "$ca" -X DELETE "$url/sim/requests" >/dev/null
  if [ "$who" = moonsnap ]; then engine "$api" "$how"; else cinder "$api"; fi | tr '\n' ' '
  curl -sS --cacert "$ca" "$url/sim/requests?last=0" | jq -r --arg api "$api" '
    [.calls | to_entries[] | select(.key | test(if $api == "zapi" then "^lun-get-iter$" else "storage/luns" end)) | .value] | add // 0'
}

median() { sort -n | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
column() { awk -v n="$2" '{ print $n }' "$1"; }

for ((run = 0; run < runs; run++)); do
  for ((i = 0; i < ${#ways[@]}; i++)); do one "${ways[i]}" >>"$work/way$i"; done
done

printf '%d LUNs listed, median of %d runs in turns, %d cores\n\n' "$luns" "$runs" "$(nproc)"
printf '%-20s %8s %9s %9s %7s %12s %12s\n' '' LUNs requests 'wall ms' ratio 'peak KiB' 'added KiB'
base=$(column "$work/way0" 1 | median)
for ((i = 0; i < ${#ways[@]}; i++)); do
  file=$work/way$i
  ms=$(column "$file" 1 | median)
  printf '%-20s %8d %9d %9d %7s %12d %12d\n' "${ways[i]}" "$(column "$file" 4 | median)" "$(column "$file" 5 | median)" "$ms" \
    "$(awk -v a="$ms" -v b="$base" 'BEGIN { printf "%.2f", a / b }')" "$(column "$file" 3 | median)" \
    "$(awk '{ print $3 - $2 }' "$file" | median)"
  if awk -v n="$luns" '$4 != n { bad = 1 } END { exit !bad }' "$file"; then
    echo "listing: ${ways[i]} did not list $luns LUNs in every run" >&2
    exit 1
  fi
done
printf '\nratio: wall time against the first line\n'
