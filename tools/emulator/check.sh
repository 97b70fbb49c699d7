#!/usr/bin/env bash
# The stack of template.yaml on MiniStack, see run.py. Needs the built functions, command and tests. Says so and is content where the
# system gives us no namespaces of our own: MiniStack's processes outlive it, and what a stack starts must end with it.
#
#   tools/emulator/check.sh [short|drill|letters]   the whole run; what `make test` plays; the canary drill or the replay alone
#   tools/emulator/check.sh breaks [NUMBER]   what the run must find, see breaks.py
set -euo pipefail
cd "$(dirname "$0")/../.."
source tools/checks/environment.sh
INSTALL_LIMIT_S=600 # half a minute where PyPI is quick
RUN_LIMIT_S=1500    # six minutes on a machine with little else to do

if ! tools/localstack/isolated.sh true 2>/dev/null; then
    echo "emulator SKIPPED: expected to be let have a network and a process namespace, found $(id -un) without"
    exit 0
fi
export -f environment
timeout $INSTALL_LIMIT_S bash -c 'set -euo pipefail; environment sam; environment emulator'

began=$SECONDS code=0
# In the background, because bash hears of a signal only while it waits.
program=run.py
[ "${1:-}" != breaks ] || { program=breaks.py && shift; }
timeout --kill-after=5 $RUN_LIMIT_S tools/localstack/isolated.sh .local/emulator/bin/python tools/emulator/$program "$@" &
job=$!
trap 'kill $job 2>/dev/null || true' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
wait $job || code=$?
trap - EXIT
[ $code != 124 ] || echo "emulator: expected all of it within $RUN_LIMIT_S s, ended it" >&2
echo "emulator: $((SECONDS - began)) s with its start and end"
exit $code
