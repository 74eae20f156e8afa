#!/bin/bash
# What `moonsnap params` says of every parameter in the tables of Snap Creator's documentation.
set -euo pipefail
# shellcheck source=../lib/check.sh
. "$(dirname "$(realpath "$0")")/../lib/check.sh"
requires jq
moonsnap=$(realpath "${1:-build}")/moonsnap
reference=$(dirname "$(realpath "$0")")/../data/params/reference.txt

check_exit 'params --json' 0 "$moonsnap" params --json
cp "$OUT" "$CHECK_DIR/params.json"

# A numbered name stands for its family: SC_AGENT_01 for SC_AGENT_##.
names=$(sed -n 's/^[0-9.]* \([A-Z].*\)$/\1/p' "$reference" | sed 's/_[0-9][0-9]$/_##/' | sort -u)
check_eq 'the reference has its names' "$([ "$(wc -l <<<"$names")" -gt 150 ] && echo many)" many
check_eq 'each has a row' "$(comm -23 <(printf '%s\n' "$names") <(jq -r '.[].name' "$CHECK_DIR/params.json" | sort))" ''
check_eq 'each has one of three states' "$(jq -r '[.[].status] | unique | join(" ")' "$CHECK_DIR/params.json")" 'ignored refused supported'
check_eq 'what is ignored or refused has its reason' \
  "$(jq -r '.[] | select(.status != "supported" and ((.reason // "") | length < 10)).name' "$CHECK_DIR/params.json")" ''
check_eq 'each has a meaning, a type and a group' \
  "$(jq -r '.[] | select((.meaning | length < 10) or .type == null or .group == null).name' "$CHECK_DIR/params.json")" ''

check_exit 'one of them' 0 "$moonsnap" params PRE_NTAP_CMD7 --json
check_eq 'is told by its family' "$(jq -r .name "$OUT")" 'PRE_NTAP_CMD##'
check_exit 'one that is refused' 0 "$moonsnap" params USE_PROXY
check_match 'says why' "$OUT" 'status +refused: the KVM plug-in does not work through Unified Manager'
check_exit 'a misspelt one' 2 "$moonsnap" params KVM_VM_MAPING
check_match 'is put right' "$ERR" 'did you mean KVM_VM_MAPPING'
finish
