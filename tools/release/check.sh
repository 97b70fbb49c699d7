#!/usr/bin/env bash
# A release of the development profile, held to what a release must be: its checksums fit, packing it again gives the same bytes,
# its template names a zip for every function, and what Lambda could not run is refused. Needs the built functions.
#
#   tools/release/check.sh           of what `make test` has built
#   tools/release/check.sh --twice   a real release, built twice in two folders from nothing, and compared; takes long
set -euo pipefail
cd "$(dirname "$0")/../.."
case $(uname -m) in x86_64) own=x86_64 other=arm64 ;; *) own=arm64 other=x86_64 ;; esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ "${1:-}" = --twice ]; then
    for folder in one two/deeper; do
        mkdir -p "$work/$folder"
        git archive HEAD | tar -x -C "$work/$folder"
        ln -s "$PWD/.local" "$work/$folder/.local"
        "$work/$folder/tools/release/build.sh" "$own"
    done
    cmp "$work"/one/dist/*/SHA256SUMS "$work"/two/deeper/dist/*/SHA256SUMS
    echo "release: built twice in two folders, the same bytes"
    exit 0
fi

began=$SECONDS
tools/release/build.sh --dev "$own"
release=$(echo dist/muster-*-"$own"-dev)
(cd "$release" && sha256sum --check --quiet SHA256SUMS)
python3 tools/release/pack.py --dev "$own" target/debug "$work/again" >/dev/null
diff -r "$release" "$work/again/$(basename "$release")"
echo "release: checksums fit; packed again, the same bytes"

for zip in $(sed -n 's/^      CodeUri: \.\/\(.*\)$/\1/p' "$release/template.yaml"); do
    python3 - "$release/$zip" <<'PYTHON'
import sys, zipfile
entry, = zipfile.ZipFile(sys.argv[1]).infolist()
assert (entry.filename, entry.external_attr >> 16) == ("bootstrap", 0o100755), f"{sys.argv[1]}: {entry}"
PYTHON
done

# Each refusal, with what it must say.
refuses() {
    local expected=$1 said
    shift
    if said=$("$@" 2>&1); then
        echo "release: expected a refusal like '$expected', found success" >&2
        exit 1
    fi
    grep -q "$expected" <<<"$said" || { echo "release: expected '$expected', found: $said" >&2 && exit 1; }
}
refuses "($other), found" python3 tools/release/pack.py --dev "$other" target/debug "$work/refused"
mkdir "$work/empty"
refuses "expected $work/empty/[a-z-]*, found nothing" python3 tools/release/pack.py --dev "$own" "$work/empty" "$work/refused"
cp -r target/debug/join "$work/empty/join" && sed -i '1s/^.ELF/@ELF/' "$work/empty/join"
cp "$work/empty/join" "$work/empty/answer" && for name in $(ls functions/src/bin | sed 's/\.rs//'); do cp -n "$work/empty/join" "$work/empty/$name"; done
refuses "expected an ELF binary" python3 tools/release/pack.py --dev "$own" "$work/empty" "$work/refused"
printf x >>"$release/join.zip"
refuses "join.zip: FAILED" sh -c "cd $release && sha256sum --check SHA256SUMS"
rm -rf "$release"
echo "release: another machine's binary, a missing one, one that is none, and a changed zip are each refused; in $((SECONDS - began)) s"
