//! The service against sandboxes that speak the Runtime API from a shell script: what they do is the test's choice, and they
//! are real processes that can be killed. The real runtime library is on the other side in `tests/deployment.rs`.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;

/// Nothing here takes so long unless it fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// Asks for work by `curl` and does what the event says in `do`: `echo`, `fail`, `die`, or `hang`.
const SANDBOX: &str = r#"#!/bin/sh
api=$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime
echo start >> "$0.starts"
while curl -sf -D "$0.$$.head" -o "$0.$$.event" "$api/invocation/next"; do
    id=$(sed -n 's/^lambda-runtime-aws-request-id: \([^[:cntrl:]]*\).*/\1/p' "$0.$$.head")
    echo "$id" >> "$0.calls"
    case $(cat "$0.$$.event") in
    *echo*) curl -sf -o /dev/null --data-binary "@$0.$$.event" "$api/invocation/$id/response" ;;
    *fail*) curl -sf -o /dev/null --data '{"errorMessage":"no","errorType":"Mine"}' "$api/invocation/$id/error" ;;
    *die*) kill -KILL $$ ;;
    *hang*) sleep 60 ;;
    esac
done
"#;

struct Stage {
    lambda: Lambda,
    folder: TempDir,
}

impl Stage {
    async fn with(processes: usize, timeout: Duration, retries_max: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("f");
        std::fs::write(&program, SANDBOX).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let terms = Terms { retries_max, pause: Duration::from_millis(5), ..Terms::default() };
        let (log, env) = (folder.path().join("log"), Vec::new());
        let lambda = Lambda::start().await.unwrap();
        lambda.deploy(Setup { name: "f".to_owned(), program, env, log, timeout, processes, terms }).unwrap();
        Self { lambda, folder }
    }

    async fn new(processes: usize) -> Self {
        let stage = Self::with(processes, PATIENCE, 0).await;
        stage.lambda.ready(PATIENCE).await.unwrap();
        stage
    }

    fn lines(&self, what: &str) -> usize {
        let file = self.folder.path().join(format!("f.{what}"));
        std::fs::read_to_string(file).unwrap_or_default().lines().count()
    }

    async fn until(&self, what: &str, count: usize) {
        let began = now();
        while self.lines(what) < count {
            assert!(began.elapsed() < PATIENCE, "expected {count} {what}, found {}", self.lines(what));
            pause(LOOK).await;
        }
    }

    /// Status, the header that tells of a failure, and the body.
    async fn post(&self, name: &str, kind: Option<&str>, body: &str) -> (u16, bool, Value) {
        let url = format!("{}/2015-03-31/functions/{name}/invocations", self.lambda.url());
        let mut request = reqwest::Client::new().post(url).body(body.to_owned()).timeout(PATIENCE);
        if let Some(kind) = kind {
            request = request.header("X-Amz-Invocation-Type", kind);
        }
        let answer = request.send().await.unwrap();
        let (status, failed) = (answer.status().as_u16(), answer.headers().contains_key("x-amz-function-error"));
        (status, failed, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default())
    }

    async fn call(&self, what: &str) -> (u16, bool, Value) {
        self.post("f", None, &json!({ "do": what }).to_string()).await
    }
}

#[tokio::test]
async fn a_function_answers_fails_and_dies_as_on_aws() {
    let stage = Stage::new(1).await;
    assert_eq!(stage.call("echo").await, (200, false, json!({ "do": "echo" })));
    let (status, failed, body) = stage.call("fail").await;
    assert_eq!((status, failed, &body["errorType"]), (200, true, &json!("Mine")));
    let (status, failed, body) = stage.call("die").await;
    assert_eq!((status, failed, &body["errorType"]), (200, true, &json!("Runtime.ExitError")), "{body}");
    assert!(body["errorMessage"].as_str().unwrap().contains("signal 9"), "{body}");
    assert_eq!(stage.call("echo").await.0, 200, "another sandbox has taken its place");
    assert_eq!(stage.lines("starts"), 2);
    assert!(stage.lambda.notifications().iter().any(|line| line.contains("ended by signal 9")));
}

#[tokio::test]
async fn an_invocation_that_takes_longer_than_the_timeout_ends_with_its_sandbox() {
    let stage = Stage::with(1, Duration::from_millis(300), 0).await;
    stage.lambda.ready(PATIENCE).await.unwrap();
    let began = now();
    let (status, failed, body) = stage.call("hang").await;
    assert_eq!((status, failed, &body["errorType"]), (200, true, &json!("Sandbox.Timedout")), "{body}");
    assert!(began.elapsed() >= Duration::from_millis(300));
    stage.until("starts", 2).await;
}

