# shellcheck shell=bash
# rows.sh: the failure table as a test. Sourced after scene.sh by the files that tests/data/failures/reference.txt names.
#
#   rows FILE [REGEX]   every row of that file (whose name matches): with each APP_IGNORE_ERROR that it lists, row_NAME
#                       provokes it
#
# A row's function writes the config (row_conf), sets WHY (a regex: what the message must name) and ends with `run`ning
# what is to fail. It may set KEEPS (the number of snapshots that a run that goes on must leave) and SAYS (where the code
# is not in an error: a regex that some line must match). row_NAME_after, if there is one, puts the world right, and is
# called before the guests are looked at.
#
#   row_conf [KEY=VALUE ...]   moon_conf with this round's APP_IGNORE_ERROR

ROW_IGNORE=N WHY='' KEEPS=0 SAYS=''

row_conf() { moon_conf "APP_IGNORE_ERROR=$ROW_IGNORE" NTAP_SNAPSHOT_RETENTIONS=daily:99 "$@"; }
every_snapshot() { snapshots vol1; snapshots vol2; }

row() { # NAME CODE EXIT
  local name=$1 code=$2 want=$3 fn=row_${1//-/_} label="$1, APP_IGNORE_ERROR=$ROW_IGNORE" before changes
  WHY='' KEEPS=0 SAYS=''
  if [ "$(type -t "$fn")" != function ]; then
    not_ok "$label" "no $fn in ${0##*/}"
    return
  fi
  next_second
  before=$(every_snapshot | wc -l)
  changes=$(sim_changes | wc -l)
  CODE=none
  "$fn"
  if [ "$want" = - ]; then
    check_match "$label: $code cannot come: why is said" "$ERR" "$WHY"
    check_no_match "$label: nor does it" "$ERR" "$code"
    if [ "$CODE" = 2 ]; then check_eq "$label: refused before anything changed" "$(sim_changes | wc -l)" "$changes"; fi
  else
    check_eq "$label: exit" "$CODE" "$want"
    check_match "$label: $code, and what it is about" "$ERR" "${SAYS:-error:.*\\[$code\\].*$WHY}"
    check_no_match "$label: no stack trace" "$ERR" 'stack traceback|attempt to (index|call)'
  fi
  if [ "$(type -t "${fn}_after")" = function ]; then "${fn}_after"; fi
  sim_faults_clear
  check "$label: no guest is left suspended" poll 20 all_running alpha bravo
  check_eq "$label: snapshots that came" "$(($(every_snapshot | wc -l) - before))" "$KEEPS"
  check "$label: no process is left" poll 20 no_process "$MOONSNAP"
}

rows() { # FILE [REGEX]
  local name ignore count=0 words
  while read -r -a words; do
    if [[ ${#words[@]} -lt 5 || ${words[0]} = '#' || ${words[-1]} != "$1" || ! ${words[0]} =~ ${2:-.} ]]; then continue; fi
    name=${words[0]}
    count=$((count + 1))
    for ignore in "${words[@]:1:${#words[@]}-4}"; do
      ROW_IGNORE=$ignore
      row "$name" "${words[-3]}" "${words[-2]}"
    done
  done <"$(dirname "${BASH_SOURCE[0]}")/../data/failures/reference.txt"
  check "the reference has rows for $1 ($count)" test $count -gt 0
}
