#!/usr/bin/env bash
# Builds the functions of the last release, whose commit stands in tools/upgrade/last-release, and prints their folder. It is
# built once per user: the folder lies below the cache folder and is named after the commit.
set -euo pipefail
cd "$(dirname "$0")/../.."
release=$(cat tools/upgrade/last-release)
place=${XDG_CACHE_HOME:-$HOME/.cache}/muster/releases/$release
mkdir -p "${place%/*}"
# One at a time: several clones may begin together.
(
    flock 9
    [ -e "$place/built" ] && exit
    git cat-file -e "$release^{commit}" 2>/dev/null || {
        echo "upgrade: expected commit $release in this clone, found none: git fetch --unshallow" >&2
        exit 1
    }
    echo "building the functions of $release into $place" >&2
    rm -rf "$place"
    mkdir -p "$place/source"
    git archive "$release" | tar x -C "$place/source"
    (cd "$place/source" && CARGO_TARGET_DIR=$place/target cargo build --quiet --locked -p muster-functions --bins)
    for source in "$place"/source/functions/src/bin/*.rs; do
        name=${source##*/}
        cp "$place/target/debug/${name%.rs}" "$place/"
    done
    rm -rf "$place/target"
    touch "$place/built"
) 9>"$place.lock"
echo "$place"
