//! A player asks where a ticket is. Asking is proof of life.
//!
//! The store answers; the ledger where the store has forgotten, was emptied, or is away.
//!
//! Round trips: one by ticket id, two by match id; one more for each that the store does not know.

use super::view::View;
use crate::domain::{Match, MatchId, PlayerId, Queues, TicketId};
use crate::ports::{Polled, StoreError, Tickets, Upkeep};

/// What a player may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A ticket of theirs.
    Ticket(TicketId),
    /// A match that they are in.
    Match(MatchId),
}

/// The ticket as `player` sees it; none if it is not there or not theirs.
///
/// # Errors
/// The store does not answer, and the ledger does not know.
pub async fn poll(
    store: &(impl Tickets + Upkeep),
    ledger: &impl Tickets,
    queues: &Queues,
    target: &Target,
    player: &PlayerId,
    now_ms: u64,
) -> Result<Option<View>, StoreError> {
    let id = match target {
        Target::Ticket(id) => id.clone(),
        Target::Match(id) => {
            let game = find_match(store, ledger, id).await?;
            let own = game.as_ref().and_then(|game| game.members().find(|member| member.players.contains(player)));
            match own {
                Some(member) => member.ticket.clone(),
                None => return Ok(None),
            }
        }
    };
    let rules = queues.rules(&id.pool);
    let mut polled = ask(store, ledger, &id, player, now_ms).await?;
    if let (Polled::Waiting { ticket, .. }, Some(rules)) = (&polled, rules)
        && ticket.expires_ms <= now_ms
        && store.expire(&id.pool, rules, now_ms).await.is_ok()
    {
        // Nobody had swept yet, and the player who asks need not wait for that.
        polled = ask(store, ledger, &id, player, now_ms).await?;
    }
    Ok(View::of(&id, polled, player, rules, now_ms))
}

async fn ask(
    store: &impl Tickets,
    ledger: &impl Tickets,
    id: &TicketId,
    player: &PlayerId,
    now_ms: u64,
) -> Result<Polled, StoreError> {
    match store.poll(id, player, now_ms).await {
        // A match that the store has forgotten is in the ledger.
        Ok(Polled::Unknown) => ledger.poll(id, player, now_ms).await,
        Ok(polled) => Ok(polled),
        Err(away) => match ledger.poll(id, player, now_ms).await {
            Ok(Polled::Unknown) | Err(_) => Err(away),
            Ok(polled) => Ok(polled),
        },
    }
}

async fn find_match(store: &impl Tickets, ledger: &impl Tickets, id: &MatchId) -> Result<Option<Match>, StoreError> {
    match store.find_match(id).await {
        Ok(Some(game)) => Ok(Some(game)),
        Ok(None) => ledger.find_match(id).await,
        Err(away) => match ledger.find_match(id).await {
            Ok(Some(game)) => Ok(Some(game)),
            Ok(None) | Err(_) => Err(away),
        },
    }
}
