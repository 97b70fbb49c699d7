"""Holds template.yaml to the code, the samples, the routes and the documents. Each finding is one line; any makes it fail.

    python tools/checks/contract.py [REPOSITORY]
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import breaks
import rights
from template import Template, binaries, documented, rust_sources, samples

# Functions that the template has before their binary is written. A name leaves this list with its binary: a name here that
# has one is a finding too.
PLANNED = set()

# Variables that only the code of a part to come will read: the WebSocket API.
PLANNED_VARIABLES = set()


class Findings:
    """Collects what is wrong, says what was held and what could not be."""

    def __init__(self):
        self.wrong = []

    def same(self, what, expected, found):
        """Two sets that must be equal; `expected` and `found` are (where, set)."""
        missing, extra = expected[1] - found[1], found[1] - expected[1]
        for name in sorted(missing):
            self.wrong.append(f"{what}: {name} is in {expected[0]}, not in {found[0]}")
        for name in sorted(extra):
            self.wrong.append(f"{what}: {name} is in {found[0]}, not in {expected[0]}")
        if not missing and not extra:
            print(f"  {what}: {len(found[1])} in {expected[0]} = {found[0]}")

    def need(self, good, line):
        """A single fact."""
        if not good:
            self.wrong.append(line)

    def held(self, what, line, before):
        """Says what was held, if nothing was found wrong since there were `before` findings."""
        if len(self.wrong) == before:
            print(f"  {what}: {line}")

    def skipped(self, what, why):
        """Something that cannot be held yet."""
        print(f"  {what}: SKIPPED, {why}")


def check_functions(root, template, findings):
    """Every binary = one function = one sample event."""
    built = binaries(root)
    for name in sorted(PLANNED & built):
        findings.need(False, f"functions: {name} has its binary, take it from PLANNED in tools/checks/contract.py")
    waiting = PLANNED - built
    if waiting:
        findings.skipped("functions", f"no binary yet: {', '.join(sorted(waiting))}")
    functions = set(template.functions)
    findings.same("functions", ("functions/src/bin", built | waiting), ("template.yaml", functions))
    main = {name for name, files in samples(root).items() if f"{name}.json" in files}
    findings.same("samples", ("template.yaml", functions - waiting), ("events/NAME.json", main - waiting))
    for name in sorted(set(samples(root)) - functions):
        findings.need(False, f"samples: events/{name}.*.json belongs to no function")


def check_samples(root, template, findings):
    """A sample's route is one of its function's, and the path fits it."""
    for name, files in samples(root).items():
        routes = template.functions[name].routes if name in template.functions else set()
        for file, event in files.items():
            if not isinstance(event, dict) or "routeKey" not in event or "http" not in event.get("requestContext", {}):
                findings.need(not routes, f"samples: {file}: expected an HTTP API event (version 2.0) for one of {sorted(routes)}")
                continue
            route, http = event["routeKey"], event["requestContext"]["http"]
            findings.need(route in routes, f"samples: {file}: expected a route of {name} {sorted(routes)}, found {route}")
            method, path = route.split(" ")
            fits = re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), event["rawPath"])
            findings.need(fits and http["method"] == method, f"samples: {file}: {http['method']} {event['rawPath']} does not fit its route {route}")


def check_routes(root, template, findings):
    """Routes deployed, which local runs serve too = routes documented; open ones are those that the document leaves open."""
    deployed = {route: name for name, f in template.functions.items() for route in f.routes}
    open_routes = {route for f in template.functions.values() for route in f.open_routes}
    findings.same("open routes", ("the design", {"GET /health", "GET /ready"}), ("template.yaml", open_routes))
    paths = documented(root)
    if paths is None:
        findings.skipped("routes", "there is no docs/openapi.json")
    else:
        guarded = {f"{route} ({'open' if route in open_routes else 'token'})" for route, name in deployed.items() if name not in PLANNED}
        findings.same("documented routes", ("template.yaml", guarded), ("docs/openapi.json", {f"{r} ({'token' if t else 'open'})" for r, t in paths.items()}))
    for api in template.of_type("AWS::Serverless::HttpApi").values():
        for route in api.get("RouteSettings", {}):
            findings.need(route in deployed, f"routes: RouteSettings names {route}, which no function serves")


def check_doorbell(root, template, findings):
    """A sample of stream records passes the filters of its function's event source mapping."""
    for name, files in samples(root).items():
        filters = template.functions[name].filters if name in template.functions else []
        for file, event in files.items():
            for record in event.get("Records", []):
                passes = any(matches(pattern, record) for pattern in filters)
                findings.need(passes, f"streams: {file}: expected a record that a filter of {name} lets pass, found {record['eventName']}")
    filters = sum(len(f.filters) for f in template.functions.values())
    print(f"  streams: {filters} filters, each sample passes one of its function's")


