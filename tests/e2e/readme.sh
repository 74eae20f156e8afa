#!/bin/bash
# Every block of the READMEs is run as it stands, or says why it is not. A line before the block says how:
#
#   <!-- test -->                 commands: `moonsnap` is the one just built, with this world's directories; a line
#                                 `$ command` is a command and what does not begin so is its output, not compared; a block
#                                 without such lines is a script. Names of the text stand for those of this world.
#   <!-- test config -->          a config: moonsnap check finds nothing wrong with it
#   <!-- test policy -->          a policy file: so does it with this as policy "daily"
#   <!-- test workflow -->        a script in the place of backup: its dry run ends well
#   <!-- test test -->            a test of workflows: it passes
#   <!-- test simulator -->       (part of) a config of the simulator: it starts with it
#   <!-- test repl -->            a session: what is typed there goes through
#   <!-- role ACTION API -->      a role: tests/long/roles.sh
#   <!-- not run: REASON -->
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
top=$(realpath "$(dirname "$(realpath "$0")")/../..")
documents=(README.md scripts/COMPATIBILITY.md scripts/README.md tests/ontapsim/README.md)

scene alpha:vol1 bravo:vol2
blocks=$WORLD_DIR/blocks
mkdir -p "$blocks" "$WORLD_DIR/bin" "$WORLD_DIR/etc/policies"
(cd "$top" && awk -v dir="$blocks" '
  /^<!-- .* -->$/ { mark = $0; next }
  /^```/ && inside { close(file); inside = 0; mark = ""; next }
  /^```/ { file = sprintf("%s/%03d", dir, ++n); print FILENAME ":" FNR > (file ".where"); print mark > (file ".mark")
    printf "" > file; inside = 1; next }
  inside { print > file; next }
  NF { mark = "" }' "${documents[@]}")
cat >"$WORLD_DIR/bin/moonsnap" <<SH
#!/bin/sh
exec "$MOONSNAP" "\$@" --config-dir "$WORLD_DIR/etc" --state-dir "$WORLD_DIR/state"
SH
printf '#!/bin/sh\nexec %s -f "$@"\n' "$(command -v curl)" >"$WORLD_DIR/bin/curl"
chmod +x "$WORLD_DIR/bin/"*

commands() { # file
  if grep -q '^\$ ' "$1"; then sed -i -n 's/^\$ //p' "$1"; fi
  sed -i -E "s/kvmhost1-daily_[0-9]{14}/$(snapshots vol1 | tail -n 1)/; s/kvmhost1/demo/g; s/=web1,web2/=alpha,bravo/
    s#build/sim/#$SIM_ROOT/#; s#127\.0\.0\.1:8443#127.0.0.1:$SIM_PORT#" "$1"
  (cd "$WORLD_DIR/local" && PATH="$WORLD_DIR/bin:$PATH" timeout 120 bash -eu "$1")
}

config() { # file
  install -m 600 "$1" "$WORLD_DIR/etc/demo/block.conf"
  sed -i "s#^ONTAP_CA_FILE=.*#ONTAP_CA_FILE=$SIM_CA#" "$WORLD_DIR/etc/demo/block.conf"
  moon_with block check
}

policy() { # file
  install -m 600 "$1" "$WORLD_DIR/etc/policies/daily.policy"
  other_conf policy NTAP_SNAPSHOT_POLICIES=daily SNAPVAULT_VOLUMES=svm1:vol1
  moon_with policy check --policy daily
}

workflow() { # file
  moon_conf
  cp "$1" "$1.lua"
  moon backup --policy daily --script "$1.lua" --dry-run
}

unit() { # file
  cp "$1" "$1_test.lua"
  MOON_TEST_TMP="$WORLD_DIR/local" timeout 60 "$MOONSNAP" test "$1_test.lua"
}

simulator() { # file
  local pid said=1
  { if grep -q '^{' "$1"; then cat "$1"; else echo '{'; cat "$1"; echo '}'; fi; } >"$1.part"
  jq -s --arg root "$WORLD_DIR/local/sim2" '.[0] * .[1] * { root: $root, listen: "127.0.0.1:0" }' \
    "$WORLD_DIR/sim.json" "$1.part" >"$1.json" || return 1
  "$MOON_BUILD/ontapsim" --config "$1.json" >"$1.out" 2>&1 &
  pid=$!
  poll 20 grep -q 'listening on' "$1.out" && said=0
  kill_pid $pid ontapsim
  cat "$1.out"
  return $said
}

repl() { # file
  sed -n 's/^moonsnap> //p' "$1" | sed "s#qemu:///system#$MOON_TEST_URI#; s/web1/alpha/" >"$1.typed"
  timeout 60 "$MOONSNAP" repl --state-dir "$WORLD_DIR/state" <"$1.typed" >"$1.said" 2>&1
  cat "$1.said"
  ! grep -q 'error' "$1.said"
}

count=0
for where in "$blocks"/*.where; do
  block=${where%.where} mark=$(<"${where%.where}.mark") name=$(<"$where")
  count=$((count + 1))
  if [[ $mark == '<!-- test'* ]]; then next_second; fi # the block before may have made a snapshot
  case $mark in
    '<!-- test -->') check_exit "$name: $(head -n 1 "$block")" 0 commands "$block" ;;
    '<!-- test '*' -->')
      kind=${mark#<!-- test }
      kind=${kind% -->}
      case $kind in
        config | policy | workflow | simulator | repl) check_exit "$name: $kind" 0 "$kind" "$block" ;;
        test) check_exit "$name: $kind" 0 unit "$block" ;;
        *) not_ok "$name: no block is of kind '$kind'" "$block" ;;
      esac ;;
    '<!-- role '*' -->') check_match "$name: $mark" "$block" '^security login ' ;;
    '<!-- not run: '?*' -->') ;;
    *) not_ok "$name: it is neither run nor says why not" "$block" ;;
  esac
done
check 'blocks were found' test $count -gt 40
check 'all guests run after it' all_running alpha bravo
finish
