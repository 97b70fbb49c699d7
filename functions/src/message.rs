//! What phones say over a WebSocket, and what they hear. Both are JSON objects.
//!
//! A phone names an `action`, and if it likes an `id` that comes back in the reply. It hears an `event`, and beside it the
//! `ticket` as a poll would show it, a `problem` as HTTP would answer it, or what a ping needs.

use muster::domain::limits::{BODY_BYTES_MAX, MESSAGE_ID_BYTES_MAX};
use muster::domain::{MatchId, Queues, TicketId};
use muster::usecases::view::{Status, View};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::body::{JoinBody, TicketBody, unreadable};
use crate::idempotency;
use crate::problem::{Code, Problem};

/// What a phone asks for.
#[derive(Debug)]
pub enum Action {
    /// To let its party wait: the fields of `POST /queue/join`, and `idempotency_key`.
    Join(JoinBody, Option<String>),
    /// To take `ticket_id` back.
    Cancel(TicketId),
    /// To play `match_id`.
    Accept(MatchId),
    /// Not to.
    Decline(MatchId),
    /// Nothing: it is there, and was asked for `match_id` at `sent_ms`.
    Pong(MatchId, u64),
    /// What `ticket_id` is now.
    Resume(TicketId),
}

const ACTIONS: &str = "join, cancel, accept, decline, pong or resume";

/// A message of a phone.
#[derive(Debug)]
pub struct Message {
    /// By which the phone tells replies apart.
    pub id: Option<String>,
    /// What it asks for, or why that cannot be read.
    pub action: Result<Action, Problem>,
}

impl Message {
    /// Reads what a phone said.
    pub fn read(text: &str) -> Self {
        match fields(text) {
            Ok(mut fields) => match id(&mut fields) {
                Ok(id) => Self { id, action: action(fields) },
                Err(problem) => Self { id: None, action: Err(problem) },
            },
            Err(problem) => Self { id: None, action: Err(problem) },
        }
    }
}

fn fields(text: &str) -> Result<Map<String, Value>, Problem> {
    if text.len() > BODY_BYTES_MAX {
        let detail = format!("expected at most {BODY_BYTES_MAX} bytes, found {}", text.len());
        return Err(Problem::new(Code::BodyTooLarge, detail));
    }
    serde_json::from_str(text).map_err(unreadable)
}

fn id(fields: &mut Map<String, Value>) -> Result<Option<String>, Problem> {
    match fields.remove("id") {
        None => Ok(None),
        Some(Value::String(id)) if id.len() <= MESSAGE_ID_BYTES_MAX => Ok(Some(id)),
        Some(_) => {
            let detail = format!("id: expected a text of at most {MESSAGE_ID_BYTES_MAX} bytes");
            Err(Problem::new(Code::InvalidBody, detail))
        }
    }
}

fn action(mut fields: Map<String, Value>) -> Result<Action, Problem> {
    let action = text(&mut fields, "action").map_err(|_| unknown_action("none"))?;
    let read = match action.as_str() {
        "join" => return join(fields),
        "cancel" => Action::Cancel(named(&mut fields, "ticket_id")?),
        "accept" => Action::Accept(named(&mut fields, "match_id")?),
        "decline" => Action::Decline(named(&mut fields, "match_id")?),
        "pong" => Action::Pong(named(&mut fields, "match_id")?, number(&mut fields, "sent_ms")?),
        "resume" => Action::Resume(named(&mut fields, "ticket_id")?),
        other => return Err(unknown_action(&format!("{other:?}"))),
    };
    match fields.keys().next() {
        Some(name) => Err(Problem::new(Code::UnknownField, format!("expected the fields of {action}, found {name:?}"))),
        None => Ok(read),
    }
}

fn unknown_action(found: &str) -> Problem {
    Problem::new(Code::UnknownAction, format!("expected {ACTIONS}, found {found}"))
}

fn join(mut fields: Map<String, Value>) -> Result<Action, Problem> {
    let key = match fields.contains_key("idempotency_key") {
        true => Some(idempotency::key(text(&mut fields, "idempotency_key")?.as_bytes())?),
        false => None,
    };
    Ok(Action::Join(JoinBody::of(fields)?, key))
}

fn text(fields: &mut Map<String, Value>, name: &str) -> Result<String, Problem> {
    match fields.remove(name) {
        Some(Value::String(text)) => Ok(text),
        _ => Err(Problem::new(Code::InvalidBody, format!("{name}: expected a text"))),
    }
}

