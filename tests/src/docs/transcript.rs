//! Plays the `curl` transcripts of a page against a deployment, in their order, and holds each answer against the one on
//! the page: the status, the headers that the page shows, and the body.
//!
//! Times and amounts of memory differ from run to run (`..._ms`, `..._bytes`), and so do ids: an id of the page stands for
//! the one that was found in its place, there and in all later commands.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::str::FromStr;
use std::time::Duration;

use local_aws::time::{now, pause};
use muster::domain::{MatchId, TicketId, Unique};
use serde_json::Value;
use tokio::process::Command;

use super::markdown::{Found, Page};

/// A question may be asked again until the answer is the one on the page, as a phone would ask.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two questions.
const PAUSE: Duration = Duration::from_millis(50);

/// A command with its answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Exchange {
    /// The command's line on the page.
    pub line: usize,
    /// The command.
    pub command: String,
    /// What came back.
    pub answer: Answer,
}

/// What `curl -i` prints.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Header lines.
    pub headers: Vec<String>,
    /// The body.
    pub body: Value,
}

/// The ids of a page, and those that stand in their place.
pub type Ids = BTreeMap<String, String>;

/// The `curl` commands of a page, in order, with their answers.
///
/// # Errors
/// A command without an answer that can be read.
pub fn exchanges(page: &Page) -> Result<Vec<Exchange>, String> {
    let mut exchanges = Vec::new();
    for Found { line, text } in page.blocks("console") {
        let mut lines = text.lines().zip(line..).peekable();
        while let Some((text, line)) = lines.next() {
            let Some(first) = text.strip_prefix("$ ") else { continue };
            let mut command = first.to_owned();
            while command.ends_with('\\') {
                let Some((more, _)) = lines.next() else { break };
                command = format!("{command}\n{more}");
            }
            let mut output = String::new();
            while let Some((text, _)) = lines.next_if(|(text, _)| !text.starts_with("$ ")) {
                output += text;
                output.push('\n');
            }
            if command.starts_with("curl ") {
                let answer = Answer::read(&output).map_err(|problem| format!("{}: {problem}", page.at(line)))?;
                exchanges.push(Exchange { line, command, answer });
            }
        }
    }
    Ok(exchanges)
}

impl Answer {
    /// Reads what `curl -i` printed.
    ///
    /// # Errors
    /// It is something else.
    pub fn read(output: &str) -> Result<Self, String> {
        let mut lines = output.lines().map(str::trim_end).filter(|line| !line.is_empty());
        let first = lines.next().unwrap_or_default();
        let status = first.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.split(' ').next()?.parse().ok());
        let status = status.ok_or_else(|| format!("expected a line HTTP/1.1 and a status, found {first:?}"))?;
        let (body, headers): (Vec<&str>, Vec<&str>) = lines.partition(|line| line.starts_with(['{', '[']));
        let body =
            serde_json::from_str(&body.concat()).map_err(|error| format!("expected JSON, found {body:?}: {error}"))?;
        Ok(Self { status, headers: headers.into_iter().map(str::to_owned).collect(), body })
    }

    /// Whether `found` is what the page says; the first difference if not.
    ///
    /// # Errors
    /// The difference.
    pub fn compare(&self, found: &Self, ids: &mut Ids) -> Result<(), String> {
        if self.status != found.status {
            return Err(format!("expected status {}, found {} {}", self.status, found.status, found.body));
        }
        if let Some(header) = self.headers.iter().find(|header| !found.headers.contains(header)) {
            return Err(format!("expected a header {header:?}, found {:?}", found.headers));
        }
        let mut met = ids.clone();
        alike("body", &self.body, &found.body, &mut met)?;
        *ids = met;
        Ok(())
    }
}