def matches(pattern, value):
    """Whether a filter pattern lets a value pass. A pattern's leaf lists what the value may be."""
    if isinstance(pattern, dict):
        return isinstance(value, dict) and all(matches(part, value.get(key)) for key, part in pattern.items())
    return any(leaf_matches(leaf, value) for leaf in pattern)


def leaf_matches(leaf, value):
    """One alternative of a leaf: a text, a prefix, or that there is any value."""
    if isinstance(leaf, dict) and "prefix" in leaf:
        return isinstance(value, str) and value.startswith(leaf["prefix"])
    if isinstance(leaf, dict) and "exists" in leaf:
        return (value is not None) == leaf["exists"]
    return value == leaf


def check_queues(root, template, findings):
    """The queues of a stack that names none are those of the code."""
    ours = json.loads(template.raw["Parameters"]["Queues"]["Default"])
    theirs = json.loads((root / "functions/src/queues.json").read_text())
    findings.need(ours == theirs, "queues: the default of the parameter Queues differs from functions/src/queues.json")
    if ours == theirs:
        print(f"  queues: the default of the parameter Queues = functions/src/queues.json, {len(ours['queues'])} queues")


def check_rights(root, template, findings):
    """Rights granted = SDK calls that the function's code reaches, and all of them within the boundary."""
    before, granted = len(findings.wrong), 0
    for name in sorted(binaries(root) & set(template.functions)):
        needed, given = rights.needed(root, name), template.functions[name].actions
        granted += len(given)
        for action in sorted(needed - given):
            findings.need(False, f"rights: {name} calls {action}, which template.yaml does not grant it")
        for action in sorted(given - needed):
            findings.need(False, f"rights: {name} is granted {action}, which its code never calls")
    everything = set()
    for _, text in rust_sources(root, "functions/src", "shared/src"):
        everything |= rights.called(text) if "aws_sdk" in text or ".client()" in text else set()
    used = {action for name in binaries(root) & set(template.functions) for action in template.functions[name].actions}
    findings.same("rights", ("all SDK calls of the code", everything - rights.OPERATORS), ("template.yaml's policies", used))
    findings.held("rights", f"{granted} granted to functions one by one = what their code reaches", before)
    boundary = set()
    for statement in template.resources["Boundary"]["Properties"]["PolicyDocument"]["Statement"]:
        boundary |= set(statement["Action"]) if statement["Effect"] == "Allow" else set()
    for name, function in template.functions.items():
        for action in sorted(function.actions - boundary):
            findings.need(False, f"rights: {name} is granted {action}, which the boundary does not allow")


def check_variables(root, template, findings):
    """Environment variables set = variables read. The runtime's own (AWS_*, RUST_LOG by tracing) aside."""
    declared = {v for f in template.functions.values() for v in f.variables}
    read = set()
    for _, text in rust_sources(root, "functions/src", "shared/src"):
        read |= set(re.findall(r'"([A-Z][A-Z0-9]*_[A-Z0-9_]+|STAGE|STACK|QUEUES)"', text))
    if not {"STAGE", "QUEUES"} <= read:
        findings.skipped("variables", "the code has no configuration from the environment yet")
        return
    before = len(findings.wrong)
    declared = {name for name in declared if not name.startswith("AWS_")}
    for name in sorted(declared - read - {"RUST_LOG"} - PLANNED_VARIABLES):
        findings.need(False, f"variables: template.yaml sets {name}, which no code reads")
    for name in sorted(PLANNED_VARIABLES & read):
        findings.need(False, f"variables: {name} is read, take it from PLANNED_VARIABLES in tools/checks/contract.py")
    waiting = PLANNED_VARIABLES - read
    if waiting:
        findings.skipped("variables", f"nothing reads yet: {', '.join(sorted(waiting))}")
    findings.held("variables", f"{len(declared - waiting)} set by template.yaml, each read by the code", before)


def check_metrics(root, template, findings):
    """Every metric that an alarm or the dashboard reads is one that the code emits."""
    text = "\n".join(t for _, t in rust_sources(root, "functions/src", "shared/src"))
    used = template.metrics()
    if '"Muster"' not in text:
        findings.skipped("metrics", "the code emits no metrics yet (namespace Muster)")
        return
    before = len(findings.wrong)
    for metric in sorted(used):
        findings.need(re.search(rf'\b{metric}\b', text), f"metrics: an alarm or the dashboard reads {metric}, which no code emits")
    findings.held("metrics", f"{len(used)} read by alarms and dashboard, each emitted by the code", before)


