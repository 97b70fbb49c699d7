//! The WebSocket API: `$connect` and messages of connected phones.
//!
//! A message does what its HTTP request does, by the same code, and is answered on the connection. What happens later is the
//! notifier's to push. A phone that connects again says `resume`: nothing is remembered of a connection but where it is. That
//! it has left is not told (there is no route for `$disconnect`): the next push to it finds out, and until then nobody asks.

use aws_lambda_events::apigw::{ApiGatewayWebsocketProxyRequest, ApiGatewayWebsocketProxyRequestContext};
use lambda_runtime::LambdaEvent;
use muster::domain::{PlayerId, PlayerResponse};
use muster::ports::{Clock, Connections, Ids, Ledger, Players, Profiles, Store, StoreError, Tickets};
use muster::usecases::poll::Target;
use muster::usecases::pong::pong;
use serde_json::{Value, json};

use super::answer::{conclude, say};
use super::cancel::withdraw;
use super::join::{Entered, enter};
use super::poll_match::look;
use crate::app::{App, Ran};
use crate::message::{Action, Heard, Message};
use crate::metrics::Noted;
use crate::problem::{Code, Problem};

/// Takes an event of a connection.
///
/// # Errors
/// None: whatever is wrong is told to the phone.
pub async fn handle<S, L, W>(app: &App<S, L, W>, event: LambdaEvent<ApiGatewayWebsocketProxyRequest>) -> Ran<Value>
where
    S: Store,
    L: Ledger + Tickets + Players + Profiles + Connections,
    W: Clock + Ids,
{
    let ApiGatewayWebsocketProxyRequest { request_context: context, body, .. } = event.payload;
    let connection = context.connection_id.as_deref().unwrap_or_default();
    let route = context.route_key.as_deref().unwrap_or_default();
    let (status, text, noted) = match (caller(&context), route) {
        (Ok(player), "$connect") => {
            let since_ms = u64::try_from(context.connected_at).unwrap_or_default();
            remembered(app.ledger.connect(&player, connection, since_ms).await)
        }
        (Ok(player), _) => {
            let Message { id, action } = Message::read(body.as_deref().unwrap_or_default());
            let (heard, noted) = match action {
                Ok(action) => reply(app, &player, action).await.map(|(heard, noted)| (heard, noted.answered(200))),
                Err(problem) => Err(problem),
            }
            .unwrap_or_else(|problem| (Heard::problem(&problem), refused(&problem)));
            (200, heard.to(id.as_deref()).text(), noted)
        }
        (Err(problem), _) => (401, Heard::problem(&problem).text(), refused(&problem)),
    };
    Ok((json!({ "statusCode": status, "body": text }), noted.field("route", route)))
}

/// The player whom the authorizer named when the phone connected.
fn caller(context: &ApiGatewayWebsocketProxyRequestContext) -> Result<PlayerId, Problem> {
    let found = context.authorizer.fields.get("principalId").and_then(Value::as_str);
    let problem = |detail: String| Problem::new(Code::Unauthenticated, detail);
    let found = found.ok_or_else(|| problem("expected a verified token with a sub, found none".to_owned()))?;
    found.parse().map_err(|error| problem(format!("expected a verified token with a sub: {error}")))
}

/// A phone that cannot be remembered is not let in: it would wait for pushes that never come.
fn remembered(answer: Result<(), StoreError>) -> (u16, String, Noted) {
    match answer.map_err(Problem::from) {
        Ok(()) => (200, String::new(), Noted::default().routine()),
        Err(problem) => (problem.code.row().0, Heard::problem(&problem).text(), refused(&problem)),
    }
}

fn refused(problem: &Problem) -> Noted {
    Noted::default().answered(problem.code.row().0).field("code", problem.code.row().1)
}

async fn reply<S, L, W>(
    app: &App<S, L, W>,
    player: &PlayerId,
    action: Action,
) -> Result<(Heard<'static>, Noted), Problem>
where
    S: Store,
    L: Ledger + Tickets + Players + Profiles,
    W: Clock + Ids,
{
    let queues = &app.config.queues;
    let (view, noted) = match action {
        Action::Join(mut body, key) => {
            // Whatever the message says of it: a phone that speaks over a connection is reached by it.
            body.push = true;
            // The connection's authorizer hands on the player alone, no claims of the token.
            let Entered { ticket, now, noted, .. } = enter(app, player, key.as_deref(), &body, |_| None).await?;
            return Ok((Heard::ticket(now, ticket), noted));
        }
        Action::Cancel(ticket) => withdraw(app, &ticket, player).await?,
        Action::Accept(this_match) => say(app, &this_match, player, PlayerResponse::Accept).await?,
        Action::Decline(this_match) => say(app, &this_match, player, PlayerResponse::Decline).await?,
        Action::Pong(this_match, sent_ms) => {
            let done = pong(&app.store, &app.ledger, &app.env, queues, &this_match, player, sent_ms).await?;
            conclude(app, &this_match, done).await?
        }
        Action::Resume(ticket) => look(app, &Target::Ticket(ticket), player).await?,
    };
    Ok((Heard::view(&view, queues), noted))
}
