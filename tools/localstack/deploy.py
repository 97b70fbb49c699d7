"""Creates in LocalStack what template.yaml defines and LocalStack's free edition knows, from template.yaml itself.

Prints one NAME=value line for each thing that Muster is told about. Runs in LocalStack's own Python environment.
"""

import json
import os
import sys
from pathlib import Path

import boto3

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools/checks"))

from template import Template  # noqa: E402

STACK = "muster-local"
PARTS = ["Bus", "NotifierFailures", "JobFailures", "Key", "RedisSecret", "AlarmTopic"]
# What the notifier publishes is heard here, so that a test can look at it.
LISTENER = {
    "Heard": {"Type": "AWS::SQS::Queue"},
    "Listening": {
        "Type": "AWS::Events::Rule",
        "Properties": {
            "EventBusName": {"Ref": "Bus"},
            "EventPattern": {"account": [{"Ref": "AWS::AccountId"}]},
            "Targets": [{"Id": "heard", "Arn": {"Fn::GetAtt": ["Heard", "Arn"]}}],
        },
    },
}


def long_form(value):
    """`!GetAtt Key.Arn` as CloudFormation's JSON writes it."""
    if isinstance(value, dict):
        if isinstance(value.get("Fn::GetAtt"), str):
            return {"Fn::GetAtt": value["Fn::GetAtt"].split(".")}
        return {key: long_form(part) for key, part in value.items()}
    return [long_form(part) for part in value] if isinstance(value, list) else value


def main():
    ours = Template(ROOT)
    stage = {"Stage": {"Type": "String", "Default": "dev"}}
    resources = {name: long_form(ours.resources[name]) for name in PARTS}
    for resource in resources.values():
        for attribute in ("Condition", "Metadata", "DeletionPolicy", "UpdateReplacePolicy"):
            resource.pop(attribute, None)
    body = {
        "Parameters": stage,
        "Resources": resources | LISTENER,
        "Outputs": {
            "EventBus": {"Value": {"Ref": "Bus"}},
            "HeardQueue": {"Value": {"Ref": "Heard"}},
            "NotifierFailuresQueue": {"Value": {"Ref": "NotifierFailures"}},
        },
    }
    # LocalStack starts DynamoDB Local with the first call, which takes longer than any later one may.
    if os.environ.get("MUSTER_JAVA"):
        boto3.client("dynamodb").list_tables()
    cloud = boto3.client("cloudformation")
    cloud.create_stack(StackName=STACK, TemplateBody=json.dumps(body))
    try:
        cloud.get_waiter("stack_create_complete").wait(StackName=STACK, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    except Exception:
        failed = [e for e in cloud.describe_stack_events(StackName=STACK)["StackEvents"] if "FAILED" in e["ResourceStatus"]]
        sys.exit("\n".join(f"{e['LogicalResourceId']}: {e.get('ResourceStatusReason')}" for e in failed))
    outputs = {o["OutputKey"]: o["OutputValue"] for o in cloud.describe_stacks(StackName=STACK)["Stacks"][0]["Outputs"]}
    for key, name in (("EventBus", "EVENT_BUS"), ("HeardQueue", "MUSTER_HEARD_QUEUE"), ("NotifierFailuresQueue", "MUSTER_FAILURES_QUEUE")):
        print(f"{name}={outputs[key]}")


if __name__ == "__main__":
    main()
