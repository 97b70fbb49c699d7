"""A stand-in for CodeDeploy. It was not CodeDeploy that ran here, and nothing is proven of that service itself.

Reads the deployment groups and alarms that SAM makes of template.yaml and does with the aliases what they say: a tenth of the calls
to the new version for so many minutes and then all, or all at once; watches exactly the alarms that a group names, by their own
statistic, threshold, periods and treatment of missing data; and moves every alias back when one of them fires, or fires already.

Metrics of our namespace come from what the functions printed; AWS/Lambda's from MiniStack. Time may run faster than it does at AWS:
`speed` divides the minutes of the deployment and the periods of the alarms alike. Thresholds stay, so that a sum has to be reached
within the shorter period.
"""

import json
import re
import sys
import time

import boto3

TICK_S = 0.5
CANARY = re.compile(r"Canary(\d+)Percent(\d+)Minutes$")
COMPARISONS = {
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
    "LessThanOrEqualToThreshold": lambda value, threshold: value <= threshold,
}
STATISTICS = {"Sum": sum, "Maximum": max, "Minimum": min, "SampleCount": len, "Average": lambda values: sum(values) / len(values)}


class Metrics:
    """Samples since a moment: (namespace, metric, dimensions) -> [(seconds, value)]."""

    def __init__(self, log_group, since):
        self.logs, self.watch = boto3.client("logs"), boto3.client("cloudwatch")
        self.group, self.since = log_group, since
        self.printed = {}

    def read(self):
        """What the functions have printed, parsed as CloudWatch parses its embedded metric format."""
        self.printed = {}
        pages = self.logs.get_paginator("filter_log_events").paginate(logGroupName=self.group, startTime=int(self.since * 1000))
        for page in pages:
            for event in page["events"]:
                if '"_aws"' in event["message"]:
                    self.take(json.loads(event["message"]))

    def take(self, line):
        at = line["_aws"]["Timestamp"] / 1000
        for directive in line["_aws"]["CloudWatchMetrics"]:
            for names in directive["Dimensions"]:
                dimensions = tuple(sorted((name, line[name]) for name in names))
                for metric in directive["Metrics"]:
                    values = line.get(metric["Name"], [])
                    values = values if isinstance(values, list) else [values]
                    key = (directive["Namespace"], metric["Name"], dimensions)
                    self.printed.setdefault(key, []).extend((at, value) for value in values)

    def samples(self, namespace, name, dimensions, start, end):
        key = (namespace, name, tuple(sorted((d["Name"], str(d["Value"])) for d in dimensions)))
        if namespace in ("AWS/Lambda", "AWS/ApiGateway"):
            return self.counted(namespace, name, dimensions, start, end)
        if namespace != "Muster":
            sys.exit(f"code_deploy: expected a metric of Muster or AWS/Lambda in a deployment's alarm, found {namespace}/{name}")
        return [value for at, value in self.printed.get(key, []) if start <= at < end]

    def counted(self, namespace, name, dimensions, start, end):
        """MiniStack keeps points by the second."""
        found = self.watch.get_metric_statistics(
            Namespace=namespace, MetricName=name, Dimensions=dimensions, StartTime=start, EndTime=end, Period=1, Statistics=["Sum"]
        )
        return [point["Sum"] for point in found["Datapoints"]]


class Alarm:
    def __init__(self, name, properties, speed):
        self.name, self.of, self.speed = name, properties, speed

    def period_s(self):
        inner = [m["MetricStat"]["Period"] for m in self.of.get("Metrics", []) if "MetricStat" in m]
        return float(self.of.get("Period") or inner[0]) / self.speed

    def value(self, metrics, start, end):
        """The statistic of one period; None without data."""
        if "Metrics" not in self.of:
            samples = metrics.samples(self.of["Namespace"], self.of["MetricName"], self.of.get("Dimensions", []), start, end)
            return STATISTICS[self.of["Statistic"]](samples) if samples else None
        known = {}
        for part in self.of["Metrics"]:
            if "MetricStat" in part:
                metric = part["MetricStat"]["Metric"]
                samples = metrics.samples(metric["Namespace"], metric["MetricName"], metric.get("Dimensions", []), start, end)
                known[part["Id"]] = STATISTICS[part["MetricStat"]["Stat"]](samples) if samples else None
        expression = next(part["Expression"] for part in self.of["Metrics"] if part.get("ReturnData", True))
        terms = [re.fullmatch(r"FILL\((\w+), ?0\)", term.strip()) for term in expression.split("+")]
        if not all(terms):
            sys.exit(f"code_deploy: {self.name}: expected a sum of FILL(metric, 0), found {expression}")
        return sum(known[term[1]] or 0 for term in terms)

    def fires(self, metrics, since, now):
        """Whether it is in alarm, judged by periods that began after `since`. The figures, if it is."""
        length, count = self.period_s(), int(self.of["EvaluationPeriods"])
        wanted = int(self.of.get("DatapointsToAlarm", count))
        compare, threshold = COMPARISONS[self.of["ComparisonOperator"]], float(self.of["Threshold"])
        missing = self.of.get("TreatMissingData", "missing") == "breaching"
        values = []
        for back in range(count):
            end = now - back * length
            values.append(self.value(metrics, end - length, end) if end - length >= since - length else None)
        breaching = sum(missing if value is None else compare(value, threshold) for value in values)
        return values if breaching >= wanted else None


