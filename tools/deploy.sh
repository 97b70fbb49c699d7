#!/usr/bin/env bash
# Deploys what `sam build` has built, as the stage that is named.
#
#   tools/deploy.sh dev|prod [--guided] [sam's own options] [Name=Value ...]
#
# SAM publishes a new version of a function when its code changes, and does not see that a parameter has changed: the functions
# would go on with the old rules and the old password. `Release` is what both come to.
set -euo pipefail
cd "$(dirname "$0")/.."
stage=${1:-}
case $stage in dev | prod) shift ;; *) echo "deploy.sh: expected dev or prod, found ${stage:-nothing}" >&2 && exit 2 ;; esac
[ -e .aws-sam/build/template.yaml ] || { echo "deploy.sh: expected what sam build makes, found no .aws-sam/build" >&2 && exit 2; }

options=() parameters=()
for argument in "$@"; do
    case $argument in
    [A-Z]*=*) parameters+=("$argument") ;;
    *) options+=("$argument") ;;
    esac
done
built=$(find .aws-sam/build -type f -print0 | sort -z | xargs -0 sha256sum)
release=$(printf '%s\n' "$built" ${parameters[@]+"${parameters[@]}"} | sha256sum | cut -d' ' -f1)
exec sam deploy --config-env "$stage" ${options[@]+"${options[@]}"} \
    --parameter-overrides Stage="$stage" Release="$release" ${parameters[@]+"${parameters[@]}"}
