"""What a deployed stack must do, one function for each; each ends the run where it does not."""

import json
import socket
import sys
import time
from urllib.parse import urlsplit

import boto3

MATCH_LIMIT_S = 30
SCHEDULE_LIMIT_S = 130


def expect(what, wanted, found):
    if wanted != found:
        sys.exit(f"{what}: expected {wanted}, found {found}")


def until(what, limit_s, found):
    """What `found` returns, as soon as that is something."""
    began = time.monotonic()
    while not (answer := found()):
        if time.monotonic() - began > limit_s:
            sys.exit(f"{what}: expected it within {limit_s} s, found {answer}")
        time.sleep(0.25)
    return answer


def round_trip(play):
    """Two new players join and read one match."""
    began, players, tickets = time.monotonic(), (play.player(), play.player()), []
    for player in players:
        status, body, _ = play.join(player)
        if status not in (201, 202):
            sys.exit(f"join: expected 202, found {status} {body}")
        tickets.append(body["ticket_id"])

    def matches():
        answers = [play.ask("GET", f"/match/{ticket}", player)[1] for player, ticket in zip(players, tickets)]
        return all(answer["status"] == "matched" for answer in answers) and [a["match"]["match_id"] for a in answers]

    found = until("two players", MATCH_LIMIT_S, matches)
    expect("two players", 1, len(set(found)))
    play.say(f"  two join, and are matched after {time.monotonic() - began:.1f} s")
    return found[0]


def doors(play):
    """Whoever proves nothing is let in by neither API; health is open."""
    bad = {
        "none": None,
        "expired": play.token(sub="eve", exp_s=-60),
        "for another audience": play.token(sub="eve", aud="others"),
        "of another issuer": play.token(sub="eve", iss="http://127.0.0.1:1"),
        "of another key": play.token(sub="eve", key="stranger"),
    }
    body = {"queue": "ranked-1v1", "region": "us"}
    for what, token in bad.items():
        expect(f"HTTP, a token {what}", 401, play.ask("POST", "/queue/join", body=body, token=token)[0])
        found = upgrade(play.socket, token)
        if found not in (401, 403):
            sys.exit(f"WebSocket, a token {what}: expected 401 or 403, found {found}")
    expect("WebSocket, a good token", 101, upgrade(play.socket, play.token(sub="eve")))
    expect("health without a token", 200, play.ask("GET", "/health")[0])
    expect("another route without a token", 401, play.ask("GET", "/queue/status")[0])
    asks = {"origin": play.origin, "access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    for origin, wanted in ((play.origin, play.origin), ("https://elsewhere.example.com", None)):
        found = play.ask("OPTIONS", "/queue/join", headers=asks | {"origin": origin})[2].get("access-control-allow-origin")
        expect(f"pages of {origin}", wanted, found)
    play.say(f"  {len(bad)} bad tokens refused by both APIs, a good one let in, /health open, pages of {play.origin} let in alone")


def upgrade(url, token):
    """Status of a WebSocket's upgrade."""
    at = urlsplit(url)
    lines = [
        f"GET {at.path} HTTP/1.1", f"host: {at.netloc}", "connection: Upgrade", "upgrade: websocket",
        "sec-websocket-version: 13", "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
    ]  # fmt: skip
    lines += [f"authorization: Bearer {token}"] if token else []
    with socket.create_connection((at.hostname, at.port), timeout=30) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        return int(connection.recv(1024).split()[1])


def alias_is_called(play):
    """Every way in leads to an alias: integrations, stream mappings, schedules, the authorizer."""
    physical, account = play.stack.physical(), boto3.client("apigatewayv2")
    targets = []
    for api in ("HttpApi", "WebSocketApi"):
        targets += [i["IntegrationUri"] for i in account.get_integrations(ApiId=physical[api])["Items"]]
        targets += [a["AuthorizerUri"] for a in account.get_authorizers(ApiId=physical[api])["Items"] if a.get("AuthorizerUri")]
    lambdas, events = boto3.client("lambda"), boto3.client("events")
    targets += [m["FunctionArn"] for m in lambdas.list_event_source_mappings()["EventSourceMappings"]]
    for rule in events.list_rules()["Rules"]:
        targets += [target["Arn"] for target in events.list_targets_by_rule(Rule=rule["Name"])["Targets"]]
    wrong = [target for target in targets if ":live" not in target]
    expect("targets that are no alias", [], wrong)
    play.say(f"  {len(targets)} integrations, mappings and schedules, each to the alias `live`")


def unknown_queue(play, queue):
    status, body, _ = play.join(play.player(), queue)
    expect("a queue before its deployment", (400, "unknown_queue"), (status, body.get("code")))


def known_queue(play, queue):
    player = play.player()
    status, body, _ = play.join(player, queue)
    expect("a queue after its deployment", 202, status)
    expect("cancel", "cancelled", play.ask("DELETE", f"/queue/{body['ticket_id']}", player)[1]["status"])
    play.say(f"  {queue}: 400 before, 202 after")


def moved(play, logical, before):
    """The alias calls the new version, and the old one is still there."""
    after = play.versions(logical)
    expect("versions that stay", [], [version for version in before if version not in after])
    newest = max(after, key=int)
    expect("a new version", True, newest not in before)
    expect("the alias", newest, play.live()[f"{logical}Aliaslive"])
    play.say(f"  {logical}: live calls version {newest}, {len(before)} older ones kept")


def came_back(play, before):
    expect("aliases after the drill", before, play.live())
    weights = [
        play.stack.functions.get_alias(FunctionName=function, Name=alias).get("RoutingConfig")
        for function, alias in play.stack.aliases().values()
    ]
    expect("weights after the drill", [], [weight for weight in weights if weight and weight.get("AdditionalVersionWeights")])
    play.say(f"  all {len(before)} aliases call the versions of before")


def only_password(play, password):
    """What the stack's functions hold, and what Redis takes."""
    found = play.stack.resource("RedisUser")["Passwords"]
    expect("passwords of the Redis user", [password], found)
    held = boto3.client("lambda").get_function_configuration(FunctionName=play.function("JoinFunction"), Qualifier="live")
    expect("the functions' password", password, held["Environment"]["Variables"]["REDIS_PASSWORD"])


def schedules(play):
    """The sweeper is called by its schedule alone; it prints a line at the end of each run."""
    logs, function = boto3.client("logs"), play.function("SweeperFunction")

    def runs():
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName="muster-prod/functions")
        return sum(f'"function":"{function}"' in event["message"] for page in pages for event in page["events"])

    play.say(f"  runs of the sweeper, which the schedule alone calls: {until('the schedule', SCHEDULE_LIMIT_S, runs)}")


