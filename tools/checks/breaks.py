"""Proves that the checks can fail: breaks a copy of their subject in one way each, and expects the finding that names it.

    python tools/checks/breaks.py           for the checks of our own
    python tools/checks/breaks.py --tools   for SAM, cfn-lint and checkov, which take some seconds each
    python tools/checks/breaks.py --only CORS   those whose name has this in it
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SUBJECTS = ["template.yaml", "README.md", "Makefile", "samconfig.toml", "Cargo.toml", "functions/src", "functions/tests", "shared/src", "lua", "events", "docs", "tools/muster", "tools/local-aws", "tools/deploy.sh", "tools/setup.sh"]
BIN = ROOT / ".local/sam/bin"
CONTRACT = [str(BIN / "python"), str(ROOT / "tools/checks/contract.py")]
ACL = [str(BIN / "python"), str(ROOT / "tools/checks/redis_acl.py")]
LINT = [str(BIN / "cfn-lint"), "--", "template.yaml"]
VALIDATE = [str(BIN / "sam"), "validate", "--lint", "--template", "template.yaml"]
# Two combinations of all: the first and the last have every choice in both ways.
LINTED = [str(BIN / "python"), str(ROOT / "tools/checks/transform.py"), "--two"]
TRANSFORM = [*LINTED, "--own"]
COMMANDS = [str(BIN / "python"), str(ROOT / "tools/checks/commands.py")]
POLICY = [str(BIN / "python"), str(ROOT / "tools/checks/policy.py")]


def replace(file, old, new, count=1):
    """Replaces text in a file; the text must be there, or the break breaks nothing."""

    def apply(root):
        path = root / file
        text = path.read_text()
        if old not in text:
            raise SystemExit(f"breaks.py: expected {old!r} in {file}, found none: the break has to be written anew")
        path.write_text(text.replace(old, new, count))

    return apply


def both(*breaks):
    """One break after the other."""

    def apply(root):
        for one in breaks:
            one(root)

    return apply


def remove_function(resource):
    """Takes a function out of the template."""

    def apply(root):
        path = root / "template.yaml"
        text, removed = re.subn(rf"\n  {resource}:\n(?:    .*\n|\n)+?(?=  \w|  #)", "\n", path.read_text())
        if removed != 1:
            raise SystemExit(f"breaks.py: expected one {resource} in template.yaml, found {removed}")
        path.write_text(text)

    return apply


def write(file, text):
    """Writes a file."""

    def apply(root):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(text)

    return apply


def remove(file):
    """Removes a file."""
    return lambda root: (root / file).unlink()


def sample(file, **changes):
    """Changes fields of a sample event."""

    def apply(root):
        path = root / "events" / file
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return apply


def documented(path, method, **changes):
    """Changes what the API's document says of an operation."""

    def apply(root):
        file = root / "docs/openapi.json"
        document = json.loads(file.read_text())
        document["paths"][path][method] |= changes
        file.write_text(json.dumps(document))

    return apply


