# For the checks to source: their Python tools, each set in an environment of its own below .local.

# environment NAME [PYTHON]: from tools/checks/requirements-NAME.txt, anew whenever that file changes.
environment() {
    local place=.local/$1 wanted=tools/checks/requirements-$1.txt python=${2:-python3}
    cmp --silent "$wanted" "$place/installed.txt" && return
    echo "  installing $(grep -v '^#' "$wanted" | tr '\n' ' ')into $place"
    rm -rf "$place"
    "$python" -m venv "$place" || {
        echo "expected Python's venv module, found none: install the package python3-venv" >&2
        return 1
    }
    "$place/bin/pip" install --quiet --disable-pip-version-check --requirement "$wanted"
    cp "$wanted" "$place/installed.txt"
}