def check_alarms(root, template, findings):
    """Every alarm points to the paragraph that says what to do."""
    page = root / "docs/operations.md"
    anchors = set()
    if page.exists():
        heads = re.findall(r"^#+ (.+)$", page.read_text(), re.M)
        anchors = {re.sub(r"[^a-z0-9 -]", "", h.lower()).replace(" ", "-") for h in heads}
    alarms = template.of_type("AWS::CloudWatch::Alarm")
    before = len(findings.wrong)
    for name, alarm in alarms.items():
        found = re.search(r"docs/operations\.md#([a-z-]+)$", alarm.get("AlarmDescription", ""))
        findings.need(found and found[1] in anchors, f"alarms: {name}: expected a link to a heading of docs/operations.md, found {alarm.get('AlarmDescription')!r}")
    findings.held("alarms", f"{len(alarms)}, each with its paragraph in docs/operations.md", before)


def check_release(root, template, findings):
    """Functions get a new version whenever the code or a parameter changes: by `Release`, which tools/deploy.sh computes of both."""
    before = len(findings.wrong)
    for name, function in template.of_type("AWS::Serverless::Function").items():
        named = function.get("AutoPublishCodeSha256")
        findings.need(named == {"Ref": "Release"}, f"release: {name}: expected AutoPublishCodeSha256: !Ref Release, found {named}")
    findings.need("Default" not in template.raw["Parameters"].get("Release", {"Default": None}), "release: expected a parameter Release without a default")
    with tempfile.TemporaryDirectory(prefix="muster-release-") as folder:
        folder = Path(folder)
        (folder / "tools").mkdir()
        shutil.copy(root / "tools/deploy.sh", folder / "tools")
        (folder / ".aws-sam/build/Join").mkdir(parents=True)
        (folder / ".aws-sam/build/template.yaml").write_text("Resources: {}")
        (folder / "sam").write_text('#!/bin/sh\necho "$@"\n')
        (folder / "sam").chmod(0o755)

        def release(code, *arguments):
            (folder / ".aws-sam/build/Join/bootstrap").write_bytes(b"\x7fELF" + bytes(14) + b"\xb7\x00" + code.encode())
            path = f"{folder}:{os.environ['PATH']}"
            said = subprocess.run([folder / "tools/deploy.sh", "dev", *arguments], env={**os.environ, "PATH": path}, capture_output=True, text=True, check=True).stdout
            return re.search(r"Release=([0-9a-f]{64})", said)[1]

        first = release("one")
        findings.need(release("one") == first, "release: expected the same of the same code and parameters")
        findings.need(release("two") != first, "release: expected another of other code")
        findings.need(release("one", "LockTtl=20s") != first, "release: expected another of other parameters")
    findings.held("release", "another with other code and with other parameters, and every function's version follows it", before)


def check_claims(root, template, findings):
    """Every claim of docs/security.md names what holds it, and that is there."""
    page = root / "docs/security.md"
    if not page.exists():
        findings.need(False, "claims: expected docs/security.md, found none")
        return
    tests = {n for folder in ("functions", "shared", "tests", "tools") for p in (root / folder).rglob("*.rs") for n in re.findall(r"fn (\w+)", p.read_text())}
    proven = {b[0] for b in breaks.BREAKS + breaks.TOOLS}
    before, claims = len(findings.wrong), 0
    for line in page.read_text().split("## Claims")[1].split("\n## ")[0].splitlines():
        cells = [c.strip() for c in line.strip("|").split("|")]
        if not line.startswith("|") or cells[0] in ("threat", "---"):
            continue
        claims += 1
        held = re.findall(r"`(\w+)`|break: ([^,]+)|`template\.yaml`, (\w+)", cells[-1])
        findings.need(held, f"claims: {cells[0]!r}: expected a test, a break or a resource, found {cells[-1]!r}")
        for test, broken, resource in held:
            there = test in tests if test else broken in proven if broken else resource in template.resources
            findings.need(there, f"claims: {cells[0]!r}: expected what holds it, found no {test or broken or resource}")
    findings.held("claims", f"{claims} in docs/security.md, each held by something that is there", before)


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    template, findings = Template(root), Findings()
    for check in (check_functions, check_samples, check_doorbell, check_queues, check_routes, check_rights, check_variables, check_metrics, check_alarms, check_release, check_claims):
        check(root, template, findings)
    for line in findings.wrong:
        print(f"  WRONG {line}", file=sys.stderr)
    sys.exit(1 if findings.wrong else 0)


if __name__ == "__main__":
    main()
