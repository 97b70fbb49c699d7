//! What an operator sees of a stack on AWS: outputs, schedules, runs, alarms. Asked of the `aws` command.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::Findings;
use crate::command::aws::{aws, list, text};

/// Functions that a schedule starts each minute.
const SCHEDULED: [&str; 2] = ["MatcherFunction", "SweeperFunction"];
/// How far back a run is looked for, in seconds: a schedule of one minute has missed five then.
const RUNS_SECONDS: i64 = 300;

/// A stack, as CloudFormation knows it.
#[derive(Debug)]
pub struct Stack {
    outputs: BTreeMap<String, String>,
    /// Type and physical id, by logical id.
    resources: BTreeMap<String, (String, String)>,
    /// Since when there is the stack.
    created: Option<Timestamp>,
}

impl Stack {
    /// Reads a stack; none if that is a fault, which is noted.
    pub async fn read(name: &str, findings: &mut Findings) -> Option<Self> {
        match Self::ask(name).await {
            Ok((stack, status)) if status.ends_with("_COMPLETE") && !status.starts_with("DELETE") => {
                findings.well("stack", format!("{name} is {status}"));
                Some(stack)
            }
            Ok((_, status)) => {
                let remedy = "wait for its end, or read why in `aws cloudformation describe-stack-events`";
                findings.fault("stack", format!("{name} is {status}"), remedy);
                None
            }
            Err(problem) => {
                let remedy = "look at the stack's name, the region, and the credentials of the aws command";
                findings.fault("stack", problem, remedy);
                None
            }
        }
    }

    async fn ask(name: &str) -> Result<(Self, String), String> {
        let described = aws(&["cloudformation", "describe-stacks", "--stack-name", name]).await?;
        let stack = list(&described, "Stacks").next().ok_or("aws cloudformation describe-stacks: no stack")?;
        let outputs = list(stack, "Outputs").map(|output| (text(output, "OutputKey"), text(output, "OutputValue")));
        let listed = aws(&["cloudformation", "list-stack-resources", "--stack-name", name]).await?;
        let resources = list(&listed, "StackResourceSummaries").map(|resource| {
            let about = (text(resource, "ResourceType"), text(resource, "PhysicalResourceId"));
            (text(resource, "LogicalResourceId"), about)
        });
        let created = text(stack, "CreationTime").parse().ok();
        let found = Self { outputs: outputs.collect(), resources: resources.collect(), created };
        Ok((found, text(stack, "StackStatus")))
    }

    /// An output's value.
    pub fn output(&self, name: &str) -> Option<String> {
        self.outputs.get(name).cloned()
    }

