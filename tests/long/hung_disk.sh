#!/bin/bash
# A guest whose suspend or resume does not end, because its disk does not answer (here: its QEMU is stopped): nobody else
# waits for it, the run ends and says so, and when the call is carried out at last, long after the run, the guest is resumed.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
export TSAN_OPTIONS=${TSAN_OPTIONS:-}:report_thread_leaks=0 # nobody can wait for the thread whose call hangs
scene alpha:vol1 bravo:vol2 charlie:vol1
pid=$(cat "$WORLD_LV/run/libvirt/qemu/run/bravo.pid")
stop=SERVER:"/bin/sh -c 'kill -STOP $pid'"
moon_conf KVM_SUSPEND_TIMEOUT=2 "PRE_APP_QUIESCE_CMD01=$stop"
events_start
start=$(now_ms)
moon backup --policy daily >"$OUT" 2>"$ERR" </dev/null &
run=$!
alphas() { events_of alpha | paste -sd,; }
alpha_runs_again() { [ "$(alphas)" = Suspended,Resumed ]; }
check 'alpha is suspended first, and runs again' poll 20 alpha_runs_again
check 'while bravo is still waited for' alive $run
ended "$run"
check_eq 'page someone: exit' "$CODE" 5
check 'in bounded time' [ $(($(now_ms) - start)) -lt 60000 ]
said 'with what to look at' "\[kvm-00003\].*guest 'bravo'.*KVM_SUSPEND_TIMEOUT"
said 'and who resumes it' "\[kvm-00004\].*guest 'bravo'.*the guard process brings it back"
check_eq 'once' "$(grep -c "\[kvm-00004\].*guest 'bravo'" "$ERR")" 1
check_eq 'charlie was left alone' "$(events_of charlie)" ''
check_eq 'no snapshot is made' "$(snapshots vol1; snapshots vol2)" ''

sleep 37 # longer than any call waits for its turn at a domain
check_not 'the guard process does not go' no_process "$MOONSNAP"
kill -CONT "$pid"
check 'nor does it miss the suspend' poll 20 no_process "$MOONSNAP"
check_eq 'that came so late' "$(events_of bravo | paste -sd,) $(guest_state bravo)" 'Suspended,Resumed running'
check 'the guests run' all_running alpha bravo charlie
moon_conf
backup
check 'and the next backup has them all' pause_is_sane bravo

moon_conf "PRE_APP_UNQUIESCE_CMD01=$stop"
start=$(now_ms)
MOON_LIMIT=150 check_exit 'its resume does not end: page someone' 5 moon backup --policy daily
check 'in bounded time' [ $(($(now_ms) - start)) -lt 120000 ]
said 'and who resumes it' "\[kvm-00004\].*guest 'bravo'.*QEMU does not answer; the guard process brings it back"
check_eq 'once' "$(grep -c "error: \[kvm-00004\] guest 'bravo'" "$ERR")" 1
check 'the others run' all_running alpha charlie
kill -CONT "$pid"
check 'and it, when it answers' wait_state bravo running 20
check 'the guard process ends' poll 60 no_process "$MOONSNAP"

# Nobody is left to resume alpha but recover, and libvirtd does not answer.
moon_conf
held
journal=$(find "$WORLD_DIR/state/journal" -name 'demo.*.journal')
read -r _ guard _ < <(grep '^guard ' "$journal")
read -r _ engine _ < <(grep '^engine ' "$journal")
kill -STOP "$guard"
kill -KILL "$engine" "$guard"
held_ends
check 'a run and its guard process die' poll 20 no_process "$MOONSNAP"
kill -STOP "$WORLD_LIBVIRTD_PID"
start=$(now_ms)
MOON_LIMIT=150 check_exit 'libvirtd does not answer: recover says so' 5 moon recover
check 'in bounded time' [ $(($(now_ms) - start)) -lt 120000 ]
said 'with what to look at' "\[kvm-00004\].*3 guest\(s\) of config kvm could not be resumed: libvirt at .* does not answer"
kill -CONT "$WORLD_LIBVIRTD_PID"
check_eq 'the guest stands still' "$(guest_state alpha)" paused
check_exit 'recover, when it answers' 0 moon recover
check_eq 'resumes it' "$(guest_state alpha)" running
finish
