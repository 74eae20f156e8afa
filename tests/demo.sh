#!/bin/bash
# demo.sh BUILD: three real guests are backed up; two of their disks are overwritten with garbage; one guest is
# restored. Then it is proved, not claimed, what happened to which disk. Everything lies below one temporary directory
# and is removed at the end. Exit code 1 if a proof fails.
set -euo pipefail
MOON_BUILD=${1:-build}
# shellcheck source=lib/world.sh
. "$(dirname "$(realpath "$0")")/lib/world.sh"

bold='' green='' red='' dim='' off=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
  bold=$'\e[1m' green=$'\e[32m' red=$'\e[31m' dim=$'\e[2m' off=$'\e[0m'
fi
proofs=0 failed=0 step=0
began=$(now_ms)

heading() { step=$((step + 1)); printf '\n%s%d. %s%s\n' "$bold" $step "$*" "$off"; }
say() { printf '   %s\n' "$*"; }

# shown moonsnap's arguments: prints the command as a user would type it, runs it, shows what it prints.
shown() {
  local code=0
  printf '%s   $ moonsnap %s --profile demo --config kvm%s%s\n' "$dim" "$1" "${2:+ ${*:2}}" "$off"
  moon "$@" >"$WORLD_DIR/stdout" 2>"$WORLD_DIR/stderr" || code=$?
  sed 's/^/     /' "$WORLD_DIR/stdout"
  if [ $code != 0 ]; then
    sed 's/^/     /' "$WORLD_DIR/stderr" >&2
    say "${red}moonsnap $1 ended with $code$off" >&2
    exit 1
  fi
}

prove() { # the function that decides, what it proves
  proofs=$((proofs + 1))
  if "$1"; then
    printf '   %sproved%s  %s\n' "$green" "$off" "$2"
  else
    printf '   %sFAILED%s  %s\n' "$red" "$off" "$2"
    failed=$((failed + 1))
  fi
}

sum() { sha256sum <"$1" | cut -c 1-64; }
# The checksum of all that a guest never writes: everything but its counter and its ring, sectors 64 to 1088.
still() { { head -c 32768 "$1"; tail -c +557569 "$1"; } | sha256sum | cut -c 1-64; }
qemu_pid() { # the process that runs a guest's disk
  local proc
  for proc in /proc/[0-9]*; do
    if tr '\0' ' ' 2>/dev/null <"$proc/cmdline" | grep -qF -- "\"filename\":\"${disk[$1]}\""; then echo "${proc#/proc/}"; fi
  done
}

# --- the world ----------------------------------------------------------------------------------------------------

heading 'Three guests, two volumes'
world_up '' host
sim_start
alpha=${WORLD_PREFIX}alpha bravo=${WORLD_PREFIX}bravo charlie=${WORLD_PREFIX}charlie
vol1=$SIM_ROOT/svm1/vol1 vol2=$SIM_ROOT/svm1/vol2
declare -A disk=([$alpha]=$vol1/$alpha.img [$bravo]=$vol2/$bravo.img [$charlie]=$vol1/$charlie.img)
for guest in $alpha $bravo $charlie; do
  image_make "${disk[$guest]}" 32M
  guest_define "$guest" "${disk[$guest]}"
  guest_start "$guest"
done
moon_conf
case $WORLD_KIND in
  own) say "libvirtd   started for this demo, $(vsh version | sed -n 's/^Running hypervisor: //p')" ;;
  host) say "libvirtd   the one of this machine, qemu:///system; the guests are called $WORLD_PREFIX..." ;;
