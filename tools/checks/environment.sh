# For the checks to source: their Python tools, each set in an environment of its own. An environment is installed once per user,
# below the cache folder, and named after what is in it; .local/NAME links to it.

# environment NAME [PYTHON]: the environment of tools/checks/requirements-NAME.txt.
environment() {
    local wanted=tools/checks/requirements-$1.txt python=${2:-python3} version place
    version=$({ "$python" --version && cat "$wanted"; } | sha256sum | cut -c1-16)
    place=${XDG_CACHE_HOME:-$HOME/.cache}/muster/python/$1-$version
    mkdir -p "${place%/*}" .local
    # One at a time: several clones may begin together.
    (
        flock 9
        [ -e "$place/installed.txt" ] && exit
        echo "  installing $(grep -v '^#' "$wanted" | tr '\n' ' ')into $place"
        rm -rf "$place"
        "$python" -m venv "$place" || {
            echo "expected Python's venv module, found none: install the package python3-venv" >&2
            exit 1
        }
        "$place/bin/pip" install --quiet --disable-pip-version-check --requirement "$wanted"
        cp "$wanted" "$place/installed.txt"
    ) 9>"$place.lock"
    [ -L ".local/$1" ] || rm -rf ".local/$1"
    ln -sfn "$place" ".local/$1"
}
