#!/bin/bash
# ctl.sh DIR boot | save NAME | load NAME | run CMD ... | put FILE ... | down: the lab's virtual machine below DIR.
#   load NAME starts from a copy of a saved state; run and put speak ssh; put copies files to /root/lab in it.
# Plain emulation always: where /dev/kvm is there, it need not run an ordinary guest.
set -euo pipefail
from=$PWD
cd "$1"
shift
port_file=port
# Seconds for ssh to be answered. Few where nobody may be there yet; many where only the machine is slow: each try costs
# the emulated sshd some, and one that is given up is lost work.
patience=3

machine() { # disk, more arguments
  local disk=$1 port
  shift
  # a free port: taken from the kernel, given back, used at once
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  echo "$port" >$port_file
  qemu-system-x86_64 -name moonsnap-lab -machine q35 -accel tcg,thread=multi,tb-size=512 -cpu max -smp 2 -m 1024 \
    -nodefaults -no-user-config -display none -no-reboot \
    -serial file:console.log -monitor unix:hmp.sock,server=on,wait=off \
    -kernel vmlinuz -initrd initrd \
    -append "root=/dev/vda rw console=ttyS0 quiet panic=-1 mitigations=off audit=0 apparmor=0 net.ifnames=0" \
    -drive file="$disk",if=virtio,format=qcow2,cache=unsafe,discard=unmap \
    -netdev user,id=n0,restrict=on,hostfwd=tcp:127.0.0.1:"$port"-:22 -device virtio-net-pci,netdev=n0,romfile= \
    -device virtio-rng-pci -daemonize -pidfile pid "$@"
}

remote() {
  ssh -q -i key -p "$(cat $port_file)" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
    -o ConnectTimeout="$patience" -o ControlMaster=auto -o ControlPath="$PWD/cm" -o ControlPersist=300 root@127.0.0.1 "$@"
}

wait_ssh() {
  local i
  for ((i = 0; i < 600; i++)); do
    if remote true 2>/dev/null; then return 0; fi
    kill -0 "$(cat pid)" 2>/dev/null || break
    sleep 0.2
  done
  echo 'lab: it did not come up; the end of its console:' >&2
  tail -n 20 console.log >&2
  return 1
}

monitor() { # one command of QEMU's monitor
  timeout 120 python3 - "$1" <<'PY'
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect("hmp.sock")
def answer():
    data = b""
    while not data.endswith(b"(qemu) "):
        data += s.recv(65536)
    return data.decode()
answer()
s.sendall(sys.argv[1].encode() + b"\n")
text = answer().splitlines()[1:-1]
if text:
    sys.exit("lab: " + " ".join(text))
PY
}

down() {
  local pid
  [ -f pid ] || return 0
  pid=$(cat pid)
  if grep -qs moonsnap-lab "/proc/$pid/cmdline"; then
    kill "$pid" 2>/dev/null || true
    while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
  fi
  rm -f pid cm $port_file hmp.sock
}

command=$1
shift
case $command in
  boot)
    down
    rm -f run.qcow2
    qemu-img create -q -f qcow2 -F raw -b root.img run.qcow2
    machine run.qcow2
    wait_ssh
    remote systemctl is-system-running --wait
    ;;
  save)
    remote 'sync; echo 3 > /proc/sys/vm/drop_caches'
    rm -f cm
    monitor "savevm $1"
    down
    mv run.qcow2 "$1.qcow2"
    ;;
  load)
    patience=60
    down
    cp --sparse=always "$1.qcow2" run.qcow2
    machine run.qcow2 -loadvm "$1"
    wait_ssh
    remote hwclock -s
    ;;
  run) remote "$@" ;;
  put)
    remote mkdir -p /root/lab
    for file in "$@"; do
      tar -C "$(dirname "$(realpath "$from/$file" 2>/dev/null || realpath "$file")")" -c "$(basename "$file")"
    done | remote tar -x -i -C /root/lab
    ;;
  down) down ;;
  *)
    sed -n '2,4s/^# //p' "$0" >&2
    exit 2
    ;;
esac
