#!/usr/bin/env bash
# Muster on LocalStack: the end-to-end suite, the event bus, the secret and the schedule. Says what cannot run here, and is
# content. Needs the built functions and tests.
set -euo pipefail
cd "$(dirname "$0")/../.."
INSTALL_LIMIT_S=600 # a minute where PyPI is quick
RUN_LIMIT_S=300     # a minute and a half
GRACE_S=5           # for whoever is told to end

# Whatever the checks leave behind is in here, also where they are killed.
TMPDIR=$(mktemp -d)
export TMPDIR
job=
finish() {
    if [ -n "$job" ]; then
        kill "$job" 2>/dev/null || true
        wait "$job" 2>/dev/null || true
    fi
    rm -rf "$TMPDIR"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# bounded WHAT LIMIT_S COMMAND...: in the background, because bash hears of a signal only while it waits.
bounded() {
    local what=$1 limit=$2 code=0
    shift 2
    timeout --kill-after=$GRACE_S "$limit" "$@" &
    job=$!
    wait $job || code=$?
    job=
    if [ $code = 124 ] || [ $code = 137 ]; then
        echo "localstack: expected $what to be done within $limit s, ended it" >&2
    fi
    return $code
}

code=0
bounded installing $INSTALL_LIMIT_S tools/localstack/install.sh || code=$?
if [ $code = 3 ]; then
    echo "localstack SKIPPED: see the line above"
    exit 0
fi
[ $code = 0 ] || exit $code

isolated=(tools/localstack/isolated.sh)
"${isolated[@]}" true || isolated=()
java=$(command -v java || true)
version=$([ -z "$java" ] || "$java" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p')
if [ ${#isolated[@]} = 0 ]; then
    lacks="a network namespace, and DynamoDB Local listens on every interface"
elif [ "${version:-0}" -lt 17 ]; then
    lacks="Java 17 or newer, found ${version:-none}"
elif [ ! -e .local/dynamodb-local/installed.txt ]; then
    lacks="npm, which brings DynamoDB Local, found none"
else
    lacks=
    export MUSTER_JAVA=$java
fi
[ -z "$lacks" ] || echo "localstack: DynamoDB SKIPPED, the ledger is on the usual emulator: expected $lacks"

bounded "all checks" $RUN_LIMIT_S "${isolated[@]}" tools/localstack/run.sh tools/localstack/checks.sh
echo "localstack: all of it in $SECONDS s"