# (what is broken, how, which check, what its finding says)
BREAKS = [
    ("a function is gone from the template", remove_function("QueueStatusFunction"), CONTRACT, r"functions: queue-status is in functions/src/bin, not in template"),
    ("a binary has no function", write("functions/src/bin/extra.rs", "fn main() {}"), CONTRACT, r"functions: extra is in functions/src/bin, not in template"),
    ("a sample is missing", remove("events/cancel.json"), CONTRACT, r"samples: cancel is in template.yaml, not in events"),
    ("a sample belongs to nothing", write("events/nobody.json", "{}"), CONTRACT, r"samples: events/nobody"),
    ("a sample asks another route", sample("join.json", routeKey="POST /queue/leave"), CONTRACT, r"samples: join.json: expected a route of join"),
    ("a sample's path does not fit", sample("cancel.json", rawPath="/queue"), CONTRACT, r"samples: cancel.json: DELETE /queue does not fit"),
    ("a route is renamed", replace("template.yaml", "Path: /queue/join", "Path: /queue/enter"), CONTRACT, r"documented routes: POST /queue/(join|enter) \(token\) is in"),
    ("a route is opened to everyone", replace("template.yaml", "Method: POST, Path: /queue/join }", "Method: POST, Path: /queue/join, Auth: { Authorizer: NONE } }"), CONTRACT, r"open routes: POST /queue/join"),
    ("a route that is documented under another name", replace("docs/openapi.json", '"/ready": {', '"/steady": {'), CONTRACT, r"documented routes: GET /ready \(open\) is in template.yaml"),
    ("a route that is documented as open", documented("/queue/join", "post", security=[]), CONTRACT, r"documented routes: POST /queue/join \(token\) is in template.yaml"),
    ("a right that no code needs", replace("template.yaml", 'Action: ["dynamodb:BatchGetItem", "dynamodb:DeleteItem"]', 'Action: ["dynamodb:BatchGetItem", "dynamodb:DeleteItem", "dynamodb:UpdateItem"]'), CONTRACT, r"rights: notifier is granted dynamodb:UpdateItem, which its code never calls"),
    ("a call without its right", write("shared/src/adapters/dynamodb/extra.rs", "async fn f(c: aws_sdk_dynamodb::Client) { c.query().send().await; }"), CONTRACT, r"rights: dynamodb:Query is in all SDK calls of the code, not in"),
    ("a function calls more than it is granted", replace("shared/src/usecases/drain.rs", ".record(", ".unreserve("), CONTRACT, r"rights: matcher calls dynamodb:DeleteItem, which template.yaml does not grant"),
    ("a function that follows the rules may not read them", replace("template.yaml", """      Description: GET /queue/status
      Policies:
        - Statement:
            - { Effect: Allow, Action: ["dynamodb:GetItem"]""", """      Description: GET /queue/status
      Policies:
        - Statement:
            - { Effect: Allow, Action: ["dynamodb:DescribeTable"]"""), CONTRACT, r"rights: queue-status calls dynamodb:GetItem, which template.yaml does not grant"),
    ("a method of a part of a module calls more than is granted", replace("shared/src/usecases/matcher/look.rs", "self.store.resign(", "self.store.unreserve("), CONTRACT, r"rights: matcher calls dynamodb:DeleteItem, which template.yaml does not grant"),
    ("a right on every resource", replace("template.yaml", 'Action: ["dynamodb:GetItem"], Resource: !GetAtt Ledger.Arn', 'Action: ["dynamodb:GetItem"], Resource: "*"'), CONTRACT, r"expected named actions and resources, found a wildcard"),
    ("a doorbell that does not ring", replace("template.yaml", '{"eventName":["INSERT","MODIFY"],"dynamodb":{"NewImage":{"status":{"S":["waiting"]}}}}', '{"eventName":["INSERT","MODIFY"],"dynamodb":{"NewImage":{"status":{"S":["resting"]}}}}'), CONTRACT, r"streams: matcher.doorbell.json"),
    ("other queues than the code's", replace("template.yaml", '"name":"casual-2v2"', '"name":"casual-3v3"'), CONTRACT, r"queues: the default .* differs"),
    ("a claim that nothing holds", replace("docs/security.md", "`nobody_in_particular_is_refused`", "`nobody_gets_in`"), CONTRACT, r"claims: .* found no nobody_gets_in"),
    ("an alarm without instructions", replace("template.yaml", "docs/operations.md#reclaims", "docs/operations.md#shrug"), CONTRACT, r"alarms: ReclaimsAlarm"),
    ("functions that go on with old parameters", replace("template.yaml", "      AutoPublishCodeSha256: !Ref Release\n", ""), CONTRACT, r"release: JoinFunction: expected AutoPublishCodeSha256"),
    ("a release that does not see parameters", replace("tools/deploy.sh", """ "${parameters[@]}" | sha256sum""", " | sha256sum"), CONTRACT, r"release: expected another of other parameters"),
    ("a throttle on no route", replace("template.yaml", "GET /ready: {", "GET /steady: {"), CONTRACT, r"RouteSettings names GET /steady"),
    ("a variable that nobody reads", replace("template.yaml", "AUTH_MODE: jwt", "AUTHORISATION_MODE: jwt"), CONTRACT, r"variables: template.yaml sets AUTHORISATION_MODE"),
    ("a metric that nobody emits", replace("template.yaml", "MetricName: OldestTicketMs", "MetricName: OldestTicketAgeMs"), CONTRACT, r"metrics: .* OldestTicketAgeMs"),
    ("Redis' user may not write", replace("template.yaml", "+@read +@write", "+@read", 2), ACL, r"expected HSET .* to be allowed"),
    ("Redis' user may flush", replace("template.yaml", "-@dangerous -function", "+flushall -function"), ACL, r"expected FLUSHALL to be refused"),
    ("Redis' user may read other keys", replace("template.yaml", "on ~mm:*", "on ~*"), ACL, r"expected GET session:\S+ to be refused"),
]
# The same for tools that others made.
TOOLS = [
    ("an unknown property", replace("template.yaml", "BillingMode: PAY_PER_REQUEST", "BilingMode: PAY_PER_REQUEST"), LINT, r"E3002"),
    ("a reference to nothing", replace("template.yaml", "KmsMasterKeyId: !GetAtt Key.Arn", "KmsMasterKeyId: !GetAtt Kee.Arn"), LINT, r"E1010"),
    ("an unknown property, for SAM", replace("template.yaml", "BillingMode: PAY_PER_REQUEST", "BilingMode: PAY_PER_REQUEST"), VALIDATE, r"E3002"),
    ("a table without its key", replace("template.yaml", "SSEEnabled: true, SSEType: KMS", "SSEEnabled: false, SSEType: KMS"), POLICY, r"CKV_AWS_119"),
    ("Redis without TLS", replace("template.yaml", "TransitEncryptionEnabled: true", "TransitEncryptionEnabled: false"), POLICY, r"CKV_AWS_30"),
    ("alarms of a deployment that watch the API", replace("template.yaml", "[HasDeploymentAlarms, [!Ref", "[HasDeploymentAlarms, [!Ref ApiErrorsAlarm, !Ref"), TRANSFORM, r"circular: JoinFunctionAliaslive -> JoinFunctionDeploymentGroup -> ApiErrorsAlarm -> HttpApi"),
    ("the same, for cfn-lint", replace("template.yaml", "[HasDeploymentAlarms, [!Ref", "[HasDeploymentAlarms, [!Ref ApiErrorsAlarm, !Ref"), LINTED, r"cfn-lint: E3004"),
    ("a notifier that refers to the WebSocket stage", replace("template.yaml", '${AWS::URLSuffix}/${Stage}"\n          REDIS_HOST', '${AWS::URLSuffix}/${WebSocketStage}"\n          REDIS_HOST'), TRANSFORM, r"circular: .*NotifierFunction -> WebSocketStage"),
    ("an output of a resource that a condition leaves out", replace("template.yaml", "  RedisSecretArn:\n    Condition: OwnsRedis\n", "  RedisSecretArn:\n"), TRANSFORM, r"missing: output RedisSecretArn refers to RedisSecret"),
    ("CORS by a condition in AllowOrigins", both(replace("template.yaml", 'CorsConfiguration: !If\n        - HasCors\n        - AllowOrigins: !Split [",", !Ref CorsOrigins]', 'CorsConfiguration:\n          AllowOrigins: !If [HasCors, !Split [",", !Ref CorsOrigins], !Ref AWS::NoValue]'), replace("template.yaml", "          MaxAge: 3600\n        - !Ref AWS::NoValue\n", "          MaxAge: 3600\n")), TRANSFORM, r"CORS: expected the origins"),
    ("warnings that refuse the API", replace("template.yaml", "FailOnWarnings: false", "FailOnWarnings: true"), TRANSFORM, r"FailOnWarnings: expected an API without warnings"),
    ("audiences as one text", replace("template.yaml", 'audience: !Split [",", !Ref JwtAudience]', "audience: [!Ref JwtAudience]"), TRANSFORM, r"audiences: expected \['game-ios', 'game-android'\]"),
    ("a way past the API's own name", replace("template.yaml", "!If [HasHttpDomain, true, false]", "false"), TRANSFORM, r"execute-api: expected it closed"),
    ("an API's log without the function's id", replace("template.yaml", '"functionRequestId":"$context.integration.requestId",', "", 2), TRANSFORM, r"expected \$context.integration.requestId in its log"),
    ("an API without a log", replace("template.yaml", "        - LogsWebSockets\n", "        - CreatesApiLogsRole\n"), TRANSFORM, r"logs: expected a log of"),
    ("alarms that judge the deployment that mends their cause", replace("template.yaml", "!Ref JobErrorsAlarm], [!Ref AWS::NoValue]]", "!Ref JobErrorsAlarm], [!Ref JobErrorsAlarm]]"), TRANSFORM, r"deployments: DeploymentAlarms=off"),
    ("events that are given up after three tries", replace("template.yaml", "MaximumRetryAttempts: -1", "MaximumRetryAttempts: 3"), TRANSFORM, r"events: NotifierFunction.*expected MaximumRetryAttempts -1"),
    ("joins that may use up the account's concurrency", replace("template.yaml", "      ReservedConcurrentExecutions: !If [IsProd, !Ref ApiConcurrency, !Ref AWS::NoValue]\n", ""), TRANSFORM, r"concurrency: .* found none on JoinFunction"),
    ("a stage without its configuration", replace("samconfig.toml", "[dev.global", "[default.global"), COMMANDS, r"deploy.sh dev.* Missing option '--stack-name'"),
    ("rules that break at their quotes", replace("tools/deploy.sh", r'''"${value//\"/\\\"}"''', '"$value"'), COMMANDS, r"--queues queues.json: expected"),
    ("a second password that cannot be taken away", replace("tools/deploy.sh", '[A-Z]*=*) parameters+=("$(parameter "$1")")', '[A-Z]*=*) parameters+=("$1")'), COMMANDS, r"RedisSecretVersionAlso="),
    ("a stack for another machine than was built for", replace("tools/deploy.sh", """parameters+=("Architecture""", """: ("Architecture"""), COMMANDS, r"deploy.sh dev: expected .*Architecture"),
    ("a deployment that does not ask whether it works", replace("tools/deploy.sh", 'exec "$doctor" doctor', ': "$doctor" doctor'), COMMANDS, r"deploy.sh dev: expected 'doctor --stack muster-dev'"),
    ("a command of a document that SAM does not know", replace("docs/operations.md", "sam delete --stack-name", "sam delete --stack"), COMMANDS, r"sam delete --stack .*: No such option"),
    ("a key that never rotates", replace("template.yaml", "EnableKeyRotation: true", "EnableKeyRotation: false"), POLICY, r"CKV_AWS_7"),
]
# Breaks whose check the code cannot satisfy yet; the check itself says so when it runs.
SKIPPED = re.compile(r"^  (\w+): SKIPPED", re.M)


