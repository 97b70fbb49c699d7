//! A phone answers the ping of a match that checks whether its phones are there.
//!
//! A phone that is there but far away is as bad for the others as one that is not: whoever takes longer than its queue allows
//! ends as disconnected, and the others go back to the head of the line. The phone sends back when it was asked, so nobody
//! has to remember that; a phone that lies about it only gets itself into matches that it is not fit to play.
//!
//! Round trips: those of an answer; four where the way was too long.

use super::answer::{Done, Reply, answer};
use super::view::View;
use crate::domain::{CancelReason, MatchId, MatchState, PlayerId, Queues, Word};
use crate::ports::{Clock, Dropped, Matches, Proposals, Reclaimed, StoreError, Tickets, Upkeep};

/// Takes the pong of a player who was pinged at `sent_ms`, by our clock.
///
/// # Errors
/// The store does not answer; saying it again is safe.
pub async fn pong(
    store: &(impl Proposals + Tickets + Matches + Upkeep),
    clock: &impl Clock,
    queues: &Queues,
    id: &MatchId,
    player: &PlayerId,
    sent_ms: u64,
) -> Result<Done, StoreError> {
    let now_ms = clock.now_ms();
    let rules = queues.rules(&id.pool);
    let fit =
        rules.and_then(|rules| rules.ping).is_none_or(|ping| now_ms.saturating_sub(sent_ms) <= ping.round_trip_max_ms);
    if fit {
        return answer(store, clock, queues, id, player, Word::Pong).await;
    }
    let game = store.find_match(id).await?;
    let own = game.as_ref().and_then(|game| Some((game.state, game.member_of(player)?)));
    let ticket = match own {
        Some((MatchState::Checking, member)) if !member.ready => member.ticket.clone(),
        // Another phone of the party was faster, or the match asks something else by now: then this one says nothing new.
        _ => return answer(store, clock, queues, id, player, Word::Pong).await,
    };
    let dropped = store.drop_match(id, &[(ticket.clone(), CancelReason::Disconnected)], now_ms).await?;
    let changed = match dropped {
        Dropped::Done => store.reclaim(&id.pool, now_ms).await?,
        Dropped::LeaseLost => Reclaimed::default(),
    };
    let view = View::of(&ticket, store.poll(&ticket, player, now_ms).await?, player, rules, now_ms);
    let reply = match (dropped, view) {
        (Dropped::Done, Some(view)) => Reply::Noted(view),
        (_, view) => Reply::TooLate(view),
    };
    Ok(Done { reply, changed, waits_ms: Vec::new() })
}
