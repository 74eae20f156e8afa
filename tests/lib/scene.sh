# shellcheck shell=bash
# scene.sh: how most end-to-end tests begin. Sourced with the build directory as the test's first argument; brings
# check.sh and world.sh.
#
#   scene [NAME:VOLUME[:off]] ...   world, simulator, guests (alpha:vol1 bravo:vol2 charlie:vol1), config; all count
#   IMG[NAME]                       a guest's disk
#   backup [ARG ...]                a backup that must succeed; sets RECORD (file) and SNAP (name)
#   guest_of NAME JQ                a value of the record's entry of a guest
#   copy NAME                       the disk's copy in snapshot SNAP
#   events_start / events_of NAME   libvirt's lifecycle events from now on; those of one guest, one word a line
#   said "name" REGEX               the last command said so, on stdout or stderr
#   sum FILE, still FILE            checksum of all; of all that a guest never writes
#   success ACTION                  the success line, as a regular expression
#   next_second                     waits for it, so that the next snapshot gets another name
#   soon CMD ...                    for check: CMD succeeds within 5 s
#   other_conf NAME [KEY=VALUE ...] a second config of the profile, as moon_conf writes one; kvm.conf stays
#   moon_with CONFIG ARG ...        moonsnap with another config: a name of the profile, or a path
#   as_guests ACTION [ARG ...]      moonsnap under the account that the guests run under, which may not write below etc
#   held [ARG ...]                  a backup that hangs in the middle until held_ends, its first guest suspended
#   held_ends                       lets it go on and waits for it; its exit code in CODE, its words in held.out and held.err
#   records [CONFIG]                the names of the backup records in the catalog
#   overlay_make FILE BACKING       an empty qcow2 image of 16 MiB over a raw one

MOON_BUILD=${1:-build}
# shellcheck source=check.sh
. "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/check.sh"
# shellcheck source=world.sh
. "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/world.sh"

declare -A IMG=()
RECORD='' SNAP='' POLICY=daily

# The line that field scripts search for, as an extended regular expression.
success() { printf 'INFO: NetApp Snap Creator Framework finished successfully "\\(Action: %s\\) \\(Config: kvm\\)"' "$1"; }

