#!/bin/bash
# Two configs on one host: with one SNAME neither may delete the other's copies; with the same guests neither may
# resume them below the other. And one config is one, by whatever name it is called; on two hosts it is two.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
scene alpha:vol1 bravo:vol2
etc=$WORLD_DIR/etc

# --- one SNAME in two configs ---

events_start
other_conf other
for config in kvm other; do
  check_exit "one SNAME in two configs: $config is refused" 2 moon_with $config backup --policy daily
  check_match "one SNAME in two configs: $config: the own file is named" "$ERR" "demo/$config\.conf"
  check_match "one SNAME in two configs: $config: the other file is named" "$ERR" \
    "demo/$([ $config = kvm ] && echo other || echo kvm)\.conf"
  check_match "one SNAME in two configs: $config: the way out is named" "$ERR" 'ALLOW_DUPLICATE_SNAME'
done
check_eq 'one SNAME in two configs: no call changed anything' "$(sim_changes)" ''
check_eq 'one SNAME in two configs: no guest had an event' "$(events_of 'alpha|bravo')" ''

mkdir "$etc/branch"
mv "$etc/demo/other.conf" "$etc/branch/other.conf"
check_exit 'the other one in another profile: refused' 2 moon backup --policy daily
check_match 'the other one in another profile: named' "$ERR" 'branch/other\.conf'
mv "$etc/branch/other.conf" "$etc/branch/other.conf.old"
ln -s ../demo/kvm.conf "$etc/branch/same.conf"
check_exit 'a link to the config itself is no other one' 0 moon backup --policy daily
check_eq 'and it has its copy' "$(snapshots vol1 | wc -l) $(snapshots vol2 | wc -l)" '1 1'
rm "$etc/branch/same.conf"
printf 'SNAME demo\n' >"$etc/branch/broken.conf"
next_second
check_exit 'one that cannot be read does not stop the backup' 0 moon backup --policy hourly
check_match 'but is told of' "$ERR" "broken.conf:1: line has no '='.*; whether that config has the same SNAME cannot be seen"
check_exit 'and its copy is taken away again' 0 moon backupDel --policy hourly --backupName "$(snapshots vol1 | grep hourly)" --yes
rm -r "$etc/branch"
first=$(snapshots vol1)
next_second

# kvm keeps one copy, other seven, then two
moon_conf ALLOW_DUPLICATE_SNAME=Y NTAP_SNAPSHOT_RETENTIONS=daily:1
other_conf other ALLOW_DUPLICATE_SNAME=Y NTAP_SNAPSHOT_RETENTIONS=daily:7
by_kvm=() by_other=()
for config in kvm other kvm other; do
  run moon_with $config backup --policy daily --json
  [ "$CODE" = 0 ] || not_ok "ALLOW_DUPLICATE_SNAME=Y: $config" "exit $CODE" "$ERR"
  if [ $config = kvm ]; then by_kvm+=("$(jq -r .snapshot "$OUT")"); else by_other+=("$(jq -r .snapshot "$OUT")"); fi
  next_second
done
for vol in vol1 vol2; do
  check_eq "$vol: daily:1 leaves the newest of its own and all of the other's" "$(snapshots $vol | paste -sd' ')" \
    "${by_other[0]} ${by_kvm[1]} ${by_other[1]}"
done
check_no_match 'the first copy went by its own retention' <(snapshots vol1) "$first"
other_conf other ALLOW_DUPLICATE_SNAME=Y NTAP_SNAPSHOT_RETENTIONS=daily:2
check_exit 'the other one with daily:2' 0 moon_with other backup --policy daily --json
by_other+=("$(jq -r .snapshot "$OUT")")
for vol in vol1 vol2; do
  check_eq "$vol: daily:2 leaves two of its own and the other's" "$(snapshots $vol | paste -sd' ')" \
    "${by_kvm[1]} ${by_other[1]} ${by_other[2]}"
done

# --- the same guests in two configs ---

