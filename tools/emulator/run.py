"""The stack of template.yaml on an emulator: created, played, changed, broken, rolled back, rotated, deleted, each by the documented
command, with phones playing from before the first change until after the last.

    run.py [first|suite]    from tools/emulator/check.sh, which gives it namespaces of its own; `first` ends after the checks of the new
                            stack, `suite` after the end-to-end suite on it

MUSTER_KEEP=FOLDER keeps the logs of a run that failed.
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
from botocore.exceptions import BotoCoreError

import checks
from parts import ROOT, Parts
from play import Play

SPEED = 30  # times that alarms and canaries run faster than at AWS
DRILL_SPEED = 10  # slower, so that alarms see as many calls in a period as a small game has in a minute
PHONES, JOIN_S = 40, 15  # of one wave
RULES = "--queues queues.json"
SUITE_LIMIT_S = 180


class Phones:
    """Waves of phones, one after the other, until they are told that it is enough. Each is judged by what it saw itself."""

    def __init__(self, play):
        self.play, self.seed, self.waves, self.process = play, 0, [], None
        self.enough = False

    def start(self):
        import threading

        self.thread = threading.Thread(target=self.keep_playing, daemon=True)
        self.thread.start()

    def keep_playing(self):
        while not self.enough:
            self.seed += 1
            command = [
                ROOT / "target/debug/muster", "demo", "--at", self.play.http, "--tokens", self.play.parts.studio,
                "--phones", str(PHONES), "--seconds", str(JOIN_S), "--seed", str(self.seed),
            ]  # fmt: skip
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
            self.waves.append((done.returncode, done.stdout))

    def verdict(self):
        """Ends them, and ends the run where a promise was broken. Counts of all waves."""
        self.enough = True
        self.thread.join()
        names = ("players joined", "matched", "double-booked", "lost")
        totals = dict.fromkeys(names, 0)
        for number, (code, text) in enumerate(self.waves, 1):
            if code != 0:
                sys.exit(f"phones, wave {number}: expected every promise to hold, found\n{text[-4000:]}")
            for name in names:
                row = next(line for line in text.splitlines() if line.startswith(f"│ {name} "))
                totals[name] += int(row.rstrip("│ ").split("┆")[-1])
        return f"{len(self.waves)} waves of phones: " + ", ".join(f"{totals[name]} {name}" for name in names)


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


def another_build(play):
    """New code: the same program under another hash, because a second build would take minutes."""
    for program in (play.parts.tree / "programs").iterdir():
        with program.open("ab") as file:
            file.write(b"\0")


def build_before(play):
    for program in (play.parts.tree / "programs").iterdir():
        os.truncate(program, program.stat().st_size - 1)


def new_stack(play, *parameters):
    play.title("Create")
    play.command("sam build")
    play.deploy(f"JwtIssuer={play.parts.studio}", "JwtAudience=muster", f"CorsOrigins={play.origin}", *parameters)
    play.find()
    play.listen()
    checks.round_trip(play)
    checks.doors(play)
    checks.alias_is_called(play)


def change(play):
    play.title("Change the rules")
    checks.unknown_queue(play, "asks-1v1")
    play.deploy(RULES)
    checks.known_queue(play, "asks-1v1")
    play.title("The end-to-end suite")
    suite(play)
    play.title("A run that dies twice")
    checks.dead_letter(play)
    play.title("Upgrade, and roll back")
    versions = play.versions("JoinFunction")
    another_build(play)
    play.command("sam build")
    play.deploy()
    checks.round_trip(play)
    checks.moved(play, "JoinFunction", versions)
    build_before(play)
    play.command("sam build")
    play.deploy()
    checks.round_trip(play)


def rotate(play):
    play.title("Rotate the Redis password")
    secrets, identity = boto3.client("secretsmanager"), play.outputs["RedisSecretArn"]
    old = secrets.describe_secret(SecretId=identity)["VersionIdsToStages"]
    old = next(version for version, stages in old.items() if "AWSCURRENT" in stages)
    password = json.dumps({"username": "default", "password": "rotated" * 7})
    new = secrets.put_secret_value(SecretId=identity, SecretString=password)["VersionId"]
    play.deploy(f"RedisSecretVersion={old}", f"RedisSecretVersionAlso={new}")
    play.deploy(f"RedisSecretVersion={new}", f"RedisSecretVersionAlso={old}")
    play.deploy(f"RedisSecretVersion={new}", "RedisSecretVersionAlso=")
    checks.only_password(play, "rotated" * 7)
    checks.round_trip(play)


def drill(play):
    play.title("Canary drill: a version with a wrong Redis password")
    before = play.live()
    another_build(play)
    play.command("sam build")
    play.deploy(environment={"MUSTER_DRILL": "wrong-password", "MUSTER_SPEED": str(DRILL_SPEED)}, code=1)
    build_before(play)
    checks.came_back(play, before)
    checks.round_trip(play)


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
    except BotoCoreError as error:
        print(f"no log of the functions: {error}")


def main():
    only = sys.argv[1] if sys.argv[1:] else None
    folder = tempfile.mkdtemp(prefix="muster-emulator-")
    parts = Parts(folder, SPEED)
    play = Play(parts)
    good = False
    try:
        parts.start()
        play.say(f"MiniStack, Redis and the issuer after {play.elapsed():.0f} s")
        new_stack(play, *([RULES] if only == "suite" else []))
        if only == "suite":
            suite(play)
        if only is None:
            phones = Phones(play)
            phones.start()
            change(play)
            rotate(play)
            drill(play)
            play.title("Phones, meanwhile")
            play.say(f"  {phones.verdict()}")
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