scene() {
  local spec name vol script=''
  requires libvirtd virsh qemu-system-x86_64 curl jq as ld setpriv
  [ -x "$MOONSNAP" ] || world_fail "no $MOONSNAP"
  if [ $# = 0 ]; then set -- alpha:vol1 bravo:vol2 charlie:vol1; fi
  world_up
  sim_start
  for spec in "$@"; do
    IFS=: read -r name vol _ <<<"$spec"
    IMG[$name]=$SIM_ROOT/svm1/$vol/$name.img
    image_make "${IMG[$name]}"
    guest_define "$name" "${IMG[$name]}"
    if [[ $spec != *:off ]]; then script+="start $name;"; fi
  done
  if [ -n "$script" ]; then vsh "$script"; fi
  for spec in "$@"; do
    name=${spec%%:*}
    [[ $spec == *:off ]] || wait_counter "${IMG[$name]}" 1 || world_fail "$name does not count"
  done
  moon_conf
}

backup() {
  RECORD=$WORLD_DIR/record.json
  run moon backup --policy $POLICY --json "$@"
  if [ "$CODE" != 0 ]; then
    not_ok "backup $*" "exit $CODE" "$OUT" "$ERR"
    finish
  fi
  cp "$OUT" "$RECORD"
  SNAP=$(jq -r .snapshot "$RECORD")
  next_second
}

restore() { moon restore --policy $POLICY --backupName "$SNAP" --params "KVM_RESTORE_VM_LIST=$1" "${@:2}"; }
guest_of() { jq -r --arg g "$1" ".guests[] | select(.name == \$g) | $2" "$RECORD"; }
copy() { echo "${IMG[$1]%/*}/.snapshot/$SNAP/$1.img"; }

EVENTS_PID=''
events_start() {
  : >"$WORLD_DIR/events"
  if [ -n "$EVENTS_PID" ]; then
    kill "$EVENTS_PID" 2>/dev/null || true
    wait "$EVENTS_PID" || true
  fi
  setsid setpriv --pdeathsig TERM -- stdbuf -oL virsh -q -c "$MOON_TEST_URI" event --event lifecycle --loop \
    >>"$WORLD_DIR/events" 2>&1 &
  EVENTS_PID=$!
  # it listens when it sees a guest of its own come and go
  sed '/<disk/d; s/<name>.*<\/name>/<name>sentinel<\/name>/' "$WORLD_DIR/xml/alpha.xml" >"$WORLD_DIR/xml/sentinel.xml"
  poll 10 events_heard || world_fail 'virsh event hears nothing'
  : >"$WORLD_DIR/events"
}
# Each time another one: when its own event has come, none of the tries before comes late, to be taken for that of events_of.
events_heard() {
  local name=sentinel${EPOCHREALTIME/[.,]/}
  sed "s/sentinel/$name/" "$WORLD_DIR/xml/sentinel.xml" >"$WORLD_DIR/xml/heard.xml"
  vsh define "$WORLD_DIR/xml/heard.xml"
  vsh undefine "$name"
  sleep 0.1
  grep -q "$name.*Undefined" "$WORLD_DIR/events"
}
# Events come in their order: when the sentinel's has come, all before it have.
events_of() {
  local seen
  seen=$(grep -c 'sentinel.*Undefined' "$WORLD_DIR/events") || true
  vsh define "$WORLD_DIR/xml/sentinel.xml"
  vsh undefine sentinel
  poll 5 events_more "$seen" || echo 'no events come'
  sed -nE "s/^event 'lifecycle' for domain '?($1)'?: ([A-Za-z]+).*/\2/p" "$WORLD_DIR/events"
}
events_more() { [ "$(grep -c 'sentinel.*Undefined' "$WORLD_DIR/events")" -gt "$1" ]; }

said() {
  if grep -Eq -e "$2" "$OUT" "$ERR"; then ok "$1"; else not_ok "$1" "nothing said matches: $2" "stdout:" "$OUT" "stderr:" "$ERR"; fi
}

pause_is_sane() { jq -e --arg g "$1" ".guests[] | select(.name == \$g) | .pause_ms > 0 and .pause_ms < 10000" "$RECORD"; }
sum() { sha256sum <"$1" | cut -c 1-64; }
still() { { head -c 32768 "$1"; tail -c +557569 "$1"; } | sha256sum | cut -c 1-64; }
soon() { poll 5 "$@"; }
# Snapshot names have a resolution of one second.
next_second() { local now=$EPOCHSECONDS; while [ "$EPOCHSECONDS" = "$now" ]; do sleep 0.05; done; }
# no_process PROGRAM: no process of it has this world in its arguments or its environment's directories.
# Which program moonsnap's processes run only root is told; what they are called, everybody.
no_process() {
  local proc program
  for proc in /proc/[0-9]*; do
    program=$(readlink "$proc/exe" 2>/dev/null) || { read -r -d '' program <"$proc/cmdline"; } 2>/dev/null || continue
    if [[ $program = "$1" || $program = "${1##*/}-guard" ]] &&
      tr '\0' ' ' 2>/dev/null <"$proc/cmdline" | grep -qF -- "$WORLD_DIR"; then
      return 1
    fi
  done
}

other_conf() {
  local dir=$WORLD_DIR/etc/demo
  mv "$dir/kvm.conf" "$dir/kvm.kept"
  moon_conf "${@:2}"
  mv "$dir/kvm.conf" "$dir/$1.conf"
  mv "$dir/kvm.kept" "$dir/kvm.conf"
}

moon_with() {
  local MOON_ARGS=(--config "$1")
  if [[ $1 != */* ]]; then MOON_ARGS+=(--profile demo); fi
  moon "${@:2}"
}

# A config with a password is read by its owner only, so it is that account's; its directory is not.
as_guests() {
  local bin=$MOONSNAP code=0
  if ! "${WORLD_AS[@]}" test -x "$bin"; then
    bin=$WORLD_DIR/local/moonsnap
    install -m 755 "$MOONSNAP" "$bin"
  fi
  own "$WORLD_DIR/etc/demo/kvm.conf" "$WORLD_DIR/local"
  chmod 555 "$WORLD_DIR/etc/demo"
  timeout 60 "${WORLD_AS[@]}" env HOME="$WORLD_DIR/local" "$bin" "$1" "${MOON_ARGS[@]}" --config-dir "$WORLD_DIR/etc" \
    --state-dir "$WORLD_DIR/local/state" "${@:2}" || code=$?
  chmod 755 "$WORLD_DIR/etc/demo"
  return $code
}

HELD=''
held() {
  next_second
  sim_fault '{"match": "snapshot-create", "action": "hold", "count": 1}'
  moon backup --policy $POLICY "$@" >"$WORLD_DIR/held.out" 2>"$WORLD_DIR/held.err" </dev/null &
  HELD=$!
  wait_state alpha paused 15 || { not_ok 'the backup suspends alpha' "$WORLD_DIR/held.err"; finish; }
}
held_ends() { sim_faults_clear; ended "$HELD"; next_second; }

records() { find "$WORLD_DIR/state/catalog/demo/${1:-kvm}" -name '*-backup.json' -printf '%f\n' 2>/dev/null | sort; }

# Clusters of 64 KiB: header, table of reference counts, their block, first mapping table; all else is the backing's.
overlay_make() {
  local file=$1 backing=$2
  truncate -s 256K "$file"
  {
    printf 'QFI\xfb\0\0\0\2\0\0\0\0\0\0\0\x70\0\0\0'
    # shellcheck disable=SC2059
    printf "\\x$(printf %02x ${#backing})"
    printf '\0\0\0\x10\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0\3\0\0\0\0\0\0\0\1\0\0\0\0\0\1'
    printf '\0%.0s' {1..12}
    printf '\xe2\x79\x2a\xca\0\0\0\3raw\0\0\0\0\0'
    printf '\0%.0s' {1..24}
    printf %s "$backing"
  } | dd of="$file" bs=64K seek=0 conv=notrunc status=none iflag=fullblock
  printf '\0\0\0\0\0\2\0\0' | dd of="$file" bs=64K seek=1 conv=notrunc status=none
  printf '\0\1\0\1\0\1\0\1' | dd of="$file" bs=64K seek=2 conv=notrunc status=none
  own "$file"
}
