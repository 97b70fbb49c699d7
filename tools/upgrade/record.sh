#!/usr/bin/env bash
# Makes tests/fixtures/release anew, for the release in tools/upgrade/last-release: its scripts, and what its functions write into
# Redis when they are played. Run it when last-release has changed, look at the difference, and adapt tests/tests/release.rs.
set -euo pipefail
cd "$(dirname "$0")/../.."
release=$(cat tools/upgrade/last-release)
built=$(tools/upgrade/build.sh)
rm -f tests/fixtures/release/*.lua
for script in $(git ls-tree -r --name-only "$release" lua/); do
    mkdir -p "tests/fixtures/release/$(dirname "${script#lua/}")"
    git show "$release:$script" >"tests/fixtures/release/${script#lua/}"
done
MUSTER_RELEASE=$built cargo nextest run --workspace --run-ignored only -E 'test(record_what_the_last_release_writes)'
