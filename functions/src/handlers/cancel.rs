//! `DELETE /queue/{ticket_id}`: takes a ticket back. Again and again, with the same answer.

use lambda_http::http::StatusCode;
use lambda_http::{Request, RequestExt};
use muster::domain::{PlayerId, TicketId};
use muster::ports::{Clock, Ids, Ledger, Store, Tickets};
use muster::usecases::cancel::{CancelDone, cancel};
use muster::usecases::view::View;

use super::answer::carry;
use crate::app::{Answer, App, json, noting};
use crate::body::TicketBody;
use crate::identity::caller;
use crate::metrics::{Metric, Noted};
use crate::problem::{Code, Problem};

/// Cancels the caller's ticket, and answers with what it is now: matched, if a match was faster.
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
    let id: TicketId = parameters
        .first("ticket_id")
        .unwrap_or_default()
        .parse()
        .map_err(|error| Problem::new(Code::InvalidId, format!("{error}")))?;
    let (view, noted) = withdraw(app, &id, &caller).await?;
    Ok(noting(json(StatusCode::OK, &TicketBody::new(&view, &app.config.queues), None), noted))
}

/// Cancels `player`'s ticket: what it is now, and what to tell of the invocation.
///
/// # Errors
/// There is no such ticket of the player's, or the store does not answer.
pub async fn withdraw<S, L, W>(app: &App<S, L, W>, id: &TicketId, player: &PlayerId) -> Result<(View, Noted), Problem>
where
    S: Store,
    L: Ledger + Tickets,
    W: Clock + Ids,
{
    let CancelDone { view, changed, voids } = cancel(&app.store, &app.ledger, id, player, app.env.now_ms()).await?;
    match view {
        Some(view) => {
            let noted = Noted::default().reclaimed(changed).one(Metric::Voids, voids).field("pool", id.pool.as_str());
            // The others of a match that fell through hear of it at once.
            let noted = match changed.matches > 0 {
                true => carry(app, &id.pool, noted).await,
                false => noted,
            };
            Ok((view, noted))
        }
        None => Err(Problem::not_found()),
    }
}
