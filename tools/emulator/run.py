"""The stack of template.yaml on an emulator: created, played, changed, broken, rolled back, rotated, deleted, each by the documented
command, with phones playing from before the first change until after the last.

    run.py [short|drill|letters]    from tools/emulator/check.sh, which gives it namespaces of its own

`short` is a part of `make test`: the stack is created with its rules and played by the end-to-end suite, dead letters are replayed, and
after the canary drill it is deleted. `drill` plays the canary drill alone, `letters` the replay.

MUSTER_KEEP=FOLDER keeps the logs of a run that failed. MUSTER_BREAK is for breaks.py.
"""

import json
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
from phones import Phones
from play import Play

SPEED = 30  # times that alarms and canaries run faster than at AWS
DRILL_SPEED = 5  # slower, so that in a period alarms see about as many calls as a small game makes in a minute
RULES = "--queues queues.json"
DOCTOR = "--token-command token"  # its two players meet in a queue of these rules
SUITE_LIMIT_S = 180
NEW_PASSWORD = "rotated" * 7


def suite(play):
    """The end-to-end suite of the tests, against the stack."""
    play.title("The end-to-end suite")
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


def create(play, *parameters, **how):
    play.title("Create")
    play.command("sam build")
    play.deploy(f"JwtIssuer={play.parts.studio}", "JwtAudience=muster", f"CorsOrigins={play.origin}", *parameters, **how)
    play.find()
    play.listen()
    checks.round_trip(play)
    checks.doors(play)
    checks.alias_is_called(play)


def change_rules(play):
    play.title("Change the rules")
    checks.unknown_queue(play, "asks-1v1")
    play.deploy(RULES, doctor=DOCTOR)
    checks.known_queue(play, "asks-1v1")


def upgrade(play):
    play.title("Upgrade")
    versions = play.versions("JoinFunction")
    play.another_build()
    play.command("sam build")
    play.deploy()
    checks.moved(play, "JoinFunction", versions)
    checks.round_trip(play)


def roll_back(play):
    play.title("Roll back")
    versions = play.versions("JoinFunction")
    play.build_before()
    play.command("sam build")
    play.deploy()
    checks.moved(play, "JoinFunction", versions)
    checks.round_trip(play)


def drill(play):
    play.title("Canary drill: a version with a wrong Redis password")
    before = play.live()
    play.another_build()
    play.command("sam build")
    play.deploy(environment={"MUSTER_DRILL": "wrong-password", "MUSTER_SPEED": str(DRILL_SPEED)}, code=1)
    play.build_before()
    checks.came_back(play, before)
    checks.round_trip(play)


def rotate(play):
    play.title("Rotate the Redis password")
    secrets, identity = boto3.client("secretsmanager"), play.outputs["RedisSecretArn"]
    stages = secrets.describe_secret(SecretId=identity)["VersionIdsToStages"]
    old = next(version for version, names in stages.items() if "AWSCURRENT" in names)
    password = json.dumps({"username": "default", "password": NEW_PASSWORD})
    new = secrets.put_secret_value(SecretId=identity, SecretString=password)["VersionId"]
    play.deploy(f"RedisSecretVersion={old}", f"RedisSecretVersionAlso={new}")
    play.deploy(f"RedisSecretVersion={new}", f"RedisSecretVersionAlso={old}")
    play.deploy(f"RedisSecretVersion={new}", "RedisSecretVersionAlso=")
    checks.only_password(play, NEW_PASSWORD)
    checks.round_trip(play)


def delete(play):
    play.title("Delete")
    table = play.outputs["LedgerTable"]
    play.command("sam delete --stack-name muster-prod --region eu-west-1 --no-prompts")
    checks.gone_but_for_the_ledger(play, table)


def dead_letters(play):
    play.title("Replay what the notifier could not tell")
    checks.told_again(play)


def changes(play, *steps):
    """Each step, with phones playing meanwhile."""
    phones = Phones(play)
    for step in steps:
        step(play)
        phones.check()
    play.title("Phones, meanwhile")
    play.say(f"  {phones.verdict()}")


def short(play):
    create(play, RULES, doctor=DOCTOR)
    suite(play)
    dead_letters(play)
    changes(play, drill)


def drill_alone(play):
    create(play, RULES)
    changes(play, drill)


def whole(play):
    create(play)
    changes(play, change_rules, suite, upgrade, drill, rotate, roll_back)
    checks.schedules(play)
    checks.nothing_undelivered(play)
    dead_letters(play)


def letters(play):
    create(play, RULES)
    dead_letters(play)


PLAYS = {"short": short, "letters": letters, "drill": drill_alone, "whole": whole}


def printed(folder):
    """What the functions have printed, to a file beside the other logs."""
    try:
        pages = boto3.client("logs").get_paginator("filter_log_events").paginate(logGroupName="muster-prod/functions")
        lines = [f"{event['logStreamName']} {event['message']}\n" for page in pages for event in page["events"]]
        (Path(folder) / "functions.log").write_text("".join(lines))
    except (BotoCoreError, ClientError) as error:
        print(f"no log of the functions: {error}")


def main():
    steps = PLAYS[sys.argv[1] if sys.argv[1:] else "whole"]
    folder = tempfile.mkdtemp(prefix="muster-emulator-")
    parts = Parts(folder, SPEED)
    play = Play(parts)
    good = False
    try:
        parts.start()
        play.say(f"MiniStack, Redis and the issuer after {play.elapsed():.0f} s")
        steps(play)
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
