#!/bin/bash
# Logs in Snap Creator's form: out, debug and error files of each config, their lines and levels, how many are kept, and the
# error log that is only ever added to.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
scene alpha:vol1
dir=$WORLD_DIR/state/log/demo
last() { find "$dir" -name "kvm.$1.*.log" | sort | tail -n 1; }
count() { find "$dir" -name "kvm.$1.[0-9]*.log" | wc -l; }
form='^\[(Mon|Tue|Wed|Thu|Fri|Sat|Sun) (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ 1-3][0-9] [0-9]{2}:[0-9]{2}:[0-9]{2} [0-9]{4}\]'
levels() { sed -nE "s/$form ([A-Z]+): .*/\3/p" "$1" | sort -u | paste -sd' '; }
wrong_lines() { grep -vcE "$form (ERROR|WARN|INFO|CMD|OUTPUT|DEBUG|TRACE): " "$1" || true; }

for api in zapi rest; do
  rm -rf "$dir"
  moon_conf "ONTAP_API=$api" LOG_NUM=3 PRE_NTAP_CMD01=SERVER:/bin/echo\ one 'POST_NTAP_CMD01=SERVER:/bin/sh -c "echo a; echo b"'

  # --- names, lines, levels ---

  backup
  check_match "$api: the names" <(find "$dir" -type f -printf '%f\n' | sort | paste -sd' ') \
    '^kvm\.debug\.[0-9]{14}\.log kvm\.error\.log kvm\.out\.[0-9]{14}\.log$'
  check_eq "$api: out and debug have the run's stamp" "$(basename "$(last out)" | tr -dc 0-9)" "${SNAP##*_}"
  check_eq "$api: for their owner only" "$(find "$dir" -type f ! -perm 600 | wc -l)" 0
  for kind in out debug; do check_eq "$api: $kind: every line has its form" "$(wrong_lines "$(last $kind)")" 0; done
  check_eq "$api: levels of out" "$(levels "$(last out)")" 'CMD INFO'
  check_eq "$api: levels of debug" "$(levels "$(last debug)")" 'CMD DEBUG INFO OUTPUT'
  check_eq "$api: all of out is in debug" "$(grep -vcxFf "$(last debug)" "$(last out)" || true)" 0
  check_match "$api: OUTPUT is calls" "$(last debug)" 'OUTPUT: .*svm1'
  check_match "$api: CMD: command, exit code, words" "$(last out)" \
    'CMD: Command \[/bin/echo one\] finished with exit code: \[0\] stdout: \[one\] stderr: \[\]'
  check_match "$api: words of two lines stay in one" "$(last out)" 'stdout: \[a b\]'
  check_match "$api: the banner" "$(last out)" 'INFO: ########## Agent validation ##########$'
  check_match "$api: progress of a snapshot" "$(last out)" 'INFO: STORAGE-02008: '
  check_match "$api: the end" "$(last out)" "$(success backup)"
  check_eq "$api: no error, no line in the error log" "$(wc -l <"$dir/kvm.error.log")" 0

  # --- TRACE ---

  moon_conf "ONTAP_API=$api" LOG_NUM=3 LOG_TRACE_ENABLE=Y
  backup
  check_match "$api: LOG_TRACE_ENABLE=Y: result objects in debug" "$(last debug)" 'TRACE: .*svm1'
  check_no_match "$api: and not in out" "$(last out)" 'TRACE: '
  moon_conf "ONTAP_API=$api" LOG_NUM=3

  # --- errors ---

  sim_fault '{"match": "snapshot-create", "action": "error"}'
  sim_fault '{"match": "POST *storage/volumes/*/snapshots", "action": "error"}'
  check_exit "$api: a backup that fails" 1 moon backup --policy daily
  sim_faults_clear
  next_second
  for file in "$(last out)" "$(last debug)" "$dir/kvm.error.log"; do
    check_match "$api: ${file##*/}: the error with its code" "$file" "$form ERROR: \\[STORAGE-02009\\] "
  done
  check_eq "$api: the error log has errors alone" "$(levels "$dir/kvm.error.log")" ERROR
  cp "$dir/kvm.error.log" "$WORLD_DIR/errors"

  # --- how many are kept ---

  for _ in 1 2 3; do backup; done
  check_eq "$api: LOG_NUM=3" "$(count out) $(count debug)" '3 3'
  check "$api: the newest" test -f "$dir/kvm.out.${SNAP##*_}.log"
  check_exit "$api: a policy that is not there" 2 moon backup --policy nightly
  check_eq "$api: the error log is added to, never begun anew" \
    "$(head -n "$(wc -l <"$WORLD_DIR/errors")" "$dir/kvm.error.log" | sum /dev/stdin)" "$(sum "$WORLD_DIR/errors")"
  check_match "$api: with the new one" <(tail -n 1 "$dir/kvm.error.log") 'ERROR: \[scf-00072\].*nightly'
  touch "$dir/kvm2.out.20200101000000.log" "$dir/kvm.out.note.log" "$dir/kvmxout.20200101000000.log"
  next_second
  moon_conf "ONTAP_API=$api" LOG_NUM=1
  check_exit "$api: another action" 0 moon volumeList
  check_eq "$api: LOG_NUM=1" "$(count out) $(count debug)" '1 1'
  check_eq "$api: what is not this config's log stays" "$(find "$dir" -name 'kvm2*' -o -name '*note*' -o -name 'kvmx*' | wc -l)" 3
  rm "$dir/kvm.out.note.log"
  next_second
done

# --- on the console, and where nothing is written ---

moon_conf
files=$(find "$dir" -type f | sort)
check_exit 'a dry run' 0 moon backup --policy daily --dry-run
check_eq 'writes no log' "$(find "$dir" -type f | sort)" "$files"
check_exit '--verbose' 0 moon backup --policy daily --verbose
check_eq '--verbose: what out has, on stderr' "$(grep -cxFf "$(last out)" "$ERR")" "$(wc -l <"$(last out)")"
next_second
check_exit '--quiet' 0 moon backup --policy daily --quiet
check_eq '--quiet: no word' "$(cat "$OUT" "$ERR")" ''
next_second
check_exit '--log-dir' 0 moon volumeList --log-dir "$WORLD_DIR/elsewhere"
check 'has them there' test -f "$WORLD_DIR/elsewhere/demo/kvm.error.log"
: >"$WORLD_DIR/plain"
check_exit 'a log directory that is none' 1 moon backup --policy daily --log-dir "$WORLD_DIR/plain"
check_match 'is named' "$ERR" "error: .*$WORLD_DIR/plain"
check 'the guest runs' all_running alpha
finish
