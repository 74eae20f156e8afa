#!/bin/bash
# Guests in every state, a second run beside the first, and every way to end the engine in the middle of a backup.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
scene alpha:vol1 bravo:vol2 charlie:vol1:off

# --- off and paused ---

vsh suspend bravo
events_start
check_exit 'backup with one guest running, one paused, one off' 0 moon backup --policy daily --json
RECORD=$WORLD_DIR/record.json
cp "$OUT" "$RECORD"
SNAP=$(jq -r .snapshot "$RECORD")
check_eq 'running: suspended and resumed' "$(events_of alpha | paste -sd,)" Suspended,Resumed
check_eq 'paused by the administrator: no event' "$(events_of bravo | paste -sd,)" ''
check_eq 'paused by the administrator: stays paused' "$(guest_reason bravo)" 'paused (user)'
check_eq 'off: no event' "$(events_of charlie | paste -sd,)" ''
check_eq 'off: stays off' "$(guest_state charlie)" 'shut off'
for guest in alpha bravo charlie; do check "$guest is in the snapshot" test -f "$(copy $guest)"; done
check_eq 'off: the copy is the disk' "$(sum "$(copy charlie)")" "$(sum "${IMG[charlie]}")"
check_eq 'the states are in the record' "$(guest_of alpha .state_before) $(guest_of bravo .state_before)" 'running paused'
check 'off is in the record' grep -Eq 'shut.?off' <<<"$(guest_of charlie .state_before)"
check_eq 'a guest that was not suspended has no pause' "$(guest_of bravo '.pause_ms // 0 | floor') $(guest_of charlie '.pause_ms // 0 | floor')" '0 0'

# --- a second run ---

# held: starts a backup that hangs in the middle, with alpha suspended; its pid in HELD.
held() {
  next_second
  sim_fault '{"match": "snapshot-create", "action": "hold"}'
  env --default-signal=INT,TERM,HUP "$MOONSNAP" backup "${MOON_ARGS[@]}" --config-dir "$WORLD_DIR/etc" \
    --state-dir "$WORLD_DIR/state" --policy daily "$@" >"$WORLD_DIR/held.out" 2>"$WORLD_DIR/held.err" </dev/null &
  HELD=$!
  wait_state alpha paused 15 || { not_ok 'the backup suspends alpha' "$WORLD_DIR/held.err"; finish; }
}
held_ends() { sim_faults_clear; ended "$HELD"; }

held
check_exit 'a second run of the same config' 4 moon backup --policy daily
check 'it ends while the first one hangs' kill -0 "$HELD"
check_match 'and says why' "$ERR" 'lock|running|another'
check_exit 'listing is possible meanwhile' 0 moon backupList --policy daily
check_eq 'the first run was not disturbed' "$(guest_state alpha)" paused
held_ends
check_eq 'the first run ends well' "$CODE" 0
check_eq 'alpha runs' "$(guest_state alpha)" running

# --- signals ---

for signal in TERM:143 INT:130 HUP:129; do
  held
  kill -"${signal%:*}" "$HELD"
  check "SIG${signal%:*}: it does not wait for the controller" poll 10 gone "$HELD"
  held_ends
  check_eq "SIG${signal%:*}: exit" "$CODE" "${signal#*:}"
  check_eq "SIG${signal%:*}: alpha runs" "$(guest_state alpha)" running
  check_eq "SIG${signal%:*}: bravo is still paused by its administrator" "$(guest_reason bravo)" 'paused (user)'
  check_match "SIG${signal%:*}: it says so" "$WORLD_DIR/held.err" '[Ss]ignal|SIG|[Ii]nterrupt|[Tt]erminat|[Cc]ancel|[Ss]top'
done

# --- death ---

vsh resume bravo
held
wait_state bravo paused 5
kill -KILL "$HELD"
check 'SIGKILL in the pause: all guests run again, while the controller hangs' poll 5 all_running alpha bravo
held_ends
sleep 0.3
check 'and go on running' all_running alpha bravo
check 'their disks count on' wait_counter "${IMG[alpha]}" $(($(guest_counter "${IMG[alpha]}") + 2)) 5
check 'the guard ends, too' poll 60 no_process "$MOONSNAP"
check_exit 'the next backup finds nothing in its way' 0 moon backup --policy daily
check 'all guests run after it' all_running alpha bravo
finish
