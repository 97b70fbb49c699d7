#!/usr/bin/env bash
# Builds the functions as `sam deploy` would, for this machine, into .aws-sam/build.
#
#   tools/sam/build.sh              development profile: quick, from the warm target folder
#   tools/sam/build.sh --release    the profile that is deployed
set -euo pipefail
cd "$(dirname "$0")/../.."
export SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=${AWS_DEFAULT_REGION:-eu-west-1} PATH=$PWD/.local/venv/bin:$PATH
# For this very machine no cross compiler is needed.
export CARGO_LAMBDA_COMPILER=cargo
[ "${1:-}" = --release ] || export SAM_BUILD_MODE=debug
case $(uname -m) in
x86_64) machine=x86_64 ;;
*) machine=arm64 ;;
esac

# A function whose binary is not written yet has nothing to build. It is said, and left out of the build.
template=.aws-sam/template.yaml
mkdir -p .aws-sam
cp template.yaml "$template"
for binary in $(sed -n 's/.*BuildProperties: { Binary: \([a-z-]*\) }.*/\1/p' template.yaml); do
    [ -e "functions/src/bin/$binary.rs" ] && continue
    echo "not built, there is no functions/src/bin/$binary.rs yet: $binary"
    sed -i "s/Metadata: {.*Binary: $binary } }/Metadata: { SkipBuild: true }/" "$template"
done

.local/sam/bin/sam build --template "$template" --base-dir "$PWD" --build-dir .aws-sam/build \
    --parameter-overrides "Architecture=$machine JwtIssuer=https://login.example.com JwtAudience=muster Release=00000000"