#[tokio::test]
async fn more_invocations_than_the_concurrency_are_throttled_and_fewer_wait_for_a_process() {
    let stage = Stage::new(1).await;
    let both = futures::join!(stage.call("echo"), stage.call("echo"));
    assert_eq!((both.0.0, both.1.0), (200, 200), "one of them has waited");
    stage.lambda.reserve("f", 1);
    let hanging = stage.call("hang");
    let refused = async {
        stage.until("calls", 3).await;
        stage.call("echo").await
    };
    tokio::select! {
        _ = hanging => unreachable!("it hangs"),
        (status, _, body) = refused => assert_eq!((status, &body["message"]), (429, &json!("Rate Exceeded."))),
    }
    stage.lambda.reserve("f", 0);
    assert_eq!(stage.call("echo").await.0, 429);
}

#[tokio::test]
async fn a_process_more_is_started_while_an_invocation_waits() {
    let stage = Stage::new(2).await;
    let hanging = stage.call("hang");
    let other = async {
        stage.until("calls", 1).await;
        stage.call("echo").await
    };
    tokio::select! {
        _ = hanging => unreachable!("it hangs"),
        (status, ..) = other => assert_eq!(status, 200),
    }
    assert_eq!(stage.lambda.sandboxes("f").len(), 2);
}

#[tokio::test]
async fn an_event_is_accepted_at_once_and_tried_as_often_as_the_terms_say() {
    let stage = Stage::with(1, PATIENCE, 2).await;
    for what in ["fail", "die"] {
        let before = stage.lines("calls");
        let (status, failed, _) = stage.post("f", Some("Event"), &json!({ "do": what }).to_string()).await;
        assert_eq!((status, failed), (202, false));
        stage.until("calls", before + 3).await;
        let began = now();
        let given_up = loop {
            let notifications = stage.lambda.notifications();
            if let Some(line) = notifications.into_iter().find(|line| line.contains("given up")) {
                break line;
            }
            assert!(began.elapsed() < PATIENCE, "expected news of it");
            pause(LOOK).await;
        };
        assert!(given_up.contains("after 2 retries"), "{given_up}");
        assert_eq!(stage.lines("calls"), before + 3, "{what}");
    }
}

#[tokio::test]
async fn an_event_that_is_throttled_runs_when_there_is_room() {
    let stage = Stage::with(0, PATIENCE, 0).await;
    assert_eq!(stage.post("f", Some("Event"), r#"{"do":"echo"}"#).await.0, 202);
    stage.lambda.reserve("f", 1);
    stage.until("calls", 1).await;
}

#[tokio::test]
async fn what_cannot_be_invoked_is_refused_by_name() {
    let stage = Stage::new(1).await;
    let cases = [
        ("g", None, "{}", 404),
        ("f", None, "{", 400),
        ("f", Some("Sometimes"), "{}", 400),
        ("f", Some("DryRun"), "{}", 204),
        ("arn:aws:lambda:eu-central-1:123456789012:function:f:live", Some("DryRun"), "{}", 204),
        ("f%3Alive", Some("DryRun"), "{}", 204),
    ];
    for (name, kind, body, expected) in cases {
        assert_eq!(stage.post(name, kind, body).await.0, expected, "{name} {kind:?} {body}");
    }
    let large = format!("\"{}\"", "x".repeat(crate::serve::BODY_BYTES_MAX));
    assert_eq!(stage.post("f", None, &large).await.0, 413);
    assert_eq!(stage.lines("calls"), 0);
}

#[tokio::test]
async fn a_function_that_cannot_start_fails_its_invocations_and_says_why() {
    let stage = Stage::new(1).await;
    std::fs::write(stage.folder.path().join("f.new"), "#!/bin/sh\necho no configuration\nexit 7\n").unwrap();
    std::fs::set_permissions(stage.folder.path().join("f.new"), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::rename(stage.folder.path().join("f.new"), stage.folder.path().join("f")).unwrap();
    stage.call("die").await;
    let (_, failed, body) = stage.call("echo").await;
    assert!(failed && body.to_string().contains("exit code 7"), "{body}");
}

#[tokio::test]
async fn a_service_that_is_dropped_leaves_no_process() {
    let stage = Stage::new(1).await;
    let sandbox = stage.lambda.sandboxes("f").remove(0);
    assert!(sandbox.runs());
    drop(stage);
    assert!(!sandbox.runs());
}
