"""Holds template.yaml to what AWS makes of it: transforms it as AWS would, by SAM's own translator, and judges the result.

    python tools/checks/transform.py [REPOSITORY]           every combination of parameters that changes resources
    python tools/checks/transform.py [REPOSITORY] --two     the first and the last combination alone
    python tools/checks/transform.py [REPOSITORY] --own     without cfn-lint

On each different result cfn-lint runs. Each combination is searched for circular dependencies and for references to resources
that a condition leaves out, and its two front doors are read: who is let in, from which pages, and whether API Gateway takes
the document. Nothing is asked of AWS.
"""

import copy
import itertools
import json
import logging
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import front
import stack

REGION = "eu-west-1"
# What has no default.
GIVEN = {"Release": "0123abcd", "JwtIssuer": "https://login.example.com"}
# Every parameter that decides which resources there are, with a value for each thing that it can decide.
VARIED = {
    "Stage": ["dev", "prod"],
    "RedisKind": ["serverless", "nodes", "existing"],
    "ExistingRedisSecret": ["", "redis-password"],
    "CorsOrigins": ["", "https://game.example.com,https://test.example.com:8443"],
    "AlarmEmail": ["", "ops@example.com"],
    "ApiLogsRole": ["none", "create", "existing"],
    "DeploymentAlarms": ["on", "off"],
    "HttpDomain": ["", "play.example.com"],
    "WebSocketDomain": ["", "push.example.com"],
}
# Parameters that only choose a value. They take their first values together, and their last.
ALONG = {
    "Architecture": ["arm64", "x86_64"],
    "JwtAudience": ["game", "game-ios,game-android"],
    "RedisSecretVersionAlso": ["", "0" * 32],
    "RedisCommands": ["exact", "whole"],
}
# What an existing Redis must be told of.
EXISTING = {"ExistingRedisHost": "cache.example.com", "ExistingSubnetIds": "subnet-0123abcd", "ExistingSecurityGroupIds": "sg-0123abcd"}
# What a domain needs.
CERTIFICATE = {"DomainCertificate": "arn:aws:acm:eu-west-1:123456789012:certificate/01234567-89ab-cdef-0123-456789abcdef"}


def combinations(template):
    """Every lawful choice of parameters, the defaults first."""
    known = template["Parameters"]
    read = {n for n in known if f'"Ref": "{n}"' in json.dumps(template.get("Conditions", {}))}
    forgotten = read - set(VARIED) - set(ALONG)
    if forgotten:
        sys.exit(f"  WRONG transform: conditions read {', '.join(sorted(forgotten))}: expected values to try in VARIED or ALONG, found none")
    defaults = {name: str(declared.get("Default", "")) for name, declared in known.items()} | GIVEN
    for *values, along in itertools.product(*VARIED.values(), zip(*ALONG.values())):
        chosen = dict(zip([*VARIED, *ALONG], [*values, *along]))
        if chosen["RedisKind"] == "existing":
            # A production stack refuses a Redis without a password.
            if chosen["Stage"] == "prod" and not chosen["ExistingRedisSecret"]:
                continue
            chosen |= EXISTING
        elif chosen["ExistingRedisSecret"]:
            continue
        if chosen["HttpDomain"] or chosen["WebSocketDomain"]:
            chosen |= CERTIFICATE
        yield defaults | chosen


class Recorded(dict):
    """Parameters that remember which of them were asked for. A copy remembers in the same place."""

    asked = set()

    def __getitem__(self, name):
        Recorded.asked.add(name)
        return super().__getitem__(name)

    def get(self, name, default=None):
        Recorded.asked.add(name)
        return super().get(name, default)


def transform(template, parameters):
    """The template as SAM's macro returns it, and which parameters that depends on."""
    from samtranslator.parser.parser import Parser
    from samtranslator.sdk.parameter import SamParameterValues
    from samtranslator.translator import translator

    class Values(SamParameterValues):
        def __init__(self, values):
            super().__init__(values)
            self.parameter_values = Recorded(self.parameter_values)

    translator.SamParameterValues = Values
    Recorded.asked = set()
    transformed = translator.Translator({}, Parser()).translate(copy.deepcopy(template), dict(parameters))
    return transformed, Recorded.asked


