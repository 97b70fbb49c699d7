//! `POST /queue/join`: 202 a new ticket waits · 200 the same ticket again · 201 it waits in the ledger, the store being away ·
//! 429 the caller asks too often, or a player of the party refused too many matches.

use lambda_http::Request;
use lambda_http::http::StatusCode;
use muster::domain::queue::NoSuchPool;
use muster::domain::{Party, PlayerId};
use muster::ports::{Clock, Ids, Ledger, Mode, Outbox, Players, Profiles, Tickets};
use muster::usecases::join::{self, JoinReply};
use muster::usecases::view::{Status, View};

use crate::app::{Answer, App, json, noting};
use crate::body::{JoinBody, TicketBody};
use crate::idempotency::{HEADER, key};
use crate::identity::{caller, claim};
use crate::metrics::{Metric, Noted};
use crate::problem::{Code, Problem};
use crate::ratings::rating;

/// Lets the caller's party wait.
///
/// # Errors
/// The request is refused or the store does not answer.
pub async fn handle<S, L, W>(app: &App<S, L, W>, request: Request) -> Answer
where
    S: Tickets + Players + Outbox,
    L: Ledger + Tickets + Players + Profiles,
    W: Clock + Ids,
{
    let caller = caller(&request, app.config.auth)?;
    let key = request.headers().get(HEADER).map(|value| key(value.as_bytes())).transpose()?;
    let body = JoinBody::read(request.body().as_ref())?;
    let claims = |name: &str| claim(&request, app.config.auth, name);
    let Entered { status, ticket, retry_after_ms, noted, .. } =
        enter(app, &caller, key.as_deref(), &body, claims).await?;
    Ok(noting(json(status, &ticket, retry_after_ms), noted))
}

/// A party that waits, or did before.
#[derive(Debug)]
pub struct Entered {
    /// 202, 201 or 200.
    pub status: StatusCode,
    /// What is said of the ticket.
    pub ticket: TicketBody,
    /// What it is now.
    pub now: Status,
    /// When to ask again, in milliseconds.
    pub retry_after_ms: Option<u64>,
    /// What to tell of the invocation.
    pub noted: Noted,
}

/// Lets `caller`'s party wait. `claims` are those of the caller's verified token.
///
/// # Errors
/// The request is refused or the store does not answer.
pub async fn enter<S, L, W>(
    app: &App<S, L, W>,
    caller: &PlayerId,
    idempotency_key: Option<&str>,
    body: &JoinBody,
    claims: impl Fn(&str) -> Option<String>,
) -> Result<Entered, Problem>
where
    S: Tickets + Players + Outbox,
    L: Ledger + Tickets + Players + Profiles,
    W: Clock + Ids,
{
    let (pool, rules) = app.config.queues.pool(&body.queue, &body.region).map_err(|unknown| match unknown {
        _ if !app.rules.is_known() => {
            Problem::new(Code::StoreUnavailable, "expected the rules, found no ledger to ask")
        }
        NoSuchPool::Queue => Problem::new(Code::UnknownQueue, format!("expected a queue, found {:?}", body.queue)),
        NoSuchPool::Region => {
            Problem::new(Code::UnknownRegion, format!("expected a region of {}, found {:?}", body.queue, body.region))
        }
    })?;
    let request = join::Request {
        caller,
        pool,
        rules,
        party: party(body, caller, rules.team_size)?,
        rating: rating(body.rating, rules, claims)?,
        idempotency_key,
        // Without a ledger there is no stream, and nobody to push.
        push: body.push && app.ledger.is_some(),
        rate: Some(app.config.join_rate),
        now_ms: app.env.now_ms(),
    };
    let placed = join::join_queue(&app.store, &app.ledger, &app.env, &request).await?;
    let noted = Noted::default()
        .one(Metric::LedgerFailures, usize::from(placed.ledger_failure.is_some()))
        .field("pool", request.pool.as_str());
    if let Some(error) = placed.ledger_failure {
        tracing::warn!(%error, "the ledger did not hear of a join");
    }
    let fallback = placed.mode == Mode::Fallback;
    let entered = |status, view: View, noted| Entered {
        status,
        ticket: TicketBody::new(&view, &app.config.queues),
        now: view.status,
        retry_after_ms: view.retry_after_ms,
        noted,
    };
    match placed.reply {
        JoinReply::Queued(view) => {
            let status = if fallback { StatusCode::CREATED } else { StatusCode::ACCEPTED };
            let noted = noted.one(Metric::Joined, 1).one(Metric::FallbackJoins, usize::from(fallback));
            let entered = entered(status, view, noted);
            Ok(Entered { ticket: entered.ticket.rated(placed.rated), ..entered })
        }
        JoinReply::Already(view) => Ok(entered(StatusCode::OK, view, noted)),
        JoinReply::CallerBusy(ticket) => {
            let problem = Problem::new(
                Code::AlreadyQueued,
                "the caller already has a ticket; cancel it first, or continue with it",
            );
            Err(problem.with("ticket_id", ticket.to_string()))
        }
        JoinReply::MemberBusy(player) => {
            let problem = Problem::new(
                Code::PartyMemberQueued,
                "a party member already has a ticket; that player must cancel it first",
            );
            Err(problem.with("player_id", player.to_string()))
        }
        JoinReply::CoolingDown(player, left_ms) => {
            let problem = Problem::new(
                Code::CoolingDown,
                "a player is on cooldown after declining matches; retry after retry_after_ms",
            );
            Err(problem.with("player_id", player.to_string()).retry_after(left_ms))
        }
        JoinReply::RateLimited(left_ms) => {
            let problem = Problem::new(Code::RateLimited, "too many joins from one player; retry after retry_after_ms");
            Err(problem.retry_after(left_ms))
        }
        JoinReply::Contended => {
            Err(Problem::new(Code::Contended, "other joins kept changing the same players' tickets; retry soon"))
        }
    }
}

fn party(body: &JoinBody, caller: &PlayerId, team_size: usize) -> Result<Party, Problem> {
    let Some(names) = &body.party else { return Ok(Party::solo(caller.clone())) };
    let player = |name: &String| {
        name.parse::<PlayerId>().map_err(|error| Problem::new(Code::InvalidPlayerId, error.to_string()))
    };
    let players = names.iter().map(player).collect::<Result<_, _>>()?;
    Ok(Party::new(players, caller, team_size)?)
}
