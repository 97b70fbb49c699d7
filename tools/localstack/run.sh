#!/usr/bin/env bash
# Runs a command with AWS on this machine: LocalStack's PyPI edition, on loopback, with the parts of template.yaml that it can
# deploy. Ends it afterwards.
#
#   tools/localstack/run.sh COMMAND...    AWS_ENDPOINT_URL, EVENT_BUS and what else deploy.py prints are set for it
#
# DynamoDB is not among them: LocalStack would download Amazon's jar, and answers after minutes where it cannot. The caller
# names an emulator of its own by AWS_ENDPOINT_URL_DYNAMODB. ElastiCache and the HTTP API are not in the free edition:
# a redis-server and cargo-lambda's router stand in, as in `make up`.
#
# Exit code 3: there is no Python 3.13 here; with 3.11 LocalStack installs, and then finds none of its own parts.
set -euo pipefail
cd "$(dirname "$0")/../.."
place=.local/localstack wanted=tools/localstack/requirements.txt
if ! cmp --silent "$wanted" "$place/installed.txt"; then
    python=
    for candidate in python3.13 "$HOME"/.pyenv/versions/3.13.*/bin/python3; do
        "$candidate" -c '' 2>/dev/null && python=$candidate && break
    done
    if [ -z "$python" ]; then
        echo "expected Python 3.13 for LocalStack, found $(python3 --version 2>&1)" >&2
        exit 3
    fi
    echo "installing LocalStack into $place"
    rm -rf "$place"
    "$python" -m venv "$place"
    "$place/bin/pip" install --quiet --disable-pip-version-check --requirement "$wanted"
    cp "$wanted" "$place/installed.txt"
fi

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
folder=$(mktemp -d)
# Its default server listens on every interface, whatever it is told; hypercorn listens where GATEWAY_LISTEN says.
env -i PATH="$PATH" HOME="$folder" GATEWAY_SERVER=hypercorn GATEWAY_LISTEN=127.0.0.1:"$port" DNS_ADDRESS=0 \
    FILESYSTEM_ROOT="$folder" DISABLE_EVENTS=1 SKIP_SSL_CERT_DOWNLOAD=1 \
    SERVICES=cloudformation,events,iam,kms,logs,s3,secretsmanager,sns,sqs,ssm,sts \
    "$place/bin/python" -m localstack.runtime.main >"$folder/log" 2>&1 &
localstack=$!
# Told to end soon after its start, it says that it stops its services and stays: five seconds, then it is ended.
finish() {
    kill $localstack 2>/dev/null || true
    timeout 5 tail --pid=$localstack -f /dev/null || kill -KILL $localstack 2>/dev/null || true
    rm -rf "$folder"
}
trap finish EXIT

export AWS_ENDPOINT_URL=http://127.0.0.1:$port AWS_REGION=eu-west-1 AWS_DEFAULT_REGION=eu-west-1
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
until curl --fail --silent --output /dev/null "$AWS_ENDPOINT_URL/_localstack/health"; do
    kill -0 $localstack 2>/dev/null || {
        echo "expected LocalStack to start, found:" >&2
        tail -n 5 "$folder/log" >&2
        exit 1
    }
    read -rt 0.2 <> <(:) || true
done

outputs=$("$place/bin/python" tools/localstack/deploy.py)
while IFS= read -r line; do
    echo "$line"
    export "${line?}"
done <<<"$outputs"
"$@"
