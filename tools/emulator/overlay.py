"""template.yaml as MiniStack can deploy it: transformed by SAM's translator, then changed where the emulator lacks something.

CHANGES lists every change with its reason. A change that finds nothing to change fails the deployment: then either the
template has moved or the emulator has learnt, and the list must follow. Everything else stays as template.yaml says:
functions, environment, roles, policies, boundary, stream mappings, schedules, dead-letter queues, aliases, authorizers.

    overlay.py list     prints the list as a table
"""

import re
import sys
from dataclasses import dataclass

from samtranslator.parser.parser import Parser
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

REDIS_HOST = "127.0.0.1"


@dataclass
class Place:
    """What the changes need to know of this run."""

    redis_port: int
    gateway: str  # http://127.0.0.1:4566
    live: dict  # logical id of an alias -> the version it calls now; empty where the stack is new


def transformed(template, parameters):
    """A template's text as CloudFormation has it after SAM's transform, with this deployment's parameters."""
    source = yaml_parse(template)
    folders = {}
    for name, resource in source["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            # The translator takes code in S3 only; `sam deploy` uploads the folder that is put back below.
            folders[name] = resource["Properties"].get("CodeUri", name)
            resource["Properties"]["CodeUri"] = f"s3://code/{name}"

    class NoManagedPolicies:
        @staticmethod
        def load():
            return {}

    out = transform(source, dict(parameters), NoManagedPolicies)
    for name, folder in folders.items():
        out["Resources"][name]["Properties"]["Code"] = folder
    return out


def of_type(template, kind):
    """Resources of one type: name -> resource."""
    return {name: resource for name, resource in template["Resources"].items() if resource["Type"] == kind}


def drop(template, *kinds):
    """Removes all resources of these types; how many."""
    doomed = [name for kind in kinds for name in of_type(template, kind)]
    for name in doomed:
        del template["Resources"][name]
    return len(doomed)


def replaced(value, change):
    """A copy of plain data in which `change` may replace any part, outermost first, and how often it did."""
    new = change(value)
    if new is not None:
        return new, 1
    if isinstance(value, dict):
        parts = {key: replaced(part, change) for key, part in value.items()}
        return {key: part for key, (part, _) in parts.items()}, sum(n for _, n in parts.values())
    if isinstance(value, list):
        parts = [replaced(part, change) for part in value]
        return [part for part, _ in parts], sum(n for _, n in parts)
    return value, 0


def replace(template, change):
    """The same, in place, for a whole template."""
    new, count = replaced(template["Resources"], change)
    template["Resources"] = new
    return count


# --- The changes: each takes the template and the place, and says how often it applied -----------------------------------


def routes(template, _):
    """Routes, integrations and the authorizer of an HTTP API from its OpenAPI body."""
    made = {}
    for name, api in of_type(template, "AWS::ApiGatewayV2::Api").items():
        body = api["Properties"].pop("Body", None)
        if body is None:
            continue
        api["Properties"] |= {"Name": body["info"]["title"], "ProtocolType": "HTTP"}
        api["Properties"].pop("FailOnWarnings", None)
        # As for the AWS::ApiGatewayV2::Api resource, but for the names' case.
        if cors := body.get("x-amazon-apigateway-cors"):
            api["Properties"]["CorsConfiguration"] = cors
        schemes = body.get("components", {}).get("securitySchemes", {})
        for scheme, definition in schemes.items():
            if "x-amazon-apigateway-authorizer" in definition:
                made[f"{name}{scheme}"] = authorizer(name, scheme, definition["x-amazon-apigateway-authorizer"])
        for path, methods in body["paths"].items():
            for method, operation in methods.items():
                logical = f"{name}{method.title()}" + "".join(part.title() for part in re.findall("[a-z]+", path))
                made |= route(name, logical, (method, path, operation), made)
    template["Resources"] |= made
    return len(made)


def authorizer(api, name, definition):
    jwt = definition["jwtConfiguration"]
    return {
        "Type": "AWS::ApiGatewayV2::Authorizer",
        "Properties": {
            "ApiId": {"Ref": api},
            "Name": name,
            "AuthorizerType": "JWT",
            "IdentitySource": [definition["identitySource"]],
            "JwtConfiguration": {"Issuer": jwt["issuer"], "Audience": jwt["audience"]},
        },
    }


def route(api, logical, operation, authorizers):
    method, path, definition = operation
    integration = definition["x-amazon-apigateway-integration"]
    properties = {"ApiId": {"Ref": api}, "RouteKey": f"{method.upper()} {path}", "Target": {"Fn::Sub": f"integrations/${{{logical}Integration}}"}}
    wanted = [name for scheme in definition.get("security", []) for name in scheme if f"{api}{name}" in authorizers]
    if wanted:
        properties |= {"AuthorizationType": "JWT", "AuthorizerId": {"Ref": f"{api}{wanted[0]}"}}
    made = {"ApiId": {"Ref": api}, "IntegrationType": "AWS_PROXY", "IntegrationUri": integration["uri"]}
    made["PayloadFormatVersion"] = integration["payloadFormatVersion"]
    return {
        f"{logical}Integration": {"Type": "AWS::ApiGatewayV2::Integration", "Properties": made},
        f"{logical}Route": {"Type": "AWS::ApiGatewayV2::Route", "Properties": properties},
    }


def no_code_deploy(template, _):
    policies = 0
    for alias in of_type(template, "AWS::Lambda::Alias").values():
        policies += alias.pop("UpdatePolicy", None) is not None
    template["Resources"].pop("CodeDeployServiceRole", None)
    dropped = drop(template, "AWS::CodeDeploy::DeploymentGroup", "AWS::CodeDeploy::Application")
    return min(policies, dropped)


def aliases_wait(template, place):
    """An alias of a stack that is there already stays where it is; code_deploy.py moves it when the stack is updated."""
    aliases = of_type(template, "AWS::Lambda::Alias")
    for name, alias in aliases.items():
        if name in place.live:
            alias["Properties"]["FunctionVersion"] = place.live[name]
    return len(aliases)


def redis_here(template, place):
    """A Redis on this machine in place of the Serverless one."""
    known = {"Endpoint.Address": REDIS_HOST, "Endpoint.Port": str(place.redis_port)}

    def change(value):
        if value == {"Ref": "RedisServerless"}:
            return "redis"
        match value:
            case {"Fn::GetAtt": ["RedisServerless", attribute]}:
                return known[attribute]
        return None

    return min(drop(template, "AWS::ElastiCache::ServerlessCache"), replace(template, change))


def redis_plain(template, _):
    changed = 0
    for function in of_type(template, "AWS::Lambda::Function").values():
        variables = function["Properties"]["Environment"]["Variables"]
        if variables.get("REDIS_TLS", {"Ref": "AWS::NoValue"}) != {"Ref": "AWS::NoValue"}:
            variables["REDIS_TLS"], changed = "false", changed + 1
    return changed


def push_here(template, place):
    variables = template["Resources"]["NotifierFunction"]["Properties"]["Environment"]["Variables"]
    found = variables["WEBSOCKET_ENDPOINT"].get("Fn::Sub", "")
    if not isinstance(found, str) or not found.startswith("https://${WebSocketApi}.execute-api.") or "/${" not in found:
        return 0
    path = found.rsplit("/", 1)[1]
    variables["WEBSOCKET_ENDPOINT"] = {"Fn::Sub": f"{place.gateway}/_aws/execute-api/${{WebSocketApi}}/{path}"}
    return 1


def issuer_here(template, _):
    """An issuer on loopback, whose address begins with http."""
    pattern = template["Parameters"]["JwtIssuer"]
    if not pattern.get("AllowedPattern", "").startswith("^https://"):
        return 0
    pattern["AllowedPattern"] = pattern["AllowedPattern"].replace("^https://", "^http://")
    variables = template["Resources"]["AuthorizerFunction"]["Properties"]["Environment"]["Variables"]
    variables["STAGE"] = "local"  # where alone the function takes such an issuer
    return 1


def no_math(template, _):
    doomed = [name for name, alarm in of_type(template, "AWS::CloudWatch::Alarm").items() if "Metrics" in alarm["Properties"]]
    for name in doomed:
        del template["Resources"][name]
    return len(doomed)


def dropping(*kinds):
    return lambda template, _: drop(template, *kinds)


CHANGES = [
    # what is changed, why, and how
    ("routes, integrations and the authorizer of `HttpApi` as resources, from its OpenAPI body", "MiniStack ignores an HTTP API's `Body`", routes),
    ("no CodeDeploy: neither its groups, nor its application, nor its role, nor the aliases' `UpdatePolicy`", "MiniStack has none; `tools/emulator/code_deploy.py` does what they ask", no_code_deploy),
    ("an alias stays at its version while the stack is updated", "the same: `tools/emulator/code_deploy.py` moves it, by the groups above", aliases_wait),
    ("no `ServerlessCache`; host and port of a local Redis where its endpoint stood", "MiniStack has none without Docker", redis_here),
    ("`REDIS_TLS` is false", "that Redis is on loopback, without certificates", redis_plain),
    ("`WEBSOCKET_ENDPOINT` leads to MiniStack, by its path for pushes", "the address of AWS is not here", push_here),
    ("`JwtIssuer` may begin with http, and the authorizer's `STAGE` is local", "the issuer is on loopback, without a certificate", issuer_here),
    ("no alarm on metric math", "MiniStack has none; `tools/emulator/code_deploy.py` reckons it", no_math),
    ("no `SecurityGroupEgress` resource", "MiniStack has none, and no network", dropping("AWS::EC2::SecurityGroupEgress")),
    ("no `RouteResponse`", "MiniStack has none, and answers on WebSockets without", dropping("AWS::ApiGatewayV2::RouteResponse")),
]


def overlaid(template, place):
    """The transformed template with every change; exits where one of them has nothing to change."""
    for what, why, change in CHANGES:
        if not change(template, place):
            sys.exit(f"overlay: expected something to change, found nothing: {what} ({why})")
    return template


def table():
    rows = ["| in the emulator | because |", "|---|---|"]
    return "\n".join(rows + [f"| {what} | {why} |" for what, why, _ in CHANGES])


if __name__ == "__main__":
    print(table() if sys.argv[1:] == ["list"] else __doc__)
