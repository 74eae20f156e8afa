# shellcheck shell=bash
# dialogue.sh: answers to the questions that an action asks on a terminal, a real one (script makes a pseudo-terminal).
# Sourced after scene.sh.
#
#   dialogue ACTION-AND-OPTIONS [PROMPT ANSWER] ...
#           runs it on a terminal; each answer goes when its prompt stands at the end of what was printed. "EOF" hangs up.
#           The screen is in OUT, the exit code in CODE
#   screen  what the terminal shows
dialogue() {
  local action=$1 pid seen=0
  shift
  rm -f "$WORLD_DIR/keys"
  mkfifo "$WORLD_DIR/keys"
  : >"$OUT"
  : >"$ERR"
  timeout 60 script -qefc "'$MOONSNAP' $action --profile demo --config kvm --config-dir '$WORLD_DIR/etc' \
    --state-dir '$WORLD_DIR/state'" /dev/null <"$WORLD_DIR/keys" >"$OUT" 2>"$ERR" &
  pid=$!
  exec 9>"$WORLD_DIR/keys"
  while [ $# -gt 1 ]; do
    if ! poll 15 prompts "$1"; then
      not_ok "the prompt '$1' comes" "$OUT"
      break
    fi
    seen=$(stat -c %s "$OUT")
    if [ "$2" = EOF ]; then printf '\004' >&9; else printf '%s\n' "$2" >&9; fi
    shift 2
  done
  CODE=0
  # shellcheck disable=SC2034 # for who sources this
  wait $pid || CODE=$?
  exec 9>&-
}
# Only what came since the last answer: the next question may be the same.
prompts() { tail -c "+$((seen + 1))" "$OUT" | tail -n 1 | tr -d '\r' | grep -qE -- "$1 ?$"; }
screen() { tr -d '\r' <"$OUT"; }
# shellcheck disable=SC2034 # for who sources this
NUMBER='Number, q to end:' NUMBERS='q to end:' YES='Type yes to go on:'
