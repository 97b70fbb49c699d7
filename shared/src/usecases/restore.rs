//! Brings a ticket back into the store that only the ledger has: it joined while the store was away, or the store was emptied
//! since.
//!
//! Its phone asks for it, and that is when it comes back: nobody looks for such tickets, the ledger needs no index of them, and a
//! pool is whole again within one pause between polls, however many waited in it. A ticket whose phone never asks again is
//! one that nobody waits for.
//!
//! Exactly once, however many ask at once, while phones keep joining: it takes the very steps of a join (reserve the players,
//! then let the ticket wait), which are safe to repeat and to race.

use crate::domain::limits::PLAYER_GRACE_MS;
use crate::domain::{Outcome, Rules, Ticket};
use crate::ports::{Joined, Ledger, Players, Polled, Probe, Reserved, StoreError, Terms, Tickets};

use super::join::{ended, superseded, tombstone};

/// Lets a ticket wait that waits in the ledger and that the store does not know; or ends it, if it is too old or one of its
/// players has another ticket by now. A ticket that is over by now, in either, is left alone.
///
/// # Errors
/// The store or the ledger does not answer. Doing it again goes on where it stopped.
pub async fn restore(
    store: &(impl Tickets + Players),
    ledger: &impl Ledger,
    ticket: &Ticket,
    rules: &Rules,
    now_ms: u64,
) -> Result<(), StoreError> {
    if ticket.expires_ms <= now_ms {
        // Nobody may let it wait after this, also not a slow restorer with an older clock.
        if tombstone(store, ticket, now_ms).await? {
            ledger.record(&[ended(ticket, Outcome::Expired, now_ms)]).await?;
        }
        return Ok(());
    }
    for player in ticket.party.players() {
        let terms = Terms::lasting(rules.ttl_ms + PLAYER_GRACE_MS);
        let Reserved::Held(other) = store.reserve(player, &ticket.id, None, &terms).await? else { continue };
        let taken = match store.tombstone(&other, now_ms).await? {
            Probe::Live => true,
            Probe::Dead => store.reserve(player, &ticket.id, Some(&other), &terms).await? != Reserved::Done,
        };
        if taken {
            if tombstone(store, ticket, now_ms).await? {
                ledger.record(&[superseded(ticket, now_ms)]).await?;
            }
            return Ok(());
        }
    }
    // First, so that a ticket that its player cancelled in the ledger meanwhile never begins to wait. A crash right after
    // this leaves a ticket that the store does not know, which the next poll brings back.
    let Some(imported) = ledger.imported(ticket).await? else { return Ok(()) };
    if store.join(&Ticket { imported, ..ticket.clone() }, now_ms).await? != Joined::Ended {
        return Ok(());
    }
    // Finished in the store: by the tombstone of a caller that died before it told the ledger, or by an outcome, whose entry
    // the ledger may take for one of an earlier life.
    if tombstone(store, ticket, now_ms).await? {
        ledger.record(&[superseded(ticket, now_ms)]).await?;
    } else if let Polled::Ended(finished) = store.poll(&ticket.id, &ticket.party.players()[0], now_ms).await?
        && !matches!(finished.outcome, Outcome::Matched(_))
    {
        ledger.record(&[ended(ticket, finished.outcome, now_ms)]).await?;
    }
    Ok(())
}
