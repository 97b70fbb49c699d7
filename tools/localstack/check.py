"""What LocalStack must do for Muster: events reach their listeners, a schedule fires, secrets resolve by name.

    tools/localstack/run.sh .local/localstack/bin/python tools/localstack/check.py
"""

import json
import os
import sys
import time

import boto3

HEARD = os.environ["MUSTER_HEARD_QUEUE"]
BUS = os.environ["EVENT_BUS"]
SCHEDULE_LIMIT_S = 130  # a minute, and another that the scheduler may take to notice the rule


def heard(queue, limit_s):
    """The next message within a time, deleted; None where there is none."""
    sqs, until = boto3.client("sqs"), time.monotonic() + limit_s
    while time.monotonic() < until:
        wait = int(min(20, max(1, until - time.monotonic())))
        for message in sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=wait).get("Messages", []):
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
            return json.loads(message["Body"])
    return None


def main():
    events, sqs = boto3.client("events"), boto3.client("sqs")

    sent = {"Source": "muster", "DetailType": "MatchFound", "Detail": json.dumps({"match_id": "m.x.eu.1"}), "EventBusName": BUS}
    began = time.monotonic()
    answer = events.put_events(Entries=[sent])
    event = heard(HEARD, 10)
    if answer["FailedEntryCount"] or not event or event["detail-type"] != "MatchFound":
        sys.exit(f"expected MatchFound in the listener's queue, found {answer['FailedEntryCount']} failures and {event}")
    print(f"event bus: MatchFound heard after {1000 * (time.monotonic() - began):.0f} ms")

    secrets = boto3.client("secretsmanager")
    name = secrets.list_secrets()["SecretList"][0]["Name"]
    password = json.loads(secrets.get_secret_value(SecretId=name)["SecretString"])["password"]
    if len(password) != 48 or not password.isalnum():
        sys.exit(f"expected a generated password of 48 letters and digits, found {len(password)} characters")
    print("secret: generated as template.yaml says, read by name")

    queue = sqs.create_queue(QueueName="ticks")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name="every-minute", ScheduleExpression="rate(1 minute)")
    events.put_targets(Rule="every-minute", Targets=[{"Id": "ticks", "Arn": arn}])
    began = time.monotonic()
    tick = heard(queue, SCHEDULE_LIMIT_S)
    if not tick or tick["detail-type"] != "Scheduled Event":
        sys.exit(f"expected a scheduled event within {SCHEDULE_LIMIT_S} s, found {tick}")
    print(f"schedule: rate(1 minute) fired after {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
