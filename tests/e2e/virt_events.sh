#!/bin/bash
# What a workflow hears of real guests: what others do to them, in order, also after its own waits; and the end of the libvirtd
# that tells it, which dies or hangs.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
scene alpha:vol1 bravo:vol2

# listen [GUEST]: a script that writes what it hears, until it is told to end or hears of no more; its pid in RUN.
listen() {
  cat >"$WORLD_DIR/listen.lua" <<-LUA
		local uri, name = ...
		local conn <close> = assert(require("engine.virt").open(uri))
		local uuid = name and assert(conn:lookup(name)).uuid
		local events <close> = assert(conn:events(uuid))
		print "ready"
		io.stdout:flush()
		while true do
		  local one, failed = events:next()
		  if not one then error(failed, 0) end
		  print(one.name, one.event, one.detail)
		  io.stdout:flush()
		  if one.event == "undefined" then return 0 end
		end
	LUA
  "$MOONSNAP" run "$WORLD_DIR/listen.lua" "$MOON_TEST_URI" "$@" >"$OUT" 2>"$ERR" &
  RUN=$!
  poll 20 grep -q ready "$OUT" || not_ok 'it listens' "$OUT" "$ERR"
}
heard() { tail -n +2 "$OUT" | tr '\t' ' ' | paste -sd,; }

events_start # makes the domain that is defined below
listen
vsh suspend alpha
vsh resume alpha
vsh destroy bravo
vsh start bravo
vsh define "$WORLD_DIR/xml/sentinel.xml"
vsh undefine sentinel
ended "$RUN"
check_eq 'it hears the end' "$CODE" 0
poll 20 grep -q 'sentinel.*Undefined' "$WORLD_DIR/events" || not_ok 'virsh hears the end' "$WORLD_DIR/events"
check_eq 'all that virsh hears, in order' "$(heard | tr , '\n' | cut -d ' ' -f 1,2 | paste -sd,)" \
  "$(sed -nE "s/^event 'lifecycle' for domain '?([a-z]+)'?: ([A-Za-z]+).*/\1 \L\2/p" "$WORLD_DIR/events" | paste -sd,)"
check_match 'with its reasons' "$OUT" "^$(printf 'alpha\tsuspended\tpaused')$"
check_match 'all of them' "$OUT" "^$(printf 'bravo\tstopped\tdestroyed')$"

listen bravo
vsh suspend alpha
vsh suspend bravo
vsh resume bravo
vsh resume alpha
poll 20 grep -q 'bravo.*resumed' "$OUT" || not_ok 'it hears of one guest' "$OUT"
check_eq 'of that guest alone' "$(heard)" 'bravo suspended paused,bravo resumed unpaused'
kill -INT "$RUN"
ended "$RUN"
check_eq 'ctrl-c ends the waiting' "$CODE" 130

# Beside a backup: its connections are opened after libvirt's event loop runs, and guests are suspended over them.
cat >"$WORLD_DIR/site.lua" <<'LUA'
return require("std.workflow").extend("backup", {
  discover = function(ctx, next)
    local ok, failed = next()
    if ok then ctx.heard = assert(ctx.conn:events()) end
    return ok, failed
  end,
  post = function(ctx, next)
    local list = {}
    for i = 1, 2 * #ctx.guests do
      local one = assert(ctx.heard:next())
      list[i] = one.name .. " " .. one.event
    end
    ctx.heard:close()
    table.sort(list)
    local f = assert(io.open(os.getenv("HOME") .. "/heard", "w"))
    f:write(table.concat(list, ","), "\n")
    assert(f:close())
    return next()
  end,
})
LUA
moon_conf KVM_QUIESCE_MODE=parallel
export HOME=$WORLD_DIR
check_exit 'a backup that listens to itself' 0 moon backup --policy daily --script "$WORLD_DIR/site.lua"
check_eq 'hears each guest once' "$(cat "$WORLD_DIR/heard")" 'alpha resumed,alpha suspended,bravo resumed,bravo suspended'

listen
kill -KILL "$WORLD_LIBVIRTD_PID"
ended "$RUN"
check_eq 'libvirtd dies: it fails' "$CODE" 1
check_match 'and says what to do' "$ERR" "libvirt '.*' went away; open the events anew, and look at the domains' states"
libvirtd_start

export TSAN_OPTIONS=${TSAN_OPTIONS:-}:report_thread_leaks=0 # nobody can wait for the thread that closes the connection
listen
kill -STOP "$WORLD_LIBVIRTD_PID"
start=$(now_ms)
ended "$RUN"
took=$(($(now_ms) - start))
kill -CONT "$WORLD_LIBVIRTD_PID"
check_eq 'libvirtd hangs: it fails as well' "$CODE" 1
check_match 'with the same words' "$ERR" "libvirt '.*' went away"
check "within a minute ($took ms)" [ "$took" -lt 60000 ]
check 'the guests run' all_running alpha bravo
finish
