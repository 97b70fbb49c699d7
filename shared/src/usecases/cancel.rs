//! A player takes a ticket back. The others of a match that was about to be return to the head of the line.
//!
//! Round trips: two for a ticket in line (cancel, then its outcome), five for one that a match holds.

use super::join::ended;
use super::view::View;
use crate::domain::limits::CANCEL_ROUNDS_MAX;
use crate::domain::{CancelReason, Outcome, PlayerId, TicketId, Word};
use crate::ports::{Answered, Cancelled, Ledger, Matches, Polled, Probe, Proposals, StoreError, Tickets, Upkeep};

/// The ticket after the cancel, as `player` sees it: cancelled, or over before. None if it is not there or not theirs.
///
/// # Errors
/// The store does not answer (a ticket that only the ledger has is cancelled there), or the ticket's matches kept changing;
/// asking again is safe.
pub async fn cancel(
    store: &(impl Tickets + Matches + Proposals + Upkeep),
    ledger: &(impl Ledger + Tickets),
    id: &TicketId,
    player: &PlayerId,
    now_ms: u64,
) -> Result<Option<View>, StoreError> {
    for _ in 0..CANCEL_ROUNDS_MAX {
        let answer = match store.cancel(id, player, now_ms).await {
            Ok(answer) => answer,
            // Only a ticket that the store never heard of may be ended without it.
            Err(away) => return in_ledger(ledger, id, player, now_ms).await.map_err(|_| away),
        };
        match answer {
            Cancelled::Done => {} // the next round reads the outcome that is now written
            Cancelled::Ended(ended) => return Ok(View::ended(id, ended, player)),
            Cancelled::Claimed(game) => {
                // To leave a match that asks is to decline it: otherwise nobody would ever decline.
                if store.answer(&game, player, Word::Decline, now_ms, None).await? == Answered::TooLate {
                    // LeaseLost is fine, too: the match was confirmed or taken apart meanwhile, or is due for the latter.
                    store.drop_match(&game, &[(id.clone(), CancelReason::Player)], now_ms).await?;
                }
                store.reclaim(&id.pool, now_ms).await?;
            }
            Cancelled::Unknown => match ledger.poll(id, player, now_ms).await? {
                Polled::Waiting { ticket, .. } => {
                    // The store was emptied, or has yet to import it. From here on it cannot come back to life there.
                    if store.bury(id, now_ms).await? == Probe::Dead {
                        let outcome = Outcome::Cancelled(CancelReason::Player);
                        ledger.record(&[ended(&ticket, outcome, now_ms)]).await?;
                        return Ok(View::of(id, ledger.poll(id, player, now_ms).await?, player, None, now_ms));
                    }
                }
                polled => return Ok(View::of(id, polled, player, None, now_ms)),
            },
        }
    }
    Err(StoreError::Unavailable(format!("{id} kept changing under {CANCEL_ROUNDS_MAX} rounds of a cancel")))
}

async fn in_ledger(
    ledger: &impl Tickets,
    id: &TicketId,
    player: &PlayerId,
    now_ms: u64,
) -> Result<Option<View>, StoreError> {
    ledger.cancel(id, player, now_ms).await?;
    Ok(View::of(id, ledger.poll(id, player, now_ms).await?, player, None, now_ms))
}
