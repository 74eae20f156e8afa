#!/bin/bash
# scdump: one archive with configs, logs and versions of a profile, and no secret in it, wherever secrets stand.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
requires tar gzip
scene alpha:vol1 bravo:vol2:off
etc=$WORLD_DIR/etc state=$WORLD_DIR/state
bare() { timeout 60 "$MOONSNAP" "$@" --config-dir "$etc" --state-dir "$state"; }

# Passwords in every place where they have been seen: used, commented out, in keys that nobody knows, in commands, in logs.
sim_stop
sim_config "$WORLD_DIR/sim.json" '.users[1].password = "geheim-1;x"'
sim_start
moon_conf
sed -i '/^NTAP_USERS=/d' "$etc/demo/kvm.conf"
cat >>"$etc/demo/kvm.conf" <<'CONF'
NTAP_USERS=svm1:vsadmin/geheim-1
# the old password was geheim-2
#NTAP_USERS=svm1:vsadmin/geheim-3
SITE_TOKEN=geheim-4
OM_PWD=geheim-5
POST_NTAP_CMD01=SERVER:/bin/echo geheim-6 --pw hushhush
CONF
sim_stop
sim_config "$WORLD_DIR/sim.json" '.users[1].password = "geheim-1"'
sim_start
sed -i "s/^PORT=.*/PORT=$SIM_PORT/" "$etc/demo/kvm.conf"
printf 'command: /bin/tell --password geheim-7\n' >"$etc/allowed_commands.config"
printf 'SNAME=broken\nNTAP_USERS=svm1:vsadmin/geheim-8\nthis is no setting geheim-9\n' >"$etc/demo/broken.conf"
printf -- '-- geheim-10\n' >"$etc/demo/custom.lua"
printf 'OM_PWD=geheim-11\n' >"$etc/global.conf"
mkdir -p "$etc/other" "$etc/demo/policies"
printf 'PRIMARY_COUNT=7\nPOST_NTAP_CMD02=SERVER:/bin/echo geheim-13\n' >"$etc/demo/policies/daily.policy"
printf 'NTAP_USERS=svm1:vsadmin/geheim-12\n' >"$etc/other/foreign.conf"

check_exit 'backup' 0 moon backup --policy daily --debug
printf 'said in an old log: geheim-3 geheim-8 geheim-1\n' >>"$(find "$state/log/demo" -name 'kvm.debug.*' | head -n 1)"

