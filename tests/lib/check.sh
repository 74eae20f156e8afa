# shellcheck shell=bash
# check.sh: what an end-to-end test is written with. Sourced; needs bash.
#
#   check "name" CMD...                 passes when CMD exits 0
#   check_not "name" CMD...             passes when CMD exits with anything else
#   check_eq "name" GOT WANT
#   check_match "name" FILE REGEX       some line of FILE matches (extended regex)
#   check_no_match "name" FILE REGEX
#   check_exit "name" CODE CMD...       CMD exits with CODE; its output stays in $OUT and $ERR
#   ended PID                           waits for a process in the background; its exit code in $CODE
#   skip "name" "reason"
#   requires CMD...                     ends the file as one skipped test when a tool is missing
#   finish                              prints "N passed, N failed, N skipped" and exits
#
# Every test is one line, `ok - name`, `not ok - name` or `skip - name # reason`; the output of a failed command
# follows its line, indented.

PASSED=0 FAILED=0 SKIPPED=0
CHECK_DIR=$(mktemp -d "${MOON_TEST_TMP:-${TMPDIR:-/tmp}}/check.XXXXXX")
export OUT=$CHECK_DIR/out ERR=$CHECK_DIR/err
: >"$OUT"
: >"$ERR"

ok() { PASSED=$((PASSED + 1)); printf 'ok - %s\n' "$1"; }

not_ok() { # name, then what to show: lines of text or file names
  FAILED=$((FAILED + 1))
  printf 'not ok - %s\n' "$1"
  shift
  local what
  for what in "$@"; do
    if [ -f "$what" ]; then tail -n 40 "$what"; else printf '%s\n' "$what"; fi
  done | sed 's/^/    /'
}

skip() { SKIPPED=$((SKIPPED + 1)); printf 'skip - %s # %s\n' "$1" "$2"; }

requires() {
  local tool
  for tool in "$@"; do
    if ! command -v "$tool" >/dev/null; then
      skip "${0##*/}" "needs $tool"
      finish
    fi
  done
}

check() {
  local name=$1 code=0
  shift
  "$@" >"$CHECK_DIR/cmd" 2>&1 || code=$?
  if [ $code = 0 ]; then ok "$name"; else not_ok "$name" "exit $code: $*" "$CHECK_DIR/cmd"; fi
}

check_not() {
  local name=$1
  shift
  if "$@" >"$CHECK_DIR/cmd" 2>&1; then not_ok "$name" "exit 0: $*" "$CHECK_DIR/cmd"; else ok "$name"; fi
}

check_eq() {
  if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1" "got:  $2" "want: $3"; fi
}

check_match() {
  if grep -Eq -e "$3" "$2"; then ok "$1"; else not_ok "$1" "no line of ${2##*/} matches: $3" "$2"; fi
}

check_no_match() {
  if ! grep -Eq -e "$3" "$2"; then ok "$1"; else not_ok "$1" "a line of ${2##*/} matches: $3" "$2"; fi
}

# run CMD...: CMD with its output in $OUT and $ERR and its exit code in $CODE; never fails.
run() {
  CODE=0
  "$@" >"$OUT" 2>"$ERR" </dev/null || CODE=$?
}

ended() { CODE=0; wait "$1" || CODE=$?; }

check_exit() {
  local name=$1 want=$2
  shift 2
  run "$@"
  if [ "$CODE" = "$want" ]; then ok "$name"; else
    not_ok "$name" "exit $CODE, not $want: $*" "stdout:" "$OUT" "stderr:" "$ERR"
  fi
}

finish() {
  rm -rf "$CHECK_DIR"
  printf '%d passed, %d failed, %d skipped\n' $PASSED $FAILED $SKIPPED
  if [ $FAILED = 0 ]; then exit 0; else exit 1; fi
}
