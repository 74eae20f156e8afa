#!/bin/bash
# Every example is run: a workflow with --dry-run, in the way its first lines say, a config by `moonsnap check`.
#
# An example script names its command in a comment `-- run: moonsnap ...`; without one it is `moonsnap run FILE`.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
examples=$(realpath "$(dirname "$(realpath "$0")")/../../examples")
shopt -s nullglob globstar
scripts=("$examples"/**/*.lua) configs=("$examples"/**/*.conf)
if [ ${#scripts[@]} = 0 ]; then skip 'example workflows' 'there are none'; fi
if [ ${#configs[@]} = 0 ]; then skip 'example configs' 'there are none'; fi
scene alpha:vol1:off bravo:vol2:off
backup
changes=$(sim_changes)

for file in "${scripts[@]}"; do
  name=${file#"$examples/"}
  words=$(sed -nE 's/^-- run: moonsnap (.*)$/\1/p' "$file" | head -n 1)
  if [ -n "$words" ]; then
    read -ra args <<<"$words"
    # the example's own path stands in its command as a user would type it
    for i in "${!args[@]}"; do
      if [[ ${args[i]} == *"${file##*/}" ]]; then args[i]=$file; fi
    done
    check_exit "$name: ${args[*]/#$file/$name} --dry-run" 0 timeout 60 "$MOONSNAP" "${args[@]}" --dry-run --profile demo --config kvm \
      --config-dir "$WORLD_DIR/etc" --state-dir "$WORLD_DIR/state"
  else
    check_exit "$name: run --dry-run" 0 timeout 60 "$MOONSNAP" run "$file" --dry-run --profile demo --config kvm \
      --config-dir "$WORLD_DIR/etc" --state-dir "$WORLD_DIR/state"
  fi
done
check_eq 'no example changed anything' "$(sim_changes)" "$changes"

for file in "${configs[@]}"; do
  name=${file#"$examples/"}
  # It shows a password in clear: copied as its first lines say.
  install -m 600 "$file" "$WORLD_DIR/example.conf"
  check_exit "$name: check" 0 timeout 60 "$MOONSNAP" check --profile demo --config "$WORLD_DIR/example.conf" --state-dir "$WORLD_DIR/state"
  check_no_match "$name: no warning" "$ERR" 'WARN|unknown'
done
finish
