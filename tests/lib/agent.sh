# shellcheck shell=bash
# agent.sh: guest agents for guests that have no operating system (tests/guest/agent.c says how they behave). Sourced after
# scene.sh; the guests are those of the scene that are off.
#
#   agent_add NAME ...      gives a guest an agent and starts it; returns when libvirt gets answers
#   agent_mode NAME MODE    how it behaves from now on
#   agent_frozen NAME       how many of its file systems are frozen
#   agent_log NAME          the commands that it was given, "guest-fsfreeze-freeze,guest-fsfreeze-thaw", and forgets them
#   agent_scene             alpha on vol1 and bravo on vol2 with agents, charlie on vol1 without; all count
#   methods                 how the guests of $RECORD stood still, "freeze,suspend"
#   forget                  what the agents were told
#   fine NAME               checks that nothing is frozen and all run
#   start_backup [ARG ...]  a backup in the background; `held_ends` waits for it
#   held_snapshots          each snapshot takes so long as until held_ends

agent_scene() {
  scene alpha:vol1:off bravo:vol2:off charlie:vol1
  agent_add alpha bravo
  wait_counter "${IMG[bravo]}" 1 || world_fail 'bravo does not count'
}

agent_build() {
  local src
  src=$(dirname "$(realpath "${BASH_SOURCE[0]}")")/../guest/agent.c
  if [ ! "$MOON_BUILD/agent" -nt "$src" ]; then
    cc -std=c17 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -o "$MOON_BUILD/agent.$$" "$src"
    mv "$MOON_BUILD/agent.$$" "$MOON_BUILD/agent"
  fi
  install -m 755 "$MOON_BUILD/agent" "$WORLD_DIR/agent"
}

agent_add() {
  local name dir
  agent_build
  for name in "$@"; do
    dir=$WORLD_DIR/local/$name
    mkdir -p "$dir"
    agent_mode "$name" ok
    own "$dir"
    setsid "${WORLD_AS[@]}" "$WORLD_DIR/agent" "$dir/socket" "$dir" >/dev/null 2>"$WORLD_DIR/$name.agent.err" </dev/null &
    poll 5 test -S "$dir/socket" || world_fail "the agent of $name does not start"
    sed -i "s|^ *<controller type='usb'|<controller type='virtio-serial' index='0'><address type='pci' domain='0' bus='0' slot='0x1e' \
function='0'/></controller><channel type='unix'><source mode='connect' path='$dir/socket'/><target type='virtio' \
name='org.qemu.guest_agent.0'/></channel>\n&|" "$WORLD_DIR/xml/$name.xml"
    vsh "undefine $name; define $WORLD_DIR/xml/$name.xml"
    guest_start "$name"
  done
  for name in "$@"; do poll 20 vsh domtime "$name" || world_fail "the agent of $name is not reached"; done
}

agent_mode() { echo "$2" >"$WORLD_DIR/local/$1/mode"; }
agent_frozen() { cat "$WORLD_DIR/local/$1/frozen"; }
agent_is() { [ "$(agent_frozen "$1")" = "$2" ]; }
agent_log() {
  grep -v get-time "$WORLD_DIR/local/$1/log" | sed 's/guest-fs//' | paste -sd, || true
  : >"$WORLD_DIR/local/$1/log"
}

methods() { jq -r '[.guests[].method] | join(",")' "$RECORD"; }
forget() { agent_log alpha >/dev/null; agent_log bravo >/dev/null; }
fine() { # name
  check "$1: nothing is frozen" test "$(agent_frozen alpha) $(agent_frozen bravo)" = '0 0'
  check "$1: all guests run" all_running alpha bravo charlie
}
start_backup() { # arguments
  next_second
  "$MOONSNAP" backup "${MOON_ARGS[@]}" --config-dir "$WORLD_DIR/etc" --state-dir "$WORLD_DIR/state" --policy daily "$@" \
    >"$WORLD_DIR/held.out" 2>"$WORLD_DIR/held.err" </dev/null &
  # shellcheck disable=SC2034 # for held_ends
  HELD=$!
}
held_snapshots() { sim_faults_clear; sim_fault '{"match": "snapshot-create", "action": "hold"}'; }