for api in zapi rest; do
  sed -i '/^ONTAP_API=/d' "$etc/demo/kvm.conf"
  printf 'ONTAP_API=%s\n' "$api" >>"$etc/demo/kvm.conf"
  before=$(find "$state" | sort)
  check_exit "$api: a dry run" 0 bare scdump --profile demo --dry-run
  check_eq "$api: a dry run writes nothing" "$(find "$state" | sort)" "$before"
  check_exit "$api: scdump" 0 bare scdump --profile demo --config kvm --policy daily --json
  cp "$OUT" "$WORLD_DIR/said"
  archive=$(jq -r .archive "$OUT")
  check_match "$api: its name" <(echo "$archive") "^$state/scdump_demo_[0-9]{14}\.tar\.gz$"
  check_eq "$api: only its owner may read it" "$(stat -c %a "$archive")" 600
  check_eq "$api: that is all that is left" "$(find "$state" | sort | comm -13 <(echo "$before") -)" "$archive"
  rm -rf "$WORLD_DIR/dump"
  mkdir "$WORLD_DIR/dump"
  check "$api: it unpacks" tar -xzf "$archive" -C "$WORLD_DIR/dump"
  dump=$WORLD_DIR/dump/$(basename "$archive" .tar.gz)
  for file in scdump.txt mounts.txt multipath.txt jobs.txt configs/demo/kvm.conf configs/demo/broken.conf configs/global.conf \
    configs/demo/policies/daily.policy configs/allowed_commands.config logs/kvm.error.log; do
    check "$api: has $file" test -f "$dump/$file"
  done
  check_eq "$api: the list that it prints is the archive's" "$(jq -r '.files[]' "$WORLD_DIR/said" | sort)" \
    "$(cd "$dump" && find . -type f -printf '%P\n' | sort)"
  check_eq "$api: no secret anywhere" "$(grep -rl -e geheim- -e hushhush "$dump" "$OUT" "$ERR" || true)" ''
  check_eq "$api: what was in a log is blacked out" "$(grep -rhc 'old log: \*\*\*\*\*\*\*\* \*\*\*\*\*\*\*\* \*\*\*\*\*\*\*\*$' "$dump/logs" | paste -sd+ | bc)" 1
  check_match "$api: settings that are no secret stay" "$dump/configs/demo/kvm.conf" '^SNAME=demo$'
  check_match "$api: a secret's key stays" "$dump/configs/demo/kvm.conf" '^NTAP_USERS=\*+$'
  check_match "$api: so do a policy's own" "$dump/configs/demo/policies/daily.policy" '^PRIMARY_COUNT=7$'
  check_match "$api: moonsnap's version" "$dump/scdump.txt" "^$("$MOONSNAP" version), host"
  check_match "$api: the kernel's" "$dump/scdump.txt" "^Linux version $(uname -r)"
  check "$api: the distribution's" grep -qxF "$(grep ^PRETTY_NAME= /etc/os-release)" "$dump/scdump.txt"
  check_match "$api: libvirt's and QEMU's" "$dump/scdump.txt" '^qemu\+unix:.* QEMU [0-9]'
  check_match "$api: the controller's" "$dump/scdump.txt" "^svm1 .* 9\.14\.1 +$api"
  check_match "$api: the config that is broken is named" "$dump/scdump.txt" 'config broken\.conf: .*broken\.conf:3: '
  check_match "$api: mounts" "$dump/mounts.txt" '^/.* nfs4 +127\.0\.0\.1:/vol1$'
  check_match "$api: jobs" "$dump/jobs.txt" 'backup +daily .* successful'
  check_no_match "$api: nothing of another profile" <(cd "$dump" && find .) foreign
  next_second
done

sim_fault '{"match": "system-get-version", "action": "auth"}'
sed -i 's/^ONTAP_API=.*/ONTAP_API=zapi/' "$etc/demo/kvm.conf"
check_exit 'a controller that does not answer' 0 bare scdump --profile demo --json
tar -xzf "$(jq -r .archive "$OUT")" -C "$WORLD_DIR/dump"
check_match 'is noted' "$(find "$WORLD_DIR/dump" -name scdump.txt | sort | tail -n 1)" '^svm1 +127\.0\.0\.1 +- .*user'
sim_faults_clear
rm "$etc/allowed_commands.config"
mkdir "$etc/allowed_commands.config"
next_second
check_exit 'a file that cannot be read' 0 bare scdump --profile demo --json
check_match 'is noted, too' <(jq -r '.missing[]' "$OUT") "^$etc/allowed_commands\.config: "
rmdir "$etc/allowed_commands.config"
before=$(find "$state" | sort)
check_exit 'without a profile' 2 bare scdump
check_exit 'a profile that is not there' 2 bare scdump --profile nowhere
check_exit 'a profile that is no name' 2 bare scdump --profile ../other
mkdir "$WORLD_DIR/bin"
printf '#!/bin/sh\necho tar: disk full >&2\nexit 2\n' >"$WORLD_DIR/bin/tar"
chmod +x "$WORLD_DIR/bin/tar"
next_second
PATH=$WORLD_DIR/bin:$PATH check_exit 'tar fails' 1 bare scdump --profile demo
check_match 'scf-00059, with its words' "$ERR" 'scf-00059.*disk full'
check_eq 'and nothing is left' "$(find "$state" | sort)" "$before"
finish
