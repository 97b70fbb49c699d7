#!/usr/bin/env bash
# Runs a command in a network and a process namespace of its own: what listens on every interface is on loopback alone all
# the same, nothing in there reaches the world, and nothing outlives this script, however it ends.
#
#   tools/localstack/isolated.sh COMMAND...
#
# Exit code 3: this system lets us have none.
set -euo pipefail

# Said in there, where loopback is down at first.
LOOPBACK_UP='
import fcntl, os, socket, struct, sys
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
fcntl.ioctl(socket.socket(), SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP))
os.execvp(sys.argv[1], sys.argv[1:])'

for way in "unshare" "unshare --user --map-root-user"; do
    enter=($way --net --pid --fork --kill-child --mount-proc)
    if "${enter[@]}" python3 -c "$LOOPBACK_UP" true 2>/dev/null; then
        exec "${enter[@]}" python3 -c "$LOOPBACK_UP" "$@"
    fi
done
exit 3
