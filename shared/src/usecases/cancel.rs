//! A player takes a ticket back. The others of a match that was about to be return to the head of the line.
//!
//! Round trips: two for a ticket in line (cancel, then its view), four for one that a match holds.

use super::view::View;
use crate::domain::limits::CANCEL_ROUNDS_MAX;
use crate::domain::{CancelReason, PlayerId, TicketId};
use crate::ports::{Cancelled, Matches, StoreError, Tickets, Upkeep};

/// The ticket after the cancel, as `player` sees it: cancelled, or over before. None if it is not there or not theirs.
///
/// # Errors
/// The store does not answer, or the ticket's matches kept changing; asking again is safe.
pub async fn cancel(
    store: &(impl Tickets + Matches + Upkeep),
    id: &TicketId,
    player: &PlayerId,
    now_ms: u64,
) -> Result<Option<View>, StoreError> {
    for _ in 0..CANCEL_ROUNDS_MAX {
        match store.cancel(id, player, now_ms).await? {
            Cancelled::Done => {} // the next round reads the outcome that is now written
            Cancelled::Ended(ended) => return Ok(View::ended(id, ended, player)),
            Cancelled::Unknown => return Ok(None),
            Cancelled::Claimed(game) => {
                // LeaseLost is fine, too: the match was confirmed or taken apart meanwhile, or is due for the latter.
                store.drop_match(&game, &[(id.clone(), CancelReason::Player)], now_ms).await?;
                store.reclaim(&id.pool, now_ms).await?;
            }
        }
    }
    Err(StoreError::Unavailable(format!("{id} kept changing under {CANCEL_ROUNDS_MAX} rounds of a cancel")))
}
