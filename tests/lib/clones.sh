# shellcheck shell=bash
# clones.sh: for tests of clones over one transport after the other, whose name is in $api. Sourced after scene.sh.
#
#   clone ACTION [ARG ...]    must succeed; sets SNAP
#   clone_records             the files of the catalog's records of clones

api=''

clone() {
  run moon "$1" --policy daily --json "${@:2}"
  if [ "$CODE" != 0 ]; then not_ok "$api: $*" "exit $CODE" "$OUT" "$ERR"; finish; fi
  # shellcheck disable=SC2034 # for who sources this
  SNAP=$(jq -r .snapshot "$OUT")
  next_second
}

clone_records() { find "$WORLD_DIR/state" -name '*-clone.json' 2>/dev/null | sort; }
