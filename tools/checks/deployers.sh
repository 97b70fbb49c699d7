#!/usr/bin/env bash
# Holds the samples of docs/deploy to template.yaml and to tools: the GitHub workflow to GitHub's schema and to zizmor, the role to
# cfn-lint, the Terraform sample to its grammar, the CDK construct by `cdk synth`, whose result is compared with the template.
#
#   tools/checks/deployers.sh           CDK once for each construct and template; all else every time
#   tools/checks/deployers.sh --anew    everything
set -euo pipefail
cd "$(dirname "$0")/../.."
source tools/checks/environment.sh
environment deployers
environment sam
export PYTHONDONTWRITEBYTECODE=1 AWS_DEFAULT_REGION=${AWS_DEFAULT_REGION:-eu-west-1}
began=$SECONDS
bin=.local/deployers/bin

$bin/check-jsonschema --quiet --builtin-schema vendor.github-workflows docs/deploy/github-actions.yaml
judge() { $bin/zizmor --offline --quiet --no-progress --config tools/checks/zizmor.yaml "$1"; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/.github/workflows"
judge docs/deploy/github-actions.yaml >"$work/said" 2>&1 || { cat "$work/said"; exit 1; }
# What each of them is for is found when it is broken.
broken="$work/.github/workflows/broken.yaml"
sed 's/^    needs: test$/    need: test/' docs/deploy/github-actions.yaml >"$broken"
! $bin/check-jsonschema --quiet --builtin-schema vendor.github-workflows "$broken" >/dev/null 2>&1 ||
    { echo "deployers: expected the schema to refuse an unknown key, found it taken" >&2 && exit 1; }
sed 's/ "$STAGE" --no-confirm/ ${{ github.head_ref }} --no-confirm/' docs/deploy/github-actions.yaml >"$broken"
! judge "$broken" >/dev/null 2>&1 || { echo "deployers: expected zizmor to refuse text of strangers in a command, found it taken" >&2 && exit 1; }
echo "ok   workflow: GitHub's schema and zizmor, each finds its break"

.local/sam/bin/cfn-lint -- docs/deploy/role.json
echo "ok   role"
$bin/python tools/checks/deployers.py

decided=$(cat template.yaml docs/deploy/cdk/* tools/checks/{cdk,template,deployers}.py tools/release/pack.py | sha256sum)
if [ "${1:-}" != --anew ] && [ "$(cat .local/passed-cdk 2>/dev/null)" = "$decided" ]; then
    echo "ok   cdk synth, unchanged since it passed"
elif ! command -v npm >/dev/null; then
    echo "cdk synth SKIPPED: expected npm, found none"
else
    # Once for each user and set of packages.
    place=${XDG_CACHE_HOME:-$HOME/.cache}/muster/node/cdk-$(sha256sum <docs/deploy/cdk/package.json | cut -c1-16)
    mkdir -p "${place%/*}"
    (
        flock 9
        [ -e "$place/installed" ] && exit
        echo "  installing the packages of docs/deploy/cdk/package.json into $place"
        rm -rf "$place" && mkdir -p "$place" && cp docs/deploy/cdk/package.json "$place"
        npm install --prefix "$place" --loglevel=error --ignore-scripts --no-audit --no-fund >/dev/null
        touch "$place/installed"
    ) 9>"$place.lock"
    cp docs/deploy/cdk/* "$work" && ln -s "$place/node_modules" "$work/node_modules"
    python3 tools/checks/deployers.py --release "$work/release"
    (
        cd "$work"
        export MUSTER_RELEASE=$work/release CDK_DISABLE_VERSION_CHECK=1
        node_modules/.bin/cdk synth --quiet --no-notices --output "$work/out" >"$work/said" 2>&1 || { cat "$work/said"; exit 1; }
    )
    given=(Stage=dev JwtIssuer=https://login.example.com JwtAudience=muster)
    .local/sam/bin/python tools/checks/cdk.py "$work/release/template.yaml" "$work/out/muster-dev.template.json" "${given[@]}"
    # A resource that is lost, and a property that is changed, are found.
    for break in 's/"AWS::DynamoDB::Table"/"AWS::DynamoDB::Tabel"/' 's/"BillingMode": "[A-Z_]*"/"BillingMode": "PROVISIONED"/'; do
        sed "$break" "$work/out/muster-dev.template.json" >"$work/broken.json"
        ! .local/sam/bin/python tools/checks/cdk.py "$work/release/template.yaml" "$work/broken.json" "${given[@]}" >/dev/null 2>&1 ||
            { echo "deployers: expected the comparison to find '$break', found nothing" >&2 && exit 1; }
    done
    echo "$decided" >.local/passed-cdk
    echo "ok   cdk synth"
fi
echo "ok   deployers, in $((SECONDS - began)) s"
