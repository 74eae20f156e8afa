#!/bin/bash
# The site's commands: every family in its place, on the allow-list, with its output in the log, and none that lets a
# guest stand still. Phases and their headlines come in Snap Creator's order.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
scene alpha:vol1 bravo:vol2
trail=$WORLD_DIR/trail
note=$WORLD_DIR/note
list=$WORLD_DIR/etc/allowed_commands.config
# note WORD...: adds its words and the state of alpha to the trail
# shellcheck disable=SC2016 # the program's own words
printf '#!/bin/sh\necho "$* $(%s -q -c %s domstate alpha)" >>%s\necho "said $1"\n' "$(command -v virsh)" \
  "'$MOON_TEST_URI'" "'$trail'" >"$note"
chmod 755 "$note"
log() { cat "$WORLD_DIR"/state/log/demo/kvm.out.*.log; }
no_logs() { rm -rf "${WORLD_DIR:?}/state/log" "${trail:?}"; }

# --- places and order ---

echo "command: $note" >"$list"
chmod 644 "$list"
families='PRE_NTAP_CMD PRE_APP_QUIESCE_CMD POST_APP_QUIESCE_CMD PRE_APP_UNQUIESCE_CMD POST_APP_UNQUIESCE_CMD
  POST_NTAP_DATA_TRANSFER_CMD POST_NTAP_CMD ARCHIVE_CMD'
settings=()
for family in $families; do settings+=("${family}02=$note $family.2" "${family}1=$note $family.1 %SNAPNAME"); done
for api in zapi rest; do
  no_logs
  next_second
  moon_conf "ONTAP_API=$api" "${settings[@]}"
  check_exit "$api: a backup with all commands" 0 moon backup --policy daily --json
  snap=$(jq -r .snapshot "$OUT")
  want=''
  for family in $families; do
    case $family in POST_APP_QUIESCE_CMD | PRE_APP_UNQUIESCE_CMD) state=paused ;; *) state=running ;; esac
    want+="$family.1 $snap $state"$'\n'"$family.2 $state"$'\n'
  done
  check_eq "$api: in their order, by number, round the pause" "$(cat "$trail")" "${want%$'\n'}"
  log >"$WORLD_DIR/log"
  check_match "$api: what they say is in the log" "$WORLD_DIR/log" \
    'CMD: Command \[.*note POST_NTAP_CMD\.2\] finished with exit code: \[0\] stdout: \[said POST_NTAP_CMD\.2\] stderr: \[\]'
  sed -n 's/.*########## \(.*\) ##########$/\1/p' "$WORLD_DIR/log" | sed '$s/moonsnap .* finished/moonsnap finished/' \
    >"$WORLD_DIR/banners"
  printf '%s\n' 'Detecting Data ONTAP mode for svm1' 'Agent validation' 'Plugin validation' 'Application auto discovery' \
    'Running storage discovery' 'Pre Ntap commands' 'Pre application quiesce commands' 'Application quiesce' \
    'Post application quiesce commands' 'Creating Snapshot copies' 'Pre application unquiesce commands' \
    'Application unquiesce' 'Post application unquiesce commands' 'Metadata volume Snapshot copies' \
    'Post Data Transfer commands' 'Post Ntap commands' 'ARCHIVE COMMANDS' 'Running Snapshot copy Delete on Primary' \
    'Agent Workflow Finalization' 'moonsnap finished successfully' >"$WORLD_DIR/want"
  # phases of replication and cloning may stand between these
  check_eq "$api: the phases, in their order" "$(grep -Fxf "$WORLD_DIR/want" "$WORLD_DIR/banners")" "$(cat "$WORLD_DIR/want")"
  check_match "$api: the end is told" "$WORLD_DIR/log" 'Finalized workflow with id [0-9]{14}-'
done

no_logs
next_second
moon_conf
check_exit 'a backup without commands' 0 moon backup --policy daily
log >"$WORLD_DIR/log"
for family in $families; do
  check_match "its log says that there is no $family" "$WORLD_DIR/log" "$family: no commands defined"
done

# --- what may not run: found before anything is suspended ---

