"""MiniStack on loopback, with two things that Lambda does and MiniStack does not:

- an alias with weights sends that share of its calls to the other version;
- each stream mapping reads by itself, in as many lanes as it is told, a record's lane following from its key, and treats a failed batch
  as it is told to: halves it, tries again so many times, takes the function's word for which records failed, and at the end sends
  where they are to its dead-letter queue.

All else is MiniStack as it comes. It is started with an environment of its own, because functions inherit it.
"""

import json
import queue
import random
import threading
import time
import zlib

from ministack import app
from ministack.core import responses
from ministack.services import dynamodb, lambda_svc

POLL_S = 0.05
READ_MAX = 100  # records
LOOK_S = 1  # between two looks of an idle lane at whether its mapping is still there
RETRY_S = 0.5


# --- Aliases -------------------------------------------------------------------------------------------------------------


def chosen(alias, default):
    dice = random.random()
    for version, weight in alias.get("RoutingConfig", {}).get("AdditionalVersionWeights", {}).items():
        dice -= float(weight)
        if dice < 0:
            return version
    return alias.get("FunctionVersion", default)


def weigh_aliases():
    resolve = lambda_svc._effective_func_record_for_qualifier

    def weighted(func, qualifier):
        alias = (func or {}).get("aliases", {}).get(qualifier)
        if alias is not None and alias.get("RoutingConfig"):
            qualifier = chosen(alias, "$LATEST")
        return resolve(func, qualifier)

    lambda_svc._effective_func_record_for_qualifier = weighted


# --- Stream mappings -----------------------------------------------------------------------------------------------------


def enter(scope):
    """This thread works for an account and a region."""
    responses._request_account_id.set(scope[0])
    responses._request_region.set(scope[1])


class Mapping(threading.Thread):
    """One reader of one table's stream, for as long as its mapping is there. Hands each record to the lane of its key."""

    def __init__(self, account, region, mapping):
        super().__init__(daemon=True, name=f"mapping-{mapping['UUID']}")
        self.scope, self.mapping = (account, region), mapping
        self.table = mapping["EventSourceArn"].split("/stream/")[0].split("/")[-1]

    def run(self):
        enter(self.scope)
        identity = self.mapping["UUID"]
        lanes = [Lane(self.scope, identity) for _ in range(int(self.mapping.get("ParallelizationFactor", 1)))]
        at = self.start_position()
        while mapping := lambda_svc._esms.get(identity):
            records = dynamodb.stream_records_since(self.table, at, READ_MAX)
            if not records or not mapping.get("Enabled", True):
                time.sleep(POLL_S)
                continue
            for record in lambda_svc._apply_filter_criteria(records, mapping):
                key = json.dumps(record["dynamodb"]["Keys"], sort_keys=True)
                lanes[zlib.crc32(key.encode()) % len(lanes)].records.put(record)
            at += len(records)

    def start_position(self):
        first = self.mapping.get("StartingPosition") == "TRIM_HORIZON"
        return (dynamodb.stream_start_position if first else dynamodb.stream_end_position)(self.table)


class Lane(threading.Thread):
    """One batch of a mapping at a time, in the order of the stream."""

    def __init__(self, scope, identity):
        super().__init__(daemon=True, name=f"lane-{identity}")
        self.scope, self.identity, self.records = scope, identity, queue.SimpleQueue()
        self.mapping = lambda_svc._esms[identity]
        self.start()

    def run(self):
        enter(self.scope)
        while self.identity in lambda_svc._esms:
            self.mapping = lambda_svc._esms[self.identity]
            try:
                batch = [self.records.get(timeout=LOOK_S)]
            except queue.Empty:
                continue
            while len(batch) < int(self.mapping.get("BatchSize", 100)) and not self.records.empty():
                batch.append(self.records.get())
            self.deliver(batch, 0)

    def deliver(self, records, tries):
        """Calls the function until it has these records, or they are given up."""
        while records:
            if self.too_old(records):
                return self.give_up(records, "MaxRecordAgeExceeded")
            failed = self.call(records)
            if not failed:
                return None
            records = failed
            if self.mapping.get("BisectBatchOnFunctionError") and len(records) > 1:
                half = len(records) // 2
                self.deliver(records[:half], tries)
                records = records[half:]
                continue
            tries += 1
            if tries > int(self.mapping.get("MaximumRetryAttempts", -1)) >= 0:
                return self.give_up(records, "RetryAttemptsExhausted")
            time.sleep(RETRY_S)
        return None

    def call(self, records):
        """The records that the function did not take."""
        func, _ = lambda_svc._get_func_record_for_qualifier(self.mapping["FunctionName"], self.mapping.get("Qualifier"))
        if func is None:
            return records
        result = lambda_svc._execute_function(func, {"Records": records})
        if result.get("error"):
            return records
        if "ReportBatchItemFailures" not in self.mapping.get("FunctionResponseTypes", []):
            return []
        body = result.get("body") or {}
        body = json.loads(body) if isinstance(body, (str, bytes)) else body
        failures = {item["itemIdentifier"] for item in body.get("batchItemFailures", [])}
        first = next((at for at, record in enumerate(records) if record["dynamodb"]["SequenceNumber"] in failures), None)
        return [] if first is None else records[first:]

    def too_old(self, records):
        age_max = int(self.mapping.get("MaximumRecordAgeInSeconds", -1))
        return 0 < age_max < time.time() - float(records[0]["dynamodb"]["ApproximateCreationDateTime"])

    def give_up(self, records, why):
        func, _ = lambda_svc._get_func_record_for_qualifier(self.mapping["FunctionName"], self.mapping.get("Qualifier"))
        lambda_svc._send_ddb_stream_failure_record(self.mapping, func, records, self.mapping["EventSourceArn"], {}, why)


def read_streams_apart():
    readers = {}

    def start_readers():
        for account, region, mapping in lambda_svc._iter_all_esms():
            if ":dynamodb:" not in mapping["EventSourceArn"] or mapping["UUID"] in readers:
                continue
            readers[mapping["UUID"]] = Mapping(account, region, mapping)
            readers[mapping["UUID"]].start()
        return False

    lambda_svc._poll_dynamodb_streams = start_readers


if __name__ == "__main__":
    weigh_aliases()
    read_streams_apart()
    app.main()
