# shellcheck shell=bash
# cell.sh: one cell of the contract suite, a version profile with a transport, against a simulator of its own. Sourced
# by run and mutate, which set $here and MOON_BUILD; $dir is where it works, $jobs how many cells run at a time.
#
#   cell PROFILE API [NAME]   leaves what main.lua said in $dir/NAME, by default PROFILE.API
#   spare                     waits until another cell may begin

# shellcheck source=../lib/world.sh
. "${here:?}/../lib/world.sh"
# Most of the time is pauses (jobs, transfers), so more cells than processors run at a time.
jobs=${CONTRACT_JOBS:-6}
dir=$(mktemp -d "${MOON_TEST_TMP:-${TMPDIR:-/tmp}}/contract.XXXXXX")

cells=()
cleanup() {
  local pid
  for pid in "${cells[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done
  wait
  rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

cell() {
  local name=${3:-$1.$2}
  local root=$dir/root.$name out=$dir/$name pid
  mkdir -p "$root"
  "$MOONSNAP" run "$here/config.lua" "$1" "$root" "$dir/ca.pem" >"$dir/$name.json"
  "$MOON_BUILD/ontapsim" --config "$dir/$name.json" >"$dir/$name.sim" 2>"$dir/$name.err" &
  pid=$!
  # shellcheck disable=SC2064
  trap "kill $pid 2>/dev/null; wait $pid 2>/dev/null" EXIT
  trap 'exit 143' TERM
  poll 20 ready "$name" || { cat "$dir/$name.err" >"$out"; return 1; }
  "$MOONSNAP" run "$here/main.lua" "$dir/$name.sim" "$root" "$dir" "$1" "$2" ${CONTRACT_CASES:+"$CONTRACT_CASES"} \
    >"$out" 2>&1 || true
  kill -TERM $pid
  wait $pid || echo "FAILED $1/$2: the simulator ended with $?: $(tail -n 20 "$dir/$name.err")" >>"$out"
  trap - EXIT
  rm -rf "$root"
}

# The listeners of the LIFs are named after the ready line.
ready() { [ "$(grep -c '^ontapsim: ' "$dir/$1.sim")" -ge "$(grep -c '"listen": ".*\]\?:0"' "$dir/$1.json")" ] || ! kill -0 "$pid"; }

# A certificate that the simulator takes for the login of the user "certified".
certificates() {
  local new=(openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2)
  "${new[@]}" -keyout "$dir/ca.key" -out "$dir/ca.pem" -subj /CN=contract-ca
  "${new[@]}" -keyout "$dir/certified.key" -out "$dir/certified.pem" -subj /CN=certified -CA "$dir/ca.pem" -CAkey "$dir/ca.key" \
    -addext basicConstraints=critical,CA:FALSE -addext extendedKeyUsage=clientAuth
}
certificates >"$dir/openssl" 2>&1 || { cat "$dir/openssl"; exit 1; }

spare() {
  while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n || true; done
}
