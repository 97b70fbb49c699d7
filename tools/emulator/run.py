"""The stack of template.yaml on an emulator: created, played, its rules changed, deleted, each by the documented command.

    run.py    from tools/emulator/check.sh, which gives it namespaces of its own

MUSTER_KEEP=FOLDER keeps the logs of a run that failed.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError

import checks
from parts import ROOT, Parts
from play import Play

SPEED = 30  # times that alarms and canaries run faster than at AWS
RULES = "--queues queues.json"
SUITE_LIMIT_S = 180


def suite(play):
    """The end-to-end suite of the tests, against the stack."""
    began = time.monotonic()
    environment = os.environ | {"RUST_BACKTRACE": "0", "MUSTER_STACK": f"{play.http} {play.socket}", "MUSTER_STUDIO": play.parts.studio}
    command = ["cargo", "nextest", "run", "--offline", "--workspace", "--test", "end_to_end", "--test-threads", "1", "-E", "test(on_a_stack_too)"]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=SUITE_LIMIT_S
    )
    lines = [line.strip() for line in done.stdout.splitlines() if " PASS " in line or "Summary" in line]
    for line in lines:
        play.say(f"  {line}")
    if done.returncode != 0 or not any("Summary" in line for line in lines):
        sys.exit(f"the end-to-end suite: expected it to pass, found\n{done.stdout[-6000:]}")
    play.say(f"  {time.monotonic() - began:.0f} s")


def new_stack(play):
    play.title("Create")
    play.command("sam build")
    play.deploy(f"JwtIssuer={play.parts.studio}", "JwtAudience=muster", f"CorsOrigins={play.origin}")
    play.find()
    play.listen()
    checks.round_trip(play)
    checks.doors(play)
    checks.alias_is_called(play)


def change_rules(play):
    play.title("Change the rules")
    checks.unknown_queue(play, "asks-1v1")
    play.deploy(RULES)
    checks.known_queue(play, "asks-1v1")


def delete(play):
    play.title("Delete")
    table = play.outputs["LedgerTable"]
    play.command("sam delete --stack-name muster-prod --region eu-west-1 --no-prompts")
    checks.gone_but_for_the_ledger(play, table)


def printed(folder):
    """What the functions have printed, to a file beside the other logs."""
    try:
        pages = boto3.client("logs").get_paginator("filter_log_events").paginate(logGroupName="muster-prod/functions")
        lines = [f"{event['logStreamName']} {event['message']}\n" for page in pages for event in page["events"]]
        (Path(folder) / "functions.log").write_text("".join(lines))
    except (BotoCoreError, ClientError) as error:
        print(f"no log of the functions: {error}")


def main():
    folder = tempfile.mkdtemp(prefix="muster-emulator-")
    parts = Parts(folder, SPEED)
    play = Play(parts)
    good = False
    try:
        parts.start()
        play.say(f"MiniStack, Redis and the issuer after {play.elapsed():.0f} s")
        new_stack(play)
        change_rules(play)
        play.title("The end-to-end suite")
        suite(play)
        checks.schedules(play)
        checks.nothing_undelivered(play)
        delete(play)
        good = True
        play.say(f"\nemulator: all of it in {play.elapsed():.0f} s")
    finally:
        if not good and os.environ.get("MUSTER_KEEP"):
            printed(folder)
            shutil.copytree(folder, os.environ["MUSTER_KEEP"], dirs_exist_ok=True)
        parts.stop()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