def run(command, root):
    """A check's exit code and all it says."""
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(root), "SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "eu-west-1"}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def copy(to):
    """The checks' subjects, in a place of their own."""
    for name in SUBJECTS:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, to / name)
        elif source.exists():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, to / name)


def main():
    breaks = TOOLS if "--tools" in sys.argv else BREAKS
    if "--only" in sys.argv:
        breaks = [one for one in BREAKS + TOOLS if sys.argv[sys.argv.index("--only") + 1] in one[0]]
    failed, proven, skipped = [], 0, []
    with tempfile.TemporaryDirectory(prefix="muster-breaks-") as folder, ThreadPoolExecutor(max_workers=2) as pool:
        whole = Path(folder) / "whole"
        copy(whole)

        @cache
        def before(check):
            """What a check says of the subject as it is."""
            return run(check, whole)[1]

        def broken(number, apply, check):
            """What it says of the broken one, beside what it says of the whole one."""
            root = Path(folder) / str(number)
            copy(root)
            apply(root)
            return before(tuple(check)), *run(check, root)

        runs = [(b, pool.submit(broken, number, b[1], b[2])) for number, b in enumerate(breaks)]
        for (what, _, _, expected), ran in runs:
            already, code, said = ran.result()
            topic = expected.split(":")[0]
            if re.search(expected, already):
                failed.append(f"{what}: the finding is there before anything is broken")
            elif code != 0 and re.search(expected, said):
                proven += 1
            elif topic in SKIPPED.findall(said) or "redis user: SKIPPED" in said:
                skipped.append(what)
            else:
                failed.append(f"{what}: expected a finding like /{expected}/, found exit code {code} and\n{said}")
    print(f"  proof: {proven} breaks, each found")
    for what in skipped:
        print(f"  proof: SKIPPED, its check cannot run yet: {what}")
    for line in failed:
        print(f"  WRONG proof: {line}", file=sys.stderr)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
