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
    with tempfile.TemporaryDirectory(prefix="muster-policy-") as folder:
        command = [CHECKOV, "--config-file", HERE / "checkov.yaml"]
        for defaults in SHAPES:
            path = Path(folder) / f"template.{defaults['Stage']}-{defaults['RedisKind']}.yaml"
            path.write_text(shape(text, defaults))
            command += ["--file", path]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    sums = re.search(r"Passed checks: (\d+), Failed checks: (\d+), Skipped checks: (\d+)", done.stdout)
    if done.returncode != 0 or not sums or int(sums[1]) == 0:
        sys.exit(f"expected a clean scan, found exit code {done.returncode} and\n{done.stdout}{done.stderr}")
    print(f"  policy: {sums[1]} checks passed over {len(SHAPES)} shapes of the stack, {sums[3]} waived beside their resource")


if __name__ == "__main__":
    main()
