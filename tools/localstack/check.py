"""What LocalStack must do for Muster.

    check.py parts    events reach their listeners, secrets resolve by name, a schedule fires
    check.py suite    the end-to-end suite has played here, and not on emulators of its own
"""

import json
import os
import sys
import time

import boto3

SCHEDULE_LIMIT_S = 130  # a minute, and another that the scheduler may take to notice the rule
SUITE_REGION = "eu-central-1"  # where the tests and their functions are
SUITE_PREFIX = "muster-"


def heard(queue, limit_s):
    """The next message within a time, deleted; None where there is none."""
    sqs, until = boto3.client("sqs"), time.monotonic() + limit_s
    while time.monotonic() < until:
        wait = int(min(20, max(1, until - time.monotonic())))
        for message in sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=wait).get("Messages", []):
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
            return json.loads(message["Body"])
    return None


def event_bus():
    sent = {
        "Source": "muster",
        "DetailType": "MatchFound",
        "Detail": json.dumps({"match_id": "m.x.eu.1"}),
        "EventBusName": os.environ["EVENT_BUS"],
    }
    began = time.monotonic()
    answer = boto3.client("events").put_events(Entries=[sent])
    event = heard(os.environ["MUSTER_HEARD_QUEUE"], 10)
    if answer["FailedEntryCount"] or not event or event["detail-type"] != "MatchFound":
        sys.exit(f"expected MatchFound in the listener's queue, found {answer['FailedEntryCount']} failures and {event}")
    print(f"event bus: MatchFound heard after {1000 * (time.monotonic() - began):.0f} ms")


def secret():
    secrets = boto3.client("secretsmanager")
    name = secrets.list_secrets()["SecretList"][0]["Name"]
    password = json.loads(secrets.get_secret_value(SecretId=name)["SecretString"])["password"]
    if len(password) != 48 or not password.isalnum():
        sys.exit(f"expected a generated password of 48 letters and digits, found {len(password)} characters")
    print("secret: generated as template.yaml says, read by name")


def schedule():
    events, sqs = boto3.client("events"), boto3.client("sqs")
    queue = sqs.create_queue(QueueName="ticks")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name="every-minute", ScheduleExpression="rate(1 minute)")
    events.put_targets(Rule="every-minute", Targets=[{"Id": "ticks", "Arn": arn}])
    began = time.monotonic()
    tick = heard(queue, SCHEDULE_LIMIT_S)
    if not tick or tick["detail-type"] != "Scheduled Event":
        sys.exit(f"expected a scheduled event within {SCHEDULE_LIMIT_S} s, found {tick}")
    print(f"schedule: rate(1 minute) fired after {time.monotonic() - began:.0f} s")


def suite():
    buses = boto3.client("events", SUITE_REGION).list_event_buses(NamePrefix=SUITE_PREFIX)["EventBuses"]
    if not buses:
        sys.exit("expected event buses of the suite on LocalStack, found none: it has played elsewhere")
    print(f"suite: {len(buses)} event buses on LocalStack")
    if not os.environ.get("MUSTER_JAVA"):
        return
    dynamodb = boto3.client("dynamodb", SUITE_REGION)
    tables = [name for name in dynamodb.list_tables()["TableNames"] if name.startswith(SUITE_PREFIX)]
    items = sum(dynamodb.scan(TableName=name, Select="COUNT")["Count"] for name in tables)
    if len(tables) != len(buses) or not items:
        sys.exit(f"expected {len(buses)} tables of the suite on LocalStack with items, found {len(tables)} with {items}")
    print(f"suite: {len(tables)} tables in LocalStack's DynamoDB, {items} items")


def main():
    checks = {"parts": (event_bus, secret, schedule), "suite": (suite,)}
    for check in checks[sys.argv[1]]:
        check()


if __name__ == "__main__":
    main()
