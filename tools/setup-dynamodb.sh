#!/bin/sh
# Installs Dynoxide, the local stand-in for DynamoDB, into .local/bin. Safe to run again; does nothing when it is there.
#
# A crate, so it is built here: a minute or two, once. Without the link-time optimisation that its own profile asks for:
# that takes as long again and serves nobody who runs tests.
set -eu

dynoxide_rs=3.2.0
# What `dynoxide --version` says of that crate.
dynoxide=1.5.0

cd "$(dirname "$0")/.."

# The harness adds an index to the emulator's file with it.
python3 -c 'import sqlite3' 2>/dev/null || { echo "setup: python3: expected one with the module sqlite3, found none" >&2; exit 1; }

[ "$(.local/bin/dynoxide --version 2>/dev/null)" = "dynoxide $dynoxide" ] && exit 0

printf 'setup: dynoxide %s from source into .local/bin, a minute or two\n' "$dynoxide"
log=$(mktemp)
CARGO_PROFILE_RELEASE_LTO=false CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_OPT_LEVEL=1 \
    cargo install --quiet --locked --root .local --force --no-default-features --features native-sqlite,http-server,cli \
    "dynoxide-rs@$dynoxide_rs" >"$log" 2>&1 || { tail -n 20 "$log" >&2; rm -f "$log"; exit 1; }
rm -f "$log"
