#!/usr/bin/env bash
# A Docker engine for `sam local`: the one that is there, or one started by hand from Debian's docker.io.
#
#   tools/sam/engine.sh start     prints the DOCKER_HOST to use ("" for the machine's own engine)
#   tools/sam/engine.sh stop      stops what start started; the machine's own engine is left alone
#
# The engine keeps everything below .local/docker and changes nothing of the machine's network but one bridge: no packet
# filter, no forwarding, published ports on loopback only. Containers reach the machine at the bridge's address.
set -euo pipefail
cd "$(dirname "$0")/../.."
place=$PWD/.local/docker
socket=unix://$place/docker.sock
bridge=192.168.242.1/24

# From Debian's packages, without starting the service that they bring: start below has an engine of its own.
install_engine() {
    command -v apt-get >/dev/null || return 1
    echo "sam: docker.io from apt" >&2
    local log=$place/apt.log mask=/usr/sbin/policy-rc.d
    [ -e "$mask" ] || { printf '#!/bin/sh\nexit 101\n' >"$mask" && chmod +x "$mask" && trap 'rm -f /usr/sbin/policy-rc.d' EXIT; }
    export DEBIAN_FRONTEND=noninteractive
    { apt-get install -qq -y --no-install-recommends docker.io ||
        { apt-get update -qq && apt-get install -qq -y --no-install-recommends docker.io; }; } >"$log" 2>&1 </dev/null || {
        tail -n 3 "$log" >&2
        return 1
    }
}

case ${1:-} in
start)
    if docker info >/dev/null 2>&1; then
        exit 0
    fi
    if [ -e "$place/docker.pid" ] && kill -0 "$(cat "$place/docker.pid")" 2>/dev/null; then
        echo "$socket"
        exit 0
    fi
    if [ "$(id -u)" != 0 ]; then
        echo "expected root, or an engine that runs already: dockerd cannot be started by $(id -un)" >&2
        exit 3
    fi
    mkdir -p "$place"
    command -v dockerd >/dev/null || install_engine || {
        echo "expected a Docker engine, or the package docker.io from apt, found neither" >&2
        exit 3
    }
    # A session of its own: the engine outlives the command that started it.
    setsid dockerd --data-root "$place/data" --exec-root "$place/exec" --pidfile "$place/docker.pid" \
        --host "$socket" --bip "$bridge" --ip 127.0.0.1 \
        --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false \
        >"$place/docker.log" 2>&1 </dev/null &
    engine=$!
    until docker --host "$socket" info >/dev/null 2>&1; do
        kill -0 "$engine" 2>/dev/null || {
            echo "expected dockerd to start, found:" >&2
            tail -n 5 "$place/docker.log" >&2
            exit 3
        }
        read -rt 0.2 <> <(:) || true
    done
    echo "$socket"
    ;;
stop)
    [ -e "$place/docker.pid" ] || exit 0
    kill "$(cat "$place/docker.pid")"
    tail --pid="$(cat "$place/docker.pid")" -f /dev/null 2>/dev/null || true
    ;;
*)
    echo "usage: tools/sam/engine.sh start|stop" >&2
    exit 2
    ;;
esac
