#!/bin/bash
# Menus on a terminal, a real one (script makes a pseudo-terminal): restore and backupDel, over both transports.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
# shellcheck source=../lib/dialogue.sh
. "$(dirname "$(realpath "$0")")/../lib/dialogue.sh"
requires script
scene alpha:vol1 bravo:vol2:off charlie:vol1:off

state() { sum "${IMG[bravo]}"; sum "${IMG[charlie]}"; snapshots vol1; snapshots vol2; }

for api in zapi rest; do
  moon_conf ONTAP_API=$api
  POLICY=hourly
  backup
  hourly=$SNAP
  POLICY=daily
  backup
  daily=$SNAP
  last=$(moon backupList --policy daily --json | jq length)
  spoil "${IMG[bravo]}" 4
  spoil "${IMG[charlie]}" 4
  before=$(state)

  for answers in q '' EOF; do
    dialogue restore "$NUMBER" "$answers"
    check_eq "$api: '$answers' in the first menu ends it" "$CODE" 2
    check_match "$api: and says so" <(screen) 'nothing was changed'
  done
  dialogue restore "$NUMBER" 7 "$NUMBER" x "$NUMBER" 1,2 "$NUMBER" 0 "$NUMBER" -1
  check_eq "$api: five wrong answers end it" "$CODE" 2
  check_match "$api: each was named" <(screen) "^'7' is not between 1 and [23]$"
  policies=$(screen | sed -nE 's/^ *[0-9]+  (daily|hourly|\(before a restore\)) .*/\1/p' | sort -u | paste -sd,)
  check_eq "$api: the menu of policies" "$policies" daily,hourly
  number=$(screen | sed -nE 's/^ *([0-9]+)  daily .*/\1/p' | head -n 1)

  dialogue restore "$NUMBER" "$number" "$NUMBER" "$last" "$NUMBERS" 2,3 "$YES" no
  check_eq "$api: not confirmed: nothing is done" "$CODE" 2
  check_match "$api: the menu of backups has its guests and volumes" <(screen) \
    " $last  $daily  .* ok +alpha,bravo,charlie +svm1:vol1,svm1:vol2$"
  check_match "$api: the menu of guests has their disks" <(screen) '^ *2  bravo +shutoff +svm1:/vol/vol2/bravo\.img$'
  check_match "$api: what would be lost is said" <(screen) 'guest charlie: everything written in the last .* is lost'
  check_no_match "$api: and of whom it is not" <(screen) 'guest alpha: everything'
  dialogue restore "$NUMBER" "$number" "$NUMBER" "$last" "$NUMBERS" 2 "$YES" EOF
  check_eq "$api: hung up at the question: nothing is done" "$CODE" 2
  check_eq "$api: all is as before" "$(state)" "$before"
  dialogue 'restore --dry-run' "$NUMBER" "$number" "$NUMBER" "$last" "$NUMBERS" 2
  check_eq "$api: a dry run asks for no yes" "$CODE" 0
  check_match "$api: and shows the steps" <(screen) 'Dry run: nothing was changed'
  check_eq "$api: nor changes it anything" "$(state)" "$before"

  next_second
  dialogue restore "$NUMBER" "$number" "$NUMBER" "$last" "$NUMBERS" 2-3 "$YES" yes
  check_eq "$api: confirmed: done" "$CODE" 0
  SNAP=$daily
  for guest in bravo charlie; do
    check_eq "$api: $guest: byte for byte the copy" "$(sum "${IMG[$guest]}")" "$(sum "$(copy $guest)")"
  done
  check_eq "$api: alpha was left alone" "$(guest_state alpha)" running

  spoil "${IMG[bravo]}" 4
  next_second
  dialogue "restore --backupName $hourly" "$NUMBERS" 2 "$YES" yes
  check_eq "$api: with a name only the guests are asked for" "$CODE" 0
  SNAP=$hourly
  check_eq "$api: bravo: byte for byte the copy" "$(sum "${IMG[bravo]}")" "$(sum "$(copy bravo)")"
  dialogue "restore --policy hourly --volName vol2 --params KVM_RESTORE_VM_LIST=bravo" "$NUMBER" q
  check_match "$api: with a policy only its backups are offered" <(screen) "$hourly"
  check_no_match "$api: and no other ones" <(screen) "$daily"
  dialogue 'restore --nonInteractive'
  check_eq "$api: --nonInteractive asks nothing, also on a terminal" "$CODE" 2
  check_match "$api: and says what it wants" <(screen) 'restore needs --backupName'

  # backupDel
  dialogue 'backupDel --policy daily' "$NUMBER" "$last" "$YES" y
  check_eq "$api: backupDel: y is no yes" "$CODE" 2
  check_eq "$api: backupDel: it is still there" "$(snapshots vol1 | grep -cx "$daily")" 1
  dialogue 'backupDel --policy daily --volName vol2' "$NUMBER" "$last" "$YES" yes
  check_eq "$api: backupDel on one volume" "$CODE" 0
  check_match "$api: backupDel: the volumes are named" <(screen) '^  svm1:vol2$'
  check_no_match "$api: backupDel: and no other" <(screen) '^  svm1:vol1$'
  check_eq "$api: backupDel: gone there only" \
    "$(snapshots vol1 | grep -cx "$daily") $(snapshots vol2 | grep -cx "$daily" || true)" '1 0'
  dialogue backupDel "$NUMBER" "$number" "$NUMBER" q
  check_match "$api: backupDel offers what a restore left behind, too" <(screen) '\(before a restore\)'
  dialogue 'backupDel --policy daily --yes' "$NUMBER" "$last"
  check_eq "$api: backupDel --yes: chosen and done" "$CODE $(snapshots vol1 | grep -cx "$daily" || true)" '0 0'
  check "$api: no lock stays" moon discover
done

check_exit 'without a terminal there is no menu' 2 moon restore
check_match 'and it is said how to go on' "$ERR" 'restore needs --backupName; moonsnap backupList shows the names'
moon_conf SNAME=fresh
dialogue restore
check_eq 'nothing to choose from' "$CODE" 2
check_match 'is said' <(screen) 'config kvm has no backup to choose'
finish
