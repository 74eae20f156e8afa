#!/bin/bash
# make install: the program, and systemd units that systemd accepts and that start it.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
requires make systemd-analyze
top=$(realpath "$(dirname "$(realpath "$0")")/../..")
world_up '' bare
build=$(realpath --relative-to "$top" "$MOON_BUILD")
install() { make -s -C "$top" install "$@"; }
units=(moonsnap-recover.service moonsnap-backup@.service moonsnap-backup@.timer)

# --- where things go ---

check 'install below DESTDIR' install B="$build" DESTDIR="$WORLD_DIR/root" PREFIX=/usr
check_eq 'programs and units, nothing else' "$(cd "$WORLD_DIR/root" && find . -type f -printf '%m %P\n' | sort)" \
  "$(printf '%s\n' '644 usr/lib/systemd/system/moonsnap-backup@.service' '644 usr/lib/systemd/system/moonsnap-backup@.timer' \
    '644 usr/lib/systemd/system/moonsnap-recover.service' '755 usr/bin/moonsnap' '755 usr/bin/ontapsim')"
check_match 'a unit starts what was installed, without DESTDIR' "$WORLD_DIR/root/usr/lib/systemd/system/${units[0]}" \
  '^ExecStart=/usr/bin/moonsnap recover$'
check 'UNITDIR is honoured' install B="$build" DESTDIR="$WORLD_DIR/other" UNITDIR=/etc/systemd/system
check 'there they are' test -f "$WORLD_DIR/other/etc/systemd/system/${units[0]}"

# --- what systemd says of them ---

prefix=$WORLD_DIR/prefix dir=$WORLD_DIR/units
check 'install to a prefix' install B="$build" PREFIX="$prefix" UNITDIR="$dir"
cp "$dir/moonsnap-backup@.service" "$dir/moonsnap-backup@night.service"
cp "$dir/moonsnap-backup@.timer" "$dir/moonsnap-backup@night.timer"
for unit in moonsnap-recover.service moonsnap-backup@night.service moonsnap-backup@night.timer; do
  run env SYSTEMD_UNIT_PATH="$dir:" systemd-analyze verify "$dir/$unit"
  check_eq "$unit: systemd accepts it (exit)" "$CODE" 0
  check_no_match "$unit: and has no word about it" "$ERR" moonsnap
done
echo 'Frobnicate=1' >>"$dir/moonsnap-recover.service"
run env SYSTEMD_UNIT_PATH="$dir:" systemd-analyze verify "$dir/moonsnap-recover.service"
check_match 'it would have one about a mistake' "$ERR" 'moonsnap-recover\.service.*Frobnicate'
check_match 'recover comes after libvirtd' "$dir/moonsnap-recover.service" '^After=.*libvirtd\.service'
check_match 'the guard process outlives its service' "$dir/moonsnap-backup@.service" '^KillMode=process$'

# --- what they start ---

read -ra command < <(sed -n 's/^ExecStart=//p' "$dir/moonsnap-recover.service")
check_exit 'the command of recover' 0 "${command[@]}" --state-dir "$WORLD_DIR/state"
said 'works' '0 stale journal'
sim_start
moon_conf KVM_VMS=
line=$(sed -n 's/^ExecStart=//p' "$dir/moonsnap-backup@.service")
# shellcheck disable=SC2016
read -ra job < <(sed 's/${PROFILE}/demo/; s/${CONFIG}/kvm/; s/${POLICY}/nightly/' <<<"$line")
run "${job[@]}" --config-dir "$WORLD_DIR/etc" --state-dir "$WORLD_DIR/state"
check_eq 'the command of a backup: exit' "$CODE" 2
said 'gets profile, config and policy' "nightly"
finish
