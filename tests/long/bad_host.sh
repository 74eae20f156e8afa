#!/bin/bash
# The host at its worst in the middle of a backup: libvirtd killed and started again, a full or read-only state
# directory, a clock that jumps, many runs at once, SIGTERM at any time. Every guest runs in the end, and what is said and
# what there is agree.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
scene alpha:vol1 bravo:vol2
both() { snapshots vol1; snapshots vol2; }
no_paused() { [ -z "$(vsh list --state-paused --name)" ]; }
two_paused() { [ "$(vsh list --state-paused --name | grep -c .)" = 2 ]; }
# Snapshots that no record of a good backup names.
strays() { comm -13 <(jq -r 'select(.status | IN("ok", "partial", "crash-consistent")) | .snapshot' "$WORLD_DIR"/state/catalog/demo/kvm/*-backup.json |
  sort -u) <(both | sort -u); }
hang() { sim_fault '{"match": "snapshot-create", "action": "hold"}'; } # until `ends`
start_backup() { # ARG ...
  next_second
  moon backup --policy daily "$@" >"$OUT" 2>"$ERR" </dev/null &
  RUN=$!
}
ends() { sim_faults_clear; ended "$RUN"; }

# --- libvirtd is killed, and comes back ---

libvirtd_dies() {
  kill -KILL "$WORLD_LIBVIRTD_PID"
  poll 5 gone "$WORLD_LIBVIRTD_PID"
}
moon_conf KVM_QUIESCE_MODE=parallel KVM_CMD_RETRY_COUNT=0 # eight connections are kept, and each of them is broken
hang
start_backup
poll 15 two_paused || not_ok 'the backup suspends both guests' "$ERR"
libvirtd_dies
world_libvirtd
ends
check_eq 'libvirtd is killed in the pause and comes back: exit' "$CODE" 0
check 'the guests run' all_running alpha bravo
check 'the guard process ends' poll 40 no_process "$MOONSNAP"

moon_conf KVM_CMD_RETRY_COUNT=0
hang
start_backup
poll 15 two_paused || not_ok 'the backup suspends both guests' "$ERR"
libvirtd_dies
ends
check_eq 'it stays away until the run ends: exit' "$CODE" 5
said 'who is to be paged is told of each guest' 'kvm-00004.*alpha'
said 'of both' 'kvm-00004.*bravo'
check_not 'the guard process stays' no_process "$MOONSNAP"
world_libvirtd
check 'it resumes the guests when libvirtd is back' poll 10 all_running alpha bravo
check 'and ends' poll 60 no_process "$MOONSNAP"
moon_conf
next_second
check_exit 'the next backup finds nothing in its way' 0 moon backup --policy daily
check_exit 'gc finds what the failed run made' 0 moon gc --yes --params NTAP_SNAPSHOT_CLEANUP=Y
check_eq 'no snapshot is a stray' "$(strays)" ''

# --- a state directory that is full, or cannot be written ---

in_mount() { # COMMANDS, then a run in a mount namespace of its own that they have changed
  # shellcheck disable=SC2016
  timeout 60 unshare -m /bin/bash -c 'set -e; cd "$1"; eval "$2"; shift 2; exec "$@"' - "$WORLD_DIR/state" "$1" "$MOONSNAP" backup \
    "${MOON_ARGS[@]}" --config-dir "$WORLD_DIR/etc" --state-dir "$WORLD_DIR/state" --policy daily
}
if unshare -m true 2>/dev/null; then
  full() { echo "mount -t tmpfs -o size=$1 none $2"; }
  moon_conf NTAP_SNAPSHOT_CLEANUP=Y
  before=$(both)
  next_second
  check_exit 'no room for the journal: exit' 1 in_mount "$(full 4k journal) && head -c 4096 /dev/zero >journal/ballast"
  said 'it is named' 'journal.*([Nn]o space|full)'
  check_eq 'nobody was suspended' "$(guest_reason alpha), $(guest_reason bravo)" 'running (unpaused), running (unpaused)'
  check_eq 'and no snapshot is there' "$(both)" "$before"
  next_second
  check_exit 'no room for the catalog: exit' 1 in_mount "$(full 4k catalog/demo/kvm) && head -c 4096 /dev/zero >catalog/demo/kvm/ballast"
  said 'it is named' 'catalog.*([Nn]o space|full)'
  said 'with what that means' 'nothing was suspended'
  check_eq 'no snapshot is there' "$(both)" "$before"
  # Room for the first record, not for the one with the outcome.
  for size in 8k 12k 16k 20k; do
    next_second
    before=$(both)
    run in_mount "$(full $size catalog/demo/kvm)"
    check "a catalog of $size: the guests run (exit $CODE)" all_running alpha bravo
    if [ "$CODE" = 0 ]; then
      check_eq "a catalog of $size: both snapshots" "$(both | wc -l)" $(($(wc -l <<<"$before") + 2))
    else
      check_eq "a catalog of $size: exit" "$CODE" 1
      said "a catalog of $size: it is named" 'catalog.*[Nn]o space'
      check_eq "a catalog of $size: what it does not know is not there" "$(both)" "$before"
    fi
    for vol in vol1 vol2; do # that catalog is gone with its mount
      for name in $(comm -13 <(sort -u <<<"$before") <(snapshots $vol)); do
        zapi snapshot-delete "<volume>$vol</volume><snapshot>$name</snapshot>" >/dev/null
      done
    done
  done
  before=$(both)
  run in_mount 'mount --bind . . && mount -o remount,ro,bind . && cd .'
  check_eq 'a read-only state directory: exit' "$CODE" 1
  said 'it is named' "$WORLD_DIR/state.*[Rr]ead-only"
  check_eq 'one line says it' "$(grep -c 'error:' "$ERR")" 1
  check_eq 'nothing was done' "$(both)" "$before"
  check 'the guests run' all_running alpha bravo
else
  skip 'a full and a read-only state directory' 'no right to make a mount namespace'
fi
moon_conf NTAP_SNAPSHOT_CLEANUP=Y

# --- the clock jumps ---

fake=$(find /usr/lib -name libfaketime.so.1 2>/dev/null | head -n 1)
if [ -n "$fake" ]; then
  off_by() { echo "$1" >"$WORLD_DIR/clock.new"; mv "$WORLD_DIR/clock.new" "$WORLD_DIR/clock"; } # read at any time
  # jump FROM TO LIMIT: a backup that begins with the clock off by FROM and gets TO while the guests stand still
  jump() {
    off_by "$1"
    moon_conf SC_AGENT_UNQUIESCE_TIMEOUT="$3" NTAP_SNAPSHOT_RETENTION_AGE=2
    hang
    next_second
    env LD_PRELOAD="$fake" FAKETIME_TIMESTAMP_FILE="$WORLD_DIR/clock" FAKETIME_NO_CACHE=1 DONT_FAKE_MONOTONIC=1 \
      FAKETIME_DONT_FAKE_MONOTONIC=1 FAKETIME_DONT_RESET=1 "$MOONSNAP" backup "${MOON_ARGS[@]}" --config-dir "$WORLD_DIR/etc" \
      --state-dir "$WORLD_DIR/state" --policy daily >"$OUT" 2>"$ERR" </dev/null &
    RUN=$!
    poll 15 sim_hit || not_ok 'the backup suspends both guests' "$ERR"
    off_by "$2"
  }
  before=$(both)
  jump +0d +400d 600
  check_not 'the clock jumps 400 days ahead: nobody is resumed for that' poll 1 no_paused
  ends
  check_eq 'and the backup ends well: exit' "$CODE" 0
  check_eq 'and no copy is too old for that' "$(comm -23 <(sort <<<"$before") <(both | sort))" ''
  jump +0d -400d 3
  check 'the clock jumps 400 days back: the time limit passes all the same' poll 8 no_paused
  ends
  check_eq 'which is said: exit' "$CODE" 3
  said 'with its code' agt-00008
  check 'the guests run' all_running alpha bravo
  check 'no guard process stays' poll 40 no_process "$MOONSNAP"
else
  skip 'a clock that jumps' 'needs libfaketime'
fi
moon_conf NTAP_SNAPSHOT_CLEANUP=Y

# --- many at once ---

# The first one goes on when the others have ended: after it, in the same second, there would be two of one name.
hang
next_second
pids=()
for i in 1 2 3 4 5; do
  moon backup --policy daily >"$WORLD_DIR/out.$i" 2>"$WORLD_DIR/err.$i" </dev/null &
  pids+=($!)
done
one_left() { local n=0; for pid in "${pids[@]}"; do if alive "$pid"; then n=$((n + 1)); fi; done; [ $n = 1 ]; }
check 'five runs at once: all but one end' poll 15 one_left
sim_faults_clear
codes=()
for pid in "${pids[@]}"; do ended "$pid"; codes+=("$CODE"); done
check_eq 'one does it, the others are told' "$(printf '%s\n' "${codes[@]}" | sort | paste -sd' ')" '0 4 4 4 4'
check 'the guests run' all_running alpha bravo
check_eq 'every snapshot is of a backup that ended well' "$(strays)" ''

# --- SIGTERM at any time ---

next_second
from=$(now_ms)
moon backup --policy daily >/dev/null 2>&1
whole=$(($(now_ms) - from)) samples=12 ended=0 unanswered=0
for ((i = 0; i < samples; i++)); do
  next_second
  "$MOONSNAP" backup "${MOON_ARGS[@]}" --config-dir "$WORLD_DIR/etc" --state-dir "$WORLD_DIR/state" --policy daily \
    >"$OUT" 2>"$ERR" </dev/null &
  RUN=$! wait=$((whole * i / samples))
  sleep "$(printf '%d.%03d' $((wait / 1000)) $((wait % 1000)))"
  kill -TERM $RUN 2>/dev/null || true
  ends
  if [ "$CODE" = 0 ]; then ended=$((ended + 1)); fi
  if grep -q 'should it come yet, gc finds it' "$ERR"; then unanswered=$((unanswered + 1)); fi
  if [[ $CODE != 143 && $CODE != 0 ]]; then not_ok "SIGTERM after $wait ms: exit" "exit $CODE" "$ERR"; fi
  all_running alpha bravo || not_ok "SIGTERM after $wait ms: the guests run" "$ERR"
done
ok "SIGTERM at $samples instants of $whole ms; $ended runs had ended by then"
# On a busy machine the controller may have made one when the run had looked for it; the run said so.
if [ $unanswered -gt 0 ]; then check_exit 'what came after its run' 0 moon gc --yes; fi
check_eq 'no snapshot is a stray' "$(strays)" ''
check_exit 'and gc agrees' 0 moon gc
check_no_match 'nothing is left' "$OUT" 'found|unknown'
check 'no guard process stays' poll 40 no_process "$MOONSNAP"
finish
