//! `POST /match/{match_id}/accept` and `/decline`: a party says what it thinks of a proposed match. Again and again, with the
//! same answer.

use lambda_http::http::StatusCode;
use lambda_http::{Request, RequestExt};
use muster::domain::{MatchId, PlayerId, PlayerResponse, PoolId};
use muster::ports::{Clock, Ids, Ledger, Outbox, Players, Store};
use muster::usecases::answer::{AnswerDone, AnswerReply, answer};
use muster::usecases::drain::{Drained, drain};
use muster::usecases::view::View;

use crate::app::{Answer, App, json, noting};
use crate::body::TicketBody;
use crate::identity::caller;
use crate::metrics::{Metric, Noted};
use crate::problem::{Code, Problem};

/// Takes the word of the caller's party.
///
/// # Errors
/// The request is refused, the match does not ask any more, there is no such match of the caller's, or the store does not
/// answer.
pub async fn handle<S, L, W>(app: &App<S, L, W>, request: Request) -> Answer
where
    S: Store,
    L: Ledger,
    W: Clock + Ids,
{
    let caller = caller(&request, app.config.auth)?;
    let parameters = request.path_parameters();
    let id: MatchId = parameters
        .first("match_id")
        .unwrap_or_default()
        .parse()
        .map_err(|error| Problem::new(Code::InvalidId, format!("{error}")))?;
    let word = if request.uri().path().ends_with("/accept") { PlayerResponse::Accept } else { PlayerResponse::Decline };
    let (view, noted) = say(app, &id, &caller, word).await?;
    let ticket = TicketBody::new(&view, &app.config.queues);
    Ok(noting(json(StatusCode::OK, &ticket, view.retry_after_ms), noted))
}

/// Takes a word, and carries what follows from it to the ledger at once, so that the other phones hear of it without waiting
/// for a matcher to look. The player's ticket as it is now, and what to tell of the invocation.
///
/// # Errors
/// As [`handle`].
pub async fn say<S, L, W>(
    app: &App<S, L, W>,
    id: &MatchId,
    player: &PlayerId,
    word: PlayerResponse,
) -> Result<(View, Noted), Problem>
where
    S: Store,
    L: Ledger,
    W: Clock + Ids,
{
    let done = answer(&app.store, &app.ledger, &app.env, &app.config.queues, id, player, word).await?;
    conclude(app, id, done).await
}

/// Carries what follows from an answer to the ledger, and says how it went.
///
/// # Errors
/// The match does not ask any more, or there is no such match of the player's.
pub async fn conclude<S, L, W>(app: &App<S, L, W>, id: &MatchId, done: AnswerDone) -> Result<(View, Noted), Problem>
where
    S: Outbox + Players,
    L: Ledger,
    W: Clock + Ids,
{
    let AnswerDone { reply, changed, waits_ms, voids } = done;
    let noted = matched(Noted::default().field("pool", id.pool.as_str()), waits_ms).reclaimed(changed);
    let noted = noted.one(Metric::Voids, voids);
    let noted = carry(app, &id.pool, noted).await;
    match reply {
        AnswerReply::Noted(view) => Ok((view, noted)),
        AnswerReply::TooLate(view) => {
            let problem = Problem::new(
                Code::ProposalOver,
                "the match asks no longer: its deadline has passed, or a player declined",
            );
            let queues = &app.config.queues;
            Err(match view {
                Some(view) => problem.with("ticket", serde_json::json!(TicketBody::new(&view, queues))),
                None => problem,
            })
        }
        AnswerReply::Unknown => Err(Problem::not_found()),
    }
}

/// Notes the tickets that were matched, and how long each waited.
pub fn matched(noted: Noted, waits_ms: Vec<u64>) -> Noted {
    noted.one(Metric::Matched, waits_ms.len()).all(Metric::WaitMs, waits_ms)
}

/// Carries what happened in a pool to the ledger at once. If that fails, a matcher or a sweeper does it later.
pub async fn carry<S, L, W>(app: &App<S, L, W>, pool: &PoolId, noted: Noted) -> Noted
where
    S: Outbox + Players,
    L: Ledger,
    W: Clock + Ids,
{
    let (Some(rules), Some(_)) = (app.config.queues.rules(pool), &app.ledger) else { return noted };
    let drained = drain(&app.store, &app.ledger, &app.env, pool, rules).await;
    let drained = drained.unwrap_or(Drained { ledger_failures: 1, ..Drained::default() });
    let (failures, voids) = (drained.ledger_failures, drained.voids);
    if failures > 0 {
        tracing::warn!("the ledger hears of an answer later");
    }
    noted.one(Metric::LedgerFailures, failures).one(Metric::Voids, voids)
}
