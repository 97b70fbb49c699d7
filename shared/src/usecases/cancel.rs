//! A player takes a ticket back. The others of a match that was about to be return to the head of the line.
//!
//! Round trips: two for a ticket in line (cancel, then its outcome), five for one that a match holds.

use super::join::{ended, tombstone};
use super::settle::{Ask, settle};
use super::view::View;
use crate::domain::limits::CANCEL_ROUNDS_MAX;
use crate::domain::{CancelReason, Outcome, PlayerId, PlayerResponse, TicketId};
use crate::ports::{Answered, Cancelled, Ledger, Polled, Reclaimed, Store, StoreError, Tickets};

/// What a cancel came to.
#[derive(Debug, Clone, PartialEq)]
pub struct CancelDone {
    /// The ticket after the cancel, as the player sees it: cancelled, or over before. None if it is not there or not theirs.
    pub view: Option<View>,
    /// What this very call changed; nothing if it came second.
    pub changed: Reclaimed,
    /// Matches that the ledger called void.
    pub voids: usize,
}

/// Takes `player`'s ticket back.
///
/// # Errors
/// The store does not answer (a ticket that only the ledger has is cancelled there), or the ticket's matches kept changing;
/// asking again is safe.
pub async fn cancel(
    store: &impl Store,
    ledger: &(impl Ledger + Tickets),
    id: &TicketId,
    player: &PlayerId,
    now_ms: u64,
) -> Result<CancelDone, StoreError> {
    let (mut changed, mut voids) = (Reclaimed::default(), 0);
    for _ in 0..CANCEL_ROUNDS_MAX {
        let answer = match store.cancel(id, player, now_ms).await {
            Ok(answer) => answer,
            Err(refused @ StoreError::RateLimited { .. }) => return Err(refused),
            // Only a ticket that the store never heard of may be ended without it.
            Err(away) => return in_ledger(ledger, id, player, now_ms).await.map_err(|_| away),
        };
        match answer {
            Cancelled::Done => changed.cancelled += 1, // the next round reads the outcome that is now written
            // A match was faster. The player hears of it once the ledger has decided, as everybody does; if it is void, the
            // ticket waits again, and this cancel has it after all.
            Cancelled::Ended(finished) if matches!(finished.outcome, Outcome::Matched(_)) => {
                let (polled, more) = settle(store, ledger, (id, player), None, Ask::Now, now_ms).await?;
                voids += more;
                if more == 0 && !polled.is_tombstone() {
                    return Ok(CancelDone { view: View::of(id, polled, player, None, now_ms), changed, voids });
                }
            }
            Cancelled::Ended(ended) if !ended.is_tombstone() => {
                return Ok(CancelDone { view: View::ended(id, ended, player), changed, voids });
            }
            Cancelled::Claimed(this_match) => {
                // To leave a match that asks is to decline it: otherwise nobody would ever decline.
                if store.answer(&this_match, player, PlayerResponse::Decline, now_ms, None).await? == Answered::TooLate
                {
                    // LeaseLost is fine, too: the match was confirmed or taken apart meanwhile, or is due for the latter.
                    store.drop_match(&this_match, &[(id.clone(), CancelReason::Player)], now_ms).await?;
                }
                let reclaimed = store.reclaim(&id.pool, now_ms).await?;
                changed.matches += reclaimed.matches;
                changed.requeued += reclaimed.requeued;
                changed.cancelled += reclaimed.cancelled;
                changed.crashed += reclaimed.crashed;
            }
            // Whose ticket it was that has a tombstone, and how it ended, only the ledger knows.
            Cancelled::Ended(_) | Cancelled::Unknown => match ledger.poll(id, player, now_ms).await? {
                Polled::Waiting { ticket, .. } => {
                    // The store was emptied, or has yet to import it. From here on it cannot come back to life there.
                    if tombstone(store, &ticket, now_ms).await? {
                        let outcome = Outcome::Cancelled(CancelReason::Player);
                        ledger.record(&[ended(&ticket, outcome, now_ms)]).await?;
                        changed.cancelled += 1;
                        let view = View::of(id, ledger.poll(id, player, now_ms).await?, player, None, now_ms);
                        return Ok(CancelDone { view, changed, voids });
                    }
                }
                polled => return Ok(CancelDone { view: View::of(id, polled, player, None, now_ms), changed, voids }),
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
) -> Result<CancelDone, StoreError> {
    let cancelled = usize::from(ledger.cancel(id, player, now_ms).await? == Cancelled::Done);
    let view = View::of(id, ledger.poll(id, player, now_ms).await?, player, None, now_ms);
    Ok(CancelDone { view, changed: Reclaimed { cancelled, ..Reclaimed::default() }, voids: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::memory::Memory;
    use crate::adapters::memory_ledger::MemoryLedger;
    use crate::adapters::system::System;
    use crate::domain::{Match, MatchId, MatchState, Member, Party, PoolId, Ticket, Unique};
    use crate::ports::Matches;

    const T0: u64 = 1_800_000_000_000;

    #[tokio::test]
    async fn a_cancel_says_what_it_changed_and_a_second_one_changed_nothing() {
        let (store, pool) = (Memory::default(), "duel.eu".parse::<PoolId>().unwrap());
        let players: [PlayerId; 2] = ["ann", "bob"].map(|name| name.parse().unwrap());
        let mut teams = Vec::new();
        for (n, player) in (1..).zip(&players) {
            let (id, party) = (TicketId::new(pool.clone(), Unique::from_bits(n)), Party::solo(player.clone()));
            let ticket = Ticket {
                id,
                party,
                rating: 0.0,
                joined_ms: T0,
                expires_ms: T0 + 60_000,
                attempts: 0,
                push: false,
                imported: 0,
            };
            store.join(&ticket, T0).await.unwrap();
            teams.push(vec![Member::of(&ticket)]);
        }
        let own = teams[0][0].ticket.clone();
        let id = MatchId::new(pool, Unique::from_bits(9));
        let this_match =
            Match { id, state: MatchState::Forming, created_ms: T0, teams, deadline_ms: None, lobby: None };
        store.claim(&[this_match], T0 + 10_000).await.unwrap();

        let ledger = None::<MemoryLedger<System>>;
        let first = cancel(&store, &ledger, &own, &players[0], T0 + 1).await.unwrap();
        assert_eq!(
            first.changed,
            Reclaimed { matches: 1, requeued: 1, cancelled: 1, crashed: 0 },
            "the other waits again"
        );
        let second = cancel(&store, &ledger, &own, &players[0], T0 + 2).await.unwrap();
        assert_eq!((second.changed, second.view), (Reclaimed::default(), first.view));
    }
}
