#!/usr/bin/env bash
# Deploys what `sam build` has built, as the stage that is named.
#
#   tools/deploy.sh dev|prod [--queues FILE] [--token-command COMMAND | --no-doctor] [sam's own options] [Name=Value ...]
#
#   tools/deploy.sh dev JwtIssuer=https://login.example.com JwtAudience=game     a first time
#   tools/deploy.sh prod --queues queues.json                                    other rules
#   tools/deploy.sh prod                                                         other code; parameters stay as they are
#
# It adds three parameters. `Stage` is the stage. `Architecture` is the one that was built for. `Release` is a hash of what was
# built and of the parameters that are named: SAM publishes a new version of a function when its code changes and does not see
# that a parameter has changed, so the functions would go on with the old rules and the old password.
#
# Then it asks the stack whether it works, by `muster doctor`, and fails if it does not. COMMAND prints a token for the player in
# MUSTER_PLAYER; without one no players are matched. Without target/release/muster the script says that the stack was not asked.
set -euo pipefail
cd "$(dirname "$0")/.."
fail() { echo "deploy.sh: $*" >&2 && exit 2; }
stage=${1:-}
case $stage in dev | prod) shift ;; *) fail "expected dev or prod, found ${stage:-nothing}" ;; esac
[ -e .aws-sam/build/template.yaml ] || fail "expected what sam build makes, found no .aws-sam/build"
queues_bytes_max=3000 # the parameter's own bound

# One Name="value" as SAM reads it: quotes inside escaped, no line breaks. An empty value is lawful then, and so is JSON.
parameter() {
    local name=${1%%=*} value=${1#*=}
    [[ $value == \"*\" && ${#value} -gt 1 ]] && value=${value:1:-1} && value=${value//\\\"/\"}
    value=${value//[$'\r\n']/}
    printf '%s="%s"' "$name" "${value//\"/\\\"}"
}

options=() parameters=() doctor=target/release/muster token=()
while [ $# -gt 0 ]; do
    case $1 in
    --queues)
        [ -r "${2:-}" ] || fail "--queues: expected a readable file, found ${2:-nothing}"
        queues=$(python3 -c 'import json, sys; print(json.dumps(json.load(open(sys.argv[1])), separators=(",", ":")))' "$2") ||
            fail "--queues: expected JSON in $2"
        [ ${#queues} -le $queues_bytes_max ] || fail "--queues: expected at most $queues_bytes_max characters, found ${#queues} in $2"
        parameters+=("$(parameter "Queues=$queues")")
        shift
        ;;
    --token-command)
        [ -n "${2:-}" ] || fail "--token-command: expected a command, found nothing"
        token=(--token-command "$2")
        shift
        ;;
    --no-doctor) doctor= ;;
    Stage=* | Release=*) fail "expected no ${1%%=*}, which follows from the stage and the build" ;;
    [A-Z]*=*) parameters+=("$(parameter "$1")") ;;
    *) options+=("$1") ;;
    esac
    shift
done

# What the bytes of a built function say of the machine it runs on.
machine() {
    case $(od -An -tx1 -j18 -N2 "$1" | tr -d ' ') in
    b700) echo arm64 ;;
    3e00) echo x86_64 ;;
    *) fail "expected a program for arm64 or x86_64, found another in $1" ;;
    esac
}
architectures=$(for program in .aws-sam/build/*/bootstrap; do
    [ -e "$program" ] || fail "expected functions that sam build has built, found none"
    machine "$program"
done | sort -u)
case $architectures in
arm64 | x86_64) ;;
*) fail "expected one architecture in .aws-sam/build, found ${architectures//$'\n'/ and }: run sam build again" ;;
esac
for named in ${parameters[@]+"${parameters[@]}"}; do
    case $named in
    "Architecture=\"$architectures\"") ;;
    Architecture=*) fail "expected $named to be what sam build was told, found functions built for $architectures" ;;
    esac
done
parameters+=("Architecture=\"$architectures\"")

built=$(find .aws-sam/build -type f -print0 | sort -z | xargs -0 sha256sum)
release=$(printf '%s\n' "$built" "${parameters[@]}" | sha256sum | cut -d' ' -f1)
sam deploy --config-env "$stage" ${options[@]+"${options[@]}"} \
    --parameter-overrides Stage="$stage" Release="$release" "${parameters[@]}"

[ -n "$doctor" ] || exit 0
if [ ! -x "$doctor" ]; then
    echo "deploy.sh: the stack was not asked whether it works: expected $doctor, found none. cargo build --release -p muster-tools makes it"
    exit 0
fi
exec "$doctor" doctor --stack "muster-$stage" ${token[@]+"${token[@]}"}