esac
say "controller ONTAP simulator at $SIM_URL, SVM svm1, volumes vol1 and vol2"
for guest in $alpha $bravo $charlie; do
  wait_counter "${disk[$guest]}" 2 || world_fail "$guest does not count"
  say "guest      $(printf '%-*s' ${#charlie} "$guest") /vol/$(basename "${disk[$guest]%/*}")/$guest.img, counting: $(guest_counter "${disk[$guest]}")"
done

heading 'Discover: which guest lies on which volume'
shown discover

heading 'Back up under policy daily'
shown backup --policy daily --json >"$WORLD_DIR/shown"
head -n 1 "$WORLD_DIR/shown"
record=$WORLD_DIR/record.json
cp "$WORLD_DIR/stdout" "$record"
snapshot=$(jq -r .snapshot "$record")
copy() { echo "${disk[$1]%/*}/.snapshot/$snapshot/$1.img"; }
[ "$(jq '.guests | length' "$record")" = 3 ] || world_fail 'the record does not have three guests'
for guest in $alpha $bravo $charlie; do
  [ -f "$(copy "$guest")" ] || world_fail "no copy of $guest's disk in snapshot $snapshot"
  state_is "$guest" running || world_fail "$guest does not run after the backup"
  say "$(printf '%-*s' ${#charlie} "$guest") paused for $(jq --arg g "$guest" '.guests[] | select(.name == $g) | .pause_ms | floor' "$record") ms," \
    "running again; its counter in the snapshot: $(guest_counter "$(copy "$guest")")"
done
saved=$(guest_counter "$(copy "$alpha")")
shown backupList --policy daily

# --- the damage ---------------------------------------------------------------------------------------------------

heading 'Damage: the disks of two running guests are overwritten with garbage'
wait_counter "${disk[$alpha]}" $((saved + 10)) || world_fail "$alpha does not count"
before=$(guest_counter "${disk[$alpha]}")
for guest in $alpha $bravo; do
  spoil "${disk[$guest]}" 32
  say "$guest: 32 MiB of random bytes"
done
say 'Both guests are powered off, as one does with a wreck; so their disks stand still and can be compared.'
guest_stop "$alpha" "$bravo"
wreck_alpha=$(sum "${disk[$alpha]}") wreck_bravo=$(sum "${disk[$bravo]}")
charlie_pid=$(qemu_pid "$charlie")
charlie_counter=$(guest_counter "${disk[$charlie]}")
charlie_still=$(still "${disk[$charlie]}")
say "$charlie runs on."

heading "Restore $alpha, and $alpha only"
restore=(--policy daily --backupName "$snapshot" --params "KVM_RESTORE_VM_LIST=$alpha")
shown restore "${restore[@]}" --dry-run
shown restore "${restore[@]}" --yes

# --- the proofs ---------------------------------------------------------------------------------------------------

heading 'Proofs'
back=$(sum "${disk[$alpha]}") saved_alpha=$(sum "$(copy "$alpha")")
say "sha256 of $alpha.img: ${saved_alpha:0:12} in the snapshot, ${wreck_alpha:0:12} damaged, ${back:0:12} now"
say "sha256 of $bravo.img: ${wreck_bravo:0:12} damaged, $(sum "${disk[$bravo]}" | cut -c 1-12) now"

is_back() { [[ $back == "$saved_alpha" && $back != "$wreck_alpha" ]]; }
prove is_back "$alpha: the disk was damaged, and is now the snapshot's copy, byte for byte"

guest_start "$alpha"
now=0
counted() { now=$(guest_counter "${disk[$alpha]}"); [ "$now" -gt "$saved" ]; }
poll 20 counted || true
counts_on() { [[ $now -gt $saved && $now -lt $before ]]; }
prove counts_on "$alpha: it boots and counts on from the restored number: $saved in the snapshot, $now now, $before before the damage"

untouched() { [[ $(sum "${disk[$bravo]}") == "$wreck_bravo" && $(sum "$(copy "$bravo")") != "$wreck_bravo" ]]; }
prove untouched "$bravo: still the same garbage; the restore did not touch it"

never_stopped() { [[ $(qemu_pid "$charlie") == "$charlie_pid" ]] && state_is "$charlie" running; }
prove never_stopped "$charlie: the same process, $charlie_pid, ran all the time"
wait_counter "${disk[$charlie]}" $((charlie_counter + 1)) || true
later=$(guest_counter "${disk[$charlie]}")
only_up() { [[ $later -gt $charlie_counter ]]; }
prove only_up "$charlie: its counter only went up, from $charlie_counter to $later; a restore would have set it back"
same_bytes() { [[ $(still "${disk[$charlie]}") == "$charlie_still" && $(still "$(copy "$charlie")") == "$charlie_still" ]]; }
prove same_bytes "$charlie: every byte that the guest itself does not write is as before, and as in the snapshot"

heading 'What happened'
printf '   %s%-*s %-8s %9s  %-22s %s%s\n' "$bold" $((${#charlie} + 1)) guest volume 'pause ms' disk counter "$off"
row() {
  printf '   %-*s %-8s %9s  %-22s %s\n' $((${#charlie} + 1)) "$1" "$(jq -r --arg g "$1" '.guests[] | select(.name == $g) | .disks[0].volume' "$record")" \
    "$(jq --arg g "$1" '.guests[] | select(.name == $g) | .pause_ms | floor' "$record")" "$2" "$3"
}
row "$alpha" 'damaged, restored' "$saved saved, $before before the damage, $now after the restore"
row "$bravo" 'damaged, left alone' '-'
row "$charlie" 'never changed' "$charlie_counter, then $later"

heading 'Removed'
dir=$WORLD_DIR
(world_down) || true
WORLD_DIR=''
if left=$(leftovers "$dir"); then
  say 'guests, libvirtd or their definitions, simulator, files: nothing is left'
else
  say "${red}left behind:$off"
  printf '%s\n' "$left"
  failed=$((failed + 1))
fi
took=$(($(now_ms) - began))
printf '\n%d of %d proofs hold; %d.%d s in all\n' $((proofs - failed)) $proofs $((took / 1000)) $((took % 1000 / 100))
[ $failed = 0 ]
