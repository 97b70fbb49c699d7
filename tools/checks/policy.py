"""Scans template.yaml with checkov, once for each shape that a stack can take.

    python tools/checks/policy.py [REPOSITORY]

checkov reads parameters by their defaults and leaves out what a condition then excludes, so one scan of the file would
never see the node-based Redis. Each shape is the same file, line for line, with other defaults.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
CHECKOV = HERE.parents[1] / ".local/policy/bin/checkov"
SHAPES = [
    {"Stage": "dev", "RedisKind": "serverless"},
    {"Stage": "prod", "RedisKind": "nodes", "AlarmEmail": "ops@example.com", "ApiLogsRole": "existing"},
    {"Stage": "prod", "RedisKind": "existing", "ExistingRedisHost": "cache.example.com"},
]


def shape(text, defaults):
    """The template with other defaults."""
    for name, value in defaults.items():
        text, found = re.subn(rf"(\n  {name}:\n    Type: String\n    Default: ).*", rf'\g<1>"{value}"', text)
        if found != 1:
            sys.exit(f"policy.py: expected one parameter {name} with a default in template.yaml, found {found}")
    return text


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    text = (root / "template.yaml").read_text()
    sums = []
    with tempfile.TemporaryDirectory(prefix="muster-policy-") as folder:
        scans = {}
        # A process for each: in one process, what one file's conditions excluded is found again in the next.
        for defaults in SHAPES:
            name = f"{defaults['Stage']}-{defaults['RedisKind']}"
            path = Path(folder) / f"template.{name}.yaml"
            path.write_text(shape(text, defaults))
            command = [CHECKOV, "--config-file", HERE / "checkov.yaml", "--file", path]
            scans[name] = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=folder)
        for name, scan in scans.items():
            said = scan.communicate()[0]
            found = re.search(r"Passed checks: (\d+), Failed checks: (\d+), Skipped checks: (\d+)", said)
            if scan.returncode != 0 or not found or int(found[1]) == 0:
                sys.exit(f"{name}: expected a clean scan, found exit code {scan.returncode} and\n{said}")
            sums.append(f"{name} {found[1]} passed, {found[3]} waived beside their resource")
    print(f"  policy: {'; '.join(sums)}")


if __name__ == "__main__":
    main()