    fn of_type<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let of_kind = self.resources.iter().filter(move |(_, (is, _))| is == kind);
        of_kind.map(|(name, (_, id))| (name.as_str(), id.as_str()))
    }

    /// Looks at schedules, runs and alarms.
    pub async fn look(&self, findings: &mut Findings) {
        self.schedules(findings).await;
        self.runs(findings).await;
        self.alarms(findings).await;
    }

    async fn schedules(&self, findings: &mut Findings) {
        let mut enabled = 0;
        for (name, id) in self.of_type("AWS::Events::Rule") {
            match aws(&["events", "describe-rule", "--name", id.rsplit('|').next().unwrap_or(id)]).await {
                Ok(rule) if rule["State"] == "ENABLED" => enabled += 1,
                Ok(rule) => {
                    let remedy = format!("aws events enable-rule --name {id}");
                    return findings.fault("schedules", format!("{name} is {}", text(&rule, "State")), remedy);
                }
                Err(problem) => return findings.fault("schedules", problem, "the operator needs events:DescribeRule"),
            }
        }
        if enabled < SCHEDULED.len() {
            let found = format!("expected {} schedules, found {enabled}", SCHEDULED.len());
            return findings.fault("schedules", found, "deploy the stack anew: some were deleted");
        }
        findings.well("schedules", format!("{enabled} enabled"));
    }

    async fn runs(&self, findings: &mut Findings) {
        let mut counts = Vec::new();
        for function in SCHEDULED {
            let Some((_, id)) = self.resources.get(function) else {
                return findings.fault("runs", format!("the stack has no {function}"), "deploy the stack anew");
            };
            let (runs, failed) = match futures::future::try_join(sum(id, "Invocations"), sum(id, "Errors")).await {
                Ok(counted) => counted,
                Err(problem) => {
                    return findings.fault("runs", problem, "the operator needs cloudwatch:GetMetricStatistics");
                }
            };
            if runs == 0.0 && self.is_young() {
                let why =
                    format!("{function} has not run yet; the stack is younger than {} minutes", RUNS_SECONDS / 60);
                return findings.skipped("runs", why);
            }
            if runs == 0.0 {
                let found = format!("{function} did not run in {} minutes", RUNS_SECONDS / 60);
                let remedy = "look at its schedule and its Throttles: the account's concurrency may be used up";
                return findings.fault("runs", found, remedy);
            }
            if failed >= runs {
                let remedy = "read its errors: aws logs tail STACK/functions --since 15m";
                return findings.fault("runs", format!("all {runs} runs of {function} failed"), remedy);
            }
            counts.push(format!("{function} {runs} runs, {failed} failed"));
        }
        findings.well("runs", format!("in {} minutes: {}", RUNS_SECONDS / 60, counts.join("; ")));
    }

    /// Whether schedules and figures may not have got so far.
    fn is_young(&self) -> bool {
        self.created.is_some_and(|at| {
            (Timestamp::now() - at).total(jiff::Unit::Second).is_ok_and(|age| age < RUNS_SECONDS as f64)
        })
    }

    async fn alarms(&self, findings: &mut Findings) {
        let names: Vec<&str> = self.of_type("AWS::CloudWatch::Alarm").map(|(_, id)| id).collect();
        if names.is_empty() {
            return findings.fault("alarms", "the stack has none", "deploy the stack anew");
        }
        let mut arguments = vec!["cloudwatch", "describe-alarms", "--alarm-names"];
        arguments.extend(&names);
        let found = match aws(&arguments).await {
            Ok(found) => found,
            Err(problem) => return findings.fault("alarms", problem, "the operator needs cloudwatch:DescribeAlarms"),
        };
        let armed: Vec<&Value> = list(&found, "MetricAlarms").filter(|alarm| alarm["ActionsEnabled"] == true).collect();
        let names_of = |ids: Vec<&str>| {
            let logical =
                |id: &&str| self.resources.iter().find(|(_, (_, is))| is == id).map(|(name, _)| name.as_str());
            ids.iter().filter_map(logical).collect::<Vec<_>>().join(", ")
        };
        let silent: Vec<&str> =
            names.iter().copied().filter(|name| !armed.iter().any(|alarm| alarm["AlarmName"] == *name)).collect();
        if !silent.is_empty() {
            let remedy = format!("aws cloudwatch enable-alarm-actions --alarm-names {}", silent.join(" "));
            return findings.fault("alarms", format!("not armed: {}", names_of(silent)), remedy);
        }
        let ringing: Vec<&str> = armed
            .iter()
            .filter(|alarm| alarm["StateValue"] == "ALARM")
            .filter_map(|alarm| alarm["AlarmName"].as_str())
            .collect();
        if !ringing.is_empty() {
            let remedy = "docs/operations.md has a paragraph for each alarm";
            return findings.fault("alarms", format!("firing: {}", names_of(ringing)), remedy);
        }
        findings.well("alarms", format!("{} armed, none fires", names.len()));
    }
}

/// The sum of a function's metric over the last minutes.
async fn sum(function: &str, metric: &str) -> Result<f64, String> {
    let now = Timestamp::now();
    let time = |at: Timestamp| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let (from, to) = (time(now - jiff::SignedDuration::from_secs(RUNS_SECONDS)), time(now));
    let (dimension, period) = (format!("Name=FunctionName,Value={function}"), RUNS_SECONDS.to_string());
    let what = ["cloudwatch", "get-metric-statistics", "--namespace", "AWS/Lambda", "--metric-name", metric];
    let of = ["--dimensions", &dimension, "--statistics", "Sum", "--period", &period];
    let when = ["--start-time", &from, "--end-time", &to];
    let found = aws(&[&what[..], &of, &when].concat()).await?;
    // A sum of nothing would be -0.
    Ok(list(&found, "Datapoints").filter_map(|point| point["Sum"].as_f64()).fold(0.0, |sum, point| sum + point))
}
