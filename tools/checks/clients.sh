#!/usr/bin/env bash
# Generates a client in each language that games are written in from docs/openapi.json, compiles the TypeScript one and lets it play
# a match against `muster up`. Needs the built `muster` and functions; installs the generator and TypeScript into .local once.
set -euo pipefail
cd "$(dirname "$0")/../.."
source tools/checks/environment.sh
typescript=5.9.3 node_types=22.19.1
for program in java node npm; do
    command -v $program >/dev/null || {
        echo "skip clients: expected $program, found none"
        exit 0
    }
done
environment clients
if [ "$(cat .local/typescript/installed.txt 2>/dev/null)" != "$typescript $node_types" ]; then
    echo "  installing typescript $typescript into .local/typescript"
    rm -rf .local/typescript
    npm install --loglevel=error --prefix .local/typescript --ignore-scripts --no-audit --no-fund "typescript@$typescript" "@types/node@$node_types" >/dev/null
    echo "$typescript $node_types" >.local/typescript/installed.txt
fi
PYTHONDONTWRITEBYTECODE=1 exec .local/clients/bin/python tools/checks/clients.py