def judged(properties):
    """The part of an alarm that decides whether it fires."""
    return {name: value for name, value in properties.items() if not name.endswith("Actions")}


def groups(template, values):
    """Aliases that wait to be moved: logical id -> (share, minutes, names of alarms)."""
    found = {}
    for name, resource in template["Resources"].items():
        if resource["Type"] != "AWS::Lambda::Alias":
            continue
        group = values.of(resource["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]["DeploymentGroupName"])
        properties = template["Resources"][group]["Properties"]
        config = values.of(properties["DeploymentConfigName"])
        alarms = values.of(properties.get("AlarmConfiguration", {}))
        names = [a["Name"] for a in alarms.get("Alarms", [])] if alarms.get("Enabled") else []
        if config.endswith("AllAtOnce"):
            found[name] = (1.0, 0, names)
        elif canary := CANARY.search(config):
            found[name] = (int(canary[1]) / 100, int(canary[2]), names)
        else:
            sys.exit(f"code_deploy: expected AllAtOnce or a canary, found {config}")
    return found


def deploy(stack, template, speed):
    """Moves the aliases to the versions that the stack has just got. Whether they stayed there."""
    values = stack.values(template)
    # Groups and alarms by their names in the template: the stack here has neither all of the one nor any of the other.
    for name, resource in template["Resources"].items():
        if resource["Type"] in ("AWS::CloudWatch::Alarm", "AWS::CodeDeploy::DeploymentGroup", "AWS::CodeDeploy::Application"):
            values.physical[name] = name
    plan = groups(template, values)
    targets = newest(stack, plan)
    if not targets:
        print("CodeDeploy stand-in: no function has a new version")
        return True
    names = sorted({alarm for _, _, alarms in plan.values() for alarm in alarms})
    alarms = [Alarm(name, values.of(judged(template["Resources"][name]["Properties"])), speed) for name in names]
    share, minutes = next((share, minutes) for share, minutes, _ in plan.values())
    group = values.of(template["Resources"]["FunctionLogs"]["Properties"]["LogGroupName"])
    print(f"CodeDeploy stand-in: {len(targets)} aliases, {share:.0%} for {minutes} min at {speed} times the speed, watching {', '.join(names) or 'no alarm'}")
    began = time.time()
    metrics = Metrics(group, began)
    for logical in targets:
        move(stack, logical, targets[logical], share)
    if share < 1:
        fired = watch(alarms, metrics, began, began + 60 * minutes / speed)
        if fired:
            print(f"CodeDeploy stand-in: {fired} after {time.time() - began:.0f} s; all aliases go back")
            for logical in targets:
                move(stack, logical, None, 0)
            return False
        for logical in targets:
            move(stack, logical, targets[logical], 1.0)
    print(f"CodeDeploy stand-in: all calls go to the new versions after {time.time() - began:.0f} s")
    return True


def newest(stack, plan):
    """The version to which each alias shall move, where it is not there yet."""
    found = {}
    aliases = stack.aliases()
    for logical in plan:
        function, alias = aliases[logical]
        pages = stack.functions.get_paginator("list_versions_by_function").paginate(FunctionName=function)
        versions = [v["Version"] for page in pages for v in page["Versions"] if v["Version"] != "$LATEST"]
        latest = max(versions, key=int)
        if stack.functions.get_alias(FunctionName=function, Name=alias)["FunctionVersion"] != latest:
            found[logical] = latest
    return found


def move(stack, logical, version, share):
    """Sends a share of an alias's calls to a version; all of them, and it is the alias's own; none, and it is forgotten."""
    function, alias = stack.aliases()[logical]
    weights = {version: share} if 0 < share < 1 else {}
    main = {"FunctionVersion": version} if share >= 1 else {}
    stack.functions.update_alias(FunctionName=function, Name=alias, RoutingConfig={"AdditionalVersionWeights": weights}, **main)


def watch(alarms, metrics, began, until):
    """Until an alarm fires or the time is over. What fired, in words."""
    while True:
        now = time.time()
        metrics.read()
        for alarm in alarms:
            if figures := alarm.fires(metrics, began, now):
                shown = ", ".join("none" if figure is None else f"{figure:g}" for figure in figures)
                return f"{alarm.name} fires ({shown} in its last periods of {alarm.period_s():g} s, threshold {alarm.of['Threshold']})"
        if now >= until:
            return None
        time.sleep(TICK_S)

