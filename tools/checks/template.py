"""What template.yaml says, as plain data: functions, routes, rights, metrics. Reads; judges nothing."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

import yaml


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short tags: `!Ref X` becomes {"Ref": "X"}, `!Sub X` becomes {"Fn::Sub": "X"}."""


def _tag(loader, suffix, node):
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        return {name: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    return {name: loader.construct_mapping(node, deep=True)}


_Loader.add_multi_constructor("!", _tag)


@dataclass
class Function:
    """One AWS::Serverless::Function."""

    resource: str
    binary: str
    routes: set = field(default_factory=set)  # "POST /queue/join"
    open_routes: set = field(default_factory=set)  # those without the JWT authorizer
    actions: set = field(default_factory=set)  # "dynamodb:GetItem"
    variables: set = field(default_factory=set)  # names of environment variables
    filters: list = field(default_factory=list)  # patterns of its stream mappings


class Template:
    """template.yaml of a repository."""

    def __init__(self, root: Path):
        self.raw = yaml.load((root / "template.yaml").read_text(), _Loader)
        self.resources = self.raw["Resources"]
        globally = self.raw["Globals"]["Function"]["Environment"]["Variables"]
        self.functions = {}
        for name, resource in self.resources.items():
            if resource["Type"] == "AWS::Serverless::Function":
                function = _function(name, resource, globally)
                if function.binary in self.functions:
                    raise SystemExit(f"template.yaml: expected one function for the binary {function.binary}, found two")
                self.functions[function.binary] = function

    def of_type(self, kind):
        """Resources of one type, as name -> properties."""
        return {n: r.get("Properties", {}) for n, r in self.resources.items() if r["Type"] == kind}

    def metrics(self):
        """Metrics of our own namespace that alarms and dashboard read."""
        found = {a["MetricName"] for a in self.of_type("AWS::CloudWatch::Alarm").values() if a.get("Namespace") == "Muster"}
        for properties in self.of_type("AWS::CloudWatch::Dashboard").values():
            for widget in json.loads(properties["DashboardBody"]["Fn::Sub"])["widgets"]:
                found |= {m[1] for m in widget["properties"]["metrics"] if m[0] == "Muster"}
        return found


def _function(name, resource, globally):
    properties = resource["Properties"]
    function = Function(name, resource["Metadata"]["BuildProperties"]["Binary"])
    for event in properties.get("Events", {}).values():
        if event["Type"] == "HttpApi":
            route = f"{event['Properties']['Method']} {event['Properties']['Path']}"
            function.routes.add(route)
            if event["Properties"].get("Auth", {}).get("Authorizer") == "NONE":
                function.open_routes.add(route)
        elif event["Type"] == "DynamoDB":
            function.filters += [json.loads(f["Pattern"]) for f in event["Properties"]["FilterCriteria"]["Filters"]]
    for policy in properties.get("Policies", []):
        if not isinstance(policy, dict) or "Statement" not in policy:
            raise SystemExit(f"template.yaml: {name}: expected inline statements only, found the policy {policy}")
        for statement in policy["Statement"]:
            function.actions |= set(statement["Action"])
            if "*" in json.dumps([statement["Action"], statement["Resource"]]).replace("@connections/*", ""):
                raise SystemExit(f"template.yaml: {name}: expected named actions and resources, found a wildcard in {statement}")
    own = properties.get("Environment", {}).get("Variables", {})
    merged = globally | own
    function.variables = {v for v, value in merged.items() if value != {"Ref": "AWS::NoValue"}}
    return function


def binaries(root: Path):
    """Names of the binaries of the package `muster-functions`."""
    folder = root / "functions/src/bin"
    return {p.stem for p in folder.glob("*.rs")} | {p.parent.name for p in folder.glob("*/main.rs")}


def samples(root: Path):
    """Sample events: binary -> {file name -> event}. `join.json` is the main one, `join.bad-rating.json` a variant."""
    found = {}
    for path in sorted((root / "events").glob("*.json")):
        found.setdefault(path.name.split(".")[0], {})[path.name] = json.loads(path.read_text())
    return found


def documented(root: Path):
    """Routes of docs/openapi.json: "POST /queue/join" -> whether it needs a token. None where there is no such file."""
    path = root / "docs/openapi.json"
    if not path.exists():
        return None
    document = json.loads(path.read_text())
    everywhere = document.get("security", [])
    return {
        f"{method.upper()} {route}": bool(operation.get("security", everywhere))
        for route, item in document["paths"].items()
        for method, operation in item.items()
        if method in ("get", "post", "put", "delete", "patch")
    }


def rust_sources(root: Path, *folders):
    """Rust files below these folders, without what only tests compile and without comments."""
    for folder in folders:
        for path in sorted((root / folder).rglob("*.rs")):
            if "tests" in path.relative_to(root).with_suffix("").parts:
                continue
            yield path.relative_to(root), without_tests(path.read_text())


def without_tests(text):
    """Rust without what only tests compile, and without comments."""
    return re.sub(r"//.*", "", re.split(r"#\[cfg\(test\)\]\nmod \w+ \{", text)[0])
