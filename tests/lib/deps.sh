#!/bin/bash
# deps.sh build|test|lint|doc|fuzz|valgrind|interop|lab|bench ...: the Debian packages that a kind of work needs. What is
# missing is installed where that is allowed (root, apt-get), else the one command that does it is printed and the exit code is 1.
set -euo pipefail

build='gcc libc6-dev make pkg-config liblua5.4-dev libvirt-dev libxml2-dev libcurl4-openssl-dev libpcre2-dev
  libjansson-dev libdevmapper-dev libsodium-dev libedit-dev'
test='libcmocka-dev libmicrohttpd-dev libgnutls28-dev libvirt-daemon libvirt-daemon-driver-qemu libvirt-clients
  qemu-system-x86 binutils curl jq libfaketime systemd util-linux luarocks'
lint='lua-check shellcheck cppcheck clang-format'
doc='lua-ldoc'
fuzz='clang-14 libclang-rt-14-dev'
valgrind='valgrind'
interop='ansible python3-cinder python3-manila jq util-linux'
bench='lua5.4 ansible python3-libvirt python3-lxml python3-requests'
lab='mmdebstrap e2fsprogs kmod cpio gzip busybox-static binutils openssh-client python3 qemu-system-x86 qemu-utils'

wanted=
for kind in "${@:-build}"; do
  case $kind in
    build) wanted+=" $build" ;;
    test) wanted+=" $test" ;;
    lint) wanted+=" $lint" ;;
    doc) wanted+=" $doc" ;;
    fuzz) wanted+=" $fuzz" ;;
    valgrind) wanted+=" $valgrind" ;;
    interop) wanted+=" $interop" ;;
    lab) wanted+=" $lab" ;;
    bench) wanted+=" $bench" ;;
    *) echo "usage: deps.sh build|test|lint|doc|fuzz|valgrind|interop|lab|bench ..." >&2; exit 2 ;;
  esac
done
read -ra wanted <<<"${wanted//$'\n'/ }"

if ! command -v dpkg-query >/dev/null; then
  echo "deps: this system has no dpkg; install what Debian calls: ${wanted[*]}" >&2
  for tool in cc make pkg-config; do
    command -v $tool >/dev/null || exit 1
  done
  exit 0
fi

missing() {
  declare -A have=()
  local status name package
  while read -r status name; do
    if [ "$status" = installed ]; then have[$name]=1; fi
  done < <(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${wanted[@]}" 2>/dev/null)
  for package in "${wanted[@]}"; do
    [ -n "${have[$package]:-}" ] || printf '%s ' "$package"
  done
}

lack=$(missing)
[ -n "$lack" ] || exit 0
read -ra packages <<<"$lack"
command=(apt-get install -y --no-install-recommends "${packages[@]}")

if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
  echo "deps: missing: ${packages[*]}" >&2
  echo "deps: run this as root and start again:" >&2
  echo "  apt-get update && ${command[*]}" >&2
  exit 1
fi

echo "deps: installing ${packages[*]}" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# None of these packages has a service that would be started; RUNLEVEL=1 keeps it so for what they draw in.
export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
if ! { apt-get -q update && "${command[@]}" -q -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold; } \
  >"$log" 2>&1 </dev/null; then
  tail -n 20 "$log" >&2
  echo "deps: apt-get failed; this is what it should have done:" >&2
  echo "  apt-get update && ${command[*]}" >&2
  exit 1
fi
lack=$(missing)
if [ -n "$lack" ]; then
  echo "deps: still missing after the installation: $lack" >&2
  exit 1
fi
