"""What an operator and a phone do in one emulator run: documented commands, requests, questions about the stack."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request

import boto3

from stack import Stack, served

STACK = "muster-prod"
SHOWN = re.compile(r"CodeDeploy|Successfully|Error|\| |\d+ messages")
ANSWER_LIMIT_S = 30


class Play:
    origin = "https://play.example.com"

    def __init__(self, parts):
        self.parts, self.began, self.players = parts, time.monotonic(), 0

    def say(self, line):
        print(line, flush=True)

    def title(self, what):
        self.say(f"\n{what}")

    def elapsed(self):
        return time.monotonic() - self.began

    # --- Commands --------------------------------------------------------------------------------------------------------

    def command(self, words, environment=None, code=0):
        """A command as an operator gives it, in the checkout. Shows what its end says, and how long it took."""
        began = time.monotonic()
        done = subprocess.run(
            ["bash", "-c", words], cwd=self.parts.tree, env=self.parts.commands | (environment or {}),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        with (self.parts.folder / "commands.log").open("a") as log:
            log.write(f"$ {words}\n{done.stdout}\n")
        self.say(f"$ {words.replace(self.parts.studio, 'ISSUER')}")
        if (done.returncode == 0) != (code == 0):
            sys.exit(f"expected exit code {code}, found {done.returncode} and\n{done.stdout[-4000:]}")
        for line in done.stdout.splitlines():
            if SHOWN.match(line):
                self.say(f"  {line}")
        self.say(f"  {time.monotonic() - began:.1f} s")

    def deploy(self, *parameters, doctor="--no-doctor", environment=None, code=0):
        self.command(" ".join(["tools/deploy.sh prod --no-confirm-changeset", doctor, *parameters]), environment, code)

    def another_build(self):
        """New code: the same programs under another hash, because a second build would take minutes."""
        for program in self.parts.programs():
            with program.open("ab") as file:
                file.write(b"\0")

    def build_before(self):
        for program in self.parts.programs():
            os.truncate(program, program.stat().st_size - 1)

    # --- The stack -------------------------------------------------------------------------------------------------------

    def find(self):
        """Where the stack's outputs lead."""
        self.stack = Stack(STACK)
        self.outputs = self.stack.outputs()
        self.http, self.socket = served(self.parts.gateway, self.outputs)
        self.say(f"  HttpUrl {self.outputs['HttpUrl']}")
        self.say(f"  WebSocketUrl {self.outputs['WebSocketUrl']}")

    def listen(self):
        """A studio's queue behind a rule on the stack's bus."""
        events, sqs = boto3.client("events"), boto3.client("sqs")
        url = sqs.create_queue(QueueName="heard")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        events.put_rule(Name="heard", EventBusName=self.outputs["EventBus"], EventPattern='{"source":["muster"]}')
        events.put_targets(Rule="heard", EventBusName=self.outputs["EventBus"], Targets=[{"Id": "heard", "Arn": arn}])
        urllib.request.urlopen(f"{self.parts.studio}/listen?queue={url}", timeout=ANSWER_LIMIT_S).close()

    def alias(self, logical):
        """The ARN by which a function is called."""
        return self.stack.physical()[f"{logical}Aliaslive"]

    def heard(self, identity, kind):
        """What the bus has said of a match or a ticket."""
        with urllib.request.urlopen(f"{self.parts.studio}/heard?id={identity}&type={kind}", timeout=ANSWER_LIMIT_S) as reply:
            return json.loads(reply.read())

    def live(self):
        return self.stack.live()

    def function(self, logical):
        return self.stack.physical()[logical]

    def versions(self, logical):
        pages = self.stack.functions.get_paginator("list_versions_by_function").paginate(FunctionName=self.function(logical))
        return [v["Version"] for page in pages for v in page["Versions"] if v["Version"] != "$LATEST"]

    def queue(self, logical):
        """Messages in a queue of the stack, left there."""
        url = self.stack.physical()[logical]
        found = boto3.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0).get("Messages", [])
        return [json.loads(message["Body"]) for message in found]

    # --- Phones ----------------------------------------------------------------------------------------------------------

    def player(self):
        """One who has never played."""
        self.players += 1
        return f"probe-{self.players}"

    def token(self, **wishes):
        query = "&".join(f"{name}={value}" for name, value in wishes.items())
        with urllib.request.urlopen(f"{self.parts.studio}/token?{query}", timeout=ANSWER_LIMIT_S) as reply:
            return reply.read().decode()

    def ask(self, method, path, player=None, body=None, token=None, headers=None):
        """Status, JSON and headers of one request, as a player or with any token."""
        token = token or (self.token(sub=player) if player else None)
        headers = {"content-type": "application/json"} | (headers or {}) | ({"authorization": f"Bearer {token}"} if token else {})
        request = urllib.request.Request(self.http + path, json.dumps(body).encode() if body else None, headers, method=method)
        try:
            reply = urllib.request.urlopen(request, timeout=ANSWER_LIMIT_S)
        except urllib.error.HTTPError as error:
            reply = error
        with reply:
            text = reply.read()
            return reply.status, json.loads(text) if text[:1] in (b"{", b"[") else None, reply.headers

    def join(self, player, queue="ranked-1v1", region="us"):
        return self.ask("POST", "/queue/join", player, {"queue": queue, "region": region, "rating": 1500})
