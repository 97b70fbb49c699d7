#!/usr/bin/env bash
# Everything that holds template.yaml: SAM's validation, cfn-lint, the policy scan, the contract with the code, the Redis
# user, and the proof that each of these fails when its subject is broken. Installs its tools into .local once.
#
#   tools/checks/run.sh           what the template alone decides, once for each template; all else every time
#   tools/checks/run.sh --anew    everything, also what has passed before
set -euo pipefail
cd "$(dirname "$0")/../.."

source tools/checks/environment.sh

# Runs a check in the background, and keeps what it says for when its turn comes.
names=() pids=() logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
begin() {
    local name=$1
    shift
    "$@" >"$logs/$name" 2>&1 &
    names+=("$name") pids+=($!)
}

# The same for a check whose outcome the template, its rules and its tools alone decide: passed once, it passes again.
decided=$(cat template.yaml docs/firewall.yaml samconfig.toml tools/checks/{policy,breaks,transform,stack,front}.py tools/checks/{checkov.yaml,run.sh,requirements-{sam,policy}.txt} | sha256sum)
begin_once() {
    if [ "$anew" != --anew ] && [ "$(cat ".local/passed-$1" 2>/dev/null)" = "$decided" ]; then
        echo "ok   $1, unchanged since it passed"
    else
        begin "$@"
    fi
}

anew=${1:-}
environment sam
environment policy
export SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=${AWS_DEFAULT_REGION:-eu-west-1} PYTHONDONTWRITEBYTECODE=1
begin_once policy .local/sam/bin/python tools/checks/policy.py
begin_once validate .local/sam/bin/sam validate --lint
begin_once cfn-lint .local/sam/bin/cfn-lint --regions us-east-1 eu-west-1 ap-southeast-1 -- template.yaml
begin_once firewall .local/sam/bin/cfn-lint --regions us-east-1 -- docs/firewall.yaml
begin_once transform .local/sam/bin/python tools/checks/transform.py
begin contract .local/sam/bin/python tools/checks/contract.py
begin commands .local/sam/bin/python tools/checks/commands.py
begin redis-user .local/sam/bin/python tools/checks/redis_acl.py
begin_once proof-of-tools .local/sam/bin/python tools/checks/breaks.py --tools
begin proof .local/sam/bin/python tools/checks/breaks.py

failed=0
for at in "${!names[@]}"; do
    if wait "${pids[$at]}"; then
        echo "ok   ${names[$at]}"
        echo "$decided" >".local/passed-${names[$at]}"
        grep -E '^  ' "$logs/${names[$at]}" || true
    else
        echo "FAIL ${names[$at]}"
        cat "$logs/${names[$at]}"
        failed=1
    fi
done
exit $failed
