"""A stack in the emulator: what it consists of, what its template's expressions come to, and how to put it back."""

import json
import re

import boto3
import yaml
from botocore.exceptions import ClientError

RESOLVE = re.compile(r"^\{\{resolve:secretsmanager:(.+):SecretString:([a-z]+)::(.*)\}\}$")


def served(gateway, outputs):
    """Where the HTTP and the WebSocket API of these outputs are: MiniStack serves their addresses under a path of its own."""
    http, socket = (outputs[name].split("//")[1] for name in ("HttpUrl", "WebSocketUrl"))
    place = f"{gateway.replace('http', 'ws')}/_aws/execute-api"
    return f"{gateway}/_aws/execute-api/{http.split('.')[0]}/$default", f"{place}/{socket.split('.')[0]}/{socket.rsplit('/', 1)[1]}"


class Stack:
    def __init__(self, name):
        self.name, self.known_aliases = name, None
        self.cloud, self.functions = boto3.client("cloudformation"), boto3.client("lambda")

    def describe(self):
        try:
            return self.cloud.describe_stacks(StackName=self.name)["Stacks"][0]
        except ClientError:
            return None

    def outputs(self):
        return {output["OutputKey"]: output["OutputValue"] for output in self.describe()["Outputs"]}

    def template(self):
        body = self.cloud.get_template(StackName=self.name)["TemplateBody"]
        return yaml.safe_load(body) if isinstance(body, str) else body  # sam writes YAML, in the long form

    def physical(self):
        """Logical id -> physical id."""
        pages = self.cloud.get_paginator("list_stack_resources").paginate(StackName=self.name)
        return {r["LogicalResourceId"]: r["PhysicalResourceId"] for page in pages for r in page["StackResourceSummaries"]}

    def snapshot(self):
        """What it takes to come back to where the stack is now; None where there is no stack."""
        described = self.describe()
        if described is None or described["StackStatus"] == "REVIEW_IN_PROGRESS":
            return None
        parameters = [{"ParameterKey": p["ParameterKey"], "ParameterValue": p["ParameterValue"]} for p in described["Parameters"]]
        return {"template": self.template(), "parameters": parameters}

    def live(self):
        """Logical id of each alias -> the version that it calls."""
        if self.snapshot() is None:
            return {}
        found = {}
        for logical, (function, alias) in self.aliases().items():
            found[logical] = self.functions.get_alias(FunctionName=function, Name=alias)["FunctionVersion"]
        return found

    def aliases(self):
        """Logical id -> function and alias: its physical id is its ARN. No update of ours makes or ends one."""
        if not self.known_aliases:
            pages = self.cloud.get_paginator("list_stack_resources").paginate(StackName=self.name)
            found = [resource for page in pages for resource in page["StackResourceSummaries"]]
            found = [resource for resource in found if resource["ResourceType"] == "AWS::Lambda::Alias"]
            self.known_aliases = {r["LogicalResourceId"]: tuple(r["PhysicalResourceId"].split(":")[-2:]) for r in found}
        return self.known_aliases

    def restore(self, before):
        """As CloudFormation does when an update fails. Aliases stay where they are: they have been moved back."""
        live = self.live()
        for logical, version in live.items():
            before["template"]["Resources"][logical]["Properties"]["FunctionVersion"] = version
        capabilities = ["CAPABILITY_IAM"]
        body = json.dumps(before["template"])
        self.cloud.update_stack(StackName=self.name, TemplateBody=body, Parameters=before["parameters"], Capabilities=capabilities)
        self.cloud.get_waiter("stack_update_complete").wait(StackName=self.name, WaiterConfig={"Delay": 1})

    def resource(self, logical):
        """A resource's properties, every expression worked out; None where the stack has it not."""
        template = self.template()
        if logical not in self.physical():
            return None
        return self.values(template).of(template["Resources"][logical]["Properties"])

    def values(self, template):
        described = self.describe()
        parameters = {name: str(p.get("Default", "")) for name, p in template["Parameters"].items()}
        parameters |= {p["ParameterKey"]: p["ParameterValue"] for p in described["Parameters"]}
        return Values(template, parameters, self.physical(), described["StackId"])


class Values:
    """What a template's expressions come to in a stack. Knows the functions that our template uses for alarms, deployment
    groups and the Redis user, and ends with a message at any other."""

    def __init__(self, template, parameters, physical, stack_id):
        self.template, self.parameters, self.physical = template, parameters, physical
        _, _, _, region, account, name = stack_id.split(":", 5)
        self.pseudo = {"AWS::Region": region, "AWS::AccountId": account, "AWS::StackId": stack_id, "AWS::StackName": name.split("/")[1], "AWS::Partition": "aws"}

    def ref(self, name):
        for known in (self.parameters, self.physical, self.pseudo):
            if name in known:
                return known[name]
        if name == "AWS::NoValue":
            return None
        raise SystemExit(f"stack: expected a parameter or a resource, found {name}")

    def holds(self, condition):
        match condition:
            case {"Condition": name}:
                return self.holds(self.template["Conditions"][name])
            case {"Fn::Equals": [one, other]}:
                return str(self.of(one)) == str(self.of(other))
            case {"Fn::Not": [inner]}:
                return not self.holds(inner)
            case {"Fn::And": parts}:
                return all(self.holds(part) for part in parts)
            case {"Fn::Or": parts}:
                return any(self.holds(part) for part in parts)
        raise SystemExit(f"stack: expected a condition, found {condition}")

    def of(self, value):
        match value:
            case {"Ref": name}:
                return self.ref(name)
            case {"Fn::If": [condition, yes, no]}:
                return self.of(yes if self.holds({"Condition": condition}) else no)
            case {"Fn::Sub": [text, names]}:
                return self.substituted(text, {name: self.of(part) for name, part in names.items()})
            case {"Fn::Sub": str(text)}:
                return self.substituted(text, {})
            case {"Fn::Select": [at, parts]}:
                return self.of(parts)[int(at)]
            case {"Fn::Split": [by, text]}:
                return self.of(text).split(by)
            case {"Fn::Join": [by, parts]}:
                return by.join(self.of(parts))
            case dict():
                if any(name.startswith("Fn::") for name in value):
                    raise SystemExit(f"stack: expected a function that is known here, found {value}")
                return {key: self.of(part) for key, part in value.items() if part != {"Ref": "AWS::NoValue"}}
            case list():
                parts = [self.of(part) for part in value]
                return [part for part in parts if part is not None]
        return self.secret(value) if isinstance(value, str) else value

    def substituted(self, text, names):
        return self.secret(re.sub(r"\$\{([\w:]+)\}", lambda found: str(names.get(found[1]) or self.ref(found[1])), text))

    def secret(self, text):
        """The value behind a {{resolve:secretsmanager:...}}; any other text as it is."""
        if not (found := RESOLVE.match(text)):
            return text
        identity, key, version = found.groups()
        wanted = {"VersionId": version} if version else {}
        answer = boto3.client("secretsmanager").get_secret_value(SecretId=identity, **wanted)
        return json.loads(answer["SecretString"])[key]
