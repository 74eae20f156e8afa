#!/bin/bash
# What a workflow's author meets: the repl, piped and on a real terminal, with a real guest that a line leaves standing
# still; and a workflow that loops without a wait while guests stand still.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
requires script
scene alpha:vol1
no_guard() { no_process "$MOONSNAP"; }
repl() { timeout 60 "$MOONSNAP" repl --state-dir "$WORLD_DIR/repl" <"$WORLD_DIR/input"; }
typed() { cat >"$WORLD_DIR/input"; }
OPEN="conn = assert(engine.virt.open('$MOON_TEST_URI'))
dom = conn:domain(assert(conn:lookup('${WORLD_PREFIX:-}alpha')))"

# --- piped ---

typed <<'LUA'
1 + 1
="a", nil
x = {
  n = 1,
}
=x
std.task.sleep(0.001)
for i = 1, 2 do
  print("turn " .. i)
end
LUA
check_exit 'each input runs, and prints its values' 0 repl
check_eq 'in order' "$(paste -sd'|' "$OUT")" '2|a|nil|{ n = 1 }|true|turn 1|turn 2'
typed <<'LUA'
local y; return y.z
local z = = 1
print("still here")
LUA
check_exit 'an error ends no more than its input' 1 repl
check_match 'the line is shown' "$ERR" '^        1 \| local y; return y\.z$'
check_match 'a syntax error has its mark' "$ERR" '^          \|           \^$'
check_match 'the next one runs' "$OUT" '^still here$'
typed <<<'if x then'
check_exit 'input that ends in the middle is an error' 1 repl
typed <<<$'exit\nerror("not reached")'
check_exit 'exit ends it' 0 repl

# --- a guest that a line leaves standing still ---

typed <<<"$OPEN
=dom:suspend()
=dom:state().state"
check_exit 'a line suspends a guest, the end resumes it' 0 repl
check_match 'it was paused' "$OUT" '^paused$'
check_match 'that is told at once' "$ERR" "warning: guest 'alpha' stands still now; it runs again when you resume it, at the end"
check_match 'and that it runs again' "$ERR" "warning: guest 'alpha' runs again$"
check_eq 'it does' "$(guest_state alpha)" running
check 'no guard process stays' poll 10 no_guard

mkfifo "$WORLD_DIR/lines"
start_repl() { # leaves RUN, its input is descriptor 8
  : >"$ERR" # has the words of the one before
  "$MOONSNAP" repl --state-dir "$WORLD_DIR/repl" <"$WORLD_DIR/lines" >"$OUT" 2>"$ERR" &
  RUN=$!
  exec 8>"$WORLD_DIR/lines"
  printf '%s\n' "$OPEN" 'dom:suspend()' >&8
  poll 20 grep -q 'stands still now' "$ERR" || not_ok 'the guest stands still' "$ERR"
  check_eq 'the guest stands still' "$(guest_state alpha)" paused
}
for signal in TERM KILL; do
  start_repl
  kill -"$signal" "$RUN"
  check "ended by SIG$signal, the guest runs again" poll 20 state_is alpha running
  exec 8>&-
  wait "$RUN" || true
  check "SIG$signal: no guard process stays" poll 40 no_guard
done

# --- a guest that is suspended with the bare call, and a program that dies before it is brought back ---

dies() { # WORDS PID: the guest stands still; the program is killed
  check "$1: the guest stands still" poll 20 state_is alpha paused
  kill -KILL "$2"
  check "$1, killed: the guest runs again" poll 20 state_is alpha running
  wait "$2" || true
  check "$1: no guard process stays" poll 40 no_guard
}
"$MOONSNAP" repl --state-dir "$WORLD_DIR/repl" <"$WORLD_DIR/lines" >"$OUT" 2>"$ERR" &
RUN=$!
exec 8>"$WORLD_DIR/lines"
printf '%s\n' "$OPEN" 'dom:suspend() std.task.sleep(100)' >&8
dies 'in the middle of an input' "$RUN"
exec 8>&-

