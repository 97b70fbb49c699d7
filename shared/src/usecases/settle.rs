//! What follows from a decision of the ledger, and how a player hears of a match no earlier than the ledger has decided it.
//!
//! A matcher's drain carries matches to the ledger. A player who asks meanwhile is kept waiting for a moment; then asks the
//! ledger by this very call, so that a carrier that died delays nobody. Only if the ledger does not answer either, and the match
//! is older than [`SETTLE_MS_MAX`], the player is told without it; from there on the ticket stands, whatever the ledger decides
//! later.

use crate::domain::limits::SETTLE_MS_MAX;
use crate::domain::{CancelReason, DroppedMatch, Event, Match, MatchState, PlayerId, PoolId, Rules, Ticket, TicketId};
use crate::ports::{Fate, Ledger, Outbox, Polled, Recorded, StoreError, Tickets};

/// When to ask the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// At once: this very call made the match.
    Now,
    /// When the match has been kept back for [`SETTLE_MS_MAX`].
    Late,
}

/// A ticket, with what the ledger says of its match. How many matches proved void.
///
/// # Errors
/// The store does not answer.
pub async fn settle(
    store: &(impl Tickets + Outbox),
    ledger: &impl Ledger,
    (ticket, player): (&TicketId, &PlayerId),
    rules: Option<&Rules>,
    ask: Ask,
    now_ms: u64,
) -> Result<(Polled, usize), StoreError> {
    let polled = store.poll(ticket, player, now_ms).await?;
    let Polled::Settling { finished, since_ms, entry } = &polled else { return Ok((polled, 0)) };
    let late = now_ms >= since_ms + SETTLE_MS_MAX;
    if ask == Ask::Late && !late {
        return Ok((polled, 0));
    }
    let decided = match &finished.played {
        Some(this_match) => ledger.decide(this_match).await.map(|decided| (this_match, decided)),
        None => Err(StoreError::Unavailable(format!("{ticket}: its match is forgotten"))),
    };
    match decided {
        Ok((_, Recorded::Done)) => {
            // Should this fail, the entry is carried once more, which changes nothing.
            let _ = store.acknowledge(&ticket.pool, std::slice::from_ref(entry)).await;
            Ok((Polled::Ended(finished.clone()), 0))
        }
        Ok((this_match, Recorded::Void(fates))) => {
            void(store, ledger, (this_match, entry), &fates, rules, now_ms).await?;
            Ok((store.poll(ticket, player, now_ms).await?, 1))
        }
        Ok((_, Recorded::Finished | Recorded::Refused | Recorded::Later)) | Err(_) if late => {
            store.stands(ticket).await?;
            Ok((Polled::Ended(finished.clone()), 0))
        }
        Ok((_, Recorded::Finished | Recorded::Refused | Recorded::Later)) | Err(_) => Ok((polled, 0)),
    }
}

/// Takes apart a match that the ledger calls void: who is free waits again, at the head of the line, and nobody is blamed.
///
/// # Errors
/// The store does not answer. Doing it again goes on where it stopped.
pub async fn void(
    store: &impl Outbox,
    ledger: &impl Ledger,
    (this_match, entry): (&Match, &str),
    fates: &[Fate],
    rules: Option<&Rules>,
    now_ms: u64,
) -> Result<(), StoreError> {
    let (mut free, mut finished) = (Vec::new(), Vec::new());
    for (member, fate) in this_match.members().zip(fates) {
        match fate {
            // One more match fell through under it: that moves it forward, and its version grows.
            Fate::Free(ticket) => {
                free.push(Ticket { joined_ms: member.joined_ms, attempts: member.attempts + 1, ..ticket.clone() })
            }
            Fate::Finished => finished.push(member.ticket.clone()),
        }
    }
    store.void(&this_match.id.pool, Some(&this_match.id), &free, &finished, Some(entry), now_ms).await?;
    if rules.is_some_and(|rules| rules.acceptance_ms.is_some()) {
        // Its players were asked, so they hear that they wait again.
        let verdicts = finished.into_iter().map(|ticket| (ticket, CancelReason::Superseded)).collect();
        let this_match = Match { state: MatchState::Dropped, ..this_match.clone() };
        let _ = ledger.record(&[Event::Dropped(DroppedMatch { this_match, verdicts })]).await;
    }
    Ok(())
}

/// Lets go of a ticket that had ended before the store ended it, or let it wait again: the ledger knows how.
///
/// # Errors
/// The store does not answer. Doing it again is safe.
pub async fn let_go(
    store: &impl Outbox,
    pool: &PoolId,
    ticket: &TicketId,
    entry: Option<&str>,
    now_ms: u64,
) -> Result<(), StoreError> {
    store.void(pool, None, &[], std::slice::from_ref(ticket), entry, now_ms).await.map(drop)
}