fn named<T: std::str::FromStr<Err: std::fmt::Display>>(
    fields: &mut Map<String, Value>,
    name: &str,
) -> Result<T, Problem> {
    text(fields, name)?.parse().map_err(|error: T::Err| Problem::new(Code::InvalidId, error.to_string()))
}

fn number(fields: &mut Map<String, Value>, name: &str) -> Result<u64, Problem> {
    let found = fields.remove(name).as_ref().and_then(Value::as_u64);
    found.ok_or_else(|| Problem::new(Code::InvalidBody, format!("{name}: expected a whole number of milliseconds")))
}

/// What a phone hears.
#[derive(Debug, Default, Serialize)]
pub struct Heard<'a> {
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ticket: Option<TicketBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    match_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sent_ms: Option<u64>,
}

impl<'a> Heard<'a> {
    /// That its ticket is now this.
    pub fn ticket(status: Status, ticket: TicketBody) -> Self {
        Self { event: status.event(), ticket: Some(ticket), ..Self::default() }
    }

    /// The same of a view.
    pub fn view(view: &View, queues: &Queues) -> Self {
        Self::ticket(view.status, TicketBody::new(view, queues))
    }

    /// That it was refused.
    pub fn problem(problem: &Problem) -> Self {
        Self { event: "problem", problem: Some(problem.body()), ..Self::default() }
    }

    /// That it shall say it is there.
    pub fn ping(this_match: &MatchId, sent_ms: u64) -> Self {
        Self { event: "ping", match_id: Some(this_match.to_string()), sent_ms: Some(sent_ms), ..Self::default() }
    }

    /// In reply to a message.
    #[must_use]
    pub fn to(self, id: Option<&'a str>) -> Self {
        Self { id, ..self }
    }

    /// As it is sent.
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> &'static str {
        Message::read(text).action.map_or_else(|problem| problem.code.row().1, |_| "taken")
    }

    #[test]
    fn every_bad_message_has_a_code() {
        let this_match = "m.duel.eu.01JD8Z4V7A0B1C2D3E4F5G6H7J";
        let cases = [
            ("", "malformed_json"),
            ("[]", "invalid_body"),
            ("{}", "unknown_action"),
            (r#"{"action":7}"#, "unknown_action"),
            (r#"{"action":"accept"}"#, "invalid_body"),
            (r#"{"action":"accept","match_id":"42"}"#, "invalid_id"),
            (&format!(r#"{{"action":"accept","match_id":"{this_match}","x":1}}"#), "unknown_field"),
            (&format!(r#"{{"action":"pong","match_id":"{this_match}","sent_ms":-1}}"#), "invalid_body"),
            (&format!(r#"{{"action":"pong","match_id":"{this_match}","sent_ms":1}}"#), "taken"),
            (r#"{"action":"join","region":"eu"}"#, "invalid_body"),
            (r#"{"action":"join","queue":"duel","region":"eu","mmr":1}"#, "unknown_field"),
            (r#"{"action":"join","queue":"duel","region":"eu","idempotency_key":""}"#, "invalid_idempotency_key"),
            (r#"{"action":"join","queue":"duel","region":"eu","idempotency_key":"k"}"#, "taken"),
            (r#"{"id":7,"action":"dance"}"#, "invalid_body"),
        ];
        for (text, code) in cases {
            assert_eq!(refused(text), code, "{text}");
        }
    }

    #[test]
    fn an_id_and_a_message_at_their_bounds_are_taken_and_one_byte_more_is_refused() {
        let with_id = |bytes: usize| format!(r#"{{"id":"{}","action":"dance"}}"#, "i".repeat(bytes));
        let known = Message::read(&with_id(MESSAGE_ID_BYTES_MAX));
        assert_eq!(known.id.map(|id| id.len()), Some(MESSAGE_ID_BYTES_MAX));
        assert_eq!(refused(&with_id(MESSAGE_ID_BYTES_MAX + 1)), "invalid_body");
        let of = |bytes: usize| format!("{}{}", " ".repeat(bytes - 2), "{}");
        assert_eq!(refused(&of(BODY_BYTES_MAX)), "unknown_action");
        assert_eq!(refused(&of(BODY_BYTES_MAX + 1)), "body_too_large");
    }
}