def transformed_each(template, choices):
    """Every choice with its transformed template. What SAM does not read cannot change what it makes, so that choices that
    differ in nothing that it read share one."""
    made = []
    for parameters in choices:
        for asked, values, transformed in made:
            if all(parameters.get(name) == values.get(name) for name in asked):
                break
        else:
            transformed, asked = transform(template, parameters)
            transformed = stack.Transformed(transformed, parameters)
            made.append((asked & set(parameters), parameters, transformed))
        yield parameters, transformed


def lint(text):
    """cfn-lint's findings on one transformed template, a line each."""
    from cfnlint.api import ManualArgs
    from cfnlint.api import lint as judge

    # W1030 as in template.yaml itself. W2001: SAM has put some parameters' values where they were named.
    found = judge(text, config=ManualArgs(regions=[REGION], ignore_checks=["W1030", "W2001"]))
    return [f"{match.rule.id} {match.message}" for match in found]


def judge(one, parameters):
    """What is wrong with a stack, a line each."""
    graph = one.references()
    wrong = [f"circular: {' -> '.join(path)}" for path in stack.cycles(graph)]
    wrong += [f"missing: {line}" for line in one.missing()]
    groups = set(one.of_type("AWS::CodeDeploy::DeploymentGroup"))
    aliases = one.of_type("AWS::Lambda::Alias")
    if not all(graph[alias] & groups for alias in aliases):
        wrong.append("expected every alias to refer to its deployment group by UpdatePolicy, found one that does not")
    return wrong + deployments(one, parameters) + events(one) + front.judge(one, parameters)


def deployments(one, parameters):
    """Alarms judge a deployment unless that is switched off."""
    watched = {name: group.get("AlarmConfiguration", {}).get("Alarms", []) for name, group in one.of_type("AWS::CodeDeploy::DeploymentGroup").items()}
    wanted = parameters["DeploymentAlarms"] == "on"
    odd = sorted(name for name, alarms in watched.items() if bool(alarms) != wanted)
    return [f"deployments: DeploymentAlarms={parameters['DeploymentAlarms']}: expected {'alarms' if wanted else 'no alarms'}, found otherwise in {', '.join(odd)}"] if odd else []


def events(one):
    """What the notifier cannot tell is tried again for as long as its age allows, not a few times within seconds."""
    mappings = one.of_type("AWS::Lambda::EventSourceMapping").items()
    return [f"events: {name}: expected MaximumRetryAttempts -1, found {m['MaximumRetryAttempts']}" for name, m in mappings if name.startswith("Notifier") and m["MaximumRetryAttempts"] != -1]


def named(parameters):
    """A choice in a few words."""
    return ", ".join(f"{name}={parameters[name]}" for name in [*VARIED, *ALONG] if parameters[name])


def main():
    began = time.monotonic()
    os.environ.setdefault("AWS_DEFAULT_REGION", REGION)
    logging.disable(logging.WARNING)
    root = Path(next((a for a in sys.argv[1:] if not a.startswith("--")), ".")).resolve()
    from samtranslator.yaml_helper import yaml_parse

    template = yaml_parse((root / "template.yaml").read_text())
    template["Globals"]["Function"]["CodeUri"] = "s3://bucket/key"  # as `sam package` writes it
    choices = list(combinations(template))
    if "--two" in sys.argv:
        choices = [choices[0], choices[-1]]
    wrong, results, judged = {}, {}, {}
    for parameters, transformed in transformed_each(template, choices):
        results.setdefault(transformed.text, parameters)
        for line in judge(stack.Stack(transformed, parameters), parameters):
            wrong.setdefault(line, []).append(parameters)
    with ProcessPoolExecutor(max_workers=2) as pool:
        for parameters, lines in zip(results.values(), pool.map(lint, [] if "--own" in sys.argv else results)):
            for line in lines:
                wrong.setdefault(f"cfn-lint: {line}", []).append(parameters)
    for line, where in wrong.items():
        print(f"  WRONG transform: {line} ({len(where)} of {len(choices)} combinations, as {named(where[0])})", file=sys.stderr)
    if wrong:
        sys.exit(1)
    resources = len(transformed.resources)
    print(f"  transform: {len(choices)} combinations of parameters, {len(results)} different results of {resources} resources, no error and no cycle, {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