refused() { # name, code, regex
  local changes
  events_start
  changes=$(sim_changes | wc -l)
  check_exit "$1" "$2" moon backup --policy daily
  check_match "$1: named" "$ERR" "$3"
  check_eq "$1: in one line" "$(grep -c 'error:' "$ERR")" 1
  check_eq "$1: no guest was touched" "$(events_of 'alpha|bravo')" ''
  check_eq "$1: nothing was changed" "$(sim_changes | wc -l)" "$changes"
}
next_second
moon_conf "ARCHIVE_CMD01=/bin/true"
refused 'a command that is not on the list' 1 "agt-00009.*kvm\.conf:[0-9]+: ARCHIVE_CMD01: '/bin/true' is not in .*allowed_commands"
rm "$list"
moon_conf "PRE_NTAP_CMD01=$note x"
refused 'without a list' 1 'agt-00009'
echo "command: $note" >"$list"
chmod 666 "$list"
refused 'a list that others may write to' 2 'agt-00010.*chmod'
chmod 644 "$list"
moon_conf "POST_NTAP_CMD01=SERVER:$note x > $WORLD_DIR/file"
refused 'a redirection' 2 "POST_NTAP_CMD01: '>' needs a shell"
moon_conf "POST_NTAP_CMD01=SERVER:$WORLD_DIR/none"
refused 'a program that is not there' 2 "POST_NTAP_CMD01: '.*none' does not exist"

# --- one that fails, one that hangs ---

for family in POST_APP_QUIESCE_CMD PRE_APP_UNQUIESCE_CMD; do
  next_second
  moon_conf NTAP_SNAPSHOT_CLEANUP=Y "${family}01=SERVER:/bin/sh -c 'echo words; exit 3'"
  before=$(snapshots vol1; snapshots vol2)
  check_exit "$family fails" 1 moon backup --policy daily
  check_match "$family fails: named, with its words" "$ERR" "${family}01: '/bin/sh': exit code 3: words"
  check "$family fails: the guests run" all_running alpha bravo
  check_eq "$family fails: no copy is left" "$(snapshots vol1; snapshots vol2)" "$before"
  next_second
  moon_conf NTAP_SNAPSHOT_CLEANUP=Y SC_AGENT_UNQUIESCE_TIMEOUT=6 "${family}01=SERVER:/bin/sleep 50"
  from=$(now_ms)
  check_exit "$family hangs" 1 moon backup --policy daily
  took=$(($(now_ms) - from))
  check "$family hangs: ended before the guests' limit ($took ms)" test $took -lt 45000
  check_match "$family hangs: named" "$ERR" "${family}01: '/bin/sleep': did not end in time"
  check_no_match "$family hangs: the watchdog had nothing to do" "$ERR" agt-00008
  check "$family hangs: the guests run" all_running alpha bravo
  check_eq "$family hangs: no copy is left" "$(snapshots vol1; snapshots vol2)" "$before"
done

next_second
moon_conf POST_NTAP_CMD01=SERVER:/bin/false
check_exit 'a command after the backup fails' 1 moon backup --policy daily
check_eq 'the backup is good' "$(jq -r .status "$WORLD_DIR/state/catalog/demo/kvm/$(records | tail -n 1)")" ok

# --- a signal while one runs: it does not live on ---

stubborn=$WORLD_DIR/stubborn
printf '#!/bin/sh\ntrap "" TERM\nsleep 1000 &\necho $$ $! >%s.pids\nwhile :; do wait; done\n' "'$stubborn'" >"$stubborn"
chmod 755 "$stubborn"
interrupted() { # name, signals, exit code
  local run pid pids
  next_second
  rm -f "$stubborn.pids"
  "$MOONSNAP" backup "${MOON_ARGS[@]}" --config-dir "$WORLD_DIR/etc" --state-dir "$WORLD_DIR/state" --policy daily \
    >"$OUT" 2>"$ERR" </dev/null &
  run=$!
  check "$1: it runs" poll 10 test -s "$stubborn.pids"
  check "$1: the guests stand still" wait_state alpha paused
  kill -TERM $run
  if [ "$2" = 2 ]; then
    poll 10 grep -q 'signal 15' "$ERR"
    kill -TERM $run || true # which ends by itself when it has killed the command, 2 s after the first
  fi
  ended $run
  check_eq "$1: exit" "$CODE" "$3"
  check "$1: the guests run" soon all_running alpha bravo
  read -ra pids <"$stubborn.pids"
  for pid in "${pids[@]}"; do check "$1: no process of it is left" soon gone "$pid"; done
}
moon_conf "POST_APP_QUIESCE_CMD01=SERVER:$stubborn"
before=$(snapshots vol1; snapshots vol2)
interrupted 'one signal' 1 143
interrupted 'two signals' 2 143
check_eq 'no copy is made' "$(snapshots vol1; snapshots vol2)" "$before"
check_exit 'what the second signal left' 0 moon recover

# --- a dry run runs none ---

no_logs
next_second
moon_conf "${settings[@]}"
check_exit 'a dry run' 0 moon backup --policy daily --dry-run
check_match 'names the commands' "$OUT" 'process.run .*note'
check 'and runs none' test ! -e "$trail"
finish
