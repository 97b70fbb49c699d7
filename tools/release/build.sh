#!/usr/bin/env bash
# Makes a release: a zip for each function, a template that uses them, and checksums, below dist/.
#
#   tools/release/build.sh                     for this machine's architecture, and the other one where its target is there
#   tools/release/build.sh arm64|x86_64 ...    for these
#   tools/release/build.sh --dev               what `make test` has built, for checks, not to deploy
#
# The same sources, Rust and zlib give the same bytes, in whatever folder: paths are taken out of the binaries, and zips carry no
# time of their own. Released binaries are linked by zig against an older C library, so that they run on Lambda's Amazon Linux.
set -euo pipefail
cd "$(dirname "$0")/../.."
export PATH=$PWD/.local/venv/bin:$PATH

case $(uname -m) in x86_64) own=x86_64 ;; *) own=arm64 ;; esac
declare -A triples=([x86_64]=x86_64-unknown-linux-gnu [arm64]=aarch64-unknown-linux-gnu)
dev='' wanted=()
for argument in "$@"; do
    case $argument in
    --dev) dev=--dev ;;
    x86_64 | arm64) wanted+=("$argument") ;;
    *) echo "build.sh: expected --dev, x86_64 or arm64, found $argument" >&2 && exit 2 ;;
    esac
done

installed() { [ -d "$(rustc --print sysroot)/lib/rustlib/${triples[$1]}/lib" ]; }

if [ ${#wanted[@]} = 0 ]; then
    for architecture in x86_64 arm64; do
        if installed "$architecture"; then
            wanted+=("$architecture")
        else
            echo "release: $architecture SKIPPED, this Rust has no ${triples[$architecture]} (rustup target add ${triples[$architecture]})"
        fi
    done
fi

for architecture in "${wanted[@]}"; do
    if [ -n "$dev" ]; then
        [ "$architecture" = "$own" ] || { echo "build.sh: expected $own with --dev, found $architecture" >&2 && exit 2; }
        # As `make test` has built them: building them alone would be with other features, and everything anew.
        binaries=target/debug
    else
        # A folder of its own: other flags would rebuild everything that `make test` has built.
        export CARGO_TARGET_DIR=$PWD/target/release-zips
        RUSTFLAGS="--remap-path-prefix=$PWD=muster --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo" \
            AWS_LC_SYS_NO_JITTER_ENTROPY=1 SOURCE_DATE_EPOCH=315532800 \
            cargo lambda build --locked --quiet --release -p muster-functions --target "${triples[$architecture]}" --skip-target-check
        binaries=$CARGO_TARGET_DIR/lambda
    fi
    python3 tools/release/pack.py $dev "$architecture" "$binaries" dist
done