def told_again(play):
    """A batch in NotifierFailures, as a mapping leaves it there, is told again by the documented command."""
    game, queue = round_trip(play), play.stack.physical()["NotifierFailures"]
    before = len(play.heard(game, "MatchFound"))
    streams = boto3.client("dynamodbstreams")
    arn = boto3.client("dynamodb").describe_table(TableName=play.outputs["LedgerTable"])["Table"]["LatestStreamArn"]
    shard = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"][0]["ShardId"]
    place = streams.get_shard_iterator(StreamArn=arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    numbers = []
    while not numbers:
        page = streams.get_records(ShardIterator=place)
        numbers = [r["dynamodb"]["SequenceNumber"] for r in page["Records"] if r["dynamodb"]["Keys"]["pk"]["S"] == game]
        place = page["NextShardIterator"]
    letter = {
        "requestContext": {"functionArn": play.alias("NotifierFunction"), "condition": "MaxRecordAgeExceeded"},
        "version": "1.0", "timestamp": "2026-11-24T00:00:00Z",
        "DDBStreamBatchInfo": {"shardId": shard, "startSequenceNumber": numbers[0], "endSequenceNumber": numbers[-1], "batchSize": len(numbers), "streamArn": arn},
    }  # fmt: skip
    boto3.client("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps(letter))
    play.command(f"muster dead-letters list --queue {queue}")
    play.command(f"muster dead-letters redrive --queue {queue}")
    until(f"{game} on the bus again", MATCH_LIMIT_S, lambda: len(play.heard(game, "MatchFound")) > before)
    nothing_undelivered(play)
    play.say("  the bus has heard of the match again")


def nothing_undelivered(play):
    expect("NotifierFailures", [], play.queue("NotifierFailures"))
    play.say("  NotifierFailures is empty")


def gone_but_for_the_ledger(play, table):
    expect("the stack", None, play.stack.describe())
    expect("functions", [], boto3.client("lambda").list_functions()["Functions"])
    items = boto3.client("dynamodb").scan(TableName=table, Select="COUNT")["Count"]
    expect("a ledger with items", True, items > 0)
    play.say(f"  no stack and no function; the ledger is there with {items} items")
