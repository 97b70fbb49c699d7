//! `muster doctor` as an operator runs it: on a healthy deployment, and on one for each fault that it must name.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use muster_tools::local::{Deployment, Options, RedisPart};
use tempfile::TempDir;

async fn deployment(options: Options) -> Deployment {
    Deployment::start(options).await.unwrap_or_else(|error| panic!("{error}"))
}

/// A deployment in which no matcher and no sweeper works.
fn without_jobs() -> Options {
    Options { schedules: false, ..Options::default() }
}

async fn doctor(deployment: &Deployment, arguments: &[&str]) -> Output {
    let mut all = vec!["--url".to_owned(), deployment.url(), "--websocket-url".to_owned(), deployment.websocket_url()];
    all.extend(["--queue", "ranked-1v1"].map(str::to_owned));
    all.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    // The deployment's fronts live in this process, and must go on meanwhile.
    tokio::task::spawn_blocking(move || run(&all, None)).await.unwrap()
}

fn run(arguments: &[String], path: Option<&Path>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_muster"));
    command.arg("doctor").args(arguments);
    if let Some(path) = path {
        command.env("PATH", format!("{}:/usr/bin:/bin", path.display()));
    }
    command.output().unwrap()
}

/// The one line that names the fault, if there is one fault.
fn fault(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), said.lines().count()), (Some(1), 1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("| FAULT"), "{output:?}");
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_deployment_passes_with_a_table() {
    let deployment = deployment(Options::default()).await;
    let output = doctor(&deployment, &["--local"]).await;
    let table = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    for expected in [
        "Redis and the ledger answer",
        "a player is let in",
        "two players of ranked-1v1.eu met after ",
        "a player connects and is answered",
        "no --stack",
    ] {
        assert!(table.contains(expected), "expected {expected:?} in\n{table}");
    }
    let unknown = fault(&doctor(&deployment, &["--local", "--region", "mars"]).await);
    assert!(unknown.starts_with("muster: match: there is no pool ranked-1v1.mars: put a document"), "{unknown}");
    let one = fault(&doctor(&deployment, &["--token-command", "echo one two"]).await);
    assert!(one.contains("token: the token command printed no token, or more than one word"), "{one}");
    let failed = fault(&doctor(&deployment, &["--token-command", "echo no such issuer >&2; exit 3"]).await);
    assert!(failed.contains("ended with exit status: 3: no such issuer"), "{failed}");
    let unproven = doctor(&deployment, &[]).await;
    assert!(unproven.status.success(), "what is skipped is no fault: {unproven:?}");
    assert!(String::from_utf8_lossy(&unproven.stdout).contains("no --token-command"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_is_named() {
    let mut deployment = deployment(Options::default()).await;
    deployment.ledger().unwrap().table.emulator().unwrap().stop();
    let ledger = doctor(&deployment, &["--local"]).await;
    let said = String::from_utf8_lossy(&ledger.stderr);
    assert_eq!(ledger.status.code(), Some(1));
    assert!(said.contains("muster: stores: Redis answers, the ledger does not: look at the table"), "{said}");
    let RedisPart::Single(redis) = deployment.redis() else { panic!("one server") };
    redis.stop();
    let both = doctor(&deployment, &["--local"]).await;
    let said = String::from_utf8_lossy(&both.stderr);
    assert_eq!(both.status.code(), Some(1));
    assert!(said.contains("muster: stores: Redis does not answer: look whether it runs"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_refused_is_named() {
    let env = [("AUTH_MODE", "jwt"), ("JWT_ISSUER", "http://127.0.0.1:1"), ("JWT_AUDIENCE", "muster")];
    let env = env.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let deployment = deployment(Options { env, ..without_jobs() }).await;
    let said = fault(&doctor(&deployment, &["--token-command", "printf forged.%s.token $MUSTER_PLAYER"]).await);
    let expected = "muster: token: the API answers 401 unauthenticated: compare its iss and aud with the parameters";
    assert!(said.starts_with(expected) && !said.contains("forged"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_without_a_matcher_is_named_and_keeps_no_made_up_player() {
    let deployment = deployment(without_jobs()).await;
    ["matcher", "sweeper"].iter().for_each(|job| deployment.take_away(job));
    let said = fault(&doctor(&deployment, &["--local", "--limit", "1"]).await);
    let expected = "muster: match: ranked-1v1.eu: nobody is matched in 1 s: no matcher works: look at the schedule";
    assert!(said.starts_with(expected), "{said}");
    let status = reqwest::get(format!("{}/queue/status", deployment.url())).await.unwrap().text().await.unwrap();
    assert!(!status.contains("\"waiting\":1") && !status.contains("\"waiting\":2"), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_where_nobody_answers_is_named() {
    let output = run(&["--local".to_owned(), "--url".to_owned(), "http://127.0.0.1:1".to_owned()], None);
    assert!(fault(&output).starts_with("muster: API: GET /health: client error (Connect)"), "{output:?}");
    let none = run(&["--local".to_owned()], None);
    assert!(String::from_utf8_lossy(&none.stderr).contains("--url: expected the HTTP API's URL"), "{none:?}");
}

/// An `aws` command that answers as AWS's documentation shows, from files named after the operation.
struct Aws(TempDir);

impl Aws {
    fn new(deployment: &Deployment) -> Self {
        let aws = Self(tempfile::tempdir().unwrap());
        let script =
            "#!/bin/sh\nname=$2\n[ \"$2\" != get-metric-statistics ] || name=$2-$6\ncat \"${0%/*}/$name.json\"\n";
        let program = aws.0.path().join("aws");
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let outputs = serde_json::json!([
            { "OutputKey": "HttpUrl", "OutputValue": deployment.url() },
            { "OutputKey": "WebSocketUrl", "OutputValue": deployment.websocket_url() },
        ]);
        let stack = serde_json::json!({ "StackStatus": "UPDATE_COMPLETE", "Outputs": outputs });
        aws.answers("describe-stacks", serde_json::json!({ "Stacks": [stack] }));
        let resource = |name: &str, kind: &str| serde_json::json!({ "LogicalResourceId": name, "ResourceType": kind, "PhysicalResourceId": format!("muster-{name}") });
        let resources = [
            resource("MatcherFunction", "AWS::Lambda::Function"),
            resource("SweeperFunction", "AWS::Lambda::Function"),
            resource("MatcherFunctionEveryMinute", "AWS::Events::Rule"),
            resource("SweeperFunctionEveryMinute", "AWS::Events::Rule"),
            resource("WaitAlarm", "AWS::CloudWatch::Alarm"),
        ];
        aws.answers("list-stack-resources", serde_json::json!({ "StackResourceSummaries": resources }));
        aws.answers("describe-rule", serde_json::json!({ "State": "ENABLED" }));
        aws.runs(5, 0);
        aws.alarm(true, "OK");
        aws
    }

    fn answers(&self, operation: &str, answer: serde_json::Value) {
        std::fs::write(self.0.path().join(format!("{operation}.json")), answer.to_string()).unwrap();
    }

    /// The stack was made at this moment.
    fn made_now(&self) {
        let file = self.0.path().join("describe-stacks.json");
        let mut described: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        described["Stacks"][0]["CreationTime"] = jiff::Timestamp::now().to_string().into();
        self.answers("describe-stacks", described);
    }

    fn runs(&self, runs: u32, failed: u32) {
        let points = |sum: u32| match sum {
            0 => serde_json::json!({ "Datapoints": [] }),
            sum => serde_json::json!({ "Datapoints": [{ "Sum": f64::from(sum) }] }),
        };
        self.answers("get-metric-statistics-Invocations", points(runs));
        self.answers("get-metric-statistics-Errors", points(failed));
    }

    fn alarm(&self, armed: bool, state: &str) {
        let alarm =
            serde_json::json!({ "AlarmName": "muster-WaitAlarm", "ActionsEnabled": armed, "StateValue": state });
        self.answers("describe-alarms", serde_json::json!({ "MetricAlarms": [alarm] }));
    }

    async fn doctor(&self) -> Output {
        let all = ["--local", "--stack", "muster-dev", "--queue", "ranked-1v1"].map(str::to_owned);
        let path = self.0.path().to_owned();
        tokio::task::spawn_blocking(move || run(&all, Some(&path))).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn schedules_runs_and_alarms_of_a_stack_are_looked_at_and_each_fault_is_named() {
    let deployment = deployment(Options::default()).await;
    let aws = Aws::new(&deployment);
    let well = aws.doctor().await;
    assert!(well.status.success(), "{well:?}");
    let table = String::from_utf8_lossy(&well.stdout);
    for expected in
        ["muster-dev is UPDATE_COMPLETE", "2 enabled", "MatcherFunction 5 runs, 0 failed", "1 armed, none fires"]
    {
        assert!(table.contains(expected), "expected {expected:?} in\n{table}");
    }
    aws.alarm(true, "ALARM");
    assert!(fault(&aws.doctor().await).starts_with("muster: alarms: firing: WaitAlarm: docs/operations.md"));
    aws.alarm(false, "OK");
    let silent = fault(&aws.doctor().await);
    assert!(
        silent.contains(
            "alarms: not armed: WaitAlarm: aws cloudwatch enable-alarm-actions --alarm-names muster-WaitAlarm"
        ),
        "{silent}"
    );
    aws.alarm(true, "OK");
    aws.runs(0, 0);
    assert!(fault(&aws.doctor().await).starts_with("muster: runs: MatcherFunction did not run in 5 minutes: "));
    aws.made_now();
    let young = aws.doctor().await;
    let said = String::from_utf8_lossy(&young.stdout);
    assert!(young.status.success() && said.contains("MatcherFunction has not run yet"), "{young:?}");
    aws.runs(5, 5);
    assert!(fault(&aws.doctor().await).starts_with("muster: runs: all 5 runs of MatcherFunction failed: "));
    aws.runs(5, 1);
    aws.answers("describe-rule", serde_json::json!({ "State": "DISABLED" }));
    let disabled = fault(&aws.doctor().await);
    assert!(
        disabled.contains("schedules: MatcherFunctionEveryMinute is DISABLED: aws events enable-rule --name"),
        "{disabled}"
    );
    aws.answers("describe-stacks", serde_json::json!({ "Stacks": [{ "StackStatus": "UPDATE_IN_PROGRESS" }] }));
    assert!(fault(&aws.doctor().await).starts_with("muster: stack: muster-dev is UPDATE_IN_PROGRESS: wait"));
    std::fs::remove_file(aws.0.path().join("describe-stacks.json")).unwrap();
    assert!(fault(&aws.doctor().await).starts_with("muster: stack: aws cloudformation describe-stacks: "));
}
