#!/usr/bin/env bash
# What is checked while LocalStack runs: run.sh runs this. The schedule needs a minute to fire, so the suite plays meanwhile.
set -euo pipefail
cd "$(dirname "$0")/../.."
said=$(mktemp)
check=
finish() {
    [ -z "$check" ] || kill "$check" 2>/dev/null || true
    rm -f "$said"
}
trap finish EXIT

.local/localstack/bin/python tools/localstack/check.py parts >"$said" 2>&1 &
check=$!

# One test of the suite takes the ledger away, and with it everything that is AWS: it would prove nothing here.
echo "end to end on LocalStack, but for without_redis_every_answer_is_a_quick_503, which has no AWS in it"
suite=(cargo nextest run --offline --workspace -E 'binary(end_to_end) - test(without_redis)')
if [ -n "${MUSTER_JAVA:-}" ]; then
    "${suite[@]}"
else
    env -u AWS_ENDPOINT_URL AWS_ENDPOINT_URL_EVENTBRIDGE="$AWS_ENDPOINT_URL" "${suite[@]}"
fi
.local/localstack/bin/python tools/localstack/check.py suite

echo "waiting for the schedule"
code=0
wait $check || code=$?
check=
cat "$said"
exit $code
