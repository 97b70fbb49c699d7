"""Holds what `cdk synth` makes of a release's template to that template: nothing lost, nothing changed but what CDK must.

    python tools/checks/cdk.py RELEASE/template.yaml OUT/STACK.template.json NAME=VALUE ...

The parameters are those that the app gives: CDK puts their values where the template refers to them.
"""

import json
import sys
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).parent))
from template import _Loader

# What CDK adds of its own.
OF_CDK = {"Parameters": {"BootstrapVersion"}, "Rules": {"CheckBootstrapVersion"}, "Resources": {"CDKMetadata"}, "Conditions": {"CDKMetadataAvailable"}, "Outputs": {"Api"}}


def normal(value, given):
    """A template's value in one spelling: long intrinsics, given parameters in their place, SAM's `Ref: X.Alias` as a Sub."""
    if isinstance(value, list):
        return [normal(v, given) for v in value]
    if not isinstance(value, dict):
        # CDK writes numbers and booleans as they are; a template may quote them.
        return str(value).lower() if isinstance(value, bool) else str(value) if isinstance(value, (int, float)) else value
    if set(value) == {"Ref"}:
        name = value["Ref"]
        if name in given:
            return given[name]
        return {"Fn::Sub": f"${{{name}}}"} if "." in name else value
    if set(value) == {"Fn::GetAtt"} and isinstance(value["Fn::GetAtt"], str):
        return {"Fn::GetAtt": value["Fn::GetAtt"].split(".", 1)}
    if set(value) == {"Fn::Split"}:
        separator, text = normal(value["Fn::Split"], given)
        # Of a text that is known CDK makes the list itself.
        return text.split(separator) if isinstance(text, str) else {"Fn::Split": [separator, text]}
    if set(value) == {"Fn::Sub"}:
        sub = value["Fn::Sub"]
        text, names = (sub, None) if isinstance(sub, str) else (sub[0], normal(sub[1], given))
        for name, is_ in given.items():
            text = text.replace(f"${{{name}}}", is_)
        return {"Fn::Sub": text} if not names else {"Fn::Sub": [text, names]}
    return {k: normal(v, given) for k, v in value.items() if not (k == "DependsOn" and not v)}


def differences(expected, found, at):
    """Every place where two values differ."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for key in sorted(set(expected) | set(found)):
            if key not in found:
                yield f"{at}/{key} is lost"
            elif key not in expected:
                yield f"{at}/{key} is added: {json.dumps(found[key])[:120]}"
            else:
                yield from differences(expected[key], found[key], f"{at}/{key}")
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        for number, (one, other) in enumerate(zip(expected, found)):
            yield from differences(one, other, f"{at}/{number}")
    elif expected != found:
        yield f"{at}: expected {json.dumps(expected)[:160]}, found {json.dumps(found)[:160]}"


def main():
    release, synthesized = (Path(a) for a in sys.argv[1:3])
    found = json.loads(synthesized.read_text())
    given = dict(a.split("=", 1) for a in sys.argv[3:])
    given["Release"] = found["Resources"]["JoinFunction"]["Properties"]["AutoPublishCodeSha256"]
    expected = yaml.load(release.read_text(), _Loader)
    wrong = []
    for section in sorted(set(expected) | set(found)):
        one, other = expected.get(section), found.get(section)
        if section == "Parameters":
            one = {k: v for k, v in one.items() if k not in given}
        if isinstance(other, dict):
            other = {k: v for k, v in other.items() if k not in OF_CDK.get(section, ())}
        if section == "Transform" and isinstance(other, list) and len(other) == 1:
            other = other[0]
        if section == "Resources":
            for name, resource in other.items():
                if resource["Type"] == "AWS::Serverless::Function":
                    zipped = one[name]["Properties"].pop("CodeUri")
                    code = resource["Properties"].pop("CodeUri")
                    if set(code) != {"Bucket", "Key"} or not code["Key"].endswith(".zip"):
                        wrong.append(f"Resources/{name}: expected an uploaded {zipped}, found {code}")
                resource.get("Metadata", {}).pop("aws:cdk:path", None)
                if not resource.get("Metadata", True):
                    del resource["Metadata"]
        wrong += differences(normal(one, given), normal(other, given), section)
    for line in wrong:
        print(f"  WRONG cdk: {line}", file=sys.stderr)
    if not wrong:
        print(f"  cdk: {len(expected['Resources'])} resources, {len(expected['Parameters'])} parameters, {len(expected['Outputs'])} outputs as in the template")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