moon_conf
other_conf other SNAME=other
events_start
held
check_exit 'another config while its guests are held: refused' 4 moon_with other backup --policy daily
check_match 'another config while its guests are held: the holder is named' "$ERR" 'alpha.*config kvm'
check_eq 'another config while its guests are held: alpha stays paused' "$(guest_state alpha)" paused
check_exit 'quiesce of another config: refused, too' 4 moon_with other quiesce
check_eq 'quiesce of another config: alpha stays paused' "$(guest_state alpha)" paused
check_eq 'the other config made no snapshot' "$(snapshots vol1 | grep -c '^other-')" 0
held_ends
check_eq 'the first run ends well' "$CODE" 0
check 'all guests run' all_running alpha bravo
check_eq 'alpha: suspended once, resumed once' "$(events_of alpha | paste -sd,)" Suspended,Resumed
check_exit 'then it is the turn of the other' 0 moon_with other backup --policy daily
rm "$etc/demo/other.conf"

# --- one config by name and by path ---

ln -s "$etc/demo/kvm.conf" "$WORLD_DIR/link.conf"
held
for path in "$etc/demo/kvm.conf" "$etc/demo/../demo/kvm.conf" "$WORLD_DIR/link.conf"; do
  check_exit "the same config as ${path#"$WORLD_DIR/"}: refused" 4 moon_with "$path" backup --policy daily
  check_match "the same config as ${path#"$WORLD_DIR/"}: for its lock" "$ERR" 'config kvm of profile demo.*lock'
done
held_ends
check_eq 'the first run ends well' "$CODE" 0
next_second
check_exit 'by path' 0 moon_with "$etc/demo/kvm.conf" backup --policy daily --json
by_path=$(jq -r .snapshot "$OUT")
check_exit 'backupList by name' 0 moon backupList --policy daily --json
check_eq 'by name: what was made by path is in the catalog' "$(jq -r --arg s "$by_path" '.[] | select(.name == $s).status' "$OUT")" ok
cp "$OUT" "$WORLD_DIR/by_name"
check_exit 'backupList by link' 0 moon_with "$WORLD_DIR/link.conf" backupList --policy daily --json
check 'by link: the same list' cmp "$OUT" "$WORLD_DIR/by_name"
check_eq 'one catalog of each config' "$(find "$WORLD_DIR/state/catalog" -mindepth 2 -printf '%P\n' | grep -v json | sort | paste -sd' ')" \
  'demo/kvm demo/other'

# --- one config on two hosts that share the volumes ---

if unshare --uts true 2>/dev/null; then
  # shellcheck disable=SC2016
  elsewhere() { unshare --uts sh -c 'hostname another-host && exec "$@"' sh "$MOONSNAP" "$@" "${MOON_ARGS[@]}" --config-dir "$etc" --state-dir "$WORLD_DIR/elsewhere"; }
  next_second
  moon_conf NTAP_SNAPSHOT_RETENTIONS=daily:1
  check_exit 'two hosts: here' 0 moon backup --policy daily --json
  here=$(jq -r .snapshot "$OUT")
  next_second
  check_exit 'two hosts: there' 0 elsewhere backup --policy daily --json
  there=$(jq -r .snapshot "$OUT")
  check_eq 'two hosts: neither lets go what the other has' "$(snapshots vol1 | grep -cx -e "$here" -e "$there")" 2
  check_exit 'two hosts: the list here' 0 moon backupList --policy daily --json
  check_eq 'two hosts: has its own alone' "$(jq -r '[.[].name] | join(",")' "$OUT")" "$here"
  check_exit 'two hosts: the copies of there are not deleted here' 2 moon backupDel --backupName "$there" --yes
  next_second
  check_exit 'two hosts: here again' 0 moon backup --policy daily --json
  again=$(jq -r .snapshot "$OUT")
  check_eq 'two hosts: here again: one went' "$(snapshots vol1 | grep -x -e "$here" -e "$there" -e "$again" | sort | paste -sd,)" "$there,$again"
  # Its catalog brought along, a host is the one that it was.
  cp -a "$WORLD_DIR/state" "$WORLD_DIR/moved"
  # shellcheck disable=SC2016
  check_exit 'a host with another name: the list' 0 unshare --uts sh -c 'hostname renamed && exec "$@"' sh "$MOONSNAP" backupList --policy daily \
    --json "${MOON_ARGS[@]}" --config-dir "$etc" --state-dir "$WORLD_DIR/moved"
  check_eq 'a host with another name: has what its catalog has' "$(jq -r '[.[].name] | join(",")' "$OUT")" "$again"
  check_exit 'the copies of there go by hand' 0 elsewhere backupDel --backupName "$there" --yes
else
  skip 'one config on two hosts' 'no right to take another host name'
fi
finish
