//! `GET /match/{id}`: where a ticket is, by its id or by its match's. Asking is proof of life.

use lambda_http::http::StatusCode;
use lambda_http::{Request, RequestExt};
use muster::ports::{Clock, Tickets, Upkeep};
use muster::usecases::poll::{Target, poll};

use crate::body::TicketBody;
use crate::identity::caller;
use crate::metrics::Noted;
use crate::problem::{Code, Problem};
use crate::shell::{Answer, App, json, noting};

/// Answers with the caller's ticket.
///
/// # Errors
/// The request is refused, there is no such ticket of the caller's, or the store does not answer.
pub async fn handle<S, L, W>(app: &App<S, L, W>, request: Request) -> Answer
where
    S: Tickets + Upkeep,
    L: Tickets,
    W: Clock,
{
    let caller = caller(&request, app.config.auth)?;
    let parameters = request.path_parameters();
    let text = parameters.first("id").unwrap_or_default();
    let target = match (text.parse(), text.parse()) {
        (Ok(ticket), _) => Target::Ticket(ticket),
        (_, Ok(game)) => Target::Match(game),
        (Err(not_ticket), Err(_)) => {
            return Err(Problem::new(Code::InvalidId, format!("{not_ticket}, nor a match id")));
        }
    };
    match poll(&app.store, &app.ledger, &app.config.queues, &target, &caller, app.world.now_ms()).await? {
        Some(view) => {
            let noted = Noted::default().field("pool", view.ticket.pool.as_str());
            Ok(noting(json(StatusCode::OK, &TicketBody::from(&view), view.retry_after_ms), noted))
        }
        None => Err(Problem::new(Code::NotFound, "it was never there, is forgotten, or is somebody else's")),
    }
}