plain() { # WORDS: a script that suspends the guest, and then does that
  printf '%s\n' 'local conn <close> = assert(require("engine.virt").open("'"$MOON_TEST_URI"'"))' \
    "local dom = conn:domain(assert(conn:lookup('${WORLD_PREFIX:-}alpha')))" 'assert(dom:suspend())' "$@" >"$WORLD_DIR/plain.lua"
}
run_plain() { HOME=$WORLD_DIR timeout 60 "$MOONSNAP" run "$WORLD_DIR/plain.lua" "--state-dir=$WORLD_DIR/repl"; }
start_plain() {
  "$MOONSNAP" run "$WORLD_DIR/plain.lua" --state-dir "$WORLD_DIR/repl" >"$OUT" 2>"$ERR" </dev/null &
  RUN=$!
}
journals() { find "$WORLD_DIR/repl/journal" -name '*.journal' ! -exec grep -q '^closed' {} \; -print; }
in_journal() { [ "$(journals | wc -l)" = 1 ] && grep -q '^hold' "$(journals)"; }
plain 'require("std.task").sleep(100)'
start_plain
dies 'a plain script' "$RUN"
start_plain
check 'a plain script: the guest stands still' poll 20 state_is alpha paused
poll 20 in_journal || not_ok 'its guard has it in the journal' "$(journals)"
guard=$(pgrep -P "$RUN" -f -- --guard-process)
check_match 'its guard has it in the journal' "$(journals)" "^hold [-0-9a-f]+ ${WORLD_PREFIX:-}alpha$"
kill -STOP "$guard"
kill -KILL "$RUN" "$guard"
wait "$RUN" || true
check 'its guard dies with it' poll 20 gone "$guard" # recover leaves the guests of a living one to it
check_eq 'both are dead: it still does' "$(guest_state alpha)" paused
check_exit 'recover' 0 "$MOONSNAP" recover --state-dir "$WORLD_DIR/repl"
check_eq 'resumes it' "$(guest_state alpha)" running

plain
check_exit 'a script that ends and leaves it' 0 run_plain
check_match 'is told so' "$ERR" "warning: the script ended, and guest '${WORLD_PREFIX:-}alpha' stands still"
check_match 'and that the guest runs again' "$ERR" "warning: guest '${WORLD_PREFIX:-}alpha' runs again$"
check_eq 'it does' "$(guest_state alpha)" running
check_eq 'no journal is left' "$(journals)" ''
plain 'assert(dom:resume())'
check_exit 'a script that resumes it itself' 0 run_plain
check_eq 'has nothing to be told' "$(cat "$ERR")" ''
vsh suspend "${WORLD_PREFIX:-}alpha"
plain
check_exit 'one that somebody else has paused' 0 run_plain
check_eq 'stays so' "$(guest_state alpha)" paused
vsh resume "${WORLD_PREFIX:-}alpha"
guest_stop alpha
printf '%s\n' 'local conn <close> = assert(require("engine.virt").open("'"$MOON_TEST_URI"'"))' \
  "local dom = conn:domain(assert(conn:lookup('${WORLD_PREFIX:-}alpha')))" 'assert(dom:start { paused = true })' \
  'assert(dom:suspend())' >"$WORLD_DIR/plain.lua"
check_exit 'one that a script starts paused' 0 run_plain
check_eq 'stays so, too' "$(guest_state alpha)" paused
check_eq 'nothing holds it' "$(journals)" ''
vsh resume "${WORLD_PREFIX:-}alpha"
plain
mv "$WORLD_DIR/repl/journal" "$WORLD_DIR/repl/journals"
: >"$WORLD_DIR/repl/journal"
check_exit 'where no journal can be written' 1 run_plain
check_match 'that is said' "$ERR" "$WORLD_DIR/repl/journal"
check_eq 'and nothing is suspended' "$(guest_state alpha)" running
rm "$WORLD_DIR/repl/journal"

# --- on a terminal ---

