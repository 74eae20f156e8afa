#!/bin/bash
# quiesce and unquiesce as two processes: what one suspended the other resumes, and nothing else; and a watchdog that
# does it when nobody comes.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
scene alpha:vol1 bravo:vol2 charlie:vol1
vsh suspend charlie
events_start

check_exit 'quiesce' 0 timeout 60 "$MOONSNAP" quiesce "${MOON_ARGS[@]}" --config-dir "$WORLD_DIR/etc" --state-dir "$WORLD_DIR/state"
check_eq 'alpha is paused' "$(guest_reason alpha)" 'paused (user)'
check_eq 'bravo is paused' "$(guest_reason bravo)" 'paused (user)'
check_eq 'charlie has no event: its administrator paused it' "$(events_of charlie)" ''
run moon quiesce
check "a second quiesce while one is open is refused (exit $CODE)" test "$CODE" != 0
said 'with its code' 'agt-00005'
sleep 1
check_eq 'alpha stays paused' "$(guest_state alpha)" paused

check_exit 'unquiesce' 0 moon unquiesce
check 'alpha and bravo run' all_running alpha bravo
check_eq 'charlie is still paused' "$(guest_reason charlie)" 'paused (user)'
check_eq 'alpha: suspended once, resumed once' "$(events_of alpha | paste -sd,)" Suspended,Resumed
check_eq 'bravo: suspended once, resumed once' "$(events_of bravo | paste -sd,)" Suspended,Resumed
check 'no process is left' poll 10 no_process "$MOONSNAP"
check_exit 'unquiesce with nothing to do' 0 moon unquiesce
check_eq 'charlie is still paused' "$(guest_reason charlie)" 'paused (user)'

# a pipe behind quiesce ends with it: the watchdog does not hold its output open
out=$(timeout 60 "$MOONSNAP" quiesce "${MOON_ARGS[@]}" --config-dir "$WORLD_DIR/etc" --state-dir "$WORLD_DIR/state" 2>&1 | tail -n 5; echo "ends ${PIPESTATUS[0]}") || true
check_eq 'quiesce in a pipe' "$(tail -n 1 <<<"$out")" 'ends 0'
check_exit 'unquiesce' 0 moon unquiesce
check 'alpha and bravo run' all_running alpha bravo

# the watchdog
moon_conf SC_AGENT_UNQUIESCE_TIMEOUT=6 # longer than quiesce itself takes on a busy machine
from=$(now_ms)
check_exit 'quiesce with a time limit of 6 s' 0 moon quiesce
check_eq 'alpha is paused' "$(guest_state alpha)" paused
check 'the watchdog resumes the guests' poll 10 all_running alpha bravo
took=$(($(now_ms) - from))
check "not before 6 s ($took ms)" test $took -ge 5500
check_eq 'charlie is still paused' "$(guest_reason charlie)" 'paused (user)'
check 'no process is left' poll 10 no_process "$MOONSNAP"
run moon unquiesce
check "unquiesce after that reports it (exit $CODE)" test "$CODE" = 3 -o "$CODE" = 0
said 'with its code' 'agt-00008'
check 'the guests run' all_running alpha bravo

# the same in a backup: the controller hangs longer than the guests may be paused
sim_fault '{"match": "snapshot-create", "action": "hold"}'
moon backup --policy daily >"$WORLD_DIR/out" 2>"$WORLD_DIR/err" </dev/null &
pid=$!
check 'a slow backup pauses alpha' wait_state alpha paused 10
check 'the watchdog resumes the guests while it still runs' poll 12 all_running alpha bravo
sim_faults_clear
ended "$pid"
check_eq 'the backup is crash-consistent only: exit' "$CODE" 3
check_match 'and says so' "$WORLD_DIR/err" 'agt-00008|crash.consistent'
finish
