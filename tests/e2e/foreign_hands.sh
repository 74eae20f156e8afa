#!/bin/bash
# Somebody else in the middle of it: another libvirtd, a hook that fails or meddles, an administrator who pauses,
# resumes or removes a guest. Nobody stays suspended, nobody is resumed who should not be, nothing is called good
# that is not.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
scene alpha:vol1 bravo:vol2
virsh="$(command -v virsh) -q -c $MOON_TEST_URI"
journal() { find "$WORLD_DIR/state/journal" -name '*.journal'; }

# --- quiesce here, unquiesce there ---

check_exit 'quiesce' 0 moon quiesce
cp "$(journal)" "$WORLD_DIR/journal"
check_exit 'unquiesce at another libvirt' 5 moon unquiesce --libvirt-uri test:///default
said 'it says where the guests are' "2 guest.*${MOON_TEST_URI//[?+]/.}"
check_no_match 'it does not claim that nothing is suspended' "$ERR" 'Nothing of this config'
check 'the guests stay listed' cmp "$(journal)" "$WORLD_DIR/journal"
check_not 'the guard still watches' no_process "$MOONSNAP"
check_eq 'alpha is still paused' "$(guest_state alpha)" paused
check_exit 'unquiesce at the right one' 0 moon unquiesce
check 'alpha and bravo run' all_running alpha bravo
check 'no process is left' poll 10 no_process "$MOONSNAP"

# --- a command before the resume fails ---

moon_conf PRE_APP_UNQUIESCE_CMD01=SERVER:/bin/false
check_exit 'quiesce' 0 moon quiesce
check_eq 'alpha is paused' "$(guest_state alpha)" paused
check_exit 'unquiesce with a command that fails' 1 moon unquiesce
check 'all guests run all the same' all_running alpha bravo
check_match 'the command is named' "$ERR" 'PRE_APP_UNQUIESCE_CMD01.*/bin/false'
check 'no process is left' poll 10 no_process "$MOONSNAP"
events_start
check_exit 'the same in a backup' 1 moon backup --policy daily
check 'all guests run all the same' all_running alpha bravo
check_eq 'alpha: suspended once, resumed once' "$(events_of alpha | paste -sd,)" Suspended,Resumed
check_match 'the command is named' "$ERR" 'PRE_APP_UNQUIESCE_CMD01.*/bin/false'

# --- a command that resumes a guest behind our back ---

next_second
moon_conf "POST_APP_QUIESCE_CMD01=SERVER:$virsh resume alpha"
check_exit 'a guest is resumed before the snapshot' 3 moon backup --policy daily --json
check_eq 'the backup is crash-consistent only' "$(jq -r .status "$OUT")" crash-consistent
check_match 'with its code, and the guest' "$ERR" 'agt-00008.*alpha'
check_no_match 'the other guest is not accused' "$ERR" 'agt-00008.*bravo'
check 'all guests run' all_running alpha bravo
check_exit 'backupList' 0 moon backupList --policy daily --json
check_match 'backupList says it, too' "$OUT" 'crash-consistent'

# --- commands that are not allowed are known before anybody is suspended ---

for family in PRE_NTAP_CMD PRE_APP_QUIESCE_CMD POST_APP_QUIESCE_CMD PRE_APP_UNQUIESCE_CMD POST_APP_UNQUIESCE_CMD POST_NTAP_CMD; do
  moon_conf ${family}03=/bin/true
  next_second
  actions=backup
  case $family in *_APP_*) actions+=' quiesce' ;; esac
  for action in $actions; do
    events_start
    changes=$(sim_changes)
    files=$(records)
    check_exit "$action: a $family that is not allowed" 1 moon "$action" --policy daily
    check_match "$action: a $family that is not allowed: its code and name" "$ERR" "agt-00009.*${family}03.*/bin/true"
    check_eq "$action: a $family that is not allowed: no event" "$(events_of 'alpha|bravo')" ''
    check_eq "$action: a $family that is not allowed: no change" "$(sim_changes; records)" "$changes${changes:+$'\n'}$files"
    if [ "$action" = quiesce ]; then run moon unquiesce; fi
  done
done
echo 'command: /bin/true' >"$WORLD_DIR/etc/allowed_commands.config"
next_second
check_exit 'in the list it is allowed' 0 moon backup --policy daily
next_second
rm "$WORLD_DIR/etc/allowed_commands.config"
moon_conf 'POST_NTAP_CMD01=SERVER:/bin/echo "no end'
events_start
check_exit 'a quote that is not closed' 2 moon backup --policy daily
check_eq 'a quote that is not closed: no event' "$(events_of 'alpha|bravo')" ''

# --- a guest that is gone when its turn comes ---

image_make "$SIM_ROOT/svm1/vol2/ghost.img"
guest_define ghost "$SIM_ROOT/svm1/vol2/ghost.img"
vsh undefine ghost
vsh create "$WORLD_DIR/xml/ghost.xml"
next_second
moon_conf "PRE_APP_QUIESCE_CMD01=SERVER:$virsh destroy ghost"
backup
check_eq 'a transient guest that vanishes: its state' "$(guest_of ghost .state_before)" gone
check_eq 'a transient guest that vanishes: the others were suspended' \
  "$(guest_of alpha '.pause_ms > 0') $(guest_of bravo '.pause_ms > 0') $(guest_of ghost '.pause_ms // 0')" 'true true 0'
check 'the others run' all_running alpha bravo

# --- an administrator pauses a guest ---

sed -i /ghost/d "$WORLD_DIR/guests"
moon_conf "PRE_APP_QUIESCE_CMD01=SERVER:$virsh suspend bravo"
events_start
backup
check_eq 'paused before the first suspend: no event of ours' "$(events_of bravo | paste -sd,)" Suspended
check_eq 'paused before the first suspend: it stays so' "$(guest_reason bravo)" 'paused (user)'
check_eq 'paused before the first suspend: in the record' "$(guest_of bravo .state_before)" paused
vsh resume bravo

# Between the look at all guests and bravo's turn: alpha's suspend hangs for as long as its process is stopped.
pid=$(cat "$WORLD_LV/run/libvirt/qemu/run/alpha.pid")
moon_conf "PRE_APP_QUIESCE_CMD01=SERVER:/bin/sh -c 'kill -STOP $pid'"
events_start
moon backup --policy daily --json >"$WORLD_DIR/out" 2>"$WORLD_DIR/err" </dev/null &
run=$!
listed() { grep -qs alpha "$(journal)"; }
check 'bravo is on the list of the guard' poll 10 listed
sleep 0.3
vsh suspend bravo
kill -CONT "$pid"
ended "$run"
RECORD=$WORLD_DIR/out
check_eq 'paused between look and suspend: exit' "$CODE" 0
check_eq 'paused between look and suspend: nobody resumes it' "$(events_of bravo | paste -sd,)" Suspended
check_eq 'paused between look and suspend: it stays so' "$(guest_reason bravo)" 'paused (user)'
check_eq 'paused between look and suspend: in the record' "$(guest_of bravo .state_before)" paused
check_eq 'alpha was suspended, and runs' "$(events_of alpha | paste -sd,) $(guest_state alpha)" 'Suspended,Resumed running'
check 'no process is left' poll 10 no_process "$MOONSNAP"
check_eq 'and bravo stays paused' "$(guest_reason bravo)" 'paused (user)'
finish
