# shellcheck shell=bash
# witness.sh: who stood still when, by QEMU's own events, and what a controller was asked meanwhile. Sourced after scene.sh.
# The time of these is QEMU's: that of libvirt's own is when virsh came to write them down, which on a busy machine is after
# the run's next question to the controller.
#
#   witness_start                 listens from now on; the scene has a guest alpha
#   fresh                         forgets what was seen and asked, and every fault; the next second
#   heard N                       for poll: N suspends and resumes have come
#   pauses                        "SECONDS NAME Suspended|Resumed", one a line
#   most                          the most guests that stood still at one time
#   with_alpha                    all that stood still at a time at which alpha did, "a,b"
#   asked_in_pause                what the controller answered from the first suspend to the last resume, "2 snapshot-create"
#   slow CALL [MS]                such calls take so long from now on
#   kill_backup NAME              a backup killed (-9) when NAME stands still; checks that it does

witness_start() {
  setsid setpriv --pdeathsig TERM -- stdbuf -oL virsh -q -c "$MOON_TEST_URI" qemu-monitor-event --loop \
    >>"$WORLD_DIR/seen" 2>&1 &
  poll 10 witness_hears || world_fail 'virsh qemu-monitor-event hears nothing'
}
# Its own events have come, and with them those of the tries before.
witness_hears() {
  local from=${EPOCHREALTIME/,/.}
  vsh suspend alpha
  vsh resume alpha
  sleep 0.1
  pauses | awk -v from="$from" '$3 == "Resumed" && $1 >= from { found = 1 } END { exit !found }'
}
fresh() { next_second; sim_faults_clear; : >"$WORLD_DIR/seen"; sim_curl -X DELETE "$SIM_URL/sim/requests" >/dev/null; }
pauses() {
  sed -nE -e 's/ STOP at / Suspended /; s/ RESUME at / Resumed /' \
    -e "s/^event (Suspended|Resumed) ([0-9.]+) for domain '?([a-z]+)'?: .*/\2 \3 \1/p" "$WORLD_DIR/seen" | LC_ALL=C sort -n
}
heard() { [ "$(pauses | wc -l)" -ge "$1" ]; }
most() { pauses | awk '$3 == "Suspended" { n++; if (n > m) m = n } $3 == "Resumed" { n-- } END { print m + 0 }'; }
with_alpha() {
  pauses | awk '$3 == "Suspended" { p[$2] = 1; if (p["alpha"]) for (g in p) seen[g] = 1 } $3 == "Resumed" { delete p[$2] }
    END { delete seen["alpha"]; for (g in seen) print g }' | sort | paste -sd,
}
asked_in_pause() {
  local first last
  first=$(pauses | awk '$3 == "Suspended" { print $1; exit }')
  last=$(pauses | awk '$3 == "Resumed" { t = $1 } END { print t }')
  sim_requests | jq -r --argjson a "$first" --argjson b "$last" \
    '[.log[] | select(.at >= $a and .at <= $b) | "\(.call)"] | group_by(.) | map("\(length) \(.[0])") | join(",")'
}
slow() { sim_fault "{\"match\": \"$1\", \"action\": \"delay\", \"ms\": ${2:-400}}"; }
kill_backup() {
  local pid
  "$MOONSNAP" backup "${MOON_ARGS[@]}" --config-dir "$WORLD_DIR/etc" --state-dir "$WORLD_DIR/state" --policy daily \
    >/dev/null 2>&1 </dev/null &
  pid=$!
  check "a backup in which $1 stands still" wait_state "$1" paused 15
  kill -KILL $pid
  wait $pid 2>/dev/null || true
}
