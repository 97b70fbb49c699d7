//! `DELETE /queue/{ticket_id}`: takes a ticket back. Again and again, with the same answer.

use lambda_http::http::StatusCode;
use lambda_http::{Request, RequestExt};
use muster::domain::TicketId;
use muster::ports::{Clock, Ledger, Matches, Proposals, Tickets, Upkeep};
use muster::usecases::cancel::cancel;

use crate::body::TicketBody;
use crate::identity::caller;
use crate::problem::{Code, Problem};
use crate::shell::{Answer, App, json};

/// Cancels the caller's ticket, and answers with what it is now: matched, if a match was faster.
///
/// # Errors
/// The request is refused, there is no such ticket of the caller's, or the store does not answer.
pub async fn handle<S, L, W>(app: &App<S, L, W>, request: Request) -> Answer
where
    S: Tickets + Matches + Proposals + Upkeep,
    L: Ledger + Tickets,
    W: Clock,
{
    let caller = caller(&request, app.config.auth)?;
    let parameters = request.path_parameters();
    let id: TicketId = parameters
        .first("ticket_id")
        .unwrap_or_default()
        .parse()
        .map_err(|error| Problem::new(Code::InvalidId, format!("{error}")))?;
    match cancel(&app.store, &app.ledger, &id, &caller, app.world.now_ms()).await? {
        Some(view) => Ok(json(StatusCode::OK, &TicketBody::new(&view, &app.config.queues), None)),
        None => Err(Problem::new(Code::NotFound, "it was never there, is forgotten, or is somebody else's")),
    }
}
