#!/bin/bash
# The README's commands are run as they stand: every ```sh block that follows a line `<!-- test -->`. In the block
# `moonsnap` is the one just built, with this world's directories; a line `$ command` is a command, what does not begin
# so is its output and not compared; a block without such lines is a script.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
readme=$(realpath "$(dirname "$(realpath "$0")")/../..")/README.md
if [ ! -f "$readme" ]; then
  skip 'the README' 'there is none'
  finish
fi

blocks=$(mktemp -d "${MOON_TEST_TMP:-/tmp}/readme.XXXXXX")
awk -v dir="$blocks" '
  /^<!-- test -->$/ { marked = 1; next }
  /^```/ && inside { close(file); inside = 0; next }
  /^```sh/ && marked { file = sprintf("%s/%05d", dir, NR); inside = 1; marked = 0; next }
  inside { print > file; next }
  NF { marked = 0 }' "$readme"
if [ -z "$(ls "$blocks")" ]; then
  skip 'commands in the README' 'no block is marked with <!-- test -->'
  rm -rf "$blocks"
  finish
fi

scene alpha:vol1 bravo:vol2
mkdir -p "$WORLD_DIR/bin"
cat >"$WORLD_DIR/bin/moonsnap" <<SH
#!/bin/sh
exec "$MOONSNAP" "\$@" --config-dir "$WORLD_DIR/etc" --state-dir "$WORLD_DIR/state"
SH
chmod +x "$WORLD_DIR/bin/moonsnap"
for block in "$blocks"/*; do
  line=$((10#${block##*/}))
  if grep -q '^\$ ' "$block"; then sed -i -n 's/^\$ //p' "$block"; fi
  check_exit "README.md:$line: $(head -n 1 "$block")" 0 env PATH="$WORLD_DIR/bin:$PATH" timeout 120 bash -eu "$block"
done
check 'all guests run after it' all_running alpha bravo
rm -rf "$blocks"
finish