mkfifo "$WORLD_DIR/keys"
# exec: a shell that stays would get each ctrl-c as well, and may die of it once the program has ended.
timeout 240 script -qefc "exec '$MOONSNAP' repl --state-dir '$WORLD_DIR/repl'" /dev/null <"$WORLD_DIR/keys" >"$OUT" 2>"$ERR" &
SCRIPT=$!
exec 9>"$WORLD_DIR/keys"
shows() { tr -d '\r' <"$OUT" | grep -qE -- "$1"; }
# The terminal's own ^C may come behind what the program says to it.
prompt() { [[ $(tr -d '\r' <"$OUT" | tail -n 1) =~ ^moonsnap\>\ (\^C)?$ ]]; }
# shellcheck disable=SC2059 # keys are written as printf has them
type_keys() { poll 15 prompt || not_ok 'the prompt comes' "$OUT"; printf "$@" >&9; }
type_keys '20 + 22\n'
check 'a value is printed' poll 15 shows '^42$'
type_keys 'std.task.lim\t(0.5)\n'
check 'the tab key completes names' poll 15 shows '^30\.0$'
# What it prints is not in the line: that it is there says that the line is no longer being edited.
type_keys 'print("a" .. "sleep") std.task.sleep(1000)\n'
poll 15 shows '^asleep$' || not_ok 'the line runs' "$OUT"
printf '\003' >&9
check 'ctrl-c ends what runs' poll 15 shows '^(\^C)?ended$'
type_keys 'error("never'
poll 15 shows 'moonsnap> error\("never$' || not_ok 'the line is shown' "$OUT" # what is typed before would go with it
printf '\003' >&9
type_keys 'while true do local _ = {} end\n'
check 'a loop is ended by its limit' poll 30 shows 'computed for 0.5 s without a wait'
type_keys '\020\020\n'
runs_again() { [ "$(tr -d '\r' <"$OUT" | grep -c '^asleep$')" = 2 ]; }
check 'and the history has what was typed: it runs again' poll 15 runs_again
printf '\003' >&9
type_keys '\004'
ended "$SCRIPT"
exec 9>&-
check_eq 'ctrl-d ends it' "$CODE" 0
check_eq 'the history is its owner'\''s alone' "$(stat -c %a "$WORLD_DIR/repl/repl.history")" 600
check_match 'it keeps lines' "$WORLD_DIR/repl/repl.history" 'sleep\(1000\)'

# --- a workflow that loops while guests stand still ---

loop() { # LIMIT [CONDITION]
  cat >"$WORLD_DIR/loop.lua" <<-LUA
	require("std.task").limit($1)
	return require("std.workflow").extend("backup", {
	  snapshot = function()
	    while ${2:-true} do local _ = {} end
	  end,
	})
	LUA
}
loop 0.3
next_second
check_exit 'a loop without a wait fails' 1 moon backup --policy daily --script "$WORLD_DIR/loop.lua"
check_match 'its line is named' "$ERR" "error: .*$WORLD_DIR/loop.lua:4: the script computed for 0.3 s without a wait"
check_match 'and shown' "$ERR" '^ +4 \| +while true do'
check_match 'what was undone is told' "$ERR" "^  undone  guest 'alpha' runs again$"
check_eq 'the guest runs' "$(guest_state alpha)" running

# It loops until it is told to end, which is when its guest has been seen to run.
loop 60 "not io.open('$WORLD_DIR/enough')"
moon_conf SC_AGENT_UNQUIESCE_TIMEOUT=2
next_second
events_start
moon backup --policy daily --script "$WORLD_DIR/loop.lua" >"$OUT" 2>"$ERR" &
RUN=$!
resumed() { grep -q 'alpha.*Resumed' "$WORLD_DIR/events"; }
check 'it loops, its guest stands still: the guard process is not late, the guest runs again' poll 15 resumed
check 'while the script still loops' kill -0 "$RUN"
touch "$WORLD_DIR/enough"
ended "$RUN"
check_eq 'alpha was suspended once, and resumed once' "$(events_of alpha | paste -sd,)" Suspended,Resumed
check 'no guard process stays in the end' poll 40 no_guard
finish
