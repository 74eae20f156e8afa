#!/bin/bash
# reap.sh PID DIR [LIBVIRT-DIR]: waits until the shell that made the world in DIR is gone, then ends what it could not
# end itself (it was killed): the processes that the world's own pid files name, and its files. world_up starts it.
set -euo pipefail
MOON_BUILD=/
# shellcheck source=world.sh
. "$(dirname "$(realpath "$0")")/world.sh"
tail --pid="$1" -f /dev/null
world_reap "$2" "${3:-}"
rm -rf "$2" ${3:+"$3"}
