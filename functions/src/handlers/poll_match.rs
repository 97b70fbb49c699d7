//! `GET /match/{id}`: where a ticket is, by its id or by its match's. `GET /lobby/{code}`: the same, by the code of its lobby.
//! Asking is proof of life.

use lambda_http::http::StatusCode;
use lambda_http::{Request, RequestExt};
use muster::domain::PlayerId;
use muster::ports::{Clock, Expired, Ids, Ledger, Reclaimed, Store, Tickets};
use muster::usecases::poll::{Target, poll};
use muster::usecases::view::View;

use super::answer::{carry, matched};
use crate::app::{Answer, App, json, noting};
use crate::body::TicketBody;
use crate::identity::caller;
use crate::metrics::{Metric, Noted};
use crate::problem::{Code, Problem};

/// Answers with the caller's ticket.
///
/// # Errors
/// The request is refused, there is no such ticket of the caller's, or the store does not answer.
pub async fn handle<S, L, W>(app: &App<S, L, W>, request: Request) -> Answer
where
    S: Store,
    L: Ledger + Tickets,
    W: Clock + Ids,
{
    let caller = caller(&request, app.config.auth)?;
    let parameters = request.path_parameters();
    let target = match parameters.first("code") {
        Some(code) => Target::Lobby(code.parse().map_err(|error| Problem::new(Code::InvalidId, format!("{error}")))?),
        None => by_id(parameters.first("id").unwrap_or_default())?,
    };
    let (view, noted) = look(app, &target, &caller).await?;
    Ok(noting(json(StatusCode::OK, &TicketBody::new(&view, &app.config.queues), view.retry_after_ms), noted))
}

/// Reads `player`'s ticket: what it is now, and what to tell of the invocation. A poll that only read is routine.
///
/// # Errors
/// There is no such ticket of the player's, or the store does not answer.
pub async fn look<S, L, W>(app: &App<S, L, W>, target: &Target, player: &PlayerId) -> Result<(View, Noted), Problem>
where
    S: Store,
    L: Ledger + Tickets,
    W: Clock + Ids,
{
    let seen = poll(&app.store, &app.ledger, &app.env, &app.config.queues, target, player).await?;
    let Some(view) = seen.view else { return Err(Problem::not_found()) };
    let pool = &view.ticket.pool;
    let noted = Noted::default().field("pool", pool.as_str());
    let routine = seen.waits_ms.is_empty() && seen.voids == 0;
    if (seen.changed, seen.ended, routine) == (Reclaimed::default(), Expired::default(), true) {
        return Ok((view, noted.routine()));
    }
    let noted = matched(noted, seen.waits_ms)
        .one(Metric::Expired, seen.ended.expired)
        .one(Metric::Voids, seen.voids)
        .reclaimed(Reclaimed { cancelled: seen.changed.cancelled + seen.ended.abandoned, ..seen.changed });
    let noted = carry(app, pool, noted).await;
    Ok((view, noted))
}

fn by_id(text: &str) -> Result<Target, Problem> {
    match (text.parse(), text.parse()) {
        (Ok(ticket), _) => Ok(Target::Ticket(ticket)),
        (_, Ok(this_match)) => Ok(Target::Match(this_match)),
        (Err(not_ticket), Err(_)) => Err(Problem::new(Code::InvalidId, format!("{not_ticket}, nor a match id"))),
    }
}
