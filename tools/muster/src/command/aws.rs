//! The `aws` command, which has the operator's credentials already. An SDK for each service would be more to build than all that
//! asks here.

use serde_json::Value;
use tokio::process::Command;

/// Asks the `aws` command; null where it has nothing to say.
///
/// # Errors
/// One line if it fails.
pub async fn aws(arguments: &[&str]) -> Result<Value, String> {
    let mut command = Command::new("aws");
    command.args(arguments).args(["--output", "json"]).env("AWS_PAGER", "").kill_on_drop(true);
    let output = command.output().await.map_err(|error| format!("the aws command: {error}"))?;
    let asked = format!("aws {} {}", arguments[0], arguments[1]);
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let line = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
        return Err(format!("{asked}: {line}"));
    }
    if output.stdout.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&output.stdout).map_err(|error| format!("{asked}: {error}"))
}

/// The items of a list in an answer; none where there is no list.
pub fn list<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value[name].as_array().into_iter().flatten()
}

/// A text in an answer; empty where there is none.
pub fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}