fn alike(place: &str, expected: &Value, found: &Value, ids: &mut Ids) -> Result<(), String> {
    let differs = || Err(format!("{place}: expected {expected}, found {found}"));
    match (expected, found) {
        (Value::Object(left), Value::Object(right)) => {
            if !left.keys().eq(right.keys()) {
                return differs();
            }
            left.iter().try_for_each(|(key, value)| alike(&format!("{place}.{key}"), value, &right[key], ids))
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            left.iter().zip(right).try_for_each(|(left, right)| alike(&format!("{place}[]"), left, right, ids))
        }
        (Value::String(left), Value::String(right)) if is_id(left) && is_id(right) => {
            if ids.entry(left.clone()).or_insert_with(|| right.clone()) == right { Ok(()) } else { differs() }
        }
        (Value::Number(_), Value::Number(_))
            if place.split('.').any(|key| key.ends_with("_ms") || key.ends_with("_bytes")) =>
        {
            Ok(())
        }
        _ if expected == found => Ok(()),
        _ => differs(),
    }
}

fn is_id(text: &str) -> bool {
    let of_lobby = text.strip_prefix("l.").is_some_and(|rest| MatchId::from_str(&format!("m.{rest}")).is_ok());
    of_lobby || TicketId::from_str(text).is_ok() || MatchId::from_str(text).is_ok() || Unique::from_str(text).is_ok()
}

/// Plays one exchange against the deployment at `url`.
///
/// # Errors
/// The answer is another than the one on the page. A mere question is asked again for a while before.
pub async fn play(exchange: &Exchange, url: &str, ids: &mut Ids) -> Result<(), String> {
    let command = ids.iter().fold(exchange.command.clone(), |command, (ours, theirs)| command.replace(ours, theirs));
    let question = !["-d", "--json", "-X"].iter().any(|flag| command.contains(flag));
    let began = now();
    loop {
        let found = Answer::read(&run(&command, url).await?)?;
        match exchange.answer.compare(&found, ids) {
            Err(_) if question && began.elapsed() < PATIENCE => pause(PAUSE).await,
            done => return done,
        }
    }
}

async fn run(command: &str, url: &str) -> Result<String, String> {
    let shell = Command::new("sh").args(["-c", command]).env("API", url).stdin(Stdio::null()).output().await;
    let output = shell.map_err(|error| format!("sh: {error}"))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str =
        "HTTP/1.1 200 OK\nretry-after: 1\n\n{\"id\":\"t.a.eu.01JD8Z4V6WQK9T3M5N7P0R2S4X\",\"n_ms\":1}\n";

    fn found(from: &str, to: &str) -> Result<Ids, String> {
        let mut ids = Ids::new();
        let found = Answer::read(&OUTPUT.replacen(from, to, 1)).unwrap();
        Answer::read(OUTPUT).unwrap().compare(&found, &mut ids).map(|()| ids)
    }

    #[test]
    fn times_may_differ_and_ids_are_remembered() {
        let other = "t.a.eu.01JD8Z4V6WQK9T3M5N7P0R2S4Y";
        let ids = found("t.a.eu.01JD8Z4V6WQK9T3M5N7P0R2S4X\",\"n_ms\":1", &format!("{other}\",\"n_ms\":2")).unwrap();
        assert_eq!(ids["t.a.eu.01JD8Z4V6WQK9T3M5N7P0R2S4X"], other);
    }

    #[test]
    fn another_status_header_key_or_kind_is_a_difference() {
        for (from, to) in [("200", "202"), ("retry-after: 1", "retry-after: 2"), ("n_ms", "n_s"), ("1}", "null}")] {
            assert!(found(from, to).is_err(), "{from} -> {to}");
        }
    }

    #[test]
    fn a_transcript_is_read_with_its_answers() {
        let text = format!("```console\n$ API=x\n$ curl -si \\\n  $API/a\n{OUTPUT}$ make demo\nsome text\n```\n");
        let read = exchanges(&Page::new("t.md", &text)).unwrap();
        assert_eq!(read.len(), 1);
        assert_eq!((read[0].line, read[0].command.as_str(), read[0].answer.status), (3, "curl -si \\\n  $API/a", 200));
        assert!(exchanges(&Page::new("t.md", "```console\n$ curl -si x\n```\n")).is_err(), "no answer");
    }
}
