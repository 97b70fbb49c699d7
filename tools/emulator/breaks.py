"""Proof that the emulator run can fail: breaks template.yaml in a copy of the checkout, one thing at a time, and wants the run red for it.

    tools/emulator/check.sh breaks [NUMBER]    some minutes; not a part of `make test`

Each break passes SAM's translator and creates its stack: nothing but playing finds it.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# What is broken, from what to what, which run plays it, and how that must end.
BREAKS = [
    ("no alarm that sees Redis judges a deployment", "!Ref StoreFailuresAlarm, !Ref FallbackJoinsAlarm, ", "", "drill", r"expected exit code 1, found 0"),
    ("the doorbell rings for nobody", r'"status":{"S":["waiting"]}', r'"status":{"S":["resting"]}', "short", r"muster: match: doctor.eu: nobody is matched"),
    ("the authorizer of WebSockets expects others", "JWT_AUDIENCE: !Ref JwtAudience", "JWT_AUDIENCE: others", "short", r"muster: WebSocket: .*"),
    ("the notifier may not tell the bus", 'Action: ["events:PutEvents"], Resource', 'Action: ["events:TestEventPattern"], Resource', "short", r"the end-to-end suite: expected it to pass"),
]


def main():
    wanted = [int(word) for word in sys.argv[1:]] or range(len(BREAKS))
    whole = (ROOT / "template.yaml").read_text()
    for number in wanted:
        what, old, new, play, finding = BREAKS[number]
        if old not in whole:
            sys.exit(f"{what}: expected it in template.yaml, found nothing to break: {old}")
        environment = os.environ | {"MUSTER_BREAK": f"{old}\n{new}"}
        done = subprocess.run(
            [sys.executable, ROOT / "tools/emulator/run.py", play], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        if done.returncode == 0 or not re.search(finding, done.stdout):
            sys.exit(f"{what}: expected the run to end with /{finding}/, found exit code {done.returncode} and\n{done.stdout[-3000:]}")
        print(f"red, as it should be: {what}: {re.search(finding, done.stdout)[0]}", flush=True)


if __name__ == "__main__":
    main()
