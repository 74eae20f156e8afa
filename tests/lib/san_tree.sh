#!/bin/bash
# san_tree.sh NAME DIR: a recorded host (tests/data/san) as files and links below DIR, with its device-mapper tables
# in DIR/dm, as KVM_DEVICE_ROOT wants them.
set -euo pipefail
data=$(dirname "$(realpath "$0")")/../data/san name=$1 dir=$2
mkdir -p "$dir"
cp "$data/$name.dm" "$dir/dm"
while IFS= read -r line; do
  path=$dir/${line%%$'\t'*} value=${line#*$'\t'}
  if [ "$value" = "$line" ]; then
    mkdir -p "$path"
    continue
  fi
  mkdir -p "${path%/*}"
  # shellcheck disable=SC2001 # the shell's own replacement cannot repeat what it has found
  case $value in
    '>'*) ln -sfn "${value#>}" "$path" ;;
    ':'*) printf '%b' "$(sed 's/../\\x&/g' <<<"${value#:}")" >"$path" ;;
    *) printf '%s\n' "${value#=}" >"$path" ;;
  esac
done <"$data/$name.tree"
