//! Brings tickets that wait in the ledger back into the store: those that joined while the store was away, and all of them
//! after the store was emptied. Exactly once each, however many do it at once, while phones keep joining.
//!
//! It takes the very steps of a join (reserve the players, then let the ticket wait), which are safe to repeat and to race. A
//! ticket that the store knows, live or over, is left alone.

use crate::domain::limits::{PLAYER_GRACE_MS, RESTORE_AGE_MS};
use crate::domain::{Outcome, PoolId, Rules, Ticket, Unique};
use crate::ports::{Joined, Ledger, Mode, Players, Probe, Reserved, StoreError, Terms, Tickets};

use super::join::{ended, superseded};

/// What came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Restored {
    /// Tickets that the ledger believes to wait.
    pub seen: usize,
    /// Tickets that wait in the store again.
    pub restored: usize,
    /// Tickets that ended instead: too old, or their player has another ticket by now.
    pub ended: usize,
}

/// Restores a pool.
///
/// # Errors
/// The store or the ledger does not answer. Doing it again goes on where it stopped.
pub async fn restore<L: Ledger + Tickets>(
    store: &(impl Tickets + Players),
    ledger: &Option<L>,
    pool: &PoolId,
    rules: &Rules,
    now_ms: u64,
) -> Result<Restored, StoreError> {
    let mut done = Restored::default();
    if ledger.is_none() {
        return Ok(done);
    }
    let mut next = None;
    loop {
        let page = ledger.waiting(pool, next.as_deref()).await?;
        let ids: Vec<Unique> = page.tickets.iter().map(|(ticket, _)| ticket.id.unique).collect();
        let known = store.known(pool, &ids).await?;
        done.seen += ids.len();
        for ((ticket, mode), known) in page.tickets.iter().zip(known) {
            let fresh = *mode == Mode::Normal && now_ms < ticket.joined_ms + RESTORE_AGE_MS;
            if known || fresh {
                continue;
            }
            match bring_back(store, ledger, ticket, *mode, rules, now_ms).await? {
                true => done.restored += 1,
                false => done.ended += 1,
            }
        }
        match page.next {
            Some(cursor) => next = Some(cursor),
            None => return Ok(done),
        }
    }
}

/// Whether the ticket waits in the store now; if not, it has ended.
async fn bring_back<L: Ledger + Tickets>(
    store: &(impl Tickets + Players),
    ledger: &Option<L>,
    ticket: &Ticket,
    mode: Mode,
    rules: &Rules,
    now_ms: u64,
) -> Result<bool, StoreError> {
    if ticket.expires_ms <= now_ms {
        // Nobody may let it wait after this, also not a slow restorer with an older clock.
        if store.bury(&ticket.id, now_ms).await? == Probe::Dead {
            ledger.record(&[ended(ticket, Outcome::Expired, now_ms)]).await?;
        }
        return Ok(false);
    }
    for player in ticket.party.players() {
        let terms = Terms::lasting(rules.ttl_ms + PLAYER_GRACE_MS);
        let Reserved::Held(other) = store.reserve(player, &ticket.id, None, &terms).await? else { continue };
        let taken = match store.bury(&other, now_ms).await? {
            Probe::Live => true,
            Probe::Dead => store.reserve(player, &ticket.id, Some(&other), &terms).await? != Reserved::Done,
        };
        if taken {
            if store.bury(&ticket.id, now_ms).await? == Probe::Dead {
                ledger.record(&[superseded(ticket, now_ms)]).await?;
            }
            return Ok(false);
        }
    }
    // First, so that a ticket that its player cancelled in the ledger meanwhile never begins to wait. A crash right after
    // this leaves a ticket that the store does not know, which the next restore brings back.
    if mode == Mode::Fallback && !ledger.imported(&ticket.id).await? {
        return Ok(false);
    }
    let joined = store.join(ticket, now_ms).await?;
    Ok(joined != Joined::Ended)
}
