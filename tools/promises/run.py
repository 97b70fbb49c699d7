"""Breaks the code behind each promise of README.md in a copy of the tree, and expects the promise's own test to be red.

    python3 tools/promises/run.py              every promise: two minutes each
    python3 tools/promises/run.py failover     those whose test has this in its name; several may be given
    python3 tools/promises/run.py --findings   the faults that were found and mended, in place of the promises

Prints the table of promise, break and result. Fails if a promise has no break, or if a test stays green with its promise broken.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from breaks import BREAKS, FINDINGS

ROOT = Path(__file__).resolve().parents[2]
COPY = ROOT / "target/promises"
LIMIT_S = 900

def promises():
    """Rows of README.md's table: promise, its test."""
    text = (ROOT / "README.md").read_text()
    table = text[text.index("### Promises") :]
    rows = [line for line in table.splitlines() if line.startswith("|")][2:]
    found = []
    for row in rows:
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        if len(cells) != 2 or not re.fullmatch(r"`\w+`", cells[1]):
            break
        found.append((cells[0], cells[1].strip("`")))
    return found


def where(test):
    """The nextest filter that runs a test, or the suite whose case it is."""
    for path in sorted((ROOT / "tests/src/conformance").glob("*.rs")):
        if f"fn {test}<" in path.read_text():
            return ["--workspace", "--test", "conformance", "-E", "test(redis_conforms)"]
    for package, folder in (("muster-tests", "tests/tests"), ("muster-functions", "functions/tests")):
        for path in sorted((ROOT / folder).glob("*.rs")):
            if f"fn {test}(" in path.read_text():
                return ["--workspace", "--test", path.stem, "-E", f"package({package}) and test({test})"]
    # A unit test needs no other crate than its own.
    for package, folder in (("muster", "shared/src"), ("muster-functions", "functions/src"), ("local-aws", "tools/local-aws/src")):
        if any(f"fn {test}(" in path.read_text() for path in sorted((ROOT / folder).rglob("*.rs"))):
            return ["-p", package, "--all-features", "--lib", "-E", f"test({test})"]
    sys.exit(f"promises: expected a test {test}, found none")


def copy():
    """The tree as git knows it, to be broken. Its own target folder is kept between runs: broken programs must not stand beside good ones."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True)
    names = set(listed.stdout.decode().split("\0"))
    for folder, folders, files in os.walk(COPY):
        folders[:] = [one for one in folders if (Path(folder) / one) not in (COPY / "target", COPY / ".local")]
        for file in files:
            if str((Path(folder) / file).relative_to(COPY)) not in names:
                (Path(folder) / file).unlink()
    for name in names:
        source, to = ROOT / name, COPY / name
        if not name or not source.is_file():
            continue
        if not to.exists() or to.read_bytes() != source.read_bytes():
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, to)
    (COPY / ".local").exists() or (COPY / ".local").symlink_to(ROOT / ".local")


def run(arguments):
    """Builds the functions, where a test starts them, and runs it. Whether both went well, and what was said."""
    environment = {**os.environ, "CARGO_TARGET_DIR": str(COPY / "target")}
    said = ""
    commands = [["cargo", "nextest", "run", *arguments]]
    file = ROOT / "tests/tests" / f"{arguments[arguments.index('--test') + 1]}.rs" if "--test" in arguments else None
    if file and file.exists() and "Deployment" in file.read_text():
        commands.insert(0, ["cargo", "build", "--workspace", "--bins"])
    for command in commands:
        done = subprocess.run(command, cwd=COPY, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False)
        said += done.stdout + done.stderr
        if done.returncode != 0:
            return False, said
    return True, said


def edited(file, old, new):
    """The text of a file of the tree, broken."""
    text = (ROOT / file).read_text()
    for one, other in zip(*([edit] if isinstance(edit, str) else edit for edit in (old, new)), strict=True):
        if one not in text:
            sys.exit(f"promises: expected {one!r} in {file}, found none: the break has to be written anew")
        text = text.replace(one, other, 1)
    return text


def broken(test, file, old, new):
    """Breaks what a test holds, runs it, and mends it. Why it was red; none if it stayed green."""
    path = COPY / file
    text = path.read_text()
    path.write_text(edited(file, old, new))
    try:
        good, said = run(where(test))
    finally:
        path.write_text(text)
    if "error: could not compile" in said:
        sys.exit(f"promises: {test}: expected the broken code to compile, found\n{said[-3000:]}")
    # The conformance suite names the cases that failed, nextest the tests.
    red = [line for line in said.splitlines() if test in line and re.search(r"FAIL|TIMEOUT| on redis", line)]
    return None if good or not red else red[0].strip()


def main():
    arguments = sys.argv[1:]
    findings = "--findings" in arguments
    wanted = [argument for argument in arguments if argument != "--findings"]
    if findings:
        rows = [(finding, test, breaks) for test, (finding, *breaks) in FINDINGS.items()]
    else:
        rows = [(promise, test, BREAKS.get(test)) for promise, test in promises()]
    missing = [test for _, test, breaks in rows if not breaks]
    if missing:
        sys.exit(f"promises: expected a break for each promise of README.md, found none for {', '.join(missing)}")
    for _, test, (_, *edit) in rows:
        edited(*edit), where(test)
    copy()
    green = []
    print(f"| {'finding' if findings else 'promise'} | test | broken | result |\n|---|---|---|---|", flush=True)
    for promise, test, (what, *edit) in rows:
        if wanted and not any(part in test for part in wanted):
            continue
        began = time.monotonic()
        red = broken(test, *edit)
        took = f"{time.monotonic() - began:.0f} s"
        print(f"| {promise} | `{test}` | {what} | {'red' if red else 'GREEN'}, {took} |", flush=True)
        if not red:
            green.append(test)
    if green:
        sys.exit(f"promises: expected red, found green: {', '.join(green)}")


if __name__ == "__main__":
    main()
